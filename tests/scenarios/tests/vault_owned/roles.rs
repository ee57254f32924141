//! Who has which role, in real clusters: each role of an identity is taken away, missed by one check and by the next backup,
//! and granted in one step; and a colleague is told which role of theirs is missing.

use scenarios::{Az, Cluster, GROUP, Person, Preflight, Protected, Ran, VAULT};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The rows that this cluster enforces or that are asked for whenever it is reached; by row, its check and its code.
const ROWS: [(&str, &str, &str); 5] = [
    ("R1", "P23", "KubernetesBackupListExtensionsError"),
    ("R2", "P23", "UserErrorVaultMSIMissingPermissionsOnSnapshotResourceGroup"),
    ("R3", "P23", "UserErrorClusterMSIMissingPermissionsOnSnapshotResourceGroup"),
    ("R4", "P6", "UserErrorExtensionMSIMissingPermissionsOnBackupStorageLocation"),
    ("R13", "P3", "UserErrorTrustedAccessGatewayReturnedForbidden"),
];

/// Every prerequisite, looked at from both sides: the cluster, and the vault's resource manager.
pub fn preflight(it: &Protected) -> Preflight {
    let instance = it.does(&["instance", "show"], &["-n", &it.instance, "--query", "id", "-o", "tsv"]);
    let kubeconfig = it.cluster.0.kubeconfig.clone();
    let arguments = ["preflight", "-o", "json", "--kubeconfig", &kubeconfig, "--instance", &instance];
    Preflight::of(&it.person.cofferdam(&arguments))
}

fn results(seen: &Preflight) -> BTreeMap<String, String> {
    let checks = seen.document["checks"].as_array().expect("a list of checks");
    let id = |check: &Value| check["id"].as_str().expect("an id").to_owned();
    checks.iter().map(|check| (id(check), seen.result(&id(check)))).collect()
}

fn text<'v>(row: &'v Value, name: &str) -> &'v str {
    row[name].as_str().unwrap_or_else(|| panic!("no {name}: {row:#}"))
}

/// Each is missed by exactly one check and by the next backup, both with its code, and is there again after one step.
pub fn each_role_that_is_missing_is_named_and_granted_in_one_step(it: &Protected) {
    let which = ["--instance", &it.instance];
    let planned = it.tries(&["roles", "plan"], &[&which[..], &["-o", "json"]].concat());
    let rows = planned.json().as_array().cloned().expect("a plan");
    let mut needed: BTreeSet<&str> = rows.iter().map(|row| text(row, "id")).collect();
    needed.retain(|id| id.starts_with('R'));
    assert_eq!((planned.code, needed), (0, ROWS.map(|(id, ..)| id).into()), "{rows:#?}");
    let healthy = results(&preflight(it));

    for (id, check, code) in ROWS {
        let row = rows.iter().find(|row| row["id"] == id).expect("a row");
        take(it, row);
        let broken = preflight(it);
        let said = it.fails_to_back_up();
        let granted = it.tries(&["roles", "apply"], &[&which[..], &["--yes"]].concat());
        let mended = preflight(it);

        for word in [id, text(row, "role"), text(row, "principalId"), text(row, "scope")] {
            broken.expect(check, "Failed Block", word);
        }
        assert_eq!(broken.check(check)["code"], code, "{:#}", broken.check(check));
        for (other, result) in results(&broken).iter().filter(|(other, _)| *other != check) {
            let depends = broken.evidence(other) == format!("{check} has to be mended first");
            assert!(depends || healthy.get(other) == Some(result), "{id}: {:#}", broken.check(other));
        }
        assert!(said.contains(code), "{id}: {said}");
        assert!(granted.code == 0 && granted.stderr.contains(&format!("+ {id}: ")), "{granted:?}");
        assert_eq!(results(&mended), healthy, "{id} was granted");
        println!("{id} was missed by {check} and by a backup, and is there again");
    }
    it.backs_up();
}

/// A provider that the subscription has given up is named by one check, and there again after the printed command.
pub fn a_provider_that_is_not_registered_is_named_and_registered_as_printed(it: &Protected) {
    let az = Az::signed_in(&it.vault);
    let (subscription, _) = it.cluster_id.split_once("/resourceGroups/").expect("an id in a group");
    let healthy = results(&preflight(it));

    for provider in ["Microsoft.ContainerService", "Microsoft.DataProtection"] {
        az.rest("post", &format!("{subscription}/providers/{provider}/unregister"), "2024-11-01", None);
        let broken = preflight(it);
        let printed = broken.commands("P7", "cofferdam");
        let words: Vec<&str> = printed.first().expect("a command").split(' ').skip(1).collect();
        it.person.line(&words);
        let mended = preflight(it);

        broken.expect("P7", "Failed Block", &format!("{provider} is "));
        assert_eq!(broken.check("P7")["code"], "MissingSubscriptionRegistration");
        assert_eq!((broken.failed(), broken.code), (vec!["P7"], 5), "{provider}: {:#}", broken.document);
        assert!(printed[0].contains(provider), "{printed:?}");
        assert_eq!(results(&mended), healthy, "{provider} is registered again");
    }
    println!("a provider that is not registered is named, and registered as printed");
}

/// Takes away what a row of the plan is about.
fn take(it: &Protected, row: &Value) {
    if row["id"] != "R13" {
        let (who, role, scope) = (text(row, "principalId"), text(row, "role"), text(row, "scope"));
        return assign(it, "delete", who, role, scope);
    }
    let bindings = ["trusted-access", "rolebinding"];
    let at = ["-g", "clusters", "--cluster-name", "one"];
    let list = ["list", "--query", "[0].name", "-o", "tsv"];
    let name = it.person.line(&[&bindings[..], &list, &at].concat());
    it.person.line(&[&bindings[..], &["delete", "--yes", "-n", &name], &at].concat());
}

