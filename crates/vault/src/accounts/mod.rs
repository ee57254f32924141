//! Who signs in: clients with secrets, of which only hashes are kept, and the lock-out after repeated failures.

mod lockout;
mod secret;
mod sign_in;

pub use lockout::locked_until;
pub use secret::{HashError, NewSecret, matches};
pub use sign_in::{Accounts, SignIn};
