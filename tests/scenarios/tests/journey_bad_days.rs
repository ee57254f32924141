//! Bad days of the journey on a real cluster: the vault is killed in the middle of each of its steps, the tunnel is cut, the
//! store is full. Each step ends once, and as it should.

use scenarios::{
    Cluster, Cut, Disk, GROUP, LONG, Managed, NAMESPACE, Protected, Ran, SHOP, SLOW, VAULT, Vault, binary,
    run, wait_until,
};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// Where the clusters' pods reach the machine that the tests run on; apart from the addresses of other stories.
const ADDRESS: &str = "10.213.0.2:8470";
/// Twice what a tunnel without a word may take until it is given up (30 s), for a machine that has other work.
const HALF_OPEN: Duration = Duration::from_secs(60);

#[test]
fn whatever_breaks_in_the_middle_of_the_journey_each_step_ends_once_and_as_it_should() {
    let place = tempfile::tempdir().expect("a temporary directory");
    // The vault's database is elsewhere.
    let disk = Disk::new("48m");
    let begun = Instant::now();
    let told = |what: &str| println!("{:>4} s: {what}", begun.elapsed().as_secs());

    let it = protects(place.path(), &disk);
    told("protected, and killed while it installed and while it configured");
    is_held_up_by_a_hook(&it);
    backs_up(&it);
    told("backed up, and killed twice meanwhile");
    is_cut_off(&it);
    told("backed up, and cut off meanwhile");
    runs_out_of_space(&it, place.path(), &disk);
    told("ran out of space, and backed up when there was some");
    restores(&it);
    told("restored, and killed meanwhile");
    deletes(&it, &disk);
    told("deleted, and killed meanwhile");
}

/// `enable-backup` goes on through two deaths of the vault: one while the extension comes up, one while the instance is
/// looked at.
fn protects(place: &Path, disk: &Disk) -> Protected {
    let cluster = Managed::empty(Cluster::one());
    cluster.0.apply(SHOP);
    cluster.0.wait_ready("shop", "app=app", LONG);
    let store = format!("default=file://{}", disk.path().display());
    let vault = Vault::with(place, ADDRESS, &["--store", &store]);
    let person = vault.administrator();
    let cluster_id = person.connect(&cluster.0, "one");
    let at = ["-g", GROUP, "-v", VAULT];
    let state = ["--query", "[0].properties.currentProtectionState", "-o", "tsv"];
    let enable = ["enable-backup", "--datasource-id", &cluster_id, "--enable-trusted-access"];

    let enabled = thread::scope(|scope| {
        let enabling = scope.spawn(|| person.cofferdam(&enable));
        wait_until("the extension is being installed", LONG, || {
            let deployment = ["deployment", "-n", NAMESPACE, "cofferdam-extension"];
            cluster.0.get(&deployment).map(drop).ok_or_else(|| "no Deployment yet".to_owned())
        });
        vault.dies_and_returns();
        let was = wait_until("the instance is being looked at", LONG, || {
            let seen = person.cofferdam(&[&["instance", "list"], &at[..], &state].concat());
            if seen.stdout.contains("Protect") { Ok(seen.stdout) } else { Err(seen.stderr) }
        });
        vault.dies_and_returns();
        println!("the vault died when the instance was in {}", was.trim());
        enabling.join().expect("the command ends")
    });

    println!("{}", enabled.stderr);
    assert_eq!(enabled.code, 0, "{enabled:?}");
    let instances = person.line(&[&["instance", "list"], &at[..], &["-o", "json"]].concat());
    let instances: Value = serde_json::from_str(&instances).expect("a list");
    let [instance] = instances.as_array().expect("a list").as_slice() else { panic!("one: {instances}") };
    assert_eq!(instance["properties"]["currentProtectionState"], "ProtectionConfigured", "{instance}");
    let extensions = ["extension", "list", "-c", "one", "-g", "clusters", "--query"];
    let extensions =
        person.line(&[&extensions[..], &["[].properties.provisioningState", "-o", "tsv"]].concat());
    assert_eq!(extensions, "Succeeded", "one extension");
    let instance = instance["name"].as_str().expect("a name").to_owned();
    let it = Protected { person, cluster_id, instance, cluster, vault };
    assert_eq!(it.jobs("operation=='ConfigureProtection'"), [["ConfigureProtection", "Completed"]]);
    it
}

fn is_held_up_by_a_hook(it: &Protected) {
    it.cluster.0.apply(SLOW);
    let chosen = ["--included-namespaces", "shop", "--include-cluster-scope-resources", "false"];
    let chosen = [&["-n", &it.instance, "--backup-hook-refs", "shop/slow"], &chosen[..]].concat();
    it.does(&["instance", "update"], &chosen);
}

