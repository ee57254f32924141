//! What the owners of vault and clusters decide counts in the clusters too: whose packages come in, what is locked, kept or
//! protected once, who has which role, and into which subscription something goes.

#[path = "vault_owned/roles.rs"]
mod roles;

use scenarios::{
    Az, Cluster, GROUP, IMAGE, LONG, Managed, NAMESPACE, Person, Protected, Ran, SHOP, Vault, binary, run,
    wait_until,
};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Where the clusters' pods reach the machine that the tests run on; apart from the addresses of other stories.
const ADDRESS: &str = "10.213.0.2:8464";
const EXTENSION: [&str; 4] = ["-n", "azure-aks-backup", "-g", "clusters"];
const SECOND: &str = "Second site";

/// A person is refused, with this code.
fn refused(ran: &Ran, code: &str) {
    assert!(ran.code != 0 && ran.stderr.contains(code), "{code}: {ran:?}");
}

#[test]
fn what_the_owners_of_vault_and_clusters_decide_holds_in_the_clusters_too() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let cluster = Managed::empty(Cluster::one());
    let other = Managed::empty(Cluster::two());
    cluster.0.apply(SHOP);
    cluster.0.wait_ready("shop", "app=app", LONG);
    let vault = Vault::start(place.path(), ADDRESS);
    let person = vault.administrator();

    let cluster_id = lets_in_only_what_its_owner_trusts(&person, &cluster.0, place.path());
    let instance = person.protect(&cluster_id);
    let it = Protected { person, cluster_id, instance, cluster, vault };
    it.backs_up();
    the_checks_agree(&it);
    roles::a_provider_that_is_not_registered_is_named_and_registered_as_printed(&it);
    roles::each_role_that_is_missing_is_named_and_granted_in_one_step(&it);
    roles::a_colleague_is_told_which_role_is_missing(&it);
    nothing_is_protected_twice_or_deleted_under_a_lock(&it);
    what_is_immutable_stays(&it);
    all_jobs_are_in_the_export(&it, place.path());
    into_another_subscription(&it, &other.0);
    assert_eq!(it.points().len(), 4, "each backup has its recovery point");
}

/// The owner of the cluster writes the manifest with a program of their own, first with a stranger's key in the list of those
/// whose packages come in; the cluster's id.
fn lets_in_only_what_its_owner_trusts(person: &Person, cluster: &Cluster, place: &Path) -> String {
    let strangers = place.join("strangers.json");
    std::fs::write(&strangers, trust(&public_key(place)).to_string()).expect("the stranger's file");
    let ours = place.join("packages/trust.json");
    person.line(&["provider", "register", "-n", "Microsoft.ContainerService"]);
    person.line(&["group", "create", "-n", "clusters", "-l", "local"]);
    let connect = |trusted: &Path, more: &[&str]| {
        let trusted = trusted.display().to_string();
        let what =
            ["cluster", "connect", "-n", "one", "-g", "clusters", "--trust", &trusted, "--image", IMAGE];
        let manifest = person.line(&[&what[..], more].concat());
        cluster.try_kubectl(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &manifest).ok();
        person.connected("one");
    };

    connect(&strangers, &[]);
    let id = person.line(&["cluster", "show", "-n", "one", "-g", "clusters", "--query", "id", "-o", "tsv"]);
    let tried = person.cofferdam(&["enable-backup", "--datasource-id", &id, "--enable-trusted-access"]);
    let installed = cluster.get(&["deployments", "-n", NAMESPACE]).unwrap_or_default();
    person.line(&[&["extension", "delete", "-c", "one", "--yes"], &EXTENSION[..]].concat());
    connect(&ours, &["--reconnect"]);

    refused(&tried, "PackageNotSigned");
    assert_eq!(installed["items"].as_array().map_or(0, Vec::len), 0, "{installed}");
    println!("a package is let in by the key that the cluster's owner trusts, and by no other");
    id
}

/// The public half of a key that signs nothing.
fn public_key(place: &Path) -> String {
    let (private, public) = (place.join("stranger.pem"), place.join("stranger.pub"));
    let mut key = Command::new(binary("cofferdam"));
    key.args(["extension-package", "key", "--private"]).arg(&private).arg("--public").arg(&public);
    run(key, "").ok();
    std::fs::read_to_string(&public).expect("the stranger's public key")
}

fn trust(key: &str) -> Value {
    serde_json::json!({"keys": [{"publicKey": key, "types": ["microsoft.dataprotection.kubernetes"]}]})
}

