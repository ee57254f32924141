//! One installation, seen from its pods and from its firewall.

use super::*;
use extension::locations::{DEFAULT, Role};
use serde_json::json;

fn pod(image: &str, variables: &[(&str, &str)]) -> Value {
    let variables: Vec<Value> =
        variables.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    json!({"metadata": {}, "spec": {"containers": [{"image": image, "env": variables}]}})
}

fn extension(pod: Value) -> Part {
    Part { whose: Whose::Extension, pod, image: true }
}

fn record(pairs: &[(&str, &str)]) -> LocationRecord {
    let settings = pairs
        .iter()
        .map(|(key, value)| (format!("configuration.backupStorageLocation.{key}"), (*value).to_owned()))
        .collect();
    LocationRecord::from_settings(DEFAULT, Role::Own, &settings).unwrap()
}

fn of_vault() -> LocationRecord {
    record(&[
        ("bucket", "b"),
        ("config.storageAccount", "a"),
        ("config.resourceGroup", "g"),
        ("config.subscriptionId", "00000000-0000-0000-0000-000000000000"),
        ("config.storageAccountURI", "https://vault.example:8443/a/"),
    ])
}

fn shown(endpoints: &[Endpoint]) -> Vec<String> {
    let one = |it: &Endpoint| {
        let scheme = match (it.tls, it.kind.is_name_only()) {
            (true, _) => "https",
            (false, true) => "name",
            (false, false) => "http",
        };
        format!("{:?} {scheme}://{}{}{}", it.kind, it.address(), it.path, if it.needed { "" } else { " ?" })
    };
    endpoints.iter().map(one).collect()
}

#[test]
fn an_extension_with_a_vault_speaks_to_it_to_its_data_plane_and_to_whoever_gives_tokens() {
    let pod = pod(
        "registry.example:5000/cofferdam:1",
        &[
            ("COFFERDAM_VAULT_URL", "https://vault.example:8443"),
            ("AZURE_AUTHORITY_HOST", "https://vault.example:8443/"),
            ("AZURE_TENANT_ID", "t"),
        ],
    );
    let known = Installation {
        parts: vec![extension(pod)],
        locations: vec![of_vault()],
        of_vault: Some("pem".into()),
        of_cluster: Some("ca".into()),
        fetches: true,
        ..Installation::default()
    };

    let found = probed(&known, Profile::Cofferdam);

    assert_eq!(
        shown(&found),
        [
            "Dns name://kubernetes.default.svc:53",
            "ApiServer https://kubernetes.default.svc:443/version",
            "Vault https://vault.example:8443/",
            "Token https://vault.example:8443/t/v2.0/.well-known/openid-configuration",
            "DataPlane https://vault.example:8443/a/",
            "Registry https://registry.example:5000/v2/",
        ]
    );
    assert!(found[2..5].iter().all(|one| one.authorities.as_deref() == Some("pem")));
    assert_eq!(shown(&let_out(&known)), shown(&found[2..]), "and that is what a firewall has to let out");
}

#[test]
fn without_a_vault_the_store_is_reached_under_its_own_name_and_a_held_image_needs_no_registry() {
    let record = record(&[
        ("provider", "aws"),
        ("bucket", "b"),
        ("config.region", "eu-west-1"),
        ("config.s3ForcePathStyle", "true"),
    ]);
    let known = Installation {
        parts: vec![extension(pod("cofferdam:1", &[]))],
        locations: vec![record],
        region: Some("westeurope".into()),
        ..Installation::default()
    };

    assert_eq!(
        shown(&probed(&known, Profile::Cofferdam)),
        [
            "Dns name://kubernetes.default.svc:53",
            "Store https://s3.eu-west-1.amazonaws.com:443/",
            "Registry https://registry-1.docker.io:443/v2/ ?",
            "ControlPlane name://westeurope.dp.kubernetesconfiguration.azure.com:443 ?",
        ]
    );
}

#[test]
fn under_the_rules_of_aks_the_hosts_of_its_firewall_are_tried_too() {
    let known = Installation {
        parts: vec![extension(pod("mcr.microsoft.com/cofferdam:1", &[]))],
        fetches: true,
        told: Endpoint::of_url(EndpointKind::ApiServer, "https://shop-1.hcp.westeurope.azmk8s.io")
            .into_iter()
            .collect(),
        ..Installation::default()
    };

    let ours = shown(&probed(&known, Profile::Cofferdam));
    let aks = shown(&probed(&known, Profile::Aks));

    assert_eq!(aks[..ours.len()], ours);
    let hosts = &aks[ours.len()..];
    assert!(hosts.contains(&"HostRule https://management.azure.com:443/".to_owned()), "{hosts:?}");
    assert!(hosts.contains(&"HostRule https://shop-1.hcp.westeurope.azmk8s.io:443/".to_owned()), "{hosts:?}");
    assert!(hosts.contains(&"HostRule http://crl3.digicert.com:80/".to_owned()), "{hosts:?}");
    assert!(hosts.iter().all(|one| !one.contains("//mcr.microsoft.com")), "that is the registry: {hosts:?}");
}