/// The vault dies when the cluster has just been asked, and again in the middle of the backup.
fn backs_up(it: &Protected) {
    let ran = it.holds_up(|backup| {
        it.vault.dies_and_returns();
        it.is_held_up();
        it.vault.dies_and_returns();
        it.lets_go();
        it.ends_in_cluster("backups", backup);
    });

    assert_eq!(ran.code, 0, "{ran:?}");
    it.is_once("Backup", "backups");
    assert_eq!(it.jobs("operationCategory=='Backup' && isUserTriggered"), [["Backup", "Completed"]]);
    assert_eq!(it.points().len(), it.resources("backups").len(), "each backup is a recovery point");
}

/// Nothing gets through between gateway and vault, and nothing says so: the vault finds out, tells it, and hears in the end of
/// what the cluster did meanwhile.
fn is_cut_off(it: &Protected) {
    let reachable = ["cluster", "show", "-n", "one", "-g", "clusters", "--query"];
    let reachable = [&reachable[..], &["properties.cofferdam.reachable", "-o", "tsv"]].concat();
    let before = it.person.line(&reachable);

    let ran = it.holds_up(|backup| {
        it.is_held_up();
        let cut = Cut::of_gateway(&it.cluster.0, ADDRESS);
        wait_until("the vault knows that it does not reach the cluster", HALF_OPEN, || {
            let seen = it.person.line(&reachable);
            if seen == "false" { Ok(()) } else { Err(seen) }
        });
        it.lets_go();
        it.ends_in_cluster("backups", backup);
        let status = it.jobs_by(&format!("name=='{backup}'"), "properties.status");
        assert_eq!(status, ["InProgress"], "nobody has told the vault");
        drop(cut);
    });

    assert_eq!(before, "true");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("waiting for the cluster to be reached again"), "{}", ran.stderr);
    it.is_once("Backup", "backups");
    assert_eq!(it.person.line(&reachable), "true");
}

