//! The rules as NetworkPolicies. They add up with those that are there, and let pods reach what is listed and nothing else:
//! one for the extension's namespace, one for that of its movers, one each for agent and gateway where they run.

use super::{Plan, remark};
use crate::{exit::Failure, output::to_yaml};
use extension::manifests::MOVERS_NAMESPACE;
use prerequisites::egress::{Port, Speech};
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::IpAddr};

/// The documents, and what they cannot say.
pub(super) fn documents(plan: &Plan, namespace: &str) -> Result<(String, Vec<String>), Failure> {
    let mut left_out = Vec::new();
    let mut told = Vec::new();
    // One rule for each address, with all ports.
    let mut reached: BTreeMap<IpAddr, Vec<Value>> = BTreeMap::new();
    for rule in &plan.rules {
        left_out.extend(plan.left_out(rule));
        for (name, address) in plan.reached(rule) {
            told.push(format!("# {} at {address}", remark(rule, name).replace('\n', " ")));
            let ports = reached.entry(address).or_default();
            for port in
                rule.ports.iter().flat_map(ports_of).filter(|port| !ports.contains(port)).collect::<Vec<_>>()
            {
                ports.push(port);
            }
        }
    }
    let mut egress = vec![dns(plan)];
    egress.extend(plan.inside.api_server.iter().map(
        |(address, port)| json!({"to": [block(*address)], "ports": [{"protocol": "TCP", "port": port}]}),
    ));
    egress
        .extend(reached.into_iter().map(|(address, ports)| json!({"to": [block(address)], "ports": ports})));
    let mut documents = vec![
        "# Names were resolved when this was written: write it anew when they move.".to_owned(),
        told.join("\n"),
    ];
    let everything = json!({});
    let mut places = vec![(namespace.to_owned(), "cofferdam-egress".to_owned(), everything.clone())];
    places.push((MOVERS_NAMESPACE.to_owned(), "cofferdam-egress".to_owned(), everything));
    places.extend(plan.inside.system_parts.iter().map(|part| {
        let selector = json!({"matchLabels": {"app.kubernetes.io/name": part}});
        ("kube-system".to_owned(), format!("{part}-egress"), selector)
    }));
    for (namespace, name, selector) in places {
        let policy = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": namespace,
                "labels": {"app.kubernetes.io/part-of": "cofferdam"}},
            "spec": {"podSelector": selector, "policyTypes": ["Egress"], "egress": egress},
        });
        documents.push(format!("---\n{}", to_yaml(&policy)?.trim_end()));
    }
    Ok((documents.join("\n"), left_out))
}

/// The cluster's own names: its pods wherever they run, and the service where a network looks at it before it is resolved.
fn dns(plan: &Plan) -> Value {
    let mut to = vec![json!({
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    })];
    to.extend(plan.inside.dns.iter().map(|address| block(*address)));
    let mut numbers = vec![53];
    numbers.extend(plan.inside.dns_ports.iter().copied().filter(|port| *port != 53));
    let ports: Vec<Value> =
        numbers.into_iter().flat_map(|number| ports_of(&Port { speech: Speech::Dns, number })).collect();
    json!({"to": to, "ports": ports})
}

fn block(address: IpAddr) -> Value {
    let length = if address.is_ipv4() { 32 } else { 128 };
    json!({"ipBlock": {"cidr": format!("{address}/{length}")}})
}

fn ports_of(port: &Port) -> Vec<Value> {
    let protocols: &[&str] = if port.speech == Speech::Dns { &["UDP", "TCP"] } else { &["TCP"] };
    protocols.iter().map(|protocol| json!({"protocol": protocol, "port": port.number})).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::plan;
    use super::*;

    #[test]
    fn each_place_of_pods_has_one_policy_with_names_and_addresses() {
        let mut plan = plan();
        plan.inside.api_server = vec![("10.0.0.1".parse().unwrap(), 6443)];
        plan.inside.dns = vec!["10.96.0.10".parse().unwrap()];
        plan.inside.system_parts = vec!["cofferdam-agent".to_owned()];

        let (text, left_out) = documents(&plan, "dataprotection-microsoft").unwrap();

        let policies: Vec<Value> =
            text.split("---\n").skip(1).map(|document| serde_saphyr::from_str(document).unwrap()).collect();
        let place = |policy: &Value| policy["metadata"]["namespace"].as_str().unwrap().to_owned();
        assert_eq!(
            policies.iter().map(place).collect::<Vec<_>>(),
            ["dataprotection-microsoft", "cofferdam-movers", "kube-system"]
        );
        let egress = policies[0]["spec"]["egress"].as_array().unwrap();
        let to = |cidr: &str| {
            let rule = egress.iter().find(|rule| rule["to"].to_string().contains(cidr));
            rule.unwrap_or_else(|| panic!("no {cidr}: {text}"))["ports"].clone()
        };
        let tcp = |port: u16| json!([{"protocol": "TCP", "port": port}]);
        assert_eq!((to("192.0.2.1/32"), to("2001:db8::1/128")), (tcp(8443), tcp(8443)));
        assert_eq!((to("10.0.0.9/32"), to("10.0.0.1/32")), (tcp(9000), tcp(6443)));
        assert_eq!(to("10.96.0.10/32").as_array().unwrap().len(), 2);
        assert_eq!(
            policies[2]["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"],
            "cofferdam-agent"
        );
        assert!(text.contains("# vault: v.example at 192.0.2.1\n"), "{text}");
        assert_eq!(left_out.len(), 2, "{left_out:?}");
    }
}
