//! The data plane of Azure Blob storage, server side: a subset that Azure's own clients work with unchanged.
//!
//! A [`Service`] answers requests. It asks a [`Gate`] whether the caller may do what is asked, [`Accounts`] for the
//! container, and reads and writes the container's [`Backing`]: a [`Disk`] or [`Objects`] in another store. Content
//! streams both ways and is never held whole. `docs/blobs.md` says what is offered and where it differs.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]
#![allow(
    clippy::result_large_err,
    reason = "an error is made once per refused call; boxing would make every match harder to read"
)]

mod accounts;
mod asked;
mod backing;
mod conditions;
mod content;
mod disk;
mod error;
mod gate;
mod names;
mod objects;
mod operation;
mod properties;
mod range;
mod remove;
mod serve;
mod service;
mod staging;
mod sweep;
mod xml;

pub mod folders;

pub use accounts::{Accounts, Container, ContainerListing, ContainerPage};
pub use backing::{Backing, Choose, Found, Item, Listing, Page, Read, Write};
pub use conditions::Conditions;
pub use content::{Body, BoxError, Content};
pub use disk::Disk;
pub use error::BlobError;
pub use gate::{Asked, DataAction, Gate, Who};
pub use names::{Key, check_account, check_container};
pub use objects::Objects;
pub use properties::Properties;
pub use remove::remove_some;
pub use service::{Limits, Service, Settings};
pub use sweep::{Swept, sweep};
