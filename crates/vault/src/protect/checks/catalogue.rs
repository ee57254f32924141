//! What the vault sees for itself of a cluster, in the words of the catalogue of prerequisites: its validation, the rows that
//! it keeps of instances, the gate of extensions and `preflight` judge by the same rules.
//!
//! The binding (P3) and the network rules of accounts (P9) are not judged here: who is let in there is the vault's own
//! decision at its own door, and what that says is told.

use super::{AccountFacts, CLUSTER_PROVIDERS, Facts, RoleFact, VAULT_PROVIDERS};
use crate::api::clusters::{ClusterIdentity, ClusterRecord};
use arm::ResourceId;
use identity::required::{Held, Whose};
use prerequisites::{
    ArmFacts, ArmVault, InstalledExtension, Judged, ManagedCluster, Observed, Outcome, Profile, RoleNeed,
    StorageAccount, judge_alone,
};

/// What the catalogue judges of the vault's facts.
const JUDGED: [&str; 8] = ["P5", "P6", "P7", "P14", "P23", "P24", "P25", "P32"];
/// What it judges of a cluster whose extension is about to be installed or changed.
const AT_GATE: [&str; 2] = ["P5", "P14"];

/// What the catalogue says.
#[derive(Debug)]
pub struct Verdicts(Vec<Judged>);

impl Verdicts {
    /// Of all that the vault knows of a cluster that is backed up or restored to.
    pub fn of(facts: &Facts) -> Self {
        let arm = match &facts.record {
            Some(record) => Observed::Seen(all_of(facts, record)),
            None => Observed::NotObservable("the vault does not know the cluster".to_owned()),
        };
        Self::judged(&JUDGED, arm)
    }

    /// Of a cluster and its extension, where there is one.
    pub fn at_gate(
        cluster: &ResourceId,
        record: &ClusterRecord,
        extension: Option<InstalledExtension>,
    ) -> Self {
        let mut arm = bare(cluster, record);
        arm.extension = Observed::Seen(extension);
        Self::judged(&AT_GATE, Observed::Seen(arm))
    }

    fn judged(ids: &[&str], arm: Observed<ArmFacts>) -> Self {
        let unseen = prerequisites::Facts::unseen("the vault itself does not look into the cluster");
        let location = Observed::NotObservable("the cluster looks at it".to_owned());
        let facts = prerequisites::Facts { location, arm, ..unseen };
        Self(judge_alone(ids, &facts, Profile::Cofferdam))
    }

    /// What is said of one check.
    pub fn get(&self, id: &str) -> Option<&Judged> {
        self.0.iter().find(|judged| judged.check.id == id)
    }

    /// Whether a check does not hold, whatever that weighs.
    pub fn fails(&self, id: &str) -> bool {
        self.get(id).is_some_and(|judged| matches!(judged.finding.outcome, Outcome::Failed { .. }))
    }
}

/// An extension, with the identity that it still has.
pub fn installed(name: &str, principal: Option<&str>) -> InstalledExtension {
    InstalledExtension {
        name: name.to_owned(),
        principal: principal.map(str::to_owned),
        ..InstalledExtension::default()
    }
}

fn all_of(facts: &Facts, record: &ClusterRecord) -> ArmFacts {
    let extension = facts.extension.as_ref().map(|extension| {
        let identity = extension.identity.as_ref().filter(|_| facts.has_identity);
        installed("the backup extension", identity.map(|identity| identity.principal_id.as_str()))
    });
    let mut arm = ArmFacts {
        providers: Observed::Seen(providers(&facts.unregistered)),
        vault: Observed::Seen(Some(ArmVault {
            id: facts.vault.to_string(),
            location: facts.vault_location.clone(),
            principal: of_vault(&facts.roles),
            ..ArmVault::default()
        })),
        extension: Observed::Seen(extension),
        roles: Observed::Seen(facts.roles.iter().filter_map(role).collect()),
        locks: Observed::Seen(facts.lock.iter().map(|lock| lock.name.clone()).collect()),
        ..bare(&facts.cluster, record)
    };
    if let Some(facts) = &facts.account {
        arm.account = Observed::Seen(account(facts));
    }
    arm
}

/// The cluster alone.
fn bare(id: &ResourceId, record: &ClusterRecord) -> ArmFacts {
    let (identity, service_principal) = match &record.identity {
        ClusterIdentity::SystemAssigned { .. } => ("SystemAssigned", "msi"),
        ClusterIdentity::UserAssigned { .. } => ("UserAssigned", "msi"),
        ClusterIdentity::ServicePrincipal { client_id } => ("None", client_id.as_str()),
    };
    let cluster = ManagedCluster {
        id: id.to_string(),
        location: record.location.clone(),
        identity: Some(identity.to_owned()),
        service_principal: Some(service_principal.to_owned()),
        ..ManagedCluster::default()
    };
    let unseen = ArmFacts::unseen("this vault", "the vault does not know it");
    ArmFacts { cluster: Observed::Seen(cluster), ..unseen }
}

