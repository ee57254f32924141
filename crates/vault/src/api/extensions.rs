//! Extensions of clusters: what their owners want there, and what the agents report of it.

mod record;

pub use record::{
    BACKUP_NAMESPACE, BACKUP_TYPE, ExtensionIdentity, ExtensionRecord, ExtensionState, KIND, backup_extension,
};
