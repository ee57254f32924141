//! What the product can mend itself: each act as data, with what it changes and the rights that it takes. Nothing here
//! acts; `probes::mend` does.
//!
//! An act is offered only where it takes nothing away that somebody may still need, where running it twice is running
//! it once, and where a person can undo it. What is not like that stays a line to read: a lock, a running Velero.

mod describe;
mod offered;
mod plan;

pub use offered::{Offer, offers};

use crate::{Facts, Judged, Outcome, Profile, printable};
use serde::Serialize;

/// One act, with all that it needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Action {
    /// Registers a resource provider.
    RegisterProvider {
        /// GUID of the subscription.
        subscription: String,
        /// Its namespace.
        provider: String,
        /// What it was seen as.
        state: String,
    },
    /// Gives an identity a role.
    AssignRole {
        /// `R1` to `R13`.
        need: &'static str,
        /// The role.
        role: &'static str,
        /// Whose identity, as a word.
        identity: &'static str,
        /// Object id of the identity.
        principal: String,
        /// Where.
        scope: String,
    },
    /// Lets a vault into a cluster by Trusted Access.
    LetVaultIn {
        /// Id of the cluster.
        cluster: String,
        /// Id of the vault.
        vault: String,
        /// Name of the binding; a new one gets the name that other clients would give it.
        binding: Option<String>,
        /// The roles that the binding had.
        had: Vec<String>,
    },
    /// Puts a vault among those that a storage account trusts by name.
    TrustVault {
        /// Id of the account.
        account: String,
        /// Id of the vault.
        vault: String,
        /// Tenant of the vault.
        tenant: Option<String>,
        /// How many it trusts already.
        trusted: usize,
    },
    /// Makes a blob container.
    CreateContainer {
        /// Id of the account.
        account: String,
        /// Its name.
        container: String,
    },
    /// Gives a cluster an identity of its own instead of a service principal.
    UseManagedIdentity {
        /// Id of the cluster.
        cluster: String,
        /// What its identity was seen as.
        identity: String,
        /// The service principal.
        principal: String,
    },
    /// Switches the driver of disks or the snapshot controller of a cluster on.
    EnableStorage {
        /// Id of the cluster.
        cluster: String,
        /// What is switched off, by its name in `storageProfile`.
        parts: Vec<String>,
    },
    /// Makes a VolumeSnapshotClass for a driver that has none.
    CreateSnapshotClass {
        /// Its name.
        name: String,
        /// The driver.
        driver: String,
    },
    /// Takes Velero's label from a VolumeSnapshotClass.
    UnlabelSnapshotClass {
        /// The class.
        name: String,
    },
    /// Takes Velero's labels and annotations from the objects that carry them.
    RemoveMarks {
        /// How many objects were seen.
        count: u64,
        /// The first few of them.
        names: Vec<String>,
    },
    /// Lets the extension's pods into their own namespace.
    AllowPods {
        /// The namespace.
        namespace: String,
        /// The level that it demands by a label of its own.
        from: Option<String>,
        /// The level that it shall demand.
        to: &'static str,
    },
    /// Deletes definitions that Velero left behind and that have no objects.
    DeleteDefinitions {
        /// Their names.
        names: Vec<String>,
        /// Those that stay, for they have objects.
        kept: Vec<String>,
    },
}

/// One act as it is shown before it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Id of the check that it mends.
    pub check: &'static str,
    /// What is changed.
    pub object: String,
    /// How it is now.
    pub before: String,
    /// How it will be.
    pub after: String,
    /// The rights that it takes, and where.
    pub rights: Vec<String>,
    /// What else to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// Why whoever asks cannot do it; it is not tried then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<String>,
    /// The act.
    pub action: Action,
}

/// What can be mended of what failed, in the order in which it has to be done. What is only told is mended when
/// somebody asked for its check by name.
pub fn mends(judged: &[Judged], facts: &Facts, profile: Profile, asked: &[String]) -> Vec<Change> {
    let is_due = |one: &&Judged| match one.finding.outcome {
        Outcome::Failed { .. } => true,
        Outcome::Passed => one.informs && asked.iter().any(|id| id == one.check.id),
        _ => false,
    };
    judged
        .iter()
        .filter(is_due)
        .flat_map(|one| {
            plan::actions(one.check.id, facts, profile).into_iter().map(|action| (one.check.id, action))
        })
        .map(|(check, action)| change(check, action, facts))
        .collect()
}

fn change(check: &'static str, action: Action, facts: &Facts) -> Change {
    let (before, after) = action.before_and_after();
    Change {
        check,
        object: printable(&action.object()),
        before: printable(&before),
        after: printable(&after),
        rights: action.rights().iter().map(|right| printable(right)).collect(),
        remark: action.remark().map(|remark| printable(&remark)),
        obstacle: plan::obstacle(&action, facts).map(|why| printable(&why)),
        action,
    }
}

#[cfg(test)]
mod tests;
