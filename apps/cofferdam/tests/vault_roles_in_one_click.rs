//! `cofferdam roles` as a program against a running vault with a played cluster: each role that a backup or a restore needs
//! is taken away, named by validation with its code, named by the plan, and granted again.

mod roles;
mod terminal;
#[path = "../../../crates/vault/tests/world/mod.rs"]
mod world;

use reqwest::Method;
use roles::{Roles, identities, told, unmet};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    process::{Command, Output, Stdio},
};
use terminal::Terminal;
use world::{Person, World, protected::restore};

const STORE: &str = "UserErrorExtensionMSIMissingPermissionsOnBackupStorageLocation";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_of_a_backup_that_is_missing_is_named_with_its_code_planned_and_granted() {
    let roles = Roles::start().await;
    let (arguments, vault) = (roles.backup(), roles.it.vault.clone());
    let validate = async || {
        let body = json!({"backupInstance": roles.it.wanted()});
        roles.validated(&format!("{vault}/validateForBackup"), body).await
    };
    let (code, healthy) = roles.plan(&arguments).await;
    assert_eq!((code, unmet(&healthy)), (0, vec![]), "{healthy:?}");
    let codes = [
        ("R1", "KubernetesBackupListExtensionsError"),
        ("R2", "UserErrorVaultMSIMissingPermissionsOnSnapshotResourceGroup"),
        ("R3", "UserErrorClusterMSIMissingPermissionsOnSnapshotResourceGroup"),
        ("R4", STORE),
        ("R13", "UserErrorTrustedAccessGatewayReturnedForbidden"),
    ];
    assert_eq!(
        identities(&healthy).iter().map(|row| &row["id"]).collect::<Vec<_>>(),
        codes.map(|(id, _)| id)
    );

    for (row, (id, expected)) in identities(&healthy).into_iter().zip(codes) {
        roles.take(row).await;
        let missed = validate().await;
        let (planned, rows) = roles.plan(&arguments).await;
        let (applied, said) = roles.apply(&arguments).await;
        let after = validate().await;

        assert_eq!(
            missed.iter().map(|(code, _)| code.as_str()).collect::<Vec<_>>(),
            [expected],
            "{missed:?}"
        );
        assert!(missed[0].1.contains(&format!("({id})")), "{missed:?}");
        assert_eq!((planned, unmet(&rows)), (5, vec![(id, row["scope"].as_str().unwrap())]));
        assert_eq!(applied, 0, "{said}");
        assert!(said.contains(&format!("+ {id}: ")), "{said}");
        assert!(said.contains("the vault sees them"), "{said}");
        assert!(after.is_empty(), "{after:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_of_a_restore_to_another_cluster_is_named_with_its_code_planned_and_granted() {
    let roles = Roles::start().await;
    let it = &roles.it;
    let source = roles.container(&roles.account).await;
    let two = roles.backed_up_and_another_cluster().await;
    let words = format!("-g shop -v vault1 --instance one-shop --target-resource-id {two}");
    let arguments: Vec<String> = words.split(' ').map(str::to_owned).collect();
    let request = restore(&two);
    let validate = async || {
        let body = json!({"restoreRequestObject": request});
        roles.validated(&format!("{}/validateRestore", it.instance), body).await
    };

    // It may not read from the first one's container yet. More than that is not planned, nor granted.
    let (code, begun) = roles.plan(&arguments).await;
    assert_eq!((code, unmet(&begun)), (5, vec![("R4", source.as_str())]), "{begun:?}");
    let reads = begun.iter().find(|row| row["scope"] == source.as_str()).unwrap();
    assert_eq!(reads["role"], "Storage Blob Data Reader");
    let (applied, said) = roles.apply(&arguments).await;
    assert_eq!(applied, 0, "{said}");
    let codes = [
        ("R1", "KubernetesBackupListExtensionsError"),
        ("R2", "UserErrorVaultMSIMissingPermissionsOnSnapshotResourceGroup"),
        ("R3", "UserErrorClusterMSIMissingPermissionsOnSnapshotResourceGroup"),
        ("R4", STORE),
        ("R4", STORE),
        ("R13", "UserErrorTrustedAccessGatewayReturnedForbidden"),
    ];
    let (_, healthy) = roles.plan(&arguments).await;
    assert_eq!(
        identities(&healthy).iter().map(|row| &row["id"]).collect::<Vec<_>>(),
        codes.map(|(id, _)| id)
    );

    for (row, (id, expected)) in identities(&healthy).into_iter().zip(codes) {
        roles.take(row).await;
        let missed = validate().await;
        let (planned, rows) = roles.plan(&arguments).await;
        let (applied, said) = roles.apply(&arguments).await;
        let after = validate().await;

        assert_eq!(
            missed.iter().map(|(code, _)| code.as_str()).collect::<Vec<_>>(),
            [expected],
            "{missed:?}"
        );
        assert_eq!((planned, unmet(&rows)), (5, vec![(id, row["scope"].as_str().unwrap())]));
        assert_eq!(applied, 0, "{said}");
        assert!(after.is_empty(), "{after:?}");
    }
    let check =
        json!({"id": "P11", "title": "version", "result": "Failed", "severity": "Block", "evidence": "old"});
    it.cluster.says("ValidateForRestore", json!({"phase": "Failed", "checks": [check]}));
    let (otherwise, said) = roles.apply(&arguments).await;
    assert_eq!(otherwise, 3, "{said}");
    assert!(said.contains("for another reason") && said.contains("version: old"), "{said}");
}

/// The vault has no vault tier and takes no file shares, so that no validation of it can miss these: plan and apply alone
/// are shown here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_of_the_vault_tier_and_of_file_shares_are_planned_and_granted_one_by_one() {
    let roles = Roles::start().await;
    let it = &roles.it;
    let staging = it.world.make_group("staging").await;
    // In another group: who contributes to a group manages the accounts in it.
    let elsewhere = it.world.make_group("elsewhere").await;
    let meanwhile = format!("{elsewhere}/providers/Microsoft.Storage/storageAccounts/meanwhile");
    let body =
        json!({"location": "local", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": {}});
    assert_eq!(it.call(Method::PUT, &meanwhile, Some(body)).await.status, 200);
    let backup = [
        roles.backup(),
        vec!["--vault-tier".into(), "--file-share-account-id".into(), roles.account.clone()],
    ]
    .concat();
    let words = format!(
        "-g shop -v vault1 --instance one-shop --target-resource-id {} --staging-resource-group-id {staging} \
         --staging-storage-account-id {meanwhile}",
        it.managed
    );
    let restore: Vec<String> = words.split(' ').map(str::to_owned).collect();

    for (arguments, expected, code) in [
        (backup, vec!["R5", "R6", "R7", "R12"], 0),
        // A restore from the vault tier is refused, so that the vault cannot say what it sees.
        (restore, vec!["R8", "R9", "R10", "R11"], 3),
    ] {
        if arguments.iter().any(|word| word == "--instance") {
            // A cluster that is protected already is not protected again by the same policy.
            it.protect().await;
        }
        let (_, begun) = roles.plan(&arguments).await;
        assert_eq!(unmet(&begun).iter().map(|(id, _)| *id).collect::<Vec<_>>(), expected, "{begun:?}");
        let (applied, said) = roles.apply(&arguments).await;
        assert_eq!(applied, code, "{said}");
        for row in begun.iter().filter(|row| expected.contains(&row["id"].as_str().unwrap())) {
            roles.take(row).await;
            let (_, missing) = roles.plan(&arguments).await;
            let (applied, said) = roles.apply(&arguments).await;
            let (_, after) = roles.plan(&arguments).await;

            assert_eq!(unmet(&missing), [(row["id"].as_str().unwrap(), row["scope"].as_str().unwrap())]);
            assert_eq!(applied, code, "{said}");
            assert_eq!(unmet(&after), []);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_assign_roles_gets_the_exact_list_and_whoever_may_runs_it() {
    let roles = Roles::start().await;
    let it = &roles.it;
    let arguments = roles.backup();
    let (_, healthy) = roles.plan(&arguments).await;
    for row in identities(&healthy) {
        roles.take(row).await;
    }
    let reader = it.world.person(Some("Reader"), &it.world.root()).await;
    let before = roles.assignments(&it.world.root()).await.len();

    let planned = roles.run(&reader, "plan", &arguments, &[]).await;
    let applied = roles.run(&reader, "apply", &arguments, &["--yes"]).await;
    let after = roles.assignments(&it.world.root()).await.len();

    let printed = String::from_utf8(planned.stdout.clone()).unwrap();
    assert_eq!(planned.status.code(), Some(5), "{}", told(&planned));
    assert_eq!((applied.status.code(), after), (Some(5), before), "{}", told(&applied));
    assert!(told(&applied).contains("nothing was changed"), "{}", told(&applied));
    assert!(
        printed.contains(&format!("{} (Owner on {})", it.world.administrator.object_id, it.world.root())),
        "{printed}"
    );
    assert!(printed.contains("U1: you lack Owner"), "{printed}");
    let lines: Vec<&str> = printed.lines().filter(|line| line.starts_with("cofferdam ")).collect();
    assert_eq!(lines.len(), 5, "{printed}");
    assert_eq!(printed.lines().filter(|line| line.starts_with("az ")).count(), 5, "{printed}");
    for line in lines {
        let output = run_as_printed(&it.world, &it.world.administrator, line).await;
        assert!(output.status.success(), "{line}: {}", told(&output));
    }
    let (code, rows) = roles.plan(&arguments).await;
    assert_eq!((code, unmet(&rows)), (0, vec![]), "{rows:?}");
}

/// Has a shell run a line that was handed over, as somebody who is signed in.
async fn run_as_printed(world: &World, who: &Person, line: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_cofferdam")).parent().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, &who.secret).unwrap();
    let login = format!(
        "cofferdam login --vault-url {} --ca {} --service-principal -u {} --password-file {} && {line}",
        world.url,
        world.ca.display(),
        who.client_id,
        secret.display()
    );
    let path = std::env::var("PATH").unwrap();
    let mut started = Command::new("sh");
    started.args(["-ec", &login]).env("PATH", format!("{}:{path}", program.display()));
    started.env("COFFERDAM_CONFIG_DIR", folder.path()).stdin(Stdio::null());
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "COFFERDAM_SUBSCRIPTION"] {
        started.env_remove(name);
    }
    tokio::task::spawn_blocking(move || started.output().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_even_look_is_told_the_role_that_gives_roles_and_not_first_one_that_looks() {
    let roles = Roles::start().await;
    let world = &roles.it.world;
    let (snapshots, elsewhere) = (world.group("snapshots"), world.make_group("elsewhere").await);
    let person = world.person(Some("Reader"), &elsewhere).await;
    let line = format!(
        "cofferdam role assignment create --assignee {} --role Reader --scope {snapshots}",
        person.object_id
    );

    let refused = run_as_printed(world, &person, &line).await;
    world.assign(&world.administrator, "User Access Administrator", &person, &snapshots).await;
    let granted = run_as_printed(world, &person, &line).await;

    let said = told(&refused);
    assert!(!refused.status.success(), "{said}");
    assert!(said.contains(&format!("The role 'Owner' on '{snapshots}' (U4) is missing")), "{said}");
    assert!(granted.status.success(), "{}", told(&granted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_killed_after_its_first_grant_is_continued_by_the_next_one() {
    let roles = Roles::start().await;
    let arguments = roles.backup();
    let (_, healthy) = roles.plan(&arguments).await;
    let before = roles.assignments(&roles.it.world.root()).await.len();
    for row in identities(&healthy) {
        roles.take(row).await;
    }

    let mut command = roles.command(&roles.it.world.administrator, "apply", &arguments, &["--yes"]);
    let mut killed = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let told_first = tokio::task::spawn_blocking(move || {
        let lines = BufReader::new(killed.stderr.take().unwrap()).lines().map_while(Result::ok);
        let first = lines.into_iter().find(|line| line.starts_with("+ R"));
        killed.kill().unwrap();
        killed.wait().unwrap();
        first
    });
    let first = told_first.await.unwrap();
    let (_, half) = roles.plan(&arguments).await;
    let (code, said) = roles.apply(&arguments).await;
    let (_, whole) = roles.plan(&arguments).await;

    assert!(first.is_some_and(|line| line.starts_with("+ R1: ")));
    assert_eq!(half[0]["state"], "there", "{half:?}");
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("+ R1: "), "{said}");
    assert_eq!(unmet(&whole), []);
    assert_eq!(roles.assignments(&roles.it.world.root()).await.len(), before, "nothing is given twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_inherited_counts_and_what_is_there_is_not_granted_twice() {
    let roles = Roles::start().await;
    let it = &roles.it;
    let arguments = roles.backup();
    let (_, healthy) = roles.plan(&arguments).await;
    for row in identities(&healthy) {
        roles.take(row).await;
    }
    // Somebody gave the vault Reader on everything, and the cluster its role.
    let as_person = |row: &Value| {
        let object_id = row["principalId"].as_str().unwrap().to_owned();
        Person { object_id, ..it.world.administrator.clone() }
    };
    let admin = &it.world.administrator;
    let rows = identities(&healthy);
    it.world.assign(admin, "Reader", &as_person(rows[0]), &it.world.root()).await;
    it.world.assign(admin, "Contributor", &as_person(rows[2]), rows[2]["scope"].as_str().unwrap()).await;

    let (_, half) = roles.plan(&arguments).await;
    let (first, said) = roles.apply(&arguments).await;
    let granted = roles.assignments(&it.world.root()).await.len();
    let (second, again) = roles.apply(&arguments).await;

    let states: Vec<_> = identities(&half).iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["inherited", "inherited", "there", "missing", "missing"]);
    assert_eq!(half[0]["detail"], format!("Reader on {}", it.world.root()));
    assert_eq!((first, second), (0, 0), "{said}{again}");
    assert_eq!(said.matches("\n+ R").count() + usize::from(said.starts_with("+ R")), 2, "{said}");
    assert!(!again.contains("+ R"), "{again}");
    assert_eq!(roles.assignments(&it.world.root()).await.len(), granted, "nothing is given twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_granted_without_a_yes_and_every_format_tells_the_same() {
    let roles = Roles::start().await;
    let (arguments, admin) = (roles.backup(), &roles.it.world.administrator);
    let (_, healthy) = roles.plan(&arguments).await;
    roles.take(&healthy[0]).await;

    let unasked = roles.run(admin, "apply", &arguments, &[]).await;
    let (_, rows) = roles.plan(&arguments).await;
    let table = roles.run(admin, "plan", &arguments, &[]).await;
    let yaml = roles.run(admin, "plan", &arguments, &["-o", "yaml"]).await;
    let tsv = roles
        .run(admin, "plan", &arguments, &["-o", "tsv", "--query", "[?state=='missing'].[id, scope]"])
        .await;

    assert_eq!(unasked.status.code(), Some(5), "{}", told(&unasked));
    assert!(told(&unasked).contains("next: Run it again with `--yes`"), "{}", told(&unasked));
    assert_eq!(unmet(&rows), [("R1", roles.it.managed.as_str())]);
    assert!(String::from_utf8_lossy(&table.stdout).contains("R1   vault"), "{}", told(&table));
    assert!(String::from_utf8_lossy(&yaml.stdout).contains("id: R1"), "{}", told(&yaml));
    assert_eq!(String::from_utf8_lossy(&tsv.stdout), format!("R1\t{}\n", roles.it.managed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_looked_at_is_not_seen_and_never_there() {
    let roles = Roles::start().await;
    let it = &roles.it;
    // Sees vault, cluster and policy, and nobody's roles on the snapshot group and on the account.
    let person = it.world.person(Some("Reader"), &it.group).await;

    let output = roles.run(&person, "plan", &roles.backup(), &["-o", "json"]).await;

    let rows: Vec<Value> =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", told(&output)));
    let not_seen = identities(&rows).into_iter().filter(|row| row["state"] == "not seen");
    assert_eq!(not_seen.map(|row| row["id"].as_str().unwrap()).collect::<Vec<_>>(), ["R2", "R3", "R4"]);
    assert!(rows[1]["detail"].as_str().unwrap().contains("AuthorizationFailed"), "{}", rows[1]);
    assert_eq!(output.status.code(), Some(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_terminal_roles_are_granted_after_a_yes_and_not_before() {
    let roles = Roles::start().await;
    let arguments = roles.backup();
    let (_, healthy) = roles.plan(&arguments).await;
    roles.take(identities(&healthy)[0]).await;
    let answered = async |answer: &'static str| {
        let command = roles.command(&roles.it.world.administrator, "apply", &arguments, &[]);
        let on_terminal = move || {
            let mut terminal = Terminal::run(&command);
            terminal.until("may be granted? [y/N]");
            terminal.write(answer);
            terminal.end()
        };
        tokio::task::spawn_blocking(on_terminal).await.unwrap()
    };

    let without = roles.run(&roles.it.world.administrator, "apply", &arguments, &[]).await;
    let (refused, said_no) = answered("\n").await;
    let (interrupted, _) = answered("\x03").await;
    let (_, before) = roles.plan(&arguments).await;
    let (granted, said_yes) = answered("yes\n").await;
    let (_, after) = roles.plan(&arguments).await;

    assert_eq!(without.status.code(), Some(5), "{}", told(&without));
    assert_eq!((refused, interrupted), (5, 5), "{said_no}");
    assert!(said_no.contains("nothing was changed"), "{said_no}");
    assert_eq!(unmet(&before).len(), 1, "{before:?}");
    assert_eq!((granted, unmet(&after)), (0, vec![]), "{said_yes}");
    assert!(said_yes.contains("+ R1: "), "{said_yes}");
}
