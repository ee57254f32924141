//! A client of the management API: of the vault, and of Azure Resource Manager where the paths are the same. Signs in,
//! calls, follows long-running operations and pages, and reads errors. Knows no cluster and no command line.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]
#![allow(
    clippy::result_large_err,
    reason = "an error is made once per refused call; boxing would make every match harder to read"
)]

pub mod build;
mod client;
mod cloud;
mod error;
mod operation;
mod profile;
mod request;
pub mod roles;
mod service_error;
pub mod sign_in;
mod tokens;
mod transport;
pub mod versions;

pub use client::{Client, PATIENCE, Progress};
pub use cloud::Cloud;
pub use error::Error;
pub use profile::{Folder, Profile, Subscription};
pub use request::Request;
pub use service_error::ServiceError;
pub use tokens::Tokens;
pub use transport::{Answer, Transport};
