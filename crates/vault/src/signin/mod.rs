//! What clients ask for before they hold a token: the cloud's metadata, the issuer's, its keys, and the token itself.

mod error;
mod federation;
mod form;
mod metadata;
mod pages;
mod people;
mod token;

pub use error::SignInError;
pub use metadata::cloud;
pub use pages::{Page, check_tenant, discovery, find, instances};
pub use people::{authorize, device_code, device_login, show_authorize, show_device_login};
pub use token::{Asked, GrantError, TokenRequest, grant};
