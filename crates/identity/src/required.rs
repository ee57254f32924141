//! Who needs which role where for backups and restores: one table for the vault's own checks, for the plan that a person
//! is shown, and for the documents. Pure: what was assigned is given, and the answer is what is there and what is missing.

mod commands;
mod identities;
mod needs;
mod people;

pub use commands::{Principal, let_in, ours, with_az};
pub use identities::{BACKUP_OPERATOR, Grant, IDENTITY_ROLES, IdentityRole, Place, When, Whose};
pub use needs::{Held, Need, Places, Principals, Purpose, needs};
pub use people::{ASSIGN_ROLES, Advice, PERSON_ROLES, PersonPlace, PersonRole, advice};
