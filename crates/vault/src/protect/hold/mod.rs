//! What recovery points hold in place: a storage account, a container or a file of a repository does not go while a recovery
//! point needs it that its vault does not let go. `docs/decisions/0018-what-immutability-holds.md` says how far that reaches.

mod decide;
mod keeps;
mod places;
mod repository;

pub use decide::{Part, may_be_part, part};
pub use keeps::{claimed, keeps, keeps_in};
pub use places::{Place, points_in};
pub use repository::{Holds, is_held, refuses_to_forget};
