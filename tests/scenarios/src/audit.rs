//! What a cluster's audit log says about a vault: who came through the gateway, and what for. Pure.

use serde_json::Value;
use std::collections::BTreeSet;

/// The namespace of the ServiceAccounts that stand for bindings.
pub const ACCOUNTS: &str = "system:serviceaccount:cofferdam-trusted-access:";
const GATEWAY: &str = "system:serviceaccount:kube-system:cofferdam-gateway";
const GROUP: &str = "clusterbackup.dataprotection.microsoft.com";
const OPERATIONS: [&str; 5] =
    ["backups", "restores", "deletebackups", "validateforbackups", "validateforrestores"];
const HOOKS: [&str; 2] = ["backuphooks", "restorehooks"];

/// The requests under the ServiceAccount of some binding.
pub fn of_bindings(entries: &[Value]) -> Vec<&Value> {
    entries.iter().filter(|entry| user(entry).starts_with(ACCOUNTS)).collect()
}

/// What such requests did, as `verb resource`.
pub fn acts(entries: &[&Value]) -> BTreeSet<String> {
    entries
        .iter()
        .map(|entry| format!("{} {}", text(entry, "/verb"), text(entry, "/objectRef/resource")))
        .collect()
}

/// Every request that should not be there, when one binding has this ServiceAccount and the gateway's pod this address.
pub fn strays(entries: &[Value], account: &str, gateway: &str) -> Vec<String> {
    let account = format!("{ACCOUNTS}{account}");
    let mut strays = Vec::new();
    for entry in entries {
        let (user, through) = (user(entry), sources(entry).contains(&gateway));
        let reason = if user.starts_with(ACCOUNTS) {
            if user != account {
                Some("another binding's account")
            } else if !through {
                Some("not from the gateway")
            } else if text(entry, "/annotations/authorization.k8s.io~1decision") != "allow" {
                Some("not allowed")
            } else if !of_the_role(entry) {
                Some("beyond the role")
            } else {
                None
            }
        } else {
            (through && user != GATEWAY).then_some("a stranger through the gateway")
        };
        if entry.get("impersonatedUser").is_some() && (through || user.starts_with(ACCOUNTS)) {
            strays.push(format!("impersonation: {entry}"));
        }
        strays.extend(reason.map(|reason| format!("{reason}: {entry}")));
    }
    strays
}

/// Addresses from which requests came and that are not the cluster's own.
pub fn from_outside<'a>(entries: &'a [Value], own: &[&str]) -> BTreeSet<&'a str> {
    let all = entries.iter().flat_map(sources);
    all.filter(|source| !own.iter().any(|own| source.starts_with(own))).collect()
}

fn of_the_role(entry: &Value) -> bool {
    let (verb, resource) = (text(entry, "/verb"), text(entry, "/objectRef/resource"));
    let verbs: &[&str] = match resource {
        _ if OPERATIONS.contains(&resource) => &["create", "get", "list", "watch", "patch", "delete"],
        _ if HOOKS.contains(&resource) => &["get", "list"],
        _ => &[],
    };
    verbs.contains(&verb)
        && text(entry, "/objectRef/apiGroup") == GROUP
        && entry.pointer("/objectRef/subresource").is_none()
}

fn user(entry: &Value) -> &str {
    text(entry, "/user/username")
}

fn sources(entry: &Value) -> Vec<&str> {
    entry["sourceIPs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn text<'a>(entry: &'a Value, pointer: &str) -> &'a str {
    entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(user: &str, verb: &str, resource: &str, group: &str, source: &str) -> Value {
        json!({
            "verb": verb, "user": {"username": user}, "sourceIPs": [source],
            "objectRef": {"resource": resource, "apiGroup": group},
            "annotations": {"authorization.k8s.io/decision": "allow"},
        })
    }

    #[test]
    fn what_a_vault_should_not_do_is_seen() {
        let own = format!("{ACCOUNTS}rb");
        let good = [
            entry(&own, "create", "backups", GROUP, "10.0.0.5"),
            entry(&own, "list", "backuphooks", GROUP, "10.0.0.5"),
            entry(GATEWAY, "create", "serviceaccounts", "", "10.0.0.5"),
            entry("system:admin", "get", "secrets", "", "10.0.0.9"),
        ];
        let mut refused = entry(&own, "create", "backups", GROUP, "10.0.0.5");
        refused["annotations"]["authorization.k8s.io/decision"] = "forbid".into();
        let mut status = entry(&own, "patch", "backups", GROUP, "10.0.0.5");
        status["objectRef"]["subresource"] = "status".into();
        let mut as_another = entry(GATEWAY, "get", "backups", GROUP, "10.0.0.5");
        as_another["impersonatedUser"] = json!({"username": "system:admin"});
        let bad = [
            entry(&format!("{ACCOUNTS}other"), "get", "backups", GROUP, "10.0.0.5"),
            entry(&own, "get", "backups", GROUP, "10.0.0.9"),
            entry(&own, "create", "backuphooks", GROUP, "10.0.0.5"),
            entry(&own, "get", "secrets", "", "10.0.0.5"),
            entry(&own, "get", "", "", "10.0.0.5"),
            entry("system:admin", "get", "secrets", "", "10.0.0.5"),
            refused,
            status,
            as_another,
        ];

        assert_eq!(strays(&good, "rb", "10.0.0.5"), Vec::<String>::new());
        for one in &bad {
            assert_eq!(strays(std::slice::from_ref(one), "rb", "10.0.0.5").len(), 1, "{one}");
        }
        assert_eq!(from_outside(&good, &["10.0.0.5"]), BTreeSet::from(["10.0.0.9"]));
    }
}
