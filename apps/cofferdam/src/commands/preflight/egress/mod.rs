//! `cofferdam preflight egress`: the rules that this installation needs of whatever stands between the cluster and the
//! rest, in the words of that firewall. Nothing is opened: the rules are printed, and can be loaded as they are.

mod azure;
mod iptables;
mod observe;
mod policy;
mod table;

use super::{ProfileArg, arm::ArmArgs, reach::let_out};
use crate::{
    cluster::ClusterArgs,
    commands::install::Wish,
    exit::{Exit, Failure, Outcome},
    note, output,
};
use clap::{Args, ValueEnum};
use prerequisites::egress::{Rule, aks_rules, rules};
use std::{collections::BTreeMap, net::IpAddr, time::Duration};

/// How long the resolver may take for one name.
const PATIENCE: Duration = Duration::from_secs(5);

/// The arguments.
#[derive(Debug, Args)]
pub struct EgressArgs {
    /// In whose words
    #[arg(long, value_enum, default_value = "table")]
    format: Words,
    /// Whose rules: those of this installation alone, or also the 25 host rules of AKS backup
    #[arg(long, value_enum, default_value = "cofferdam")]
    profile: ProfileArg,
    /// Addresses that the cluster's packets come from, such as 10.240.0.0/16; any when absent
    #[arg(long, value_parser = source, value_name = "CIDR")]
    source: Option<String>,
    #[command(flatten)]
    wish: Wish,
    #[command(flatten)]
    arm: ArmArgs,
}

/// In whose words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Words {
    /// For people
    Table,
    /// An application rule collection of Azure Firewall, as JSON
    AzureFirewall,
    /// A chain for `iptables-restore --noflush`
    Iptables,
    /// NetworkPolicies for `kubectl apply -f -`
    Networkpolicy,
}

/// The rules with the addresses of their names, as this machine sees them.
#[derive(Debug)]
struct Plan {
    rules: Vec<Rule>,
    addresses: BTreeMap<String, Vec<IpAddr>>,
    inside: observe::Inside,
    source: Option<String>,
}

impl Plan {
    /// Name and address of all that a rule comes down to.
    fn reached<'p>(&'p self, rule: &'p Rule) -> Vec<(&'p str, IpAddr)> {
        let of = |host: &'p str| {
            let addresses = self.addresses.get(host).map(Vec::as_slice).unwrap_or_default();
            addresses.iter().map(move |address| (host, *address))
        };
        rule.hosts().into_iter().flat_map(of).collect()
    }

    /// Names of a rule that have no address here.
    fn unresolved<'p>(&'p self, rule: &'p Rule) -> Vec<&'p str> {
        let is_unknown = |host: &&str| self.addresses.get(*host).is_none_or(Vec::is_empty);
        rule.hosts().into_iter().filter(is_unknown).collect()
    }

    /// What of a rule cannot be said in addresses.
    fn left_out(&self, rule: &Rule) -> Vec<String> {
        let nameless = rule
            .is_nameless()
            .then(|| format!("{}: no concrete name of this installation is known", rule.host));
        let unresolved = self.unresolved(rule).into_iter();
        let unresolved = unresolved.map(|name| format!("{}: it has no address here", remark(rule, name)));
        nameless.into_iter().chain(unresolved).collect()
    }
}

