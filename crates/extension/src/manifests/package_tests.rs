use super::{
    super::egress::{PROXY, PROXY_AUTHORITIES},
    *,
};
use packages::{Package, Values, judge, limits, render as fill};
use std::collections::BTreeMap;

const AUTHORITY: &str = "-----BEGIN CERTIFICATE-----\ny\n-----END CERTIFICATE-----";
const INSIDE: &str = ".svc,.cluster.local,$(KUBERNETES_SERVICE_HOST)";

fn read() -> Package {
    let text = package("0.1.0", "registry.example/cofferdam:0.1.0").unwrap().to_string();
    assert!(text.len() < limits::PACKAGE, "{} bytes", text.len());
    Package::parse(text.as_bytes()).unwrap()
}

fn rendered(given: &[(&str, &str)]) -> Vec<Value> {
    rendered_by(given, &[])
}

/// With more that the agent knows.
fn rendered_by(given: &[(&str, &str)], known: &[(&'static str, &str)]) -> Vec<Value> {
    let package = read();
    let open: BTreeMap<String, Value> =
        given.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
    let judged = judge(&package.settings, &open, &BTreeMap::new()).unwrap();
    assert_eq!(judged.statuses, []);
    let agent = [
        ("namespace", "backups"),
        ("vaultUrl", "https://vault.example:8443"),
        ("vaultAuthorities", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"),
        ("tenantId", "tenant"),
        ("clientId", "client"),
        ("audience", "api://AzureADTokenExchange"),
    ];
    let agent = agent.iter().chain(known).map(|(key, value)| (*key, (*value).to_owned())).collect();
    fill(&package, &Values { settings: judged.values, agent })
        .unwrap()
        .into_iter()
        .map(|(_, object)| object)
        .collect()
}

/// What `install` renders for the same wishes.
fn installed(given: &[(&str, &str)]) -> Vec<Value> {
    let mut settings = InstallSettings::new("backups", "registry.example/cofferdam:0.1.0");
    let mut given: BTreeMap<String, String> =
        given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    for (key, value) in [
        ("vault.url", "https://vault.example:8443"),
        ("vault.authorities", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"),
        ("vault.tenantId", "tenant"),
        ("vault.clientId", "client"),
        ("repositoryKey", "vault"),
    ] {
        if key != "repositoryKey" || given.keys().any(|key| key.ends_with("ucket") || key == "blobContainer")
        {
            given.insert(key.to_owned(), value.to_owned());
        }
    }
    settings.apply(&given).unwrap();
    render(&settings).unwrap()
}

fn by_name(documents: Vec<Value>) -> BTreeMap<String, Value> {
    let name = |document: &Value| {
        let text =
            |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        format!("{} {}/{}", text("/kind"), text("/metadata/namespace"), text("/metadata/name"))
    };
    documents.into_iter().map(|document| (name(&document), document)).collect()
}

#[test]
fn the_package_renders_what_install_renders() {
    let wishes: [&[(&str, &str)]; 4] = [
        &[],
        &[
            ("cpuLimit", "2"),
            ("replicas", "3"),
            ("proxy.https", "http://proxy:3128"),
            ("proxy.except", "10.0.0.0/8"),
        ],
        &[("restore.enabled", "false")],
        &[("proxy.https", "https://proxy:3129"), ("proxy.authorities", AUTHORITY)],
    ];

    for wish in wishes {
        let (mut packaged, installed) = (by_name(rendered(wish)), by_name(installed(wish)));
        packaged.retain(|name, _| !name.contains("location-default"));
        assert_eq!(packaged.keys().collect::<Vec<_>>(), installed.keys().collect::<Vec<_>>(), "{wish:?}");
        for (name, document) in installed {
            assert_eq!(packaged.get(&name), Some(&document), "{name} {wish:?}");
        }
    }
}

#[test]
fn a_location_by_the_original_keys_is_one_that_the_extension_reads() {
    let wish = [
        ("blobContainer", "backups"),
        ("storageAccount", "acct"),
        ("storageAccountResourceGroup", "rg"),
        ("storageAccountSubscriptionId", "sub"),
        ("useAAD", "true"),
        ("storageAccountURI", "https://acct.vault.example"),
        ("credentials.tenantId", "tenant"),
    ];

    let documents = by_name(rendered(&wish));

    let map = documents.get("ConfigMap backups/location-default").unwrap();
    let record = LocationRecord::decode(&serde_json::from_value(map.clone()).unwrap()).unwrap();
    assert_eq!(record.settings.bucket, "backups");
    assert_eq!(map["data"]["repositoryKey"], "vault");
    assert!(!rendered(&[]).iter().any(|document| document.to_string().contains("location-default")));
}

/// A variable of the extension's container, as the Deployment has it.
fn variable(documents: &[Value], name: &str) -> Option<Value> {
    let deployment = documents.iter().find(|one| one["kind"] == "Deployment").unwrap();
    let all = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    all.iter().find(|one| one["name"] == name).cloned()
}

#[test]
fn the_proxy_that_the_agent_knows_stands_in_a_secret_alone_and_is_taken_without_a_word() {
    let url = "https://me:word@proxy:3129";
    let known = [
        ("httpsProxy", url),
        ("noProxy", "10.0.0.0/8,.svc"),
        ("proxyAuthorities", AUTHORITY),
        ("proxySince", "2026-01-01T00:00:00Z"),
    ];

    let documents = rendered_by(&[], &known);

    let holders: Vec<&Value> = documents.iter().filter(|one| one.to_string().contains("word")).collect();
    let [secret] = &holders[..] else { panic!("{holders:?}") };
    assert_eq!((&secret["kind"], &secret["metadata"]["name"]), (&json!("Secret"), &json!(PROXY)));
    assert_eq!(secret["stringData"], json!({"HTTPS_PROXY": url}));
    let reference = json!({"secretKeyRef": {"name": PROXY, "key": "HTTPS_PROXY"}});
    assert_eq!(variable(&documents, "HTTPS_PROXY").unwrap()["valueFrom"], reference);
    assert_eq!(variable(&documents, "NO_PROXY").unwrap()["value"], "10.0.0.0/8,.svc");
    let deployment = documents.last().unwrap();
    serde_json::from_value::<k8s_openapi::api::apps::v1::Deployment>(deployment.clone()).unwrap();
    let since = &deployment["spec"]["template"]["metadata"]["annotations"]["cofferdam.io/proxy-since"];
    assert_eq!(since, "2026-01-01T00:00:00Z");
    let file = variable(&documents, "COFFERDAM_PROXY_CA").unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
    let mount = mounts.iter().find(|one| one["name"] == "proxy-authorities").unwrap();
    assert!(file["value"].as_str().unwrap().starts_with(mount["mountPath"].as_str().unwrap()));
    let map = by_name(documents.clone());
    let map = map.get(&format!("ConfigMap backups/{PROXY_AUTHORITIES}")).unwrap();
    assert_eq!(map["data"]["ca.crt"], format!("{AUTHORITY}\n"));
}

#[test]
fn settings_go_before_what_the_agent_knows_each_for_itself_and_the_inside_is_never_left_out() {
    let known = [("httpsProxy", "http://of-agent:1"), ("noProxy", "a.corp,.svc")];

    let other = rendered_by(&[("proxy.https", "http://own:2")], &known);
    let direct = rendered_by(&[("proxy.except", "*,0.0.0.0/0,::/0")], &known);
    let alone = rendered(&[("proxy.https", "http://own:2")]);
    let none = rendered(&[]);

    assert_eq!(variable(&other, "HTTPS_PROXY").unwrap()["value"], "http://own:2");
    assert_eq!(variable(&other, "NO_PROXY").unwrap()["value"], "a.corp,.svc");
    assert_eq!(variable(&direct, "NO_PROXY").unwrap()["value"], format!("*,0.0.0.0/0,::/0,{INSIDE}"));
    assert_eq!(variable(&alone, "NO_PROXY").unwrap()["value"], INSIDE);
    for name in ["HTTPS_PROXY", "NO_PROXY", "COFFERDAM_PROXY_CA"] {
        assert_eq!(variable(&none, name), None, "{name}");
    }
    assert!(!none.iter().any(|one| one["kind"] == "Secret"));
}