/// Every prerequisite is looked at from both sides, and nothing is wrong.
fn the_checks_agree(it: &Protected) {
    let seen = roles::preflight(it);

    for id in ["P1", "P3", "P4", "P5", "P7", "P8", "P14", "P22", "P23", "P24", "P25", "P30"] {
        seen.expect(id, "Passed", "");
    }
    assert_eq!(seen.failed(), Vec::<&str>::new(), "{:#}", seen.document);
    println!("preflight sees cluster and vault, and nothing is wrong");
}

fn nothing_is_protected_twice_or_deleted_under_a_lock(it: &Protected) {
    let policy = ["-n", &it.instance, "--query", "properties.policyInfo.policyId", "-o", "tsv"];
    let policy = it.does(&["instance", "show"], &policy);
    let again = ["--datasource-id", &it.cluster_id, "--policy", &policy];
    let az = Az::signed_in(&it.vault);
    let lock = ["--name", "keep", "--resource-group", GROUP];
    let delete = ["-n", &it.instance, "--yes"];

    let twice = it.tries(&["instance", "create"], &again);
    az.done("lock create --lock-type CanNotDelete", &lock);
    let locked = it.tries(&["instance", "delete"], &delete);
    let group = it.person.cofferdam(&["group", "delete", "-n", GROUP, "--yes"]);
    az.done("lock delete", &lock);

    refused(&twice, "UserErrorBackupInstanceAlreadyExists");
    refused(&locked, "ScopeLocked");
    refused(&group, "ScopeLocked");
    assert_eq!(it.points().len(), 3);
    println!("protected once, and locked");
}

/// Backups go on where nothing may go.
fn what_is_immutable_stays(it: &Protected) {
    let state = |state: &str| it.does(&["vault", "update"], &["--immutability-state", state]);
    let account =
        it.person.line(&["storage", "account", "list", "-g", GROUP, "--query", "[0].name", "-o", "tsv"]);

    state("Unlocked");
    it.backs_up();
    let instance = it.tries(&["instance", "delete"], &["-n", &it.instance, "--yes"]);
    let store = it.person.cofferdam(&["storage", "account", "delete", "-n", &account, "-g", GROUP, "--yes"]);
    state("Disabled");

    refused(&instance, "UserErrorImmutableVaultDeleteNotAllowed");
    refused(&store, "AccountProtectedFromDeletion");
    println!("immutable, and written to");
}

fn all_jobs_are_in_the_export(it: &Protected, place: &Path) {
    let file = place.join("jobs.json").display().to_string();
    let ids = it.does(&["job", "list"], &["--query", "[].name", "-o", "tsv"]);

    it.does(&["job", "export"], &["--file", &file]);

    let written = std::fs::read_to_string(&file).expect("the export");
    let left_out: Vec<&str> = ids.lines().filter(|id| !written.contains(*id)).collect();
    assert!(ids.lines().count() >= 8 && left_out.is_empty(), "{left_out:?} of {ids} are not in {written}");
    println!("all jobs are in the export");
}

/// Another site has a subscription of its own: what one protects comes back there once the vault may give it away.
fn into_another_subscription(it: &Protected, two: &Cluster) {
    let credential = it.vault.administrators_credential();
    let owner = credential["clientId"].as_str().expect("the administrator");
    let mut add = Command::new(binary("cofferdam"));
    add.args(["vault", "add-subscription", SECOND, "--owner", owner, "--data"]).arg(it.vault.data());
    run(add, "").ok();
    // Who is signed in sees the subscriptions that were there then.
    it.vault.administrator();
    let site = Site { it, cluster: two };
    let id = site.prepares();
    let restore = ["-n", &it.instance, "--target-resource-id", &id, "--included-namespaces", "shop"];
    let restore = [&restore[..], &["--include-cluster-scope-resources", "false", "--wait"]].concat();
    let switch = |state: &str| it.does(&["vault", "update"], &["--cross-subscription-restore-state", state]);

    switch("Disabled");
    let kept = it.tries(&["restore", "start"], &restore);
    switch("Enabled");
    roles::who_may_not_see_the_source_restores_nothing_from_it(it, &id, two);

    refused(&kept, "UserErrorCrossSubscriptionRestoreNotAllowed");
    println!("restored into another subscription");
    site.goes();
}

/// The second cluster in the second subscription.
struct Site<'s> {
    it: &'s Protected,
    cluster: &'s Cluster,
}

