//! Who signs in: clients with secrets and people with passwords, of which only hashes are kept, and the lock-out after
//! repeated failures.

mod brake;
mod lockout;
mod password;
mod secret;
mod sign_in;
mod source;

pub use lockout::locked_until;
pub use password::{LONGEST, PasswordError, hash_password};
pub use secret::{HashError, NewSecret, matches};
pub use sign_in::{Accounts, SignIn, client_id_of};
pub use source::Source;
