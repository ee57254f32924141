//! What a resource manager says: Azure's, or that of our vault. Every fact comes from a documented call that only reads.

use crate::{Observed, Profile};

/// What a resource manager says.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmFacts {
    /// Where it is.
    pub url: String,
    /// Providers and their registration states.
    pub providers: Observed<Vec<(String, String)>>,
    /// The cluster's resource.
    pub cluster: Observed<ManagedCluster>,
    /// The Backup vault; nothing when none was named.
    pub vault: Observed<Option<ArmVault>>,
    /// Trusted Access bindings of the cluster.
    pub bindings: Observed<Vec<Binding>>,
    /// The backup extension of the cluster; nothing when it has none.
    pub extension: Observed<Option<InstalledExtension>>,
    /// The storage account of the extension's location.
    pub account: Observed<StorageAccount>,
    /// Roles that identities need.
    pub roles: Observed<Vec<RoleNeed>>,
    /// Rights that whoever asks needs.
    pub rights: Observed<Vec<UserRight>>,
    /// Rules of the network security groups of the nodes that let somebody in.
    pub inbound: Observed<Vec<InboundRule>>,
    /// Locks on the snapshot resource group, as `<level> <name>`.
    pub locks: Observed<Vec<String>>,
    /// The disks behind the cluster's volumes.
    pub disks: Observed<Vec<Disk>>,
    /// The staging account of a restore; nothing when none was named.
    pub staging: Observed<Option<StorageAccount>>,
}

impl ArmFacts {
    /// Nothing was observed, all for the same reason.
    pub fn unseen(url: &str, why: &str) -> Self {
        fn no<T>(why: &str) -> Observed<T> {
            Observed::NotObservable(why.to_owned())
        }
        Self {
            url: url.to_owned(),
            providers: no(why),
            cluster: no(why),
            vault: no(why),
            bindings: no(why),
            extension: no(why),
            account: no(why),
            roles: no(why),
            rights: no(why),
            inbound: no(why),
            locks: no(why),
            disks: no(why),
            staging: no(why),
        }
    }
}

/// A cluster's resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManagedCluster {
    /// Its id.
    pub id: String,
    /// Its region.
    pub location: String,
    /// Its tenant, as far as its identity says it.
    pub tenant: Option<String>,
    /// `identity.type`.
    pub identity: Option<String>,
    /// `servicePrincipalProfile.clientId`; `msi` with a managed identity.
    pub service_principal: Option<String>,
    /// Whether the driver of disks is on; nothing when it is not said.
    pub disk_driver: Option<bool>,
    /// Whether the snapshot controller is on.
    pub snapshot_controller: Option<bool>,
    /// `networkProfile.outboundType`.
    pub outbound: Option<String>,
    /// `bootstrapProfile.artifactSource`.
    pub artifacts: Option<String>,
}

impl ManagedCluster {
    /// Azure's own driver of disks in `storageProfile`.
    pub const DISK_DRIVER: &str = "diskCSIDriver";

    /// The parts of its `storageProfile` that snapshots need and that are switched off. Azure's own driver of disks is one of
    /// many outside of that profile: whether the drivers that volumes use are there, P11 sees in the cluster.
    pub fn switched_off(&self, profile: Profile) -> Vec<&'static str> {
        let counts = |part: &str| profile == Profile::Aks || part != Self::DISK_DRIVER;
        let parts = [(Self::DISK_DRIVER, self.disk_driver), ("snapshotController", self.snapshot_controller)];
        parts
            .into_iter()
            .filter(|(part, on)| *on == Some(false) && counts(part))
            .map(|(name, _)| name)
            .collect()
    }
}

/// A Backup vault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArmVault {
    /// Its id.
    pub id: String,
    /// Its region.
    pub location: String,
    /// Its tenant.
    pub tenant: Option<String>,
    /// Its identity.
    pub principal: Option<String>,
    /// Redundancy of its store.
    pub redundancy: Option<String>,
    /// Whether restores in the paired region are on.
    pub cross_region: bool,
}

/// A Trusted Access binding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Binding {
    /// Its name.
    pub name: String,
    /// Whom it lets in.
    pub source: String,
    /// As what.
    pub roles: Vec<String>,
    /// How its making ended.
    pub state: String,
}

/// An installed backup extension.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstalledExtension {
    /// Its name.
    pub name: String,
    /// How its installation ended.
    pub state: String,
    /// Its identity.
    pub principal: Option<String>,
    /// The container of its location.
    pub container: Option<String>,
}

/// A storage account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageAccount {
    /// Its id.
    pub id: String,
    /// Its region.
    pub location: String,
    /// `StorageV2` and its like.
    pub kind: String,
    /// Name of the SKU.
    pub sku: String,
    /// `networkAcls.defaultAction`.
    pub default_action: Option<String>,
    /// `networkAcls.bypass`.
    pub bypass: Option<String>,
    /// Ids of the resources that may pass its firewall.
    pub trusted: Vec<String>,
    /// Whether the public endpoint is on.
    pub public: bool,
    /// `allowCrossTenantReplication`.
    pub cross_tenant: Option<bool>,
    /// Whether the container exists; nothing when none was asked for.
    pub container: Option<(String, bool)>,
}

/// A role that an identity needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleNeed {
    /// `R1` to `R13`.
    pub id: &'static str,
    /// The role.
    pub role: &'static str,
    /// Whose it is, as a word.
    pub identity: &'static str,
    /// Id of the principal.
    pub principal: String,
    /// Where.
    pub scope: String,
    /// The documented code of what goes wrong without it; none where none is documented.
    pub code: Option<&'static str>,
    /// Whether it is there, as far as whoever asks may see it.
    pub held: Observed<bool>,
}

impl RoleNeed {
    /// Whether it was seen that nothing gives it.
    pub fn is_missing(&self) -> bool {
        matches!(self.held, Observed::Seen(false))
    }

    /// Which role of whose identity where.
    pub(crate) fn describe(&self) -> String {
        let Self { id, role, identity, principal, scope, .. } = self;
        format!("{id} {role} of the {identity}'s identity {principal} on {scope}")
    }
}

/// A right that whoever asks needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRight {
    /// `U1` to `U6`.
    pub id: &'static str,
    /// The action.
    pub action: &'static str,
    /// Where.
    pub scope: String,
    /// A role that contains it.
    pub role: &'static str,
    /// Whether it is held.
    pub held: bool,
}

/// A rule of a network security group that lets somebody in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InboundRule {
    /// `<group>/<rule>`.
    pub name: String,
    /// Whom it lets in.
    pub sources: Vec<String>,
}

/// A managed disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disk {
    /// The claim whose volume it is.
    pub claim: String,
    /// Its size.
    pub bytes: u64,
    /// `publicNetworkAccess`.
    pub public: Option<String>,
    /// Whether its keys come from a disk encryption set.
    pub encryption_set: bool,
    /// `dataAccessAuthMode`.
    pub auth_mode: Option<String>,
}
