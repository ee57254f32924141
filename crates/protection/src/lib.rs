//! The domain of the product, pure: no runtime, no cluster, no store and no clock; time arrives as an
//! argument.

pub mod claims;
pub mod ids;
pub mod point;
pub mod policy;
pub mod problem;
pub mod quantity;
pub mod selection;
pub mod settings;

pub use ids::{BackupUid, ClusterUid, RecoveryPointId};
pub use problem::{Problem, Severity, code};
pub use selection::{Selection, SelectionFields};
