//! The management API's wire language: resource ids, api-versions, errors and operations, as Azure Resource Manager
//! speaks it. Pure.

#![allow(
    clippy::result_large_err,
    reason = "an error is made once per refused call; boxing would make every match harder to read"
)]

pub mod dataprotection;
pub mod error;
pub mod faults;
pub mod fields;
pub mod filter;
pub mod id;
pub mod instance;
pub mod operation;
pub mod restore;
pub mod version;
pub mod words;

pub use error::ArmError;
pub use faults::Faults;
pub use fields::Fields;
pub use filter::{Filter, FilterError};
pub use id::{IdError, ResourceId, ResourceType};
pub use operation::{OperationBody, OperationStatus};
pub use version::{ApiVersion, VersionError};
pub use words::Word;
