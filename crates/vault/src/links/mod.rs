//! The vault's ends of the connections that clusters open: enrolment, the agents' questions, the tunnels of the gateways, and
//! the way to tunnels that end at other replicas. The contract is `docs/formats/cluster-link.md`.

mod agents;
mod authority;
mod bindings;
mod carry;
mod enrol;
mod forward;
mod keep;
mod learn;
mod link;
mod replicas;
mod tls;

pub use agents::answer as agent;
pub use authority::{AuthorityFailure, open as open_authority, open_of_replicas};
pub use carry::answer as replica;
pub use enrol::enrol;
pub use keep::listen;
pub use link::Links;
pub use replicas::{ReplicaAddress, ReplicaAddressError, Replicas};
pub use tls::{Configs, Protocol};

/// The setting that changes with every connection and every binding: replicas that did not make the change see it here.
pub const REVISION: &str = "links revision";

/// The change that tells all replicas to look again.
pub fn changed() -> crate::store::Change {
    crate::store::Change::Set(REVISION.to_owned(), uuid::Uuid::new_v4().to_string())
}
