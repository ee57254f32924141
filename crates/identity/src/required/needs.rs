//! What one backup or one restore needs: rows of the table with real identities and scopes, and whether each is there.

use super::identities::{Grant, IDENTITY_ROLES, IdentityRole, Place, When, Whose};
use crate::{Action, Assignment, Decision, RoleDefinition, RoleId, decide};
use arm::ResourceId;

/// The role on a storage account, or on a part of it, that is only read.
const READS_STORE: &str = "Storage Blob Data Reader";

/// What is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Backups of a cluster.
    Backup {
        /// Copies go to the vault tier too.
        vault_tier: bool,
    },
    /// A restore to a cluster.
    Restore {
        /// It reads from the vault tier.
        vault_tier: bool,
    },
}

/// Where everything is. What is not given is not needed, or not known yet.
#[derive(Debug, Clone)]
pub struct Places {
    /// The cluster that is backed up, or that is restored to.
    pub cluster: ResourceId,
    /// Where snapshots are.
    pub snapshot_group: Option<ResourceId>,
    /// The account to which the cluster's extension writes.
    pub store: Option<ResourceId>,
    /// The container there to which it writes.
    pub container: Option<ResourceId>,
    /// The container from which a restore reads, where it is another cluster's place; its account, where no more is known.
    pub source_store: Option<ResourceId>,
    /// Where a restore from the vault tier makes disks.
    pub staging_group: Option<ResourceId>,
    /// Where a restore from the vault tier puts objects meanwhile.
    pub staging_account: Option<ResourceId>,
    /// The account with the file shares of volumes.
    pub share_account: Option<ResourceId>,
}

/// Object ids of the identities, as far as they have one.
#[derive(Debug, Clone, Default)]
pub struct Principals {
    /// The vault's.
    pub vault: Option<String>,
    /// The cluster's.
    pub cluster: Option<String>,
    /// The extension's.
    pub extension: Option<String>,
}

/// One row of the table for one identity and one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The row.
    pub row: &'static IdentityRole,
    /// Where.
    pub scope: ResourceId,
    /// The part of it that is used, where that is less: a role there is enough.
    pub used: Option<ResourceId>,
    /// Whose object id, if there is one.
    pub principal: Option<String>,
    /// What is there is only read.
    pub only_read: bool,
}

/// Whether a need is met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// By a role at the scope itself.
    There,
    /// By a role further above: where, and which.
    Inherited {
        /// Where it was assigned.
        scope: ResourceId,
        /// The role.
        role: RoleId,
    },
    /// By nothing.
    Missing,
    /// There is no identity that could hold it.
    NoIdentity,
}

impl Places {
    /// A cluster, and nothing else yet.
    pub fn of(cluster: ResourceId) -> Self {
        Self {
            cluster,
            snapshot_group: None,
            store: None,
            container: None,
            source_store: None,
            staging_group: None,
            staging_account: None,
            share_account: None,
        }
    }

    /// The scopes of a place.
    fn at(&self, place: Place) -> Vec<Spot<'_>> {
        match place {
            Place::Cluster => vec![Spot::written(&self.cluster)],
            Place::SnapshotGroup => written(&self.snapshot_group),
            Place::StorageAccount => self.stores(),
            Place::StagingGroup => written(&self.staging_group),
            Place::StagingAccount => written(&self.staging_account),
            Place::ShareAccount => written(&self.share_account),
        }
    }

    /// Where the extension writes, and the other cluster's place from which it restores.
    fn stores(&self) -> Vec<Spot<'_>> {
        let is_own = |place: &&ResourceId| {
            self.store.as_ref() == Some(*place) || self.container.as_ref() == Some(*place)
        };
        // Who may write to a place may read it: one place is one need.
        let source = self.source_store.as_ref().filter(|place| !is_own(place));
        let own = match (&self.store, &self.container, source) {
            // One account for both clusters: on all of it this one would have too much.
            (Some(store), Some(container), Some(source)) if store.covers(source) => {
                Some(Spot::written(container))
            }
            (Some(store), None, Some(source)) if store.covers(source) => return vec![Spot::written(store)],
            (Some(store), used, _) => Some(Spot { used: used.as_ref(), ..Spot::written(store) }),
            (None, ..) => None,
        };
        let source = source.map(|scope| Spot { only_read: true, ..Spot::written(scope) });
        own.into_iter().chain(source).collect()
    }
}

