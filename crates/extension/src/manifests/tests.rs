//! What an installation must never lose.

use super::*;
use std::collections::BTreeMap;

fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn find<'a>(documents: &'a [Value], kind: &str, name: &str) -> &'a Value {
    documents.iter().find(|d| d["kind"] == kind && d["metadata"]["name"] == name).unwrap()
}

#[test]
fn the_originals_setting_names_and_short_names_reach_the_manifests() {
    let mut install = InstallSettings::new("dataprotection-microsoft", "cofferdam:1");
    let given = settings(&[
        ("blobContainer", "backups"),
        ("storageAccount", "acct"),
        ("configuration.backupStorageLocation.config.useAAD", "true"),
        ("memoryLimit", "4400Mi"),
        ("resources.requests.cpu", "100m"),
        ("someKeyOfTheFuture", "x"),
    ]);

    let warnings = install.apply(&given).unwrap();
    let documents = render(&install).unwrap();

    assert_eq!(warnings, ["setting someKeyOfTheFuture is not known and was dropped"]);
    let container = &find(&documents, "Deployment", NAME)["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["resources"]["limits"]["memory"], "4400Mi");
    assert_eq!(container["resources"]["limits"]["cpu"], "1000m");
    assert_eq!(container["resources"]["requests"]["cpu"], "100m");
    let location = &find(&documents, "ConfigMap", "location-default")["data"];
    assert_eq!(location["configuration.backupStorageLocation.bucket"], "backups");
    assert_eq!(location["configuration.backupStorageLocation.config.storageAccount"], "acct");
}

#[test]
fn the_extension_runs_restricted() {
    let documents = render(&InstallSettings::new("dataprotection-microsoft", "cofferdam:1")).unwrap();

    let pod = &find(&documents, "Deployment", NAME)["spec"]["template"]["spec"];
    let container = &pod["containers"][0]["securityContext"];

    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(container["readOnlyRootFilesystem"], true);
    assert_eq!(container["allowPrivilegeEscalation"], false);
    assert_eq!(container["capabilities"]["drop"][0], "ALL");
    let namespace = find(&documents, "Namespace", "dataprotection-microsoft");
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
}

fn with_vault() -> InstallSettings {
    let mut install = InstallSettings::new("dataprotection-microsoft", "cofferdam:1");
    let given = settings(&[
        ("vault.url", "https://vault.example:8443/"),
        ("vault.authorities", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"),
        ("vault.tenantId", "tenant"),
        ("credentials.clientId", "client"),
        ("proxy.https", "http://proxy:3128"),
        ("configuration.backupStorageLocation.bucket", "backups"),
        ("configuration.backupStorageLocation.config.storageAccount", "acct"),
        ("repositoryKey", "vault"),
    ]);
    assert_eq!(install.apply(&given), Ok(Vec::new()));
    install
}

#[test]
fn an_extension_with_a_vault_proves_itself_with_a_projected_token() {
    let documents = render(&with_vault()).unwrap();

    let deployment = find(&documents, "Deployment", NAME);
    let pod = &deployment["spec"]["template"]["spec"];
    let (container, volumes) = (&pod["containers"][0], &pod["volumes"]);
    let variable = |name: &str| {
        let all = container["env"].as_array().unwrap();
        all.iter()
            .find(|one| one["name"] == name)
            .map(|one| one["value"].as_str().unwrap().to_owned())
            .unwrap()
    };

    serde_json::from_value::<k8s_openapi::api::apps::v1::Deployment>(deployment.clone()).unwrap();
    assert_eq!(variable("AZURE_AUTHORITY_HOST"), "https://vault.example:8443/");
    assert_eq!(variable("COFFERDAM_VAULT_URL"), "https://vault.example:8443");
    assert_eq!(
        (variable("AZURE_TENANT_ID"), variable("AZURE_CLIENT_ID")),
        ("tenant".into(), "client".into())
    );
    assert_eq!(variable("HTTPS_PROXY"), "http://proxy:3128");
    let token = &volumes[1]["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!(token["audience"], "api://AzureADTokenExchange");
    assert_eq!(token["expirationSeconds"], 3600);
    let mounts = container["volumeMounts"].as_array().unwrap();
    for (file, volume) in [("AZURE_FEDERATED_TOKEN_FILE", 1), ("COFFERDAM_VAULT_CA", 0)] {
        let mount = mounts.iter().find(|mount| mount["name"] == volumes[volume]["name"]).unwrap();
        assert!(variable(file).starts_with(mount["mountPath"].as_str().unwrap()), "{file}");
    }
    let authorities = find(&documents, "ConfigMap", volumes[0]["configMap"]["name"].as_str().unwrap());
    assert!(authorities["data"]["ca.crt"].as_str().unwrap().starts_with("-----BEGIN"));
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    assert_eq!(labels["azure.workload.identity/use"], Value::Null, "the webhook would mount another token");
}

#[test]
fn a_vault_brings_no_right() {
    let without = render(&InstallSettings::new("dataprotection-microsoft", "cofferdam:1")).unwrap();
    let with = render(&with_vault()).unwrap();

    let rights = |documents: &[Value]| -> Vec<Value> {
        let kinds = ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];
        documents.iter().filter(|d| kinds.contains(&d["kind"].as_str().unwrap())).cloned().collect()
    };

    assert_eq!(rights(&with), rights(&without));
}

#[test]
fn a_vault_that_is_described_by_halves_is_refused_with_every_missing_setting() {
    let mut install = InstallSettings::new("dataprotection-microsoft", "cofferdam:1");
    let given = settings(&[("vault.url", "http://vault.example"), ("vault.authorities", "none")]);

    let bad = install.apply(&given).unwrap_err().to_string();

    for expected in ["vault.tenantId", "vault.clientId", "https://host[:port]", "no certificate"] {
        assert!(bad.contains(expected), "{expected}: {bad}");
    }
    assert_eq!(install.vault, None);
}

#[test]
fn an_installation_without_restore_cannot_write_into_applications() {
    let mut install = InstallSettings::new("dataprotection-microsoft", "cofferdam:1");
    install.apply(&settings(&[("restore.enabled", "false")])).unwrap();

    let documents = render(&install).unwrap();

    let cluster_roles: Vec<&Value> = documents.iter().filter(|d| d["kind"] == "ClusterRole").collect();
    assert_eq!(cluster_roles.len(), 1);
    for rule in cluster_roles[0]["rules"].as_array().unwrap() {
        if rule["resources"].as_array().unwrap().contains(&"*".into()) {
            assert_eq!(rule["verbs"], serde_json::json!(["get", "list"]));
        }
    }
}

#[test]
fn the_documented_permissions_are_the_granted_ones() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/permissions.md");
    let documented = std::fs::read_to_string(path).unwrap();

    for rule in explained_rules() {
        let groups: Vec<&str> = rule.groups.iter().map(|g| if g.is_empty() { "core" } else { g }).collect();
        let row = format!(
            "| `{}` | `{}` | {} | {} |",
            groups.join("`, `"),
            rule.resources.join("`, `"),
            rule.verbs.join(", "),
            rule.reason
        );
        assert!(documented.contains(&row), "docs/permissions.md lacks the row\n{row}");
    }
    let rows =
        documented.lines().filter(|line| line.starts_with("| `") && line.matches(" | ").count() == 3).count();
    assert_eq!(rows, explained_rules().len(), "docs/permissions.md has rows that nothing grants");
}
