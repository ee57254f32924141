//! Grants: what the vault hands to this extension, for one job or for the upkeep of its own location, once the
//! extension has proved its identity. Kept in memory only. The contract is `docs/formats/cluster-link.md`.

mod client;
mod error;
mod settings;
mod wire;

pub use client::Vault;
pub use error::GrantError;
pub(crate) use settings::is_address;
pub use settings::{AUTHORITIES_VARIABLE, BadEnvironment, TOKEN_FILE_VARIABLE, URL_VARIABLE, VaultSettings};
pub use wire::{Grant, GrantPurpose};
