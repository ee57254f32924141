//! The whole table of roles of identities, row by row, so that a new row cannot be forgotten: without its role exactly one
//! check of `preflight` fails and names it, the vault's validation does where a code is documented, and one step mends it.

use super::{Roles, identities};
use crate::world::protected::restore;
use identity::required::{Grant, IDENTITY_ROLES, IdentityRole, Place, When, Whose};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What roles are for, in the words of both programs and of the vault.
struct Use<'r> {
    roles: &'r Roles,
    plan: Vec<String>,
    preflight: Vec<String>,
    /// What the vault is asked; nothing where it refuses to be asked at all.
    question: Option<(String, Value)>,
    /// Which rows are walked: others are walked by another use.
    when: &'static [When],
    /// How granting ends.
    applied: i32,
}

impl Use<'_> {
    /// Takes each role away and has it granted again.
    async fn walk(&self) -> BTreeSet<&'static str> {
        let (applied, said) = self.roles.apply(&self.plan).await;
        assert_eq!(applied, self.applied, "{said}");
        let (_, rows) = self.roles.plan(&self.plan).await;
        let healthy = results(&self.roles.preflight(&self.preflight).await.1);
        let failed: Vec<_> = healthy.iter().filter(|(_, result)| *result == "Failed").collect();
        assert!(failed.is_empty(), "{failed:?}");
        let mut walked = BTreeSet::new();
        for need in identities(&rows) {
            let row = IDENTITY_ROLES.iter().find(|row| need["id"] == row.id).unwrap();
            if self.when.contains(&row.when) {
                self.without(row, need, &healthy).await;
                walked.insert(row.id);
            }
        }
        walked
    }

    async fn without(&self, row: &IdentityRole, need: &Value, healthy: &BTreeMap<String, String>) {
        let scope = need["scope"].as_str().unwrap();
        let role = need["role"].as_str().unwrap();
        let told = [row.id, role, need["principalId"].as_str().unwrap(), scope];

        self.roles.take(need).await;
        let (code, broken) = self.roles.preflight(&self.preflight).await;
        let missed = self.misses().await;
        let (applied, said) = self.roles.apply(&self.plan).await;
        let (_, mended) = self.roles.preflight(&self.preflight).await;
        let after = self.misses().await;

        let id = check_of(row);
        let check = &broken[id];
        assert_eq!(
            (code, &check["result"], &check["severity"]),
            (5, &json!("Failed"), &json!("Block")),
            "{told:?}"
        );
        for word in told {
            assert!(check["evidence"].as_str().unwrap().contains(word), "{word} is not in {check:#}");
        }
        assert_eq!(check["code"], row.code.unwrap_or("UserErrorMissingPermissions"), "{check:#}");
        for (other, result) in results(&broken).iter().filter(|(other, _)| *other != id) {
            let because = format!("{id} has to be mended first");
            let depends = result == "Skipped" && broken[other]["evidence"] == because;
            assert!(depends || healthy.get(other) == Some(result), "{told:?}: {:#}", broken[other]);
        }
        let codes: Vec<&str> = missed.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!(
            codes,
            row.code.filter(|_| self.question.is_some()).into_iter().collect::<Vec<_>>(),
            "{told:?}"
        );
        for (_, message) in &missed {
            assert!(message.contains(&format!("({})", row.id)) && message.contains(scope), "{message}");
        }
        assert_eq!(applied, self.applied, "{said}");
        assert!(said.contains(&format!("+ {}: {role} of the ", row.id)), "{said}");
        assert_eq!((&results(&mended), after), (healthy, vec![]), "{told:?}");
    }

    /// What the vault misses: codes and messages.
    async fn misses(&self) -> Vec<(String, String)> {
        match &self.question {
            Some((path, body)) => self.roles.validated(path, body.clone()).await,
            None => Vec::new(),
        }
    }
}