fn providers(unregistered: &[String]) -> Vec<(String, String)> {
    let state = |name: &str| match unregistered.iter().any(|one| one == name) {
        true => "NotRegistered",
        false => "Registered",
    };
    let names = VAULT_PROVIDERS.iter().chain(CLUSTER_PROVIDERS);
    names.map(|name| ((*name).to_owned(), state(name).to_owned())).collect()
}

/// The vault's identity, as the roles name it that it needs.
fn of_vault(roles: &[RoleFact]) -> Option<String> {
    roles
        .iter()
        .filter(|role| role.need.row.whose == Whose::Vault)
        .find_map(|role| role.need.principal.clone())
}

/// A role is asked for only where there is somebody to have it.
fn role(fact: &RoleFact) -> Option<RoleNeed> {
    let row = fact.need.row;
    let held = match fact.held {
        Held::There | Held::Inherited { .. } => true,
        Held::Missing => false,
        Held::NoIdentity => return None,
    };
    Some(RoleNeed {
        id: row.id,
        role: fact.need.grant().role(),
        identity: row.whose.noun(),
        principal: fact.need.principal.clone().unwrap_or_default(),
        scope: fact.need.scope.to_string(),
        code: row.code,
        held: Observed::Seen(held),
    })
}

fn account(facts: &AccountFacts) -> StorageAccount {
    let container = facts.container.as_ref();
    StorageAccount {
        id: facts.id.to_string(),
        location: facts.location.clone(),
        kind: facts.kind.clone(),
        sku: facts.sku.clone(),
        container: container.map(|(id, is_there)| (id.name().to_owned(), *is_there)),
        ..StorageAccount::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::storage::NetworkRules;
    use serde_json::json;

    const VAULT: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v";

    /// What the vault's door does by these rules, and what the catalogue says who reads them from outside.
    fn by_both(deny: bool, services: bool, listed: bool, private: bool) -> (bool, bool) {
        let bypass: &[&str] = if services { &["AzureServices"] } else { &[] };
        let resources = if listed { vec![json!({"tenantId": "t", "resourceId": VAULT})] } else { Vec::new() };
        let rules = json!({"deny": deny, "private": private, "bypass": bypass, "resources": resources});
        let rules: NetworkRules = serde_json::from_value(rules).unwrap();
        let account = StorageAccount {
            default_action: Some(if deny { "Deny" } else { "Allow" }.to_owned()),
            bypass: Some(rules.bypass.to_string()),
            trusted: rules.resources.iter().map(|rule| rule.resource_id.to_string()).collect(),
            public: !private,
            ..StorageAccount::default()
        };
        let vault = ArmVault { id: VAULT.to_owned(), ..ArmVault::default() };
        let arm = ArmFacts {
            account: Observed::Seen(account),
            vault: Observed::Seen(Some(vault)),
            ..ArmFacts::unseen("", "")
        };
        let outside = Verdicts::judged(&["P9"], Observed::Seen(arm));
        (rules.admit(None, Some(&VAULT.parse().unwrap())), !outside.fails("P9"))
    }

    #[test]
    fn who_reads_the_rules_of_a_public_account_from_outside_judges_as_the_vaults_door_does() {
        let cases = (0..8).map(|bits| (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0));

        for (deny, services, listed) in cases {
            let (door, outside) = by_both(deny, services, listed, false);
            assert_eq!(door, outside, "deny {deny}, services {services}, listed {listed}");
            assert_eq!(door, !deny || services || listed);
        }
    }

    #[test]
    fn of_a_private_account_only_the_door_knows_that_it_lets_a_listed_vault_in() {
        assert_eq!(by_both(true, false, true, true), (true, false));
        assert_eq!(by_both(true, false, false, true), (false, false));
    }

    #[test]
    fn what_is_judged_is_judged_of_facts_and_not_left_unseen() {
        let mut facts = super::super::facts_of_a_test();
        let id: ResourceId =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a"
                .parse()
                .unwrap();
        facts.account = Some(AccountFacts {
            id,
            admits_vault: true,
            location: "eastus".into(),
            kind: "StorageV2".into(),
            sku: "Standard_LRS".into(),
            container: None,
        });

        let verdicts = Verdicts::of(&facts);

        let unseen = |id: &&&str| verdicts.get(id).unwrap().finding.outcome != Outcome::Passed;
        // No role on the account is among the facts of this cluster.
        assert_eq!(JUDGED.iter().filter(unseen).collect::<Vec<_>>(), [&"P6"]);
    }
}
