//! Object stores behind one trait: local disk, S3, Azure Blob and Google Cloud Storage.
//!
//! Everything above this crate talks to a [`Store`]: write-once files under validated paths, with errors
//! that say what was tried, whether trying again can help, and what the person can do about it.

mod cloud;
mod egress;
mod error;
mod local;
mod path;
mod prefixed;
mod retry;
mod store;
mod trust;

pub mod credential;
pub mod faults;
pub mod location;
pub mod owner;

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "emulators")]
pub mod emulators;

pub use cloud::innermost as plain_cause;
pub use egress::{PROXY_AUTHORITIES_VARIABLE, ProxyTrouble, behind_proxy};
pub use error::{StoreError, StoreErrorKind};
pub use local::LocalStore;
pub use path::{BadStorePath, StorePath};
pub use prefixed::Prefixed;
pub use retry::{RetryPolicy, Retrying};
pub use store::{Entry, Store};
pub use trust::{BadAuthorities, Trust};
