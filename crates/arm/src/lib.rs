//! The management API's wire language: resource ids, api-versions, errors and operations, as Azure Resource Manager
//! speaks it. Pure.

pub mod error;
pub mod fields;
pub mod filter;
pub mod id;
pub mod operation;
pub mod version;

pub use error::ArmError;
pub use fields::Fields;
pub use filter::{Filter, FilterError};
pub use id::{IdError, ResourceId, ResourceType};
pub use operation::{OperationBody, OperationStatus};
pub use version::{ApiVersion, VersionError};