/// One scope of a place.
#[derive(Debug, Clone, Copy)]
struct Spot<'p> {
    scope: &'p ResourceId,
    used: Option<&'p ResourceId>,
    only_read: bool,
}

impl<'p> Spot<'p> {
    fn written(scope: &'p ResourceId) -> Self {
        Self { scope, used: None, only_read: false }
    }
}

fn written(place: &Option<ResourceId>) -> Vec<Spot<'_>> {
    place.iter().map(Spot::written).collect()
}

impl Principals {
    fn of(&self, whose: Whose) -> Option<String> {
        let id = match whose {
            Whose::Vault => &self.vault,
            Whose::Cluster => &self.cluster,
            Whose::Extension => &self.extension,
        };
        id.clone().filter(|id| !id.is_empty())
    }
}

impl Purpose {
    fn includes(self, row: &IdentityRole) -> bool {
        match (row.when, self) {
            (When::Always | When::FileShares, _) => true,
            (When::VaultTierBackup, Self::Backup { vault_tier }) => vault_tier,
            (When::VaultTierRestore, Self::Restore { vault_tier }) => vault_tier,
            (When::VaultTierBackup | When::VaultTierRestore, _) => false,
        }
    }
}

/// All that a backup or a restore needs, in the order of the table.
pub fn needs(purpose: Purpose, places: &Places, principals: &Principals) -> Vec<Need> {
    let rows = IDENTITY_ROLES.iter().filter(|row| purpose.includes(row));
    rows.flat_map(|row| {
        let need = move |spot: Spot<'_>| Need {
            row,
            scope: spot.scope.clone(),
            used: spot.used.cloned(),
            principal: principals.of(row.whose),
            only_read: spot.only_read,
        };
        places.at(row.place).into_iter().map(need).collect::<Vec<_>>()
    })
    .collect()
}

impl Need {
    /// What is granted to meet it.
    pub fn grant(&self) -> Grant {
        match self.row.grant {
            Grant::Role(_) if self.only_read => Grant::Role(READS_STORE),
            grant => grant,
        }
    }

    /// Where roles have to be looked for, and above it.
    pub fn at(&self) -> &ResourceId {
        self.used.as_ref().unwrap_or(&self.scope)
    }

    /// What must be allowed.
    pub fn actions(&self) -> Vec<Action> {
        let reads = |action: &&&str| !self.only_read || action.ends_with("/read");
        let control = self.row.actions.iter().filter(reads).map(|action| Action::control(*action));
        let data = self.row.data_actions.iter().filter(reads).map(|action| Action::data(*action));
        control.chain(data).collect()
    }

    /// Whether it is met by a role. Whether a cluster has a binding is not in the assignments: see [`Need::bound`].
    pub fn held(&self, assignments: &[Assignment], roles: &[RoleDefinition]) -> Held {
        let Some(principal) = &self.principal else { return Held::NoIdentity };
        let mut held = Held::There;
        for action in self.actions() {
            // What is at the scope itself counts before what is above it.
            let (own, above): (Vec<_>, Vec<_>) =
                assignments.iter().cloned().partition(|one| self.scope.covers(&one.scope));
            let at = |given: &[Assignment]| decide(principal, &action, self.at(), given, roles);
            match (at(&own), at(&above)) {
                (Decision::Granted { .. }, _) => {}
                (_, Decision::Granted { role, scope }) => held = Held::Inherited { scope, role },
                _ => return Held::Missing,
            }
        }
        held
    }

    /// Whether a need for a binding is met.
    pub fn bound(&self, is_bound: bool) -> Held {
        match (is_bound, &self.principal) {
            (true, _) => Held::There,
            (false, Some(_)) => Held::Missing,
            (false, None) => Held::NoIdentity,
        }
    }

    /// Whether a binding is what is needed.
    pub fn is_binding(&self) -> bool {
        matches!(self.row.grant, Grant::TrustedAccess(_))
    }

    /// What is wrong, as a sentence.
    pub fn missing(&self) -> String {
        let (id, whose, role) = (self.row.id, self.row.whose.noun(), self.grant().role());
        let principal = self.principal.as_deref().unwrap_or("(there is none yet)");
        format!("The {whose}'s identity {principal} lacks the role '{role}' on '{}' ({id}).", self.scope)
    }
}

impl Held {
    /// Whether it is met.
    pub fn is_met(&self) -> bool {
        matches!(self, Self::There | Self::Inherited { .. })
    }
}