pub async fn run(args: &EgressArgs, cluster: &ClusterArgs) -> Outcome {
    let seen = observe::installation(args, cluster).await?;
    let endpoints = let_out(&seen.installation);
    let mut all = rules(&endpoints);
    if args.profile == ProfileArg::Aks {
        all.extend(aks_rules(&endpoints));
    }
    for what in &seen.unseen {
        note!("warning: {what}");
    }
    if all.is_empty() {
        return Err(Failure::precondition("nothing is known that this installation has to reach")
            .next("Name a cluster (`--kubeconfig FILE`), settings (`--set`, `--image`) or a resource manager (`--arm URL`)."));
    }
    let needs_addresses = matches!(args.format, Words::Iptables | Words::Networkpolicy);
    let addresses = if needs_addresses { resolved(&all).await } else { BTreeMap::new() };
    let plan = Plan { rules: all, addresses, inside: seen.inside, source: args.source.clone() };
    let (text, left_out) = match args.format {
        Words::Table => (table::text(&plan), Vec::new()),
        Words::AzureFirewall => azure::collection(&plan)?,
        Words::Iptables => iptables::chain(&plan),
        Words::Networkpolicy => policy::documents(&plan, &cluster.namespace)?,
    };
    output::line(text.trim_end())?;
    for what in &left_out {
        note!("not in the rules: {what}");
    }
    Ok(if left_out.is_empty() && seen.unseen.is_empty() { Exit::Done } else { Exit::Warnings })
}

/// The addresses of every name, as this machine's resolver says them.
async fn resolved(rules: &[Rule]) -> BTreeMap<String, Vec<IpAddr>> {
    let mut names: Vec<&str> = rules.iter().flat_map(Rule::hosts).collect();
    names.sort_unstable();
    names.dedup();
    let each = names.into_iter().map(|name| async move {
        if let Ok(address) = name.parse::<IpAddr>() {
            return (name.to_owned(), vec![address]);
        }
        let looked = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((name, 443))).await;
        let mut all: Vec<IpAddr> = match looked {
            Ok(Ok(found)) => found.map(|address| address.ip()).collect(),
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        all.sort_unstable();
        all.dedup();
        (name.to_owned(), all)
    });
    futures::future::join_all(each).await.into_iter().collect()
}

/// An address with the length of its prefix.
fn source(text: &str) -> Result<String, String> {
    let (address, length) = text.split_once('/').ok_or("it is no CIDR such as 10.240.0.0/16")?;
    let address: IpAddr = address.parse().map_err(|_| format!("{address:?} is no address"))?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    match length.parse::<u8>() {
        Ok(length) if length <= longest => Ok(format!("{address}/{length}")),
        _ => Err(format!("{length:?} is no length of a prefix of {address}")),
    }
}

/// What a rule is for, with its name, as a remark.
fn remark(rule: &Rule, host: &str) -> String {
    let what = rule.what.join(", ");
    if rule.host == host { format!("{what}: {host}") } else { format!("{what}: {host} ({})", rule.host) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vault, a store by its address, and a pattern with and one without a name.
    pub fn plan() -> Plan {
        use prerequisites::{Endpoint, EndpointKind};
        let endpoints = [
            Endpoint::of_url(EndpointKind::Vault, "https://v.example:8443").unwrap(),
            Endpoint::of_url(EndpointKind::Store, "http://10.0.0.9:9000").unwrap(),
            Endpoint::of_url(EndpointKind::Registry, "https://acr1.azurecr.io").unwrap(),
        ];
        let mut all = rules(&endpoints);
        let wanted = ["*.azurecr.io", "*.azmk8s.io", "ocsp.digicert.com"];
        all.extend(aks_rules(&endpoints).into_iter().filter(|rule| wanted.contains(&rule.host.as_str())));
        let address = |host: &str, addresses: &[&str]| {
            (host.to_owned(), addresses.iter().map(|one| one.parse().unwrap()).collect())
        };
        Plan {
            rules: all,
            addresses: BTreeMap::from([
                address("v.example", &["192.0.2.1", "2001:db8::1"]),
                address("10.0.0.9", &["10.0.0.9"]),
                address("acr1.azurecr.io", &["192.0.2.7"]),
            ]),
            inside: observe::Inside::default(),
            source: Some("10.240.0.0/16".to_owned()),
        }
    }

    #[test]
    fn a_source_is_an_address_with_a_length() {
        assert_eq!(source("10.240.0.0/16"), Ok("10.240.0.0/16".to_owned()));
        for bad in ["10.240.0.0", "10.240.0.0/33", "name/16", "10.0.0.0/16 -j DROP"] {
            assert!(source(bad).is_err(), "{bad}");
        }
    }
}
