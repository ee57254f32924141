//! Managed clusters, and the Trusted Access that their owners give to Backup vaults.

pub mod enrolment;
mod record;

pub use enrolment::{ENROLMENT, Enrolment, EnrolmentError, enrolment, find, redeem, split};
pub use record::{
    BACKUP_OPERATOR, BINDING, BindingRecord, ClusterIdentity, ClusterRecord, KIND, MOST_BINDINGS, binding_for,
};
