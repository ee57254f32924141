use super::*;
use serde_json::json;

fn built_in() -> Package {
    let package = extension::manifests::package("0.1.0", "any").unwrap();
    Package::parse(package.to_string().as_bytes()).unwrap()
}

fn greeter() -> Package {
    let package = json!({"formatVersion": 1, "type": "example.greeter", "version": "1.0.0", "releaseTrain": "stable",
        "namespace": "greeter", "objects": [{"resource": "deployments", "object": {"apiVersion": "apps/v1",
            "kind": "Deployment", "metadata": {"name": "greeter", "namespace": {"$agent": "namespace"}}}}]});
    Package::parse(package.to_string().as_bytes()).unwrap()
}

fn trust() -> Trust {
    let key = packages::SigningKey::generate().unwrap().0.public().unwrap();
    Trust { keys: vec![packages::TrustedKey { public_key: key, types: vec!["example.greeter".into()] }] }
}

fn own(packages: Vec<Package>) -> Own {
    Own {
        image: None,
        trust: None,
        registries: Vec::new(),
        registry_authorities: None,
        packages,
        proxy: None,
    }
}

/// What a vault answers that offers these packages.
fn answer(packages: Vec<Package>) -> Value {
    let mut answer =
        json!({"token": "id.secret", "vault": "https://vault.example:8443", "authorities": "PEM"});
    let chosen = Chosen {
        image: "registry.example/cofferdam:9".into(),
        trust: trust(),
        registries: vec!["https://vault.example:8443".into()],
        authorities: Some("PEM".into()),
    };
    answer["manifest"] = own(Vec::new()).write(&answer, chosen, packages).unwrap().into();
    answer
}

#[test]
fn a_vaults_own_manifest_is_taken_and_gets_the_proxy_that_the_vault_does_not_know() {
    let answer = answer(vec![built_in()]);
    let mut mine = own(vec![built_in(), greeter()]);
    mine.proxy = Some(EgressProxy::new("http://me:word@proxy:3128", Some(".corp"), None).unwrap());

    let (documents, chosen) = mine.documents(&answer).unwrap();

    assert_eq!(chosen.unwrap().image, "registry.example/cofferdam:9");
    let secret = documents.iter().find(|one| one["metadata"]["name"] == "cofferdam-proxy").unwrap();
    assert_eq!(secret["stringData"]["HTTPS_PROXY"], "http://me:word@proxy:3128");
    assert_eq!(documents.len(), answer["manifest"].as_array().unwrap().len() + 1);
    assert!(!documents.iter().any(|one| one.to_string().contains("example.greeter\"")), "it is not offered");
}

#[test]
fn what_a_vault_adds_to_its_manifest_is_refused_and_named() {
    let honest = answer(vec![built_in()]);
    let at = |kind: &str, name: &str| {
        let all = honest["manifest"].as_array().unwrap();
        all.iter().position(|one| one["kind"] == kind && one["metadata"]["name"] == name).unwrap()
    };
    let all = json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]});
    let (role, agent) = (at("ClusterRole", "cofferdam-agent"), at("Deployment", "cofferdam-agent"));
    let (gateway, token) = (at("Deployment", "cofferdam-gateway"), at("Secret", "cofferdam-enrolment"));
    let container = "spec/template/spec/containers/0";
    let lies = [
        (format!("/manifest/{role}/rules/0"), all, "ClusterRole cofferdam-agent: /rules/0/verbs/0 is \"*\""),
        (format!("/manifest/{role}/metadata/name"), json!("other"), "ClusterRole other is not expected"),
        (format!("/manifest/{agent}/{container}/args/1"), json!("--vault=https://evil"), "https://evil"),
        (
            format!("/manifest/{gateway}/{container}/image"),
            json!("evil"),
            "Deployment kube-system/cofferdam-gateway",
        ),
        (format!("/manifest/{agent}/spec/template/spec/hostPID"), json!(true), "/hostPID is true"),
        (format!("/manifest/{token}/stringData/token"), json!("hidden"), "/stringData/token differs"),
    ];

    for (pointer, lie, words) in lies {
        let mut answer = honest.clone();
        let (place, name) = pointer.rsplit_once('/').unwrap();
        match answer.pointer_mut(place).unwrap() {
            Value::Object(fields) => drop(fields.insert(name.to_owned(), lie)),
            list => list[name.parse::<usize>().unwrap()] = lie,
        }
        let refused = own(vec![built_in()]).documents(&answer).unwrap_err().to_string();
        assert!(refused.contains(words), "{pointer}: {refused}");
        assert!(refused.contains("--trust FILE") && !refused.contains("hidden"), "{refused}");
    }
}

#[test]
fn rights_for_a_package_of_others_are_taken_only_where_the_owner_has_the_package() {
    let answer = answer(vec![built_in(), greeter()]);

    let refused = own(vec![built_in()]).documents(&answer).unwrap_err().to_string();
    let (documents, _) = own(vec![built_in(), greeter()]).documents(&answer).unwrap();

    assert!(refused.contains("ClusterRole cofferdam-agent:example.greeter is not expected"), "{refused}");
    assert!(refused.contains("--package FILE"), "{refused}");
    assert_eq!(Value::Array(documents), answer["manifest"]);
}

#[test]
fn with_keys_of_its_own_a_cluster_takes_no_more_than_token_address_and_authorities_from_the_vault() {
    let mut lies = answer(vec![greeter()]);
    lies["manifest"] = json!([{"kind": "ClusterRoleBinding", "metadata": {"name": "evil"}}]);
    let mut mine = own(vec![built_in()]);
    mine.trust = Some(trust());
    mine.registry_authorities = Some("MORE".into());

    let (documents, chosen) = mine.documents(&lies).unwrap();

    assert_eq!(chosen, None);
    let find = |kind: &str, name: &str| {
        documents.iter().find(|one| one["kind"] == kind && one["metadata"]["name"] == name)
    };
    assert!(find("ClusterRoleBinding", "evil").is_none());
    assert!(find("ClusterRole", "cofferdam-agent:microsoft.dataprotection.kubernetes").is_some());
    let config = &find("ConfigMap", "cofferdam-agent").unwrap()["data"];
    let kept = Trust::parse(config["trust.json"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(Some(&kept), mine.trust.as_ref());
    assert_eq!(config["registry-ca.crt"], "PEM\nMORE\n");
    let pod = &find("Deployment", "cofferdam-agent").unwrap()["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(pod["image"], IMAGE);
    assert!(pod["args"].to_string().contains("--registry=https://vault.example:8443"), "{pod}");
    assert_eq!(find("Secret", "cofferdam-enrolment").unwrap()["stringData"]["token"], "id.secret");
}
