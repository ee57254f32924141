//! The rules as an application rule collection of Azure Firewall: a member of `properties.applicationRuleCollections` of
//! `Microsoft.Network/azureFirewalls`. Reference: the resource's page in the ARM template reference.

use super::Plan;
use crate::exit::Failure;
use prerequisites::egress::{Port, Rule, Speech};
use serde_json::{Value, json};

/// The collection, and what it cannot say.
pub(super) fn collection(plan: &Plan) -> Result<(String, Vec<String>), Failure> {
    let mut left_out = Vec::new();
    let mut all = Vec::new();
    for rule in &plan.rules {
        let protocols: Vec<Value> = rule.ports.iter().filter_map(protocol).collect();
        if rule.host.parse::<std::net::IpAddr>().is_ok() || protocols.is_empty() {
            left_out.push(format!(
                "{} ({}): an application rule knows only names; it needs a network rule",
                rule.host,
                rule.what.join(", ")
            ));
            continue;
        }
        all.push(json!({
            "name": format!("{:02}-{}", all.len() + 1, rule.host.replace('*', "any")),
            "description": description(rule),
            "sourceAddresses": [plan.source.as_deref().unwrap_or("*")],
            "protocols": protocols,
            "targetFqdns": targets(rule),
        }));
    }
    let collection = json!({
        "name": "cofferdam-egress",
        "properties": {"priority": 200, "action": {"type": "Allow"}, "rules": all},
    });
    let text = serde_json::to_string_pretty(&collection).map_err(|error| {
        Failure::failed(format!("could not write the rules: {error}")).next("Report this; it is a defect.")
    })?;
    Ok((text, left_out))
}

/// Azure Firewall takes patterns: one without a name stays what it is.
fn targets(rule: &Rule) -> Vec<&str> {
    if rule.is_nameless() { vec![&rule.host] } else { rule.hosts() }
}

fn description(rule: &Rule) -> String {
    let what = rule.what.join(", ");
    match (rule.is_pattern(), rule.is_nameless()) {
        (_, true) => format!("{what}; no concrete name of this installation is known"),
        (true, false) => format!("{what}; {} as far as this installation has names", rule.host),
        (false, false) => what,
    }
}

fn protocol(port: &Port) -> Option<Value> {
    let kind = match port.speech {
        Speech::Https => "Https",
        Speech::Http => "Http",
        Speech::Dns => return None,
    };
    Some(json!({"protocolType": kind, "port": port.number}))
}

#[cfg(test)]
mod tests {
    use super::super::tests::plan;
    use super::*;

    #[test]
    fn names_are_rules_of_the_collection_and_addresses_are_told() {
        let (text, left_out) = collection(&plan()).unwrap();

        let made: Value = serde_json::from_str(&text).unwrap();
        let rules = made["properties"]["rules"].as_array().unwrap();
        assert_eq!(made["properties"]["action"]["type"], "Allow");
        assert_eq!(
            rules[0],
            json!({"name": "01-v.example", "description": "vault", "sourceAddresses": ["10.240.0.0/16"],
                "protocols": [{"protocolType": "Https", "port": 8443}], "targetFqdns": ["v.example"]})
        );
        let of =
            |host: &str| rules.iter().find(|rule| rule["name"].as_str().unwrap().ends_with(host)).unwrap();
        assert_eq!(of("any.azurecr.io")["targetFqdns"], json!(["acr1.azurecr.io"]));
        assert_eq!(of("any.azmk8s.io")["targetFqdns"], json!(["*.azmk8s.io"]));
        assert!(of("any.azmk8s.io")["description"].as_str().unwrap().contains("no concrete name"));
        assert_eq!(of("ocsp.digicert.com")["protocols"].as_array().unwrap().len(), 2);
        assert!(left_out.len() == 1 && left_out[0].starts_with("10.0.0.9 (object store)"), "{left_out:?}");
    }
}
