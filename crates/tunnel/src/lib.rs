//! The connection between a cluster and its vault, both ends: dialling out, enrolment, and requests the other way
//! round; and the one between replicas of a vault. `docs/formats/cluster-link.md` is the contract. Knows neither a
//! cluster's API nor the vault.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod authority;
mod backoff;
mod body;
pub mod credential;
pub mod dial;
mod egress;
pub mod enrol;
pub mod link;
mod name;
mod proxy;
pub mod replica;
mod serve;
pub mod tls;
pub mod tunnels;
pub mod wire;

pub use backoff::pause;
pub use body::{Body, BoxError, boxed, empty, full};
pub use egress::{EgressPart, EgressProblem, EgressProxy};
pub use name::{ConnectionId, NameError, Part, PeerName};
pub use proxy::Proxy;
pub use replica::ReplicaId;
pub use serve::{ServeError, serve};