#[test]
fn a_part_says_by_its_arguments_variables_and_image_whom_it_reaches() {
    let pod = json!({"spec": {"containers": [{
        "name": "c", "image": "registry.example/cofferdam:1",
        "args": ["agent", "--vault=https://v.example:8443", "--registry=https://packages.example", "--vault-ca=/etc/x"],
        "env": [{"name": "AZURE_AUTHORITY_HOST", "value": "https://v.example:8443/"},
            {"name": "HTTPS_PROXY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "OTHER", "value": "https://elsewhere.example"}]
    }]}});
    let open = Part { whose: Whose::Extension, pod: proxied(), image: false };
    let known = Installation {
        parts: vec![Part { whose: Whose::Other, pod, image: true }, open],
        fetches: true,
        ..Installation::default()
    };

    assert_eq!(
        shown(&let_out(&known)),
        [
            "Vault https://v.example:8443/",
            "Token https://v.example:8443/common/v2.0/.well-known/openid-configuration",
            "PackageRegistry https://packages.example:443/",
            "Proxy http://proxy.example:3128/",
            "Registry https://registry.example:443/v2/",
        ]
    );
    assert_eq!(
        shown(&probed(&known, Profile::Cofferdam)),
        ["Dns name://kubernetes.default.svc:53"],
        "a pod of the extension tries neither what others reach nor the proxy that it goes through"
    );
}

fn proxied() -> Value {
    pod("left-open:1", &[("HTTPS_PROXY", "http://me:word@proxy.example:3128")])
}

#[test]
fn every_location_is_reached_where_its_settings_say_or_where_its_provider_is() {
    let store = |pairs: &[(&str, &str)]| {
        let locations = vec![record(pairs)];
        shown(&let_out(&Installation { locations, ..Installation::default() }))
    };
    let azure = [
        ("bucket", "b"),
        ("config.storageAccount", "a"),
        ("config.resourceGroup", "g"),
        ("config.subscriptionId", "00000000-0000-0000-0000-000000000000"),
    ];
    let at = ("config.storageAccountURI", "https://v.example:8443/a");
    let aws = [("provider", "aws"), ("bucket", "b")];
    let own = ("config.s3Url", "http://10.0.0.9:9000");
    let named = ("config.s3Url", "http://store.example:9000");
    let in_path = ("config.s3ForcePathStyle", "true");

    assert_eq!(store(&azure), ["Store https://a.blob.core.windows.net:443/"]);
    assert_eq!(store(&[&azure[..], &[at]].concat()), ["Store https://v.example:8443/a"]);
    assert_eq!(
        store(&[&aws[..], &[("config.region", "eu-west-1")]].concat()),
        ["Store https://b.s3.eu-west-1.amazonaws.com:443/"]
    );
    assert_eq!(store(&[&aws[..], &[own, in_path]].concat()), ["Store http://10.0.0.9:9000/"]);
    assert_eq!(
        store(&[&aws[..], &[named]].concat()),
        ["Store http://b.store.example:9000/"],
        "the bucket stands in the name to which requests go"
    );
    assert_eq!(
        store(&[("provider", "gcp"), ("bucket", "b")]),
        ["Store https://storage.googleapis.com:443/", "Token https://oauth2.googleapis.com:443/ ?"]
    );
    assert_eq!(store(&[("provider", "local"), ("bucket", "/backups")]), [""; 0]);
}

#[test]
fn several_locations_are_all_tried() {
    let mut other = record(&[("provider", "gcp"), ("bucket", "b")]);
    other.name = "other".to_owned();
    let aws = record(&[
        ("provider", "aws"),
        ("bucket", "b"),
        ("config.s3Url", "http://10.0.0.9:9000"),
        ("config.s3ForcePathStyle", "true"),
    ]);
    let known = Installation { locations: vec![aws, other], ..Installation::default() };

    assert_eq!(
        shown(&probed(&known, Profile::Cofferdam)),
        [
            "Dns name://kubernetes.default.svc:53",
            "Store http://10.0.0.9:9000/",
            "Store https://storage.googleapis.com:443/",
        ]
    );
}