/// Which check a row belongs to.
fn check_of(row: &IdentityRole) -> &'static str {
    match (row.grant, row.whose, row.place) {
        (Grant::TrustedAccess(_), _, _) => "P3",
        (_, Whose::Extension, Place::StorageAccount) => "P6",
        _ => "P23",
    }
}

fn results(checks: &BTreeMap<String, Value>) -> BTreeMap<String, String> {
    checks.iter().map(|(id, check)| (id.clone(), check["result"].as_str().unwrap().to_owned())).collect()
}

fn words(text: String) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// An account in a group of its own: who contributes to a group manages the accounts in it.
async fn account(roles: &Roles, name: &str) -> String {
    let group = roles.it.world.make_group(name).await;
    let id = format!("{group}/providers/Microsoft.Storage/storageAccounts/{name}");
    let body = json!({"location": "local", "kind": "StorageV2", "sku": {"name": "Standard_LRS"},
        "properties": {}});
    assert_eq!(roles.it.call(Method::PUT, &id, Some(body)).await.status, 200);
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_of_the_table_is_named_by_one_check_alone_and_granted_in_one_step() {
    let roles = Roles::start().await;
    let (it, cluster) = (&roles.it, &roles.it.managed);
    roles.container(&roles.account).await;
    let shares = account(&roles, "shares").await;
    let staging = account(&roles, "meanwhile").await;
    let disks = it.world.make_group("staging").await;
    let looked = format!(
        "--cluster-id {cluster} --vault-id {} --snapshot-group-id {}",
        it.vault,
        it.world.group("snapshots")
    );
    let backup = Use {
        roles: &roles,
        plan: [roles.backup(), words(format!("--file-share-account-id {shares}"))].concat(),
        preflight: words(format!("{looked} --file-share-account-id {shares}")),
        question: Some((format!("{}/validateForBackup", it.vault), json!({"backupInstance": it.wanted()}))),
        when: &[When::Always, When::FileShares],
        applied: 0,
    };

    let mut walked = backup.walk().await;
    let two = roles.backed_up_and_another_cluster().await;
    roles.container(&account_of_two(&roles)).await;
    let instance = "-g shop -v vault1 --instance one-shop";
    let others = [
        Use {
            roles: &roles,
            plan: words(format!("{instance} --target-resource-id {two}")),
            preflight: words(format!("--instance {} --cluster-id {two}", it.instance)),
            question: Some((
                format!("{}/validateRestore", it.instance),
                json!({"restoreRequestObject": restore(&two)}),
            )),
            when: &[When::Always],
            applied: 0,
        },
        // After the others: roles of the vault tier on the snapshot group let read it too, and would hide R2.
        Use {
            roles: &roles,
            plan: words(format!("{instance} --vault-tier")),
            preflight: words(format!("--instance {} --vault-tier", it.instance)),
            question: Some((
                format!("{}/validateForModifyBackup", it.instance),
                json!({"backupInstance": it.wanted()}),
            )),
            when: &[When::VaultTierBackup],
            applied: 0,
        },
        // A restore from the vault tier is refused, so that the vault cannot say what it sees.
        Use {
            roles: &roles,
            plan: words(format!(
                "{instance} --target-resource-id {cluster} --staging-resource-group-id {disks} \
                 --staging-storage-account-id {staging}"
            )),
            preflight: words(format!("{looked} --staging-group-id {disks} --staging-account {staging}")),
            question: None,
            when: &[When::VaultTierRestore],
            applied: 3,
        },
    ];
    for one in &others {
        walked.extend(one.walk().await);
    }

    let all: BTreeSet<&str> = IDENTITY_ROLES.iter().map(|row| row.id).collect();
    assert_eq!(walked, all, "each row of the table, and a new one too");
}

/// The account of the second cluster.
fn account_of_two(roles: &Roles) -> String {
    format!("{}/providers/Microsoft.Storage/storageAccounts/other", roles.it.world.group("other"))
}
