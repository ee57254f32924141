//! The kinds of things that the management API has, and the columns that a person sees of them.

use crate::output;
use management::versions;
use serde_json::Value;

/// A kind of thing.
pub struct Kind {
    /// What it is called.
    pub noun: &'static str,
    /// Its api-version.
    pub version: &'static str,
    /// Titles and where the values are; `@group` is the resource group in the id.
    columns: &'static [(&'static str, &'static str)],
}

const NAME: (&str, &str) = ("name", "/name");
const GROUP: (&str, &str) = ("group", "@group");
const LOCATION: (&str, &str) = ("location", "/location");
const STATE: (&str, &str) = ("state", "/properties/provisioningState");

macro_rules! kinds {
    ($($(#[$doc:meta])* $id:ident: $noun:literal, $version:ident, [$($column:expr),* $(,)?];)*) => {
        impl Kind {
            $($(#[$doc])* pub const $id: Kind =
                Kind { noun: $noun, version: versions::$version, columns: &[$($column),*] };)*

            #[cfg(test)]
            const ALL: &'static [Kind] = &[$(Kind::$id),*];
        }
    };
}

kinds! {
    /// Resource groups.
    GROUP: "resource group", RESOURCES, [NAME, LOCATION, STATE];
    /// Resource providers.
    PROVIDER: "provider", RESOURCES, [("namespace", "/namespace"), ("state", "/registrationState")];
    /// Clusters.
    CLUSTER: "cluster", CLUSTERS,
        [NAME, GROUP, LOCATION, ("kubernetes", "/properties/currentKubernetesVersion"), ("connected", "/properties/cofferdam/connected"),
            ("reachable", "/properties/cofferdam/reachable"), STATE];
    /// Extensions.
    EXTENSION: "extension", EXTENSIONS,
        [NAME, ("type", "/properties/extensionType"), ("version", "/properties/currentVersion"), ("train", "/properties/releaseTrain"), STATE];
    /// Roles of Trusted Access.
    TRUSTED_ROLE: "role", CLUSTERS, [NAME, ("source type", "/sourceResourceType")];
    /// Bindings of Trusted Access.
    BINDING: "role binding", CLUSTERS, [NAME, ("source", "/properties/sourceResourceId"), ("roles", "/properties/roles"), STATE];
    /// Vaults.
    VAULT: "vault", DATA_PROTECTION,
        [NAME, GROUP, LOCATION, ("redundancy", "/properties/storageSettings/0/type"), ("soft delete", "/properties/securitySettings/softDeleteSettings/state"),
         ("immutability", "/properties/securitySettings/immutabilitySettings/state"), STATE];
    /// Deleted vaults.
    DELETED_VAULT: "deleted vault", DATA_PROTECTION,
        [NAME, ("vault", "/properties/originalBackupVaultName"), ("group", "@original-group"),
         ("deleted", "/properties/resourceDeletionInfo/deletionTime"), ("purged", "/properties/resourceDeletionInfo/scheduledPurgeTime")];
    /// Policies.
    POLICY: "policy", DATA_PROTECTION, [NAME, ("schedule", "@schedule"), ("retention", "@retention")];
    /// Instances.
    INSTANCE: "backup instance", DATA_PROTECTION,
        [NAME, ("friendly name", "/properties/friendlyName"), ("protection", "/properties/currentProtectionState"), ("policy", "@policy")];
    /// Deleted instances.
    DELETED: "deleted backup instance", DATA_PROTECTION,
        [NAME, ("friendly name", "/properties/friendlyName"), ("deleted", "/properties/deletionInfo/deletionTime"), ("purged", "/properties/deletionInfo/scheduledPurgeTime")];
    /// Recovery points.
    POINT: "recovery point", DATA_PROTECTION,
        [NAME, ("time", "/properties/recoveryPointTime"), ("tag", "/properties/retentionTagName"), ("type", "/properties/recoveryPointType"),
         ("state", "/properties/recoveryPointState"), ("tiers", "@tiers"), ("expires", "/properties/expiryTime")];
    /// Jobs.
    JOB: "job", DATA_PROTECTION,
        [NAME, ("operation", "/properties/operation"), ("status", "/properties/status"), ("instance", "/properties/backupInstanceFriendlyName"),
         ("started", "/properties/startTime"), ("took", "/properties/duration")];
    /// Alerts.
    ALERT: "alert", ALERTS,
        [NAME, ("severity", "/properties/essentials/severity"), ("alert", "/properties/essentials/alertRule"),
         ("condition", "/properties/essentials/monitorCondition"), ("state", "/properties/essentials/alertState"),
         ("vault", "/properties/essentials/targetResourceName"), ("fired", "/properties/essentials/startDateTime"),
         ("times", "/properties/cofferdam/occurrences"), ("what", "/properties/essentials/description")];
    /// Guards.
    GUARD: "resource guard", DATA_PROTECTION, [NAME, GROUP, LOCATION, STATE];
    /// Vaults' links to guards.
    MAPPING: "resource guard mapping", DATA_PROTECTION, [NAME, ("guard", "/properties/resourceGuardResourceId")];
    /// Role assignments.
    ASSIGNMENT: "role assignment", ROLES,
        [NAME, ("principal", "/properties/principalId"), ("role", "/properties/roleDefinitionName"), ("scope", "/properties/scope")];
    /// Roles that a backup or a restore needs.
    NEED: "needed role", ROLES,
        [("id", "/id"), ("identity", "/identity"), ("role", "/role"), ("on", "/name"), ("state", "/state"), ("why", "/why")];
    /// Role definitions.
    ROLE: "role", ROLES, [("name", "/properties/roleName"), ("type", "/properties/type"), ("id", "/name")];
    /// User-assigned identities.
    IDENTITY: "identity", IDENTITIES,
        [NAME, GROUP, LOCATION, ("principal id", "/properties/principalId"), ("client id", "/properties/clientId")];
    /// Storage accounts.
    ACCOUNT: "storage account", STORAGE, [NAME, GROUP, LOCATION, ("blobs", "/properties/primaryEndpoints/blob"), STATE];
    /// Containers.
    CONTAINER: "container", STORAGE, [NAME];
    /// Subscriptions.
    SUBSCRIPTION: "subscription", SUBSCRIPTIONS,
        [("name", "/name"), ("id", "/id"), ("state", "/state"), ("default", "/isDefault")];
}

impl Kind {
    /// A table of things of this kind.
    pub fn table(&self, values: &[Value]) -> String {
        let head: Vec<&str> = self.columns.iter().map(|(title, _)| *title).collect();
        let rows = values.iter().map(|value| self.columns.iter().map(|(_, at)| cell(value, at)).collect());
        output::any_table(&head, rows.collect())
    }
}

fn cell(value: &Value, at: &str) -> String {
    match at {
        "@group" => group_of(value, "/id"),
        "@original-group" => group_of(value, "/properties/originalBackupVaultId"),
        "@policy" => {
            let id = value.pointer("/properties/policyInfo/policyId").and_then(Value::as_str);
            output::scalar_or_dash(id.and_then(|id| id.rsplit('/').next()))
        }
        "@schedule" => output::scalar_or_dash(schedule(value).as_deref()),
        "@retention" => output::scalar_or_dash(retention(value).as_deref()),
        "@tiers" => {
            let stores = list(value, "/properties/recoveryPointDataStoresDetails");
            let tiers: Vec<&str> =
                stores.filter_map(|store| store.get("type")?.as_str()?.strip_suffix("Store")).collect();
            output::scalar_or_dash(Some(tiers.join(", ").as_str()))
        }
        pointer => output::cell(value.pointer(pointer)),
    }
}

/// `PT4H` from `R/2026-01-01T00:00:00+00:00/PT4H`.
fn schedule(policy: &Value) -> Option<String> {
    let rule = list(policy, "/properties/policyRules").find(|rule| rule.get("trigger").is_some())?;
    let interval = rule.pointer("/trigger/schedule/repeatingTimeIntervals/0")?.as_str()?;
    interval.rsplit('/').next().map(str::to_owned)
}

/// `Default P7D, Daily P7D+P84D`: each rule with its lives, the vault tier's after the plus.
fn retention(policy: &Value) -> Option<String> {
    let rules = list(policy, "/properties/policyRules").filter(|rule| rule.get("lifecycles").is_some());
    let said: Vec<String> = rules
        .map(|rule| {
            let lives: Vec<&str> = list(rule, "/lifecycles")
                .filter_map(|life| life.pointer("/deleteAfter/duration")?.as_str())
                .collect();
            format!("{} {}", output::cell(rule.get("name")), lives.join("+"))
        })
        .collect();
    Some(said.join(", "))
}

fn list<'v>(value: &'v Value, at: &str) -> impl Iterator<Item = &'v Value> {
    value.pointer(at).and_then(Value::as_array).into_iter().flatten()
}

/// The resource group in the id that is there; the word before it in any case.
fn group_of(value: &Value, at: &str) -> String {
    let id = value.pointer(at).and_then(Value::as_str).unwrap_or_default();
    let mut parts = id.split('/').skip_while(|part| !part.eq_ignore_ascii_case("resourceGroups"));
    output::scalar_or_dash(parts.nth(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_has_a_row_for_anything() {
        for kind in Kind::ALL {
            let table = kind.table(&[json!({}), json!(null), json!({"name": "x", "properties": []})]);

            assert_eq!(table.lines().count(), 4, "{}: {table}", kind.noun);
        }
    }

    #[test]
    fn a_policy_is_told_in_one_line() {
        let policy = management::build::policy::Policy::usual(jiff::Timestamp::UNIX_EPOCH).json().unwrap();

        assert_eq!(cell(&policy, "@schedule"), "PT4H");
        assert_eq!(cell(&policy, "@retention"), "Default P7D");
    }

    #[test]
    fn the_group_is_read_from_the_id_in_any_case() {
        assert_eq!(cell(&json!({"id": "/subscriptions/s/resourcegroups/G/x"}), "@group"), "G");
        assert_eq!(cell(&json!({"id": "/subscriptions/s"}), "@group"), "-");
    }
}
