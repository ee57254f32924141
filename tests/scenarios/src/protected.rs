//! An application in a cluster that a vault protects: connected, installed and protected with the command line alone.

use crate::{Cluster, LONG, Managed, Person, Ran, SHOP, Vault, wait_until};

/// Where `enable-backup` puts things in the vault's only region.
pub const GROUP: &str = "AKSAzureBackup_local";
/// The Backup vault that it makes there.
pub const VAULT: &str = "AKSAzureBackup-local";

impl Person {
    /// Makes a cluster known to the vault as `name` in the group `clusters`, and waits until it has dialled. The cluster's
    /// own administrator only applies the manifest. Answers with its id.
    pub fn connect(&self, cluster: &Cluster, name: &str) -> String {
        self.connect_with(cluster, name, &[])
    }

    /// The same with more said about the connection, such as a proxy.
    pub fn connect_with(&self, cluster: &Cluster, name: &str, more: &[&str]) -> String {
        self.line(&["provider", "register", "-n", "Microsoft.ContainerService"]);
        self.line(&["group", "create", "-n", "clusters", "-l", "local"]);
        let connect = ["cluster", "connect", "-n", name, "-g", "clusters"];
        let manifest = self.line(&[&connect[..], more].concat());
        cluster.try_kubectl(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &manifest).ok();
        self.connected(name);
        self.line(&["cluster", "show", "-n", name, "-g", "clusters", "--query", "id", "-o", "tsv"])
    }

    /// Waits until the vault reaches the cluster.
    pub fn connected(&self, name: &str) {
        let show = ["cluster", "show", "-n", name, "-g", "clusters", "--query"];
        let show = [&show[..], &["properties.cofferdam.connected", "-o", "tsv"]].concat();
        wait_until("the cluster is connected", LONG, || {
            let seen = self.line(&show);
            if seen == "true" { Ok(()) } else { Err(seen) }
        });
    }

    /// Protects a cluster in one step; the name of its instance.
    pub fn protect(&self, cluster: &str) -> String {
        println!("{}", self.does(&["enable-backup", "--datasource-id", cluster, "--enable-trusted-access"]));
        self.line(&["instance", "list", "-g", GROUP, "-v", VAULT, "--query", "[0].name", "-o", "tsv"])
    }
}

/// A cluster with the shop, a vault that protects it, and its administrator.
#[derive(Debug)]
pub struct Protected {
    /// Somebody who is signed in and has every right.
    pub person: Person,
    /// The id of the cluster at the vault.
    pub cluster_id: String,
    /// The name of the backup instance.
    pub instance: String,
    /// Where the shop is.
    pub cluster: Managed,
    /// Ends last: the cluster's parts may need it to go.
    pub vault: Vault,
}

impl Protected {
    /// Protects the shop in this cluster.
    pub fn shop(cluster: Managed, vault: Vault) -> Self {
        cluster.0.apply(SHOP);
        cluster.0.wait_ready("shop", "app=app", LONG);
        let person = vault.administrator();
        let cluster_id = person.connect(&cluster.0, "one");
        let instance = person.protect(&cluster_id);
        Self { person, cluster_id, instance, cluster, vault }
    }

    /// A command about the Backup vault, such as `["policy", "list"]`.
    pub fn tries(&self, verb: &[&str], more: &[&str]) -> Ran {
        self.person.cofferdam(&[verb, &["-g", GROUP, "-v", VAULT], more].concat())
    }

    /// The same; it must succeed, though something may have been left out and named.
    pub fn does(&self, verb: &[&str], more: &[&str]) -> String {
        self.person.does(&[verb, &["-g", GROUP, "-v", VAULT], more].concat()).trim().to_owned()
    }

    /// A backup on demand that succeeds.
    pub fn backs_up(&self) {
        self.does(&["backup", "start"], &["-n", &self.instance, "--wait"]);
    }

    /// A backup on demand whose job fails; what was said.
    pub fn fails_to_back_up(&self) -> String {
        let ran = self.tries(&["backup", "start"], &["-n", &self.instance, "--wait"]);
        assert_eq!(ran.code, 1, "the backup should fail: {}\n{}", ran.stdout, ran.stderr);
        ran.stderr
    }

    /// The names of its recovery points, the newest first.
    pub fn points(&self) -> Vec<String> {
        let names = ["--instance", &self.instance, "--query", "[].name", "-o", "tsv"];
        self.does(&["recovery-point", "list"], &names).lines().map(str::to_owned).collect()
    }

    /// How many alerts about backups that failed are in this condition.
    pub fn failures(&self, condition: &str) -> String {
        let which = ["--rule", "Backup Failure", "--condition", condition];
        self.does(&["alert", "list"], &[&which[..], &["--query", "length(@)", "-o", "tsv"]].concat())
    }

    /// Loses the shop and brings it back from a recovery point, or the newest one.
    pub fn loses_and_restores(&self, point: Option<&str>) {
        self.cluster.0.delete_namespace("shop");
        let only = ["-n", &self.instance, "--included-namespaces", "shop", "--wait"];
        let apart = ["--include-cluster-scope-resources", "false"];
        let from: Vec<&str> = point.into_iter().flat_map(|point| ["--recovery-point-id", point]).collect();
        self.does(&["restore", "start"], &[&only[..], &apart, &from].concat());
        self.cluster.0.has_shop();
    }

    /// The principal of the extension.
    pub fn extension(&self) -> String {
        let show = ["extension", "show", "-n", "azure-aks-backup", "-c", "one", "-g", "clusters", "--query"];
        self.person.line(&[&show[..], &["properties.aksAssignedIdentity.principalId", "-o", "tsv"]].concat())
    }

    /// The id of the storage account that it writes to.
    pub fn account(&self) -> String {
        self.person.line(&["storage", "account", "list", "-g", GROUP, "--query", "[0].id", "-o", "tsv"])
    }
}

impl Cluster {
    /// Waits until the shop is there, with what was written into its volume once.
    pub fn has_shop(&self) {
        self.wait_ready("shop", "app=app", LONG);
        assert_eq!(self.exec("shop", "app", &["cat", "/data/words"]), "kept in the volume\n");
    }
}
