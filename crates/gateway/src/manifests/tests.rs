//! The manifests promise little and hold nothing more.

use super::*;
use k8s_openapi::api::{
    apps::v1::Deployment,
    rbac::v1::{ClusterRole, PolicyRule, Role},
};

fn documents() -> Vec<Value> {
    render(&GatewaySettings::new("registry.example/cofferdam:1", "https://vault.example")).unwrap()
}

fn rules_of(kind: &str, name: &str, namespace: Option<&str>) -> Vec<PolicyRule> {
    let found: Vec<_> = documents()
        .into_iter()
        .filter(|document| {
            document["kind"] == kind
                && document["metadata"]["name"] == name
                && document["metadata"].get("namespace").and_then(Value::as_str) == namespace
        })
        .collect();
    assert_eq!(found.len(), 1, "{kind} {name}");
    if kind == "Role" {
        serde_json::from_value::<Role>(found[0].clone()).unwrap().rules.unwrap()
    } else {
        serde_json::from_value::<ClusterRole>(found[0].clone()).unwrap().rules.unwrap()
    }
}

/// `group/resource[names] verbs`.
fn shown(rules: &[PolicyRule]) -> Vec<String> {
    let join = |texts: &Option<Vec<String>>| texts.clone().unwrap_or_default().join(",");
    rules
        .iter()
        .map(|rule| {
            let (groups, resources) = (join(&rule.api_groups), join(&rule.resources));
            format!("{groups}/{resources}[{}] {}", join(&rule.resource_names), rule.verbs.join(","))
        })
        .collect()
}

#[test]
fn the_gateway_may_manage_its_bindings_and_nothing_else() {
    let own = rules_of("Role", NAME, Some("kube-system"));
    let access = rules_of("Role", NAME, Some(ACCESS_NAMESPACE));
    let cluster = rules_of("ClusterRole", NAME, None);

    assert_eq!(shown(&own), ["/secrets[cofferdam-gateway] get,patch"]);
    assert_eq!(
        shown(&access),
        ["/serviceaccounts[] get,list,create,patch,delete", "/serviceaccounts/token[] create"]
    );
    let rbac = "rbac.authorization.k8s.io";
    assert_eq!(
        shown(&cluster),
        [
            format!("{rbac}/clusterrolebindings[cofferdam-trusted-access] get,update,patch,delete"),
            format!("{rbac}/clusterrolebindings[] create"),
            format!("{rbac}/clusterroles[cofferdam:trusted-access:backup-operator] get,bind"),
        ]
    );
    for rule in own.iter().chain(&access).chain(&cluster) {
        for power in ["*", "impersonate", "escalate"] {
            assert!(!rule.verbs.iter().any(|verb| verb == power), "{rule:?}");
        }
    }
}

#[test]
fn the_role_of_trusted_access_is_installed_as_it_is_defined() {
    let rules = rules_of("ClusterRole", role::CLUSTER_ROLE, None);

    assert_eq!(rules, role::rules());
}

#[test]
fn the_pod_is_confined_and_there_is_one() {
    let deployment = documents().pop().unwrap();
    let typed: Deployment = serde_json::from_value(deployment.clone()).unwrap();
    let spec = typed.spec.unwrap();
    let pod = spec.template.spec.unwrap();
    let confined = pod.security_context.unwrap();
    let container = pod.containers[0].security_context.clone().unwrap();

    assert_eq!((spec.replicas, spec.strategy.unwrap().type_.as_deref()), (Some(1), Some("Recreate")));
    assert_eq!(confined.run_as_non_root, Some(true));
    assert_eq!(confined.seccomp_profile.unwrap().type_, "RuntimeDefault");
    assert_eq!(container.read_only_root_filesystem, Some(true));
    assert_eq!(container.allow_privilege_escalation, Some(false));
    assert_eq!(container.capabilities.unwrap().drop.unwrap(), ["ALL"]);
    assert!(pod.containers[0].resources.as_ref().unwrap().limits.as_ref().unwrap().len() == 2);
    assert_eq!(pod.host_network, None);
}

#[test]
fn applying_the_manifest_again_takes_no_credential_away() {
    let secret = documents().into_iter().find(|document| document["kind"] == "Secret").unwrap();

    assert!(secret.get("data").is_none() && secret.get("stringData").is_none());
}

#[test]
fn the_documented_rules_are_the_granted_ones() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/trusted-access.md");
    let documented = std::fs::read_to_string(path).unwrap();
    let code = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");

    for rule in explained_rules() {
        let place = match rule.place {
            Place::Own => "own namespace".to_owned(),
            Place::Access => format!("`{ACCESS_NAMESPACE}`"),
            Place::Cluster => "cluster".to_owned(),
        };
        let group = if rule.group.is_empty() { "core" } else { rule.group };
        let only = if rule.names.is_empty() { String::new() } else { format!("{} ", code(rule.names)) };
        let (resources, verbs) = (code(rule.resources), rule.verbs.join(", "));
        let row = format!("| {place} | `{group}` | {resources} | {only}| {verbs} | {} |", rule.reason);
        assert!(documented.contains(&row), "docs/trusted-access.md lacks the row\n{row}");
    }
    for rule in role::rules() {
        let resources: Vec<_> = rule.resources.iter().flatten().map(String::as_str).collect();
        let row = format!("| `{}` | {} | {} |", resources::GROUP, code(&resources), rule.verbs.join(", "));
        assert!(documented.contains(&row), "docs/trusted-access.md lacks the row\n{row}");
    }
    let rows = documented.lines().filter(|line| line.starts_with("| ") && line.contains('`')).count();
    assert_eq!(rows, explained_rules().len() + role::rules().len());
    let limits = ResourceSettings::default();
    assert_eq!((limits.limits_cpu.as_str(), limits.limits_memory.as_str()), ("200m", "128Mi"));
}