/// The store has not a byte left: the backup says so, the vault goes on, and once there is room so does everything.
fn runs_out_of_space(it: &Protected, place: &Path, disk: &Disk) {
    let account = it.account();
    let account = account.rsplit('/').next().expect("a name");
    let points = it.points();
    let mut full = None;

    let ran = it.holds_up(|backup| {
        it.is_held_up();
        full = Some(disk.fill());
        it.lets_go();
        it.ends_in_cluster("backups", backup);
    });
    let listed = it.points();
    let grouped = it.person.cofferdam(&["group", "create", "-n", "meanwhile", "-l", "local"]);
    drop(full);
    it.backs_up();

    assert_eq!(ran.code, 1, "{ran:?}");
    for words in ["UserErrorBackupStorageLocationFull", account, "next: Free space"] {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    assert_eq!(grouped.code, 0, "the vault itself goes on: {grouped:?}");
    assert_eq!(listed, points, "nothing is listed that is not there, and nothing is lost");
    assert_eq!(it.points().len(), points.len() + 1);
    it.is_once("Backup", "backups");
    let checked = is_whole(it, place, disk.path());
    assert!(checked.stdout.contains("no damage found"), "{checked:?}");
}

/// Every byte of the repository is read with the key that the vault keeps.
fn is_whole(it: &Protected, place: &Path, store: &Path) -> Ran {
    let public = it.vault.operator(&["make-recovery-key", "--identity", "recovery.key"]).ok();
    fs::write(place.join("recovery.pub"), public).expect("the public half");
    let export =
        ["export-repository-keys", "--data", "vault", "--recipient", "recovery.pub", "--out", "keys.age"];
    it.vault.operator(&export).ok();
    let open = ["open-repository-keys", "keys.age", "--identity", "recovery.key", "--into", "keys"];
    it.vault.operator(&open).ok();
    let key = only(&place.join("keys"), |path| path.extension().is_some_and(|kind| kind == "password"));
    let account = only(store, Path::is_dir);
    let container = only(&account, |path| path.join("cofferdam").is_dir());
    let mut check = Command::new(binary("cofferdam"));
    check.args(["repository", "--directory"]).arg(container).arg("check-data");
    check.env("COFFERDAM_REPOSITORY_PASSWORD", fs::read_to_string(key).expect("the key").trim());
    run(check, "")
}

/// The only entry of a folder that is one.
fn only(folder: &Path, is: impl Fn(&Path) -> bool) -> PathBuf {
    let entries = fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    let found: Vec<PathBuf> = entries.filter(|path| is(path)).collect();
    let [one] = found.as_slice() else { panic!("one in {}: {found:?}", folder.display()) };
    one.clone()
}

/// The vault dies while a restore is under way in the cluster.
fn restores(it: &Protected) {
    it.cluster.0.delete_namespace("shop");
    let only = ["-n", &it.instance, "--included-namespaces", "shop", "--wait"];
    let start = [&only[..], &["--include-cluster-scope-resources", "false"]].concat();

    let ran = thread::scope(|scope| {
        let waiting = scope.spawn(|| it.tries(&["restore", "start"], &start));
        let restore = it.newest("restores", 0);
        wait_until("the restore is under way", LONG, || {
            let phase = it.phase("restores", &restore);
            if phase.is_empty() || phase == "Accepted" { Err(phase) } else { Ok(()) }
        });
        it.vault.dies_and_returns();
        waiting.join().expect("the command ends")
    });

    assert!([0, 3].contains(&ran.code), "{ran:?}");
    it.cluster.0.has_shop();
    it.is_once("Restore", "restores");
    assert_eq!(it.resources("restores").len(), 1);
}

/// The vault dies when it has had the cluster asked to delete every recovery point, and none is deleted yet.
fn deletes(it: &Protected, disk: &Disk) {
    let points = it.points();
    let anchored = anchors(it, &points);
    it.does(&["vault", "update"], &["--soft-delete-state", "Off"]);
    it.sleeps();

    it.does(&["instance", "delete"], &["-n", &it.instance, "--yes"]);
    wait_until("the cluster is asked to delete", LONG, || {
        let asked = it.resources("deletebackups").len();
        if asked == points.len() { Ok(()) } else { Err(format!("{asked} of {points:?}")) }
    });
    it.vault.dies_and_returns();
    let before = snapshots(disk.path());
    it.wakes();
    wait_until("nothing is left of the instance", LONG, || {
        let left = (snapshots(disk.path()), it.resources("deletebackups"));
        if left == (0, Vec::new()) { Ok(()) } else { Err(format!("{left:?}")) }
    });

    assert_eq!(before, points.len(), "none was deleted when the vault died");
    assert_eq!(it.jobs("operation=='DeleteProtection'"), [["DeleteProtection", "Completed"]]);
    assert_eq!((anchored, anchors(it, &points)), (points.len(), 0), "the snapshots went with the deletions");
    // It goes only when nothing is in it any more.
    wait_until("the Backup vault can go", LONG, || {
        let gone = it.tries(&["vault", "delete"], &["--yes"]);
        if gone.code == 0 { Ok(()) } else { Err(gone.stderr) }
    });
}

/// How many snapshots of these recovery points the cluster holds on to; another story may have left some of its own there.
fn anchors(it: &Protected, points: &[String]) -> usize {
    let which =
        format!("clusterbackup.dataprotection.microsoft.com/recovery-point in ({})", points.join(","));
    let found = it.cluster.0.get(&["volumesnapshotcontents", "-l", &which]).unwrap_or_default();
    found["items"].as_array().map_or(0, Vec::len)
}

/// How many recovery points lie in the only repository of a store.
fn snapshots(store: &Path) -> usize {
    let container = only(&only(store, Path::is_dir), |path| path.join("cofferdam").is_dir());
    fs::read_dir(container.join("cofferdam/snapshots")).map_or(0, Iterator::count)
}

/// What these stories look at and do again and again.
trait BadDays {
    fn holds_up(&self, meanwhile: impl FnOnce(&str)) -> Ran;
    fn is_held_up(&self);
    fn lets_go(&self);
    fn sleeps(&self);
    fn wakes(&self);
    fn resources(&self, plural: &str) -> Vec<String>;
    fn newest(&self, plural: &str, before: usize) -> String;
    fn phase(&self, plural: &str, name: &str) -> String;
    fn ends_in_cluster(&self, plural: &str, name: &str);
    fn jobs(&self, which: &str) -> Vec<[String; 2]>;
    fn jobs_by(&self, which: &str, what: &str) -> Vec<String>;
    fn is_once(&self, category: &str, plural: &str);
}

impl BadDays for Protected {
    /// Backs up on demand and waits for the job, as a person does; the hook holds the backup up, and `meanwhile` is called with
    /// its name as soon as the cluster knows it. How the command ended.
    fn holds_up(&self, meanwhile: impl FnOnce(&str)) -> Ran {
        self.cluster.0.exec("shop", "app", &["sh", "-c", "rm -f /tmp/held; touch /tmp/slow"]);
        let there = self.resources("backups").len();
        thread::scope(|scope| {
            let start = ["-n", &self.instance, "--wait"];
            let waiting = scope.spawn(move || self.tries(&["backup", "start"], &start));
            meanwhile(&self.newest("backups", there));
            waiting.join().expect("the command ends")
        })
    }

    fn is_held_up(&self) {
        wait_until("the backup is held up", LONG, || {
            let seen = self.cluster.0.exec("shop", "app", &["ls", "/tmp"]);
            if seen.contains("held") { Ok(()) } else { Err(seen) }
        });
    }

    fn lets_go(&self) {
        self.cluster.0.exec("shop", "app", &["rm", "/tmp/slow"]);
    }

    /// The extension takes nothing up.
    fn sleeps(&self) {
        let deployment = ["deployment", "-n", NAMESPACE, "cofferdam-extension"];
        self.cluster.0.kubectl(&[&["scale", "--replicas=0"], &deployment[..]].concat());
        wait_until("the extension's pods are gone", LONG, || {
            let pods = self.cluster.0.kubectl(&["get", "pods", "-n", NAMESPACE, "-o", "name"]);
            if pods.contains("cofferdam-extension") { Err(pods) } else { Ok(()) }
        });
    }

    /// It goes on.
    fn wakes(&self) {
        let deployment = ["deployment", "-n", NAMESPACE, "cofferdam-extension"];
        self.cluster.0.kubectl(&[&["scale", "--replicas=1"], &deployment[..]].concat());
    }

    /// The names of the custom resources of a kind, the newest last.
    fn resources(&self, plural: &str) -> Vec<String> {
        let kind = format!("{plural}.clusterbackup.dataprotection.microsoft.com");
        let sorted = ["--sort-by=.metadata.creationTimestamp", "-o", "jsonpath={.items[*].metadata.name}"];
        let names = self.cluster.0.kubectl(&[&["get", &kind, "-n", NAMESPACE], &sorted[..]].concat());
        names.split_whitespace().map(str::to_owned).collect()
    }

    /// The name of the custom resource that comes to those that were there before.
    fn newest(&self, plural: &str, before: usize) -> String {
        wait_until(&format!("a new one of {plural}"), LONG, || {
            let mut all = self.resources(plural);
            if all.len() > before { all.pop().ok_or_else(String::new) } else { Err(format!("{all:?}")) }
        })
    }

    fn phase(&self, plural: &str, name: &str) -> String {
        let kind = format!("{plural}.clusterbackup.dataprotection.microsoft.com");
        let found = self.cluster.0.get(&[&kind, "-n", NAMESPACE, name]).unwrap_or_default();
        found["status"]["phase"].as_str().unwrap_or_default().to_owned()
    }

    fn ends_in_cluster(&self, plural: &str, name: &str) {
        wait_until(&format!("{name} ends in the cluster"), LONG, || {
            let phase = self.phase(plural, name);
            if ["Completed", "CompletedWithWarnings", "Failed"].contains(&phase.as_str()) {
                Ok(())
            } else {
                Err(phase)
            }
        });
    }

    /// Operation and status of the jobs whose properties are such.
    fn jobs(&self, which: &str) -> Vec<[String; 2]> {
        let query = format!("[].properties | [?{which}].[operation, status]");
        let lines = self.does(&["job", "list"], &["--query", &query, "-o", "tsv"]);
        let words = |line: &str| {
            let (operation, status) = line.split_once('\t').expect("two words");
            [operation.to_owned(), status.to_owned()]
        };
        lines.lines().map(words).collect()
    }

    /// One property of the jobs that are such.
    fn jobs_by(&self, which: &str, what: &str) -> Vec<String> {
        let query = format!("[?{which}].{what}");
        let lines = self.does(&["job", "list"], &["--query", &query, "-o", "tsv"]);
        lines.lines().map(str::to_owned).collect()
    }

    /// Each job of a category has one custom resource in the cluster, and each custom resource its job.
    fn is_once(&self, category: &str, plural: &str) {
        // The policy's own slot may come while the story goes on, and its job is known before the cluster is asked.
        wait_until(&format!("jobs and {plural} are the same"), LONG, || {
            let mut jobs = self.jobs_by(&format!("properties.operationCategory=='{category}'"), "name");
            let mut asked = self.resources(plural);
            jobs.sort();
            asked.sort();
            if jobs == asked { Ok(()) } else { Err(format!("jobs {jobs:?}, {plural} {asked:?}")) }
        });
    }
}
