//! What all commands share that speak to the management API of a vault, or of Azure.

mod confirm;
mod consent;
mod files;
pub mod follow;
mod kind;
mod names;
mod query;
mod second_person;
mod selection;
mod session;
mod view;

pub use confirm::{Confirm, Deletion};
pub use consent::Consent;
pub use files::{json_file, pairs, tags};
pub use kind::Kind;
pub use names::{CLUSTER, ClusterRef, GroupArg, Ids, InGroup, ListArgs, Name, VAULT, VaultName, resource_id};
pub use second_person::SecondPerson;
pub use selection::{Mappings, References, SelectArgs, mappings, references};
pub use session::{Session, SessionArgs, folder, given_token};
pub use view::View;
