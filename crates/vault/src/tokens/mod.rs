//! Access tokens: made, signed and checked by the vault itself.

mod audience;
mod claims;
mod issuer;
mod keys;

pub use audience::Audience;
pub use claims::{Caller, Claims, Flavour, TokenError, judge};
pub use issuer::{Issued, Issuer, KeyError, LIFETIME_SECONDS};
pub use keys::{Rotation, SigningKey, rotation};
