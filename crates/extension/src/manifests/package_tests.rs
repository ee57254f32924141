use super::*;
use packages::{Package, Values, judge, limits, render as fill};
use std::collections::BTreeMap;

fn read() -> Package {
    let text = package("0.1.0", "registry.example/cofferdam:0.1.0").unwrap().to_string();
    assert!(text.len() < limits::PACKAGE, "{} bytes", text.len());
    Package::parse(text.as_bytes()).unwrap()
}

fn rendered(given: &[(&str, &str)]) -> Vec<Value> {
    let package = read();
    let open: BTreeMap<String, Value> =
        given.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
    let judged = judge(&package.settings, &open, &BTreeMap::new()).unwrap();
    assert_eq!(judged.statuses, []);
    let agent = [
        ("namespace", "backups"),
        ("vaultUrl", "https://vault.example:8443"),
        ("vaultAuthorities", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"),
        ("tenantId", "tenant"),
        ("clientId", "client"),
        ("audience", "api://AzureADTokenExchange"),
    ];
    let agent = agent.into_iter().map(|(key, value)| (key, value.to_owned())).collect();
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
    let wishes: [&[(&str, &str)]; 3] = [
        &[],
        &[
            ("cpuLimit", "2"),
            ("replicas", "3"),
            ("proxy.https", "http://proxy:3128"),
            ("proxy.except", "10.0.0.0/8"),
        ],
        &[("restore.enabled", "false")],
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
