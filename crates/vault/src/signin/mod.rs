//! What clients ask for before they hold a token: the cloud's metadata, the issuer's, its keys, and the token itself.

mod error;
mod metadata;
mod pages;
mod token;

pub use error::SignInError;
pub use metadata::cloud;
pub use pages::{Page, check_tenant, discovery, find, instances};
pub use token::{GrantError, TokenRequest, grant};