impl Site<'_> {
    fn there(&self, args: &[&str]) -> String {
        self.it.person.line(&[args, &["--subscription", SECOND]].concat())
    }

    /// Connects the cluster and installs the extension, with the roles of a restore; the cluster's id.
    fn prepares(&self) -> String {
        let (it, at) = (self.it, ["-n", "two", "-g", "clusters"]);
        for provider in ["Microsoft.ContainerService", "Microsoft.KubernetesConfiguration"] {
            self.there(&["provider", "register", "-n", provider]);
        }
        self.there(&["group", "create", "-n", "clusters", "-l", "local"]);
        let manifest = self.there(&[&["cluster", "connect"], &at[..]].concat());
        let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.cluster.try_kubectl(&apply, &manifest).ok();
        let show = |what: &str| {
            self.there(&[&["cluster", "show"], &at[..], &["--query", what, "-o", "tsv"]].concat())
        };
        wait_until("the second cluster is connected", LONG, || {
            let seen = show("properties.cofferdam.connected");
            if seen == "true" { Ok(()) } else { Err(seen) }
        });
        let account = ["storage", "account", "list", "-g", GROUP, "--query", "[0].name", "-o", "tsv"];
        let account = it.person.line(&account);
        it.person.line(&[
            "storage",
            "container",
            "create",
            "-g",
            GROUP,
            "--account-name",
            &account,
            "-n",
            "two",
        ]);
        let settings = [
            "blobContainer=two".to_owned(),
            format!("storageAccount={account}"),
            format!("storageAccountResourceGroup={GROUP}"),
            format!(
                "storageAccountSubscriptionId={}",
                it.person.line(&["account", "show", "--query", "id", "-o", "tsv"])
            ),
        ];
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        self.there(
            &[&["extension", "create", "-c", "two"], &EXTENSION[..], &["--config"], &settings].concat(),
        );
        let id = show("id");
        self.is_granted_what_is_planned(&id);
        id
    }

    /// The plan for a restore to this cluster names what its identities lack; they are given exactly that. The extension
    /// writes to its own container and may only read that of the other cluster.
    fn is_granted_what_is_planned(&self, id: &str) {
        let it = self.it;
        let snapshots = it.person.line(&["group", "show", "-n", GROUP, "--query", "id", "-o", "tsv"]);
        let bucket = "properties.configurationSettings.\"configuration.backupStorageLocation.bucket\"";
        let bucket = ["extension", "show", "-c", "one", "--query", bucket, "-o", "tsv"];
        let source = it.person.line(&[&bucket[..], &EXTENSION].concat());
        let container = |name: &str| format!("{}/blobServices/default/containers/{name}", it.account());
        let which = ["--instance", &it.instance, "--target-resource-id", id, "-o", "json"];

        let planned = it.tries(&["roles", "plan"], &which);
        let rows = planned.json().as_array().cloned().expect("a plan");
        let lacks = |row: &&Value| {
            row["state"] == "missing" && row["id"].as_str().is_some_and(|id| id.starts_with('R'))
        };
        let lacking: Vec<&Value> = rows.iter().filter(lacks).filter(|row| row["id"] != "R13").collect();
        let word = |row: &Value, name: &str| row[name].as_str().expect("a word").to_owned();
        let said: Vec<_> = lacking.iter().map(|row| (word(row, "role"), word(row, "scope"))).collect();
        for row in &lacking {
            let (assignee, role, scope) = (word(row, "principalId"), word(row, "role"), word(row, "scope"));
            let which = ["--assignee", &assignee, "--role", &role, "--scope", &scope];
            it.person.line(&[&["role", "assignment", "create"], &which[..]].concat());
        }

        let expected = [
            ("Reader", id.to_owned()),
            ("Contributor", snapshots),
            ("Storage Blob Data Contributor", container("two")),
            ("Storage Blob Data Reader", container(&source)),
        ];
        assert_eq!(said, expected.map(|(role, scope)| (role.to_owned(), scope)), "{rows:#?}");
    }

    /// With a cluster goes the group of its nodes, in which the identity of its extension was.
    fn goes(&self) {
        let at = ["-n", "two", "-g", "clusters"];
        let group = ["cluster", "show", "--query", "properties.nodeResourceGroup", "-o", "tsv"];
        let group = self.there(&[&group[..], &at].concat());
        let identities =
            || self.there(&["identity", "list", "-g", &group, "--query", "length(@)", "-o", "tsv"]);
        let subscription = ["--subscription", SECOND];

        let held = identities();
        self.there(&[&["extension", "delete", "-c", "two", "--yes"], &EXTENSION[..]].concat());
        let without = identities();
        self.there(&[&["cluster", "delete", "--yes"], &at[..]].concat());
        let shown = ["group", "show", "-n", &group];
        let after = self.it.person.cofferdam(&[&shown[..], &subscription].concat());

        assert_eq!((held.as_str(), without.as_str()), ("1", "0"), "the identity goes with the extension");
        refused(&after, "ResourceGroupNotFound");
        println!("gone, with the group of its nodes");
    }
}