fn assign(it: &Protected, verb: &str, principal: &str, role: &str, scope: &str) {
    let which = ["--assignee", principal, "--role", role, "--scope", scope];
    let sure: &[&str] = if verb == "delete" { &["--yes"] } else { &[] };
    it.person.line(&[&["role", "assignment", verb], &which[..], sure].concat());
}

/// Somebody beside the administrator.
pub struct Colleague<'s> {
    it: &'s Protected,
    person: Person,
    principal: String,
}

impl<'s> Colleague<'s> {
    /// With these roles, each on its scope.
    fn with(it: &'s Protected, name: &str, roles: &[(&str, &str)]) -> Self {
        let (principal, credential) = it.vault.principal(name);
        for (role, scope) in roles {
            assign(it, "create", &principal, role, scope);
        }
        // Who is signed in sees the subscriptions in which they had a role then.
        Self { it, person: it.vault.signed_in(name, &credential), principal }
    }

    fn role(&self, verb: &str, role: &str, scope: &str) {
        assign(self.it, verb, &self.principal, role, scope);
    }

    /// Is told the role, the scope and who can grant it, with the commands.
    fn is_told(&self, ran: &Ran, row: &str, role: &str, scope: &str) {
        let sentence = format!(
            "The role '{role}' on '{scope}' ({row}) is missing. An Owner or User Access Administrator of that scope can grant it"
        );
        let command = format!("role assignment create --assignee-object-id {}", self.principal);
        for words in [sentence, format!("cofferdam {command}"), format!("az {command}")] {
            assert!(ran.code != 0 && ran.stderr.contains(&words), "{row}: {words}: {ran:?}");
        }
        println!("{row}: a colleague is told that {role} is missing");
    }
}

/// A colleague sees everything and has all roles of those who set backups up. One after the other is taken away: what it is
/// for is refused then, and done when it is back.
pub fn a_colleague_is_told_which_role_is_missing(it: &Protected) {
    let id = |args: &[&str]| it.person.line(&[args, &["--query", "id", "-o", "tsv"]].concat());
    let group = id(&["group", "show", "-n", GROUP]);
    let snapshots = id(&["group", "create", "-n", "snapshots", "-l", "local"]);
    let vault = it.does(&["vault", "show"], &["--query", "id", "-o", "tsv"]);
    let (account, cluster) = (it.account(), it.cluster_id.clone());
    let account_name = account.rsplit('/').next().expect("a name").to_owned();
    let (subscription, _) = group.split_once("/resourceGroups/").expect("an id of a group");
    let roles = [
        ("Reader", subscription),
        ("Owner", &cluster),
        ("Backup Contributor", &group),
        ("Owner", &account),
        ("Owner", &snapshots),
    ];
    let colleague = Colleague::with(it, "colleague", &roles);
    let operator = "Microsoft.DataProtection/backupVaults/backup-operator";
    let at = ["-g", "clusters", "--cluster-name", "one", "-n", "colleague"];
    let binding = ["trusted-access", "rolebinding"];
    let bind =
        [&binding[..], &["create"], &at, &["--source-resource-id", &vault, "--roles", operator]].concat();
    let back_up = ["backup", "start", "-g", GROUP, "-v", VAULT, "-n", &it.instance, "--wait"];
    let container =
        ["storage", "container", "create", "-g", GROUP, "--account-name", &account_name, "-n", "mine"];
    let whom = ["--assignee", &colleague.principal, "--role", "Reader", "--scope", &snapshots];
    let give = [&["role", "assignment", "create"], &whom[..]].concat();

    for (row, role, scope, does) in [
        ("U1", "Owner", &cluster, &bind[..]),
        ("U2", "Backup Contributor", &group, &back_up[..]),
        ("U3", "Owner", &account, &container[..]),
        ("U4", "Owner", &snapshots, &give[..]),
    ] {
        colleague.role("delete", role, scope);
        let refused = colleague.person.cofferdam(does);
        colleague.role("create", role, scope);
        let done = colleague.person.cofferdam(does);

        colleague.is_told(&refused, row, role, scope);
        done.ok();
    }
    it.person.line(&[&binding[..], &["delete", "--yes"], &at].concat());
}

/// Whoever restores to another cluster must see the one that was backed up; who may then, restores.
pub fn who_may_not_see_the_source_restores_nothing_from_it(it: &Protected, target: &str, two: &Cluster) {
    let group = it.person.line(&["group", "show", "-n", GROUP, "--query", "id", "-o", "tsv"]);
    let roles = [("Backup Contributor", group.as_str()), ("Owner", target)];
    let restorer = Colleague::with(it, "restorer", &roles);
    let start =
        ["restore", "start", "-g", GROUP, "-v", VAULT, "-n", &it.instance, "--target-resource-id", target];
    let only = ["--included-namespaces", "shop", "--include-cluster-scope-resources", "false"];
    let (subscription, _) = group.split_once("/resourceGroups/").expect("an id of a group");
    let subscription = subscription.trim_start_matches("/subscriptions/");
    let more = ["--wait", "--enable-trusted-access", "--subscription", subscription];
    let start = [&start[..], &only, &more].concat();

    let refused = restorer.person.cofferdam(&start);
    restorer.role("create", "Reader", &it.cluster_id);
    restorer.person.does(&start);

    assert!(refused.stderr.contains("LinkedAuthorizationFailed"), "{refused:?}");
    restorer.is_told(&refused, "U5", "Reader", &it.cluster_id);
    two.has_shop();
}
