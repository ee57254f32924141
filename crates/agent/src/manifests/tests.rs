use super::*;
use k8s_openapi::api::{apps::v1::Deployment, rbac::v1::ClusterRole};

fn package() -> Package {
    serde_json::from_value(json!({
        "formatVersion": 1, "type": "example.greeter", "version": "1.0.0", "releaseTrain": "stable",
        "namespace": "greeter",
        "objects": [{"resource": "deployments", "object": {"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "greeter", "namespace": {"$agent": "namespace"}}}}],
    }))
    .unwrap()
}

fn settings() -> ConnectSettings {
    ConnectSettings {
        image: "cofferdam:1".into(),
        vault: "https://vault.example:8443".into(),
        authorities: "PEM".into(),
        token: Some("id.secret".into()),
        proxy: Some(EgressProxy::new("http://user:word@proxy:3128", Some("10.0.0.0/8"), None).unwrap()),
        trust: Trust::default(),
        registries: vec!["https://registry.example".into()],
        registry_authorities: None,
        packages: vec![(package(), "greeter".into())],
    }
}

fn find<'a>(documents: &'a [Value], kind: &str, name: &str) -> &'a Value {
    documents.iter().find(|d| d["kind"] == kind && d["metadata"]["name"] == name).unwrap()
}

#[test]
fn one_manifest_connects_a_cluster() {
    let documents = connect_manifests(&settings()).unwrap();

    for (kind, name) in [
        ("ConfigMap", "cofferdam-vault-ca"),
        ("Secret", "cofferdam-enrolment"),
        ("Deployment", "cofferdam-agent"),
        ("Deployment", "cofferdam-gateway"),
        ("Secret", "cofferdam-agent-inventory"),
        ("ClusterRole", "cofferdam-agent:example.greeter"),
    ] {
        find(&documents, kind, name);
    }
    assert_eq!(find(&documents, "Secret", "cofferdam-enrolment")["stringData"]["token"], "id.secret");
    assert!(
        find(&documents, "Secret", "cofferdam-agent").get("data").is_none(),
        "it would take the credential away"
    );
}

#[test]
fn the_agent_runs_restricted_and_within_the_limits_of_the_original() {
    let documents = connect_manifests(&settings()).unwrap();

    let deployment = find(&documents, "Deployment", "cofferdam-agent");
    serde_json::from_value::<Deployment>(deployment.clone()).unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];

    assert_eq!(container["resources"]["limits"], json!({"cpu": "5m", "memory": "64Mi"}));
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(container["securityContext"]["capabilities"]["drop"][0], "ALL");
    assert!(!container.to_string().contains("word"), "the proxy's password stands in no argument");
}

#[test]
fn agent_and_gateway_go_through_the_proxy_and_its_password_stands_in_a_secret_alone() {
    let authority = rcgen::generate_simple_self_signed(vec!["proxy".to_owned()]).unwrap().cert.pem();
    let mut settings = settings();
    let url = "https://user:word@proxy:3129";
    settings.proxy = Some(EgressProxy::new(url, Some("10.0.0.0/8"), Some(&authority)).unwrap());

    let documents = connect_manifests(&settings).unwrap();

    assert_eq!(find(&documents, "Secret", "cofferdam-proxy")["stringData"]["HTTPS_PROXY"], url);
    let authorities = &find(&documents, "ConfigMap", "cofferdam-vault-ca")["data"];
    assert_eq!(authorities, &json!({"ca.crt": "PEM", "proxy-ca.crt": authority}));
    for name in ["cofferdam-agent", "cofferdam-gateway"] {
        let container = &find(&documents, "Deployment", name)["spec"]["template"]["spec"]["containers"][0];
        let from = json!({"name": "HTTPS_PROXY",
            "valueFrom": {"secretKeyRef": {"name": "cofferdam-proxy", "key": "HTTPS_PROXY"}}});
        let except = "10.0.0.0/8,.svc,.cluster.local,$(KUBERNETES_SERVICE_HOST)";
        assert_eq!(container["env"], json!([from, {"name": "NO_PROXY", "value": except}]), "{name}");
        let args = container["args"].as_array().unwrap();
        assert!(args.contains(&json!("--proxy-ca=/etc/cofferdam/vault/proxy-ca.crt")), "{name}: {args:?}");
    }
    let with_password = documents.iter().filter(|document| document.to_string().contains("word@")).count();
    assert_eq!(with_password, 1);
}

#[test]
fn another_connection_starts_both_parts_anew_for_what_they_read_from_secrets_may_be_another() {
    let template =
        |documents: &[Value], name: &str| find(documents, "Deployment", name)["spec"]["template"].clone();
    let first = connect_manifests(&settings()).unwrap();
    let same = connect_manifests(&settings()).unwrap();
    let other = connect_manifests(&ConnectSettings { token: Some("new.secret".into()), ..settings() });
    let other = other.unwrap();

    for name in ["cofferdam-agent", "cofferdam-gateway"] {
        assert_eq!(template(&first, name), template(&same, name), "{name}");
        assert_ne!(template(&first, name), template(&other, name), "{name}");
        assert!(
            !template(&first, name).to_string().contains("id.secret"),
            "{name}: the token stays a secret"
        );
    }
}

#[test]
fn rights_on_the_objects_of_others_are_only_to_look() {
    let documents = connect_manifests(&settings()).unwrap();

    let roles: Vec<ClusterRole> = ["cofferdam-agent", "cofferdam-agent:example.greeter"]
        .iter()
        .map(|name| serde_json::from_value(find(&documents, "ClusterRole", name).clone()).unwrap())
        .collect();

    for rule in roles.into_iter().flat_map(|role| role.rules.unwrap_or_default()) {
        let writes = rule.verbs.iter().any(|verb| !["get", "list"].contains(&verb.as_str()));
        let named = rule.resource_names.as_ref().is_some_and(|names| !names.is_empty());
        assert!(!writes || named, "{rule:?}");
        assert!(!rule.verbs.iter().any(|verb| verb == "*" || verb == "impersonate"), "{rule:?}");
        assert!(rule.resources.iter().flatten().all(|r| r != "*" && r != "secrets"), "{rule:?}");
    }
}

#[test]
fn the_page_of_permissions_shows_each_rule() {
    let page = include_str!("../../../../docs/permissions.md");

    for rule in explained_rules() {
        let ticked =
            |texts: &[&str]| texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ");
        let group = if rule.group.is_empty() { "core" } else { rule.group };
        let names = if rule.names.is_empty() { "all".to_owned() } else { ticked(rule.names) };
        let row = format!(
            "| `{group}` | {} | {names} | {} | {} |",
            ticked(rule.resources),
            rule.verbs.join(", "),
            rule.reason
        );
        assert!(page.contains(&row), "docs/permissions.md lacks:\n{row}");
    }
}
