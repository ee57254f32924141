//! The real `az` command line against a running vault.

mod official;
mod world;

use official::{az::Az, ticking};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use vault::people::add_user;
use world::{World, protected::Protected, stored::CONTRIBUTOR};

const SECRET_IS_WRONG: &str = "AADSTS7000215";
const PASSWORD: &str = "gravel lamp orbit tin";

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_signs_in_and_out() {
    let world = World::start().await;
    let ticking = ticking(&world);
    let az = Az::knowing(&world);
    let client = world.administrator.client_id.as_str();
    let who = ["-u", client, "--tenant", &world.tenant, "-p"];
    let with = |secret| [&who[..], &[secret]].concat();

    let wrong = az.refused("login --service-principal", &with("wrong"));
    let accounts = az.done("login --service-principal", &with(&world.administrator.secret));
    let shown = az.done("account show", &[]);
    let places = az.done("account list-locations", &[]);
    let token = az.done("account get-access-token", &[]);
    az.done("logout", &[]);
    let afterwards = az.refused("group list", &[]);

    assert!(wrong.1.contains(SECRET_IS_WRONG), "{wrong:?}");
    assert_eq!((&accounts[0]["state"], &accounts[0]["tenantId"]), (&json!("Enabled"), &json!(world.tenant)));
    assert_eq!(
        (&shown["environmentName"], &shown["user"]["name"], &shown["id"]),
        (&json!("Cofferdam"), &json!(client), &json!(world.subscription))
    );
    assert_eq!(names(&places), ["local"]);
    assert_eq!(token["tokenType"], "Bearer");
    assert!(afterwards.1.contains("az login"), "{afterwards:?}");
    ticking.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_signs_in_with_a_device_code() {
    let world = World::start().await;
    let ticking = ticking(&world);
    let now = telemetry::Clock::now(world.clock.as_ref());
    add_user(world.app.store.as_ref(), "anna@example.org", PASSWORD, Some("Owner"), now).await.unwrap();
    let az = Az::knowing(&world);

    let mut login = az.command("login --use-device-code --tenant", &[&world.tenant]).spawn().unwrap();
    let mut told = BufReader::new(login.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("enter the code ") {
        line.clear();
        assert_ne!(told.read_line(&mut line).unwrap(), 0, "{:?}", login.wait_with_output());
    }
    let code = line.split("enter the code ").nth(1).unwrap().split_whitespace().next().unwrap();
    enter(&world, code).await;
    let done = login.wait_with_output().unwrap();
    let groups = az.done("group list", &[]);

    let accounts: Value = serde_json::from_slice(&done.stdout).unwrap_or_default();
    assert_eq!(accounts[0]["user"], json!({"name": "anna@example.org", "type": "user"}), "{done:?}");
    assert!(line.contains(&format!("{}/devicelogin", world.url)), "{line}");
    assert_eq!(groups, json!([]));
    ticking.abort();
}

/// What a person does in a browser.
async fn enter(world: &World, code: &str) {
    let page = format!("{}/devicelogin", world.url);
    let shown = world.http.get(&page).send().await.unwrap();
    let cookie = shown.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let text = shown.text().await.unwrap();
    let mark = text.split("name=\"mark\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("mark", mark),
            ("code", code),
            ("name", "anna@example.org"),
            ("password", PASSWORD),
            ("do", "allow"),
        ])
        .finish();
    let request = world.http.post(&page).header("cookie", cookie).header("origin", &world.url);
    let sent = request.header("content-type", "application/x-www-form-urlencoded").body(form).send().await;
    assert_eq!(sent.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_roles_and_identities_live_their_lives() {
    let world = World::start().await;
    let ticking = ticking(&world);
    let az = Az::signed_in(&world);
    let someone = world.person(None, "").await;
    let scope = world.group("backup");
    let theirs = ["--role", "Reader", "--scope", &scope, "--assignee", &someone.object_id];

    let absent = az.done("group exists -n backup", &[]);
    let made = az.done("group create -n backup -l local --tags a=b", &[]);
    let present = az.done("group exists -n BACKUP", &[]);
    let listed = az.done("group list --tag a=b", &[]);
    let missing = az.refused("group show -n absent", &[]);

    assert_eq!((absent, present, names(&listed)), (json!(false), json!(true), vec!["backup"]));
    assert_eq!(made["id"], world.group("backup"));
    assert_eq!(missing.0, 3, "{missing:?}");
    assert!(missing.1.contains("ResourceGroupNotFound"), "{missing:?}");

    let role = az.done("role definition list -n Reader", &[]);
    let assigned = az.done(
        "role assignment create --role Reader --assignee-principal-type ServicePrincipal",
        &["--scope", &scope, "--assignee-object-id", &someone.object_id],
    );
    let again = az.done("role assignment create", &theirs);
    let at_scope = az.done("role assignment list --include-inherited", &["--scope", &scope]);
    let all = az.done("role assignment list --all --assignee", &[&someone.object_id]);
    az.done("role assignment delete", &theirs);
    let afterwards = az.done("role assignment list --all --assignee", &[&someone.object_id]);

    assert_eq!(role[0]["roleName"], "Reader");
    assert_eq!(
        (&assigned["roleDefinitionId"], &assigned["principalId"]),
        (&role[0]["id"], &json!(someone.object_id))
    );
    assert_eq!(again["id"], assigned["id"], "the same role is not assigned twice");
    assert_eq!(at_scope.as_array().unwrap().len(), 2, "{at_scope}");
    assert_eq!(
        (all[0]["id"].clone(), &all[0]["roleDefinitionName"]),
        (assigned["id"].clone(), &json!("Reader"))
    );
    assert_eq!(all[0]["principalName"], someone.client_id.as_str(), "{all}");
    assert_eq!(afterwards, json!([]));

    // Its provider is not registered: the command line does that by itself.
    let identity = az.done("identity create -g backup -n identity1 -l local", &[]);
    let shown = az.done("identity show -g backup -n identity1", &[]);
    let listed = az.done("identity list -g backup", &[]);
    az.done("identity delete -g backup -n identity1", &[]);
    let gone = az.refused("identity show -g backup -n identity1", &[]);
    az.done("group delete -y -n backup", &[]);

    assert_eq!((&identity, names(&listed)), (&shown, vec!["identity1"]));
    assert!(identity["principalId"].is_string() && identity["clientId"].is_string(), "{identity}");
    assert_eq!(gone.0, 3, "{gone:?}");
    assert_eq!(az.done("group list", &[]), json!([]));
    ticking.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storage_account_is_used_from_both_sides() {
    let world = World::start().await;
    let ticking = ticking(&world);
    let az = Az::signed_in(&world);
    let files = tempfile::tempdir().unwrap();
    let (from, to) = (files.path().join("from"), files.path().join("to"));
    std::fs::write(&from, vec![7_u8; 300_000]).unwrap();
    let before = az.done("provider show -n Microsoft.Storage", &[]);

    az.done("provider register -n Microsoft.Storage --wait", &[]);
    az.done("group create -n backup -l local", &[]);
    let made = az.done("storage account create -n account1 -g backup -l local --sku Standard_LRS", &[]);
    let shown = az.done("storage account show -n account1", &[]);
    let listed = az.done("storage account list -g backup", &[]);
    let keys = az.refused("storage account keys list -n account1 -g backup", &[]);

    assert_eq!(before["registrationState"], "NotRegistered");
    assert_eq!(az.done("provider show -n Microsoft.Storage", &[])["registrationState"], "Registered");
    assert_eq!((&made["id"], names(&listed)), (&shown["id"], vec!["account1"]));
    assert!(keys.1.contains("--auth-mode login"), "{keys:?}");

    let endpoint = made["primaryEndpoints"]["blob"].as_str().unwrap();
    let data = ["--auth-mode", "login", "--blob-endpoint", endpoint];
    let with = |more: &[&'static str]| -> Vec<String> {
        data.iter().map(|one| (*one).to_owned()).chain(more.iter().map(|one| (*one).to_owned())).collect()
    };
    let with_file = |flag: &str, file: &std::path::Path| {
        let mut words = with(&["-c", "backups", "-n", "folder/blob"]);
        words.extend([flag.to_owned(), file.display().to_string()]);
        words
    };
    fn borrowed(words: &[String]) -> Vec<&str> {
        words.iter().map(String::as_str).collect()
    }
    let container = az.done("storage container create", &borrowed(&with(&["-n", "backups"])));
    let without_role = az.refused("storage blob upload", &borrowed(&with_file("--file", &from)));
    az.done(
        "role assignment create --assignee-principal-type ServicePrincipal",
        &[
            "--role",
            CONTRIBUTOR,
            "--assignee-object-id",
            &world.administrator.object_id,
            "--scope",
            made["id"].as_str().unwrap(),
        ],
    );
    az.done("storage blob upload", &borrowed(&with_file("--file", &from)));
    let blobs = az.done("storage blob list", &borrowed(&with(&["-c", "backups"])));
    az.done("storage blob download", &borrowed(&with_file("--file", &to)));
    let managed = az.done("storage container-rm list -g backup --storage-account account1", &[]);
    az.done("storage account delete -y -g backup -n account1", &[]);

    assert!(without_role.1.contains(CONTRIBUTOR), "{without_role:?}");
    assert_eq!(container["created"], true);
    assert_eq!((names(&blobs), names(&managed)), (vec!["folder/blob"], vec!["backups"]));
    assert_eq!(std::fs::read(from).unwrap(), std::fs::read(to).unwrap());
    assert_eq!(az.done("storage account list", &[]), json!([]));
    ticking.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clusters_are_trusted_and_vaults_protect_them() {
    let it = Protected::start().await;
    let ticking = ticking(&it.world);
    let az = Az::signed_in(&it.world);
    let rest = |method: &str, path: &str, version: &str, body: Option<Value>| {
        let url = format!("{path}?api-version={version}");
        let body = body.map(|body| body.to_string());
        let mut more = vec!["--method", method, "--url", &url];
        more.extend(body.iter().flat_map(|body| ["--body", body]));
        az.done("rest", &more)
    };

    let cluster = az.done("aks show -g shop -n one", &[]);
    let clusters = az.done("aks list", &[]);
    let absent = az.refused("aks show -g shop -n absent", &[]);

    assert_eq!((&cluster["id"], names(&clusters)), (&json!(it.managed), vec!["one"]));
    assert_eq!(cluster["provisioningState"], "Succeeded");
    assert!(cluster["identity"]["principalId"].is_string(), "{cluster}");
    assert_eq!(absent.0, 3, "{absent:?}");

    let vault2 = it.vault.replace("vault1", "vault2");
    let full = json!({"location": "local", "identity": {"type": "SystemAssigned"}, "properties": {
        "storageSettings": [{"datastoreType": "VaultStore", "type": "LocallyRedundant"}]}});
    let made = az.done(
        "resource create --is-full-object --api-version 2025-01-01",
        &["--id", &vault2, "--properties", &full.to_string()],
    );
    let old = rest("get", &vault2, "2024-04-01", None);
    let new = rest("get", &vault2, "2026-06-01", None);
    let roles = az.done("aks trustedaccess role list -l local", &[]);
    let binding = "-g shop --cluster-name one";
    let trusted = az.done(
        &format!("aks trustedaccess rolebinding create {binding} -n rb2"),
        &[
            "--roles",
            "Microsoft.DataProtection/backupVaults/backup-operator",
            "--source-resource-id",
            &vault2,
        ],
    );
    let listed = az.done(&format!("aks trustedaccess rolebinding list {binding}"), &[]);
    az.done(&format!("aks trustedaccess rolebinding delete -y {binding} -n rb2"), &[]);
    let left = az.done(&format!("aks trustedaccess rolebinding list {binding}"), &[]);
    az.done("resource delete --api-version 2025-01-01 --ids", &[&vault2]);
    let gone = az.refused("resource show --api-version 2025-01-01 --ids", &[&vault2]);

    assert_eq!(made["properties"]["provisioningState"], "Succeeded");
    for shown in [old, new] {
        assert_eq!((&shown["id"], &shown["properties"]), (&made["id"], &made["properties"]));
    }
    assert_eq!(
        (&roles[0]["name"], &roles[0]["sourceResourceType"]),
        (&json!("backup-operator"), &json!("Microsoft.DataProtection/backupVaults"))
    );
    assert_eq!(
        (&trusted["provisioningState"], &trusted["sourceResourceId"]),
        (&json!("Succeeded"), &json!(vault2))
    );
    assert_eq!((names(&listed), names(&left)), (vec!["backuprb", "rb2"], vec!["backuprb"]));
    assert_eq!(gone.0, 3, "{gone:?}");

    let validation = json!({"backupInstance": it.wanted()}).to_string();
    az.done(
        "resource invoke-action --action validateForBackup --api-version 2025-01-01",
        &["--ids", &it.vault, "--request-body", &validation],
    );
    rest("put", &it.instance, "2024-04-01", Some(json!({"properties": it.wanted()})));
    let state = async || {
        let shown = rest("get", &it.instance, "2024-04-01", None);
        (shown["properties"]["currentProtectionState"] == "ProtectionConfigured").then_some(shown)
    };
    let protected = it.until(state).await;
    it.cluster.says("Backup", json!({"phase": "Failed", "problems": [], "problemCount": 0}));
    let options = json!({"backupRuleOptions": {"ruleName": "BackupHourly",
        "triggerOption": {"retentionTagOverride": "Default"}}});
    let asked = rest("post", &format!("{}/backup", it.instance), "2026-06-01", Some(options));
    let jobs = rest("get", &format!("{}/backupJobs", it.vault), "2026-06-01", None);
    let query =
        "RecoveryServicesResources | where type =~ 'microsoft.dataprotection/backupvaults/backupinstances'";
    let graph = json!({"subscriptions": [it.world.subscription], "query": query});
    let found = rest("post", "/providers/Microsoft.ResourceGraph/resources", "2021-03-01", Some(graph));
    let refused = az.refused("rest --method get --url", &[&it.vault]);

    assert_eq!(protected["properties"]["friendlyName"], "one/shop");
    assert_eq!(asked, Value::Null, "the answer to what takes long is empty");
    assert_eq!(jobs["value"].as_array().unwrap().len(), 2, "one of them is of the configuration: {jobs}");
    assert_eq!(names(&found["data"]), ["one-shop"]);
    assert!(refused.1.contains("MissingApiVersionParameter"), "{refused:?}");
    ticking.abort();
}
