//! Enumerations. Source: the official SDK.

crate::words! {
    /// When all alerts of failed jobs are raised.
    pub enum AlertsState {
        /// Raised.
        Enabled,
        /// Not raised.
        Disabled,
    }

    /// For what costs are told apart.
    pub enum GranularityLevel {
        /// A vault.
        VaultLevel,
        /// An instance.
        ProtectedItemLevel,
        /// An instance, with the tags of what it protects.
        ProtectedItemWithParentTag,
    }

    /// Whether deleted data stays for a while.
    pub enum SoftDeleteState {
        /// It stays.
        On,
        /// It goes at once.
        Off,
        /// It stays, and nobody can change that.
        AlwaysOn,
    }

    /// Whether recovery points can go before their time.
    pub enum ImmutabilityState {
        /// They can.
        Disabled,
        /// They cannot; this can be taken back.
        Unlocked,
        /// They cannot, for good.
        Locked,
    }

    /// Whether a key of the customer encrypts.
    pub enum EncryptionState {
        /// It does not.
        Disabled,
        /// It does.
        Enabled,
        /// Between the two.
        Inconsistent,
    }

    /// What kind of identity reaches the customer's key.
    pub enum KekIdentityType {
        /// The vault's own.
        SystemAssigned,
        /// A resource's.
        UserAssigned,
    }

    /// Whether the store encrypts once more by itself.
    pub enum InfrastructureEncryptionState {
        /// It does not.
        Disabled,
        /// It does.
        Enabled,
    }

    /// Whether recovery points can be restored in the paired region.
    pub enum CrossRegionRestoreState {
        /// They cannot.
        Disabled,
        /// They can.
        Enabled,
    }

    /// Whether recovery points can be restored into other subscriptions.
    pub enum CrossSubscriptionRestoreState {
        /// They can.
        Enabled,
        /// They cannot.
        Disabled,
        /// They never can.
        PermanentlyDisabled,
    }

    /// A tier.
    pub enum StoreType {
        /// Snapshots and objects in the customer's store.
        OperationalStore,
        /// The vault's own store.
        VaultStore,
        /// For long keeping.
        ArchiveStore,
    }

    /// How many copies a store keeps, and where.
    pub enum Redundancy {
        /// In one place.
        LocallyRedundant,
        /// In several zones.
        ZoneRedundant,
        /// In two regions.
        GeoRedundant,
    }

    /// What makes a backup deserve a tag.
    pub enum AbsoluteMarker {
        /// Every backup.
        AllBackup,
        /// The first successful one of a day.
        FirstOfDay,
        /// The first successful one of a week.
        FirstOfWeek,
        /// The first successful one of a month.
        FirstOfMonth,
        /// The first successful one of a year.
        FirstOfYear,
    }
}
