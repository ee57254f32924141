//! Access tokens: made, signed and checked by the vault itself.

mod assertion;
mod audience;
mod claims;
mod issuer;
mod keys;

pub use assertion::{Assertion, AssertionError, Unproved, keys as jwk_keys, read as read_assertion};
pub use audience::Audience;
pub use claims::{Caller, Claims, Flavour, TokenError, judge};
pub use issuer::{Bearer, Issued, Issuer, KeyError, LIFETIME_SECONDS};
pub use keys::{Rotation, SigningKey, rotation};
