//! Managed clusters, and the Trusted Access that their owners give to Backup vaults.

mod record;

pub use record::{
    BACKUP_OPERATOR, BINDING, BindingRecord, ClusterIdentity, ClusterRecord, KIND, MOST_BINDINGS, binding_for,
};
