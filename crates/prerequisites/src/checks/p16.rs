//! P16: the firewall lets out what the extension speaks to.

use super::{IN_CLUSTER, unseen_in_cluster};
use crate::verdict::{fails, informs, passed, unseen};
use crate::{
    Check, Endpoint, EndpointKind, Facts, Fix, Observed, Profile, Reached, Scope, Stage, Verdict, Weight,
    egress,
};

pub(crate) static CHECK: Check = Check {
    id: "P16",
    title: "The cluster reaches every endpoint that it needs.",
    reason: "Behind a firewall each of them must be allowed by name: registry, store, vault, token endpoint; on AKS 25 host rules.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: IN_CLUSTER,
    code: None,
    causes: &[],
    purposes: &[],
    depends_on: &["P15", "P29", "P43"],
    fixes: &[
        Fix::person("Allow the endpoint in the firewall: DNS, and TCP 443 to the name that failed."),
        Fix::cofferdam("cofferdam preflight egress --format table"),
    ],
    tested_by: "unit test; the probe itself against endpoints that break in each way; scenario `preflight_active`, with the host rules too; scenario `preflight_egress` with egress dropped to each endpoint in turn, and with names that lead elsewhere",
    only_azure: true,
    rule: judge,
};

fn judge(facts: &Facts, profile: Profile) -> Verdict {
    match &facts.egress {
        Observed::NotObservable(why) => unseen(why),
        Observed::Seen(None) => unseen_in_cluster("what the cluster's pods reach"),
        Observed::Seen(Some(reached)) => {
            let pulled = facts.registry.seen().is_some_and(|registry| registry.pulled.is_ok());
            reached_all(reached, pulled, profile)
        }
    }
}

fn reached_all(reached: &[Reached], pulled: bool, profile: Profile) -> Verdict {
    let all: Vec<&Reached> = reached.iter().filter(|one| !is(one, EndpointKind::ControlPlane)).collect();
    // Nodes fetch images, and may trust whom pods do not: where one has fetched it from a registry that answers, it is well.
    let answers_nodes = |one: &Reached| {
        let answered = matches!(one.sight.failed, Some((Stage::Tls | Stage::Http, _)));
        pulled && is(one, EndpointKind::Registry) && answered
    };
    let (needed, other): (Vec<&Reached>, Vec<&Reached>) =
        all.iter().copied().partition(|one| one.endpoint.needed && !answers_nodes(one));
    // Where the name service is silent, every other name fails for that alone.
    let silent = needed.iter().any(|one| is(one, EndpointKind::Dns) && one.sight.failed.is_some());
    let broken: Vec<&Reached> = needed
        .iter()
        .copied()
        .filter(|one| match &one.sight.failed {
            Some((Stage::Dns, _)) => !silent || is(one, EndpointKind::Dns),
            failed => failed.is_some(),
        })
        .collect();
    let problems: Vec<String> = broken.iter().filter_map(|one| one.problem()).collect();
    let first = broken.first();
    if let Some(first) = first {
        let address = first.endpoint.address();
        return fails(super::some(&problems)).about(&problems).at(address.clone()).fix(mend(first, &address));
    }
    let names: Vec<String> =
        needed.iter().map(|one| format!("{} {}", one.endpoint.kind.name(), one.endpoint.address())).collect();
    let seen = format!("a pod reaches {}", names.join(", "));
    let names_a_store = [EndpointKind::Store, EndpointKind::DataPlane, EndpointKind::Vault];
    if !needed.iter().any(|one| names_a_store.contains(&one.endpoint.kind)) {
        return unseen(format!(
            "{seen}; what else this installation speaks to is not known yet: give its settings (--set)"
        ));
    }
    let nameless = nameless(reached).filter(|_| profile == Profile::Aks);
    if let Some(patterns) = nameless {
        return unseen(format!(
            "{seen}; nothing here tells a name for these of the 25 host rules: {}",
            patterns.join(", ")
        ));
    }
    let beside: Vec<String> = other.iter().filter_map(|one| one.problem()).collect();
    let count = needed.len() as u64;
    match beside.is_empty() {
        true => passed(seen).about(&names).number("endpoints", count),
        false => {
            let note = "pods do not need it, and nodes have the image";
            informs(format!("{seen}; {} ({note})", super::some(&beside)))
                .about(&names)
                .number("endpoints", count)
        }
    }
}

/// The host rules that are patterns for which no name is known; nothing when there is none.
fn nameless(reached: &[Reached]) -> Option<Vec<String>> {
    let endpoints: Vec<Endpoint> = reached.iter().map(|one| one.endpoint.clone()).collect();
    let rules = egress::aks_rules(&endpoints).into_iter().filter(egress::Rule::is_nameless);
    let patterns: Vec<String> = rules.map(|rule| rule.host).collect();
    (!patterns.is_empty()).then_some(patterns)
}

fn is(one: &Reached, kind: EndpointKind) -> bool {
    one.endpoint.kind == kind
}

/// The step after this failure.
fn mend(one: &Reached, address: &str) -> String {
    use crate::Trouble::*;
    let Some((stage, trouble)) = &one.sight.failed else { return String::new() };
    let host = &one.endpoint.host;
    match trouble {
        Intercepted { .. } if *stage == Stage::Proxy => {
            "Give the authority that signed the proxy's certificate: the setting proxy.authorities, or cofferdam cluster connect --reconnect --proxy-ca FILE.".to_owned()
        }
        // Where the name service itself is found, pods reach it: it fails for this name.
        NoNameService(_) if is(one, EndpointKind::Dns) => {
            "Let pods reach the cluster's name service: UDP and TCP 53; see kubectl -n kube-system get pods -l k8s-app=kube-dns.".to_owned()
        }
        NameNotKnown | WrongAddress | NoNameService(_) => format!(
            "Correct what the cluster's DNS answers for {host} (kubectl -n kube-system get configmap coredns -o yaml), or the name in the settings."
        ),
        Refused => format!("Nobody listens at {address}, or a firewall refuses: start the service, or allow it."),
        ProxyRefused(_) => format!(
            "Allow {address} at the proxy, or leave it out: cofferdam install --set proxy.except={host}"
        ),
        Intercepted { .. } => format!(
            "Except {host} from TLS inspection, or have its certificate authority trusted (vault.authorities, config.caCert)."
        ),
        OtherName { .. } | Portal(_) => {
            format!("Somebody else answers for {host}: correct DNS, or sign the cluster's network in at the portal.")
        }
        NotValidNow => format!("Renew the certificate of {host}, or correct the clocks of the nodes."),
        Http(_) => format!("Look at the service at {address}: it answers, but not as it should."),
        Reset | TimedOut | NoRoute | Tls(_) | Other(_) => {
            format!("Allow TCP to {address} in the firewall, and in the network policies of the extension's namespace.")
        }
    }
}
