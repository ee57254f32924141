//! Alerts: what somebody should know of a vault without having asked. An alert is committed together with the change that
//! causes it. While it stands open, the same thing happening again is counted in it, so that a cluster that fails every
//! hour, or a client in a loop, makes one alert and not a thousand.

mod change;
mod common;
mod jobs;
mod record;
mod rule;
mod security;
mod stored;
mod sweep;

pub use change::{Event, change_state, fire, resolve};
pub use common::{Counted, join, leave};
pub use jobs::ended;
pub use record::{AlertRecord, AlertState, Condition, KIND, Modification, Undelivered, id_of, shown_id};
pub use rule::{Rule, Severity};
pub use security::{instance_resting, instance_returns, vault_weakened};
pub use stored::place_deleted;
pub use sweep::sweep;
