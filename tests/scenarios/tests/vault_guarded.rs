//! A vault whose operator set a limit and whose owner does not trust one person alone, with a real cluster: what is refused
//! without consent happens with it, in the cluster and in its storage.

use scenarios::{Cluster, GROUP, LONG, Managed, Person, Protected, Ran, VAULT, Vault, wait_until};

/// Where the clusters' pods reach the machine that the tests run on; apart from the addresses of other stories.
const ADDRESS: &str = "10.213.0.2:8462";
const MISSING: &str = "UserErrorResourceGuardOperationRequestsMissing";
const NOT_APPROVED: &str = "UserErrorResourceGuardOperationNotApproved";
const OPERATOR: &str = "Backup MUA Operator";

/// A person is refused, with this code.
fn refused(ran: &Ran, code: &str) {
    assert!(ran.code != 0 && ran.stderr.contains(code), "{code}: {ran:?}");
}

#[test]
fn one_person_alone_neither_weakens_a_guarded_vault_nor_deletes_what_it_keeps() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let config = place.path().join("vault.yaml");
    std::fs::write(&config, "quota-backups-a-day: 1\n").expect("the operator's file");
    let config = config.display().to_string();
    let cluster = Managed::empty(Cluster::one());
    let it = Protected::shop(cluster, Vault::with(place.path(), ADDRESS, &["--config", &config]));

    it.backs_up();
    let second = it.tries(&["backup", "start"], &["-n", &it.instance, "--wait"]);
    refused(&second, "UserErrorMaxOnDemandOperationsReached");
    assert_eq!(it.points().len(), 1);
    println!("one backup a day, as the operator says");

    let guard = put_under_guard(&it);
    a_restore_needs_consent(&it, &guard);
    let deputy = Deputy::of(&it, guard);
    deputy.weakens();
    deputy.deletes();
}

/// A guard in a group of its own, and the vault under it; the guard's id.
fn put_under_guard(it: &Protected) -> String {
    let show = ["-n", "guard", "-g", "guards", "--query", "id", "-o", "tsv"];
    it.person.line(&["group", "create", "-n", "guards", "-l", "local"]);
    let guard = it.person.line(&[&["resource-guard", "create"], &show[..]].concat());
    it.does(&["resource-guard", "mapping", "create"], &["--resource-guard-id", &guard]);
    guard
}

fn request(guard: &str, kind: &str) -> String {
    format!("{guard}/{kind}/default")
}

/// The owner may approve, and has to say that they do.
fn a_restore_needs_consent(it: &Protected, guard: &str) {
    let only = ["-n", &it.instance, "--included-namespaces", "shop", "--wait"];
    let only = [&only[..], &["--include-cluster-scope-resources", "false"]].concat();
    it.cluster.0.delete_namespace("shop");

    refused(&it.tries(&["restore", "start"], &only), MISSING);
    let consent = ["--resource-guard-operation-requests", &request(guard, "triggerRestoreRequests")];
    it.does(&["restore", "start"], &[&only[..], &consent].concat());

    it.cluster.0.has_shop();
    println!("restored, with consent");
}

/// Somebody who manages backups and sees the guard.
struct Deputy<'s> {
    person: Person,
    principal: String,
    it: &'s Protected,
    guard: String,
}

impl<'s> Deputy<'s> {
    fn of(it: &'s Protected, guard: String) -> Self {
        let (principal, credential) = it.vault.principal("deputy");
        let group = ["group", "show", "-n", GROUP, "--query", "id", "-o", "tsv"];
        for (role, scope) in [("Backup Contributor", &it.person.line(&group)), ("Reader", &guard)] {
            let which = ["--assignee", &principal, "--role", role, "--scope", scope];
            it.person.line(&[&["role", "assignment", "create"], &which[..]].concat());
        }
        Self { person: it.vault.signed_in("deputy", &credential), principal, it, guard }
    }

    fn tries(&self, verb: &[&str], more: &[&str]) -> Ran {
        self.person.cofferdam(&[verb, &["-g", GROUP, "-v", VAULT], more].concat())
    }

    /// The owner of the guard gives, or takes away, the right to approve.
    fn may_approve(&self, verb: &[&str]) {
        let which = ["--assignee", &self.principal, "--role", OPERATOR, "--scope", &self.guard];
        self.it.person.line(&[&["role", "assignment"], verb, &which].concat());
    }

    fn weakens(&self) {
        let update = ["vault", "update"];
        let off = ["--soft-delete-state", "Off"];
        let consent = request(&self.guard, "disableSoftDeleteRequests");
        let named = [&off[..], &["--resource-guard-operation-requests", &consent]].concat();

        refused(&self.tries(&update, &off), MISSING);
        let alone = self.tries(&update, &named);
        refused(&alone, NOT_APPROVED);
        // U6: which role where, and who can give it.
        let told = format!("The role '{OPERATOR}' on '{}' (U6) is missing", self.guard);
        assert!(alone.stderr.contains(&told) && alone.stderr.contains(&self.principal), "{alone:?}");
        self.may_approve(&["create"]);
        self.tries(&update, &named).ok();
        self.may_approve(&["delete", "--yes"]);

        let told = ["--rule", "Soft Delete Disabled for Vault", "--query", "length(@)", "-o", "tsv"];
        assert_eq!(self.it.does(&["alert", "list"], &told), "1");
        println!("soft delete is off, with consent");
    }

    fn deletes(&self) {
        let it = self.it;
        let delete = ["-n", &it.instance, "--yes"];
        let id = it.does(&["instance", "show"], &["-n", &it.instance, "--query", "id", "-o", "tsv"]);
        let consent = request(&self.guard, "deleteBackupInstanceRequests");
        let unlock = ["--resource-to-be-deleted", &id, "--resource-guard-operation-requests", &consent];
        let points = it.points();
        let label = format!("clusterbackup.dataprotection.microsoft.com/recovery-point={}", points[0]);
        let contents = || it.cluster.0.get(&["volumesnapshotcontents", "-l", &label]);
        let count = || contents().and_then(|list| Some(list["items"].as_array()?.len())).unwrap_or(0);
        assert_eq!(count(), 1, "the snapshot of the recovery point");

        refused(&self.tries(&["instance", "delete"], &delete), MISSING);
        refused(&self.tries(&["resource-guard", "unlock"], &unlock), NOT_APPROVED);
        assert_eq!(it.points(), points);
        self.may_approve(&["create"]);
        self.tries(&["resource-guard", "unlock"], &unlock).ok();
        self.may_approve(&["delete", "--yes"]);
        self.tries(&["instance", "delete"], &delete).ok();

        // Nothing is kept for later, so the cluster deletes it now, with its snapshot.
        wait_until("the recovery point's snapshot is gone", LONG, || match count() {
            0 => Ok(()),
            left => Err(format!("{left} are left")),
        });
        wait_until("the instance is gone", LONG, || {
            let seen = it.does(&["instance", "list"], &["--query", "[].name", "-o", "tsv"]);
            if seen.is_empty() { Ok(()) } else { Err(seen) }
        });
        println!("deleted, with consent");
    }
}
