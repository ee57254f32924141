//! End-to-end stories, named as sentences, played against the real clusters of the testbed by the same
//! programs that a person uses: `cofferdam`, `kubectl`, `restic`.

pub mod audit;
mod az;
pub mod azure;
mod bare;
pub mod checks;
mod closed;
mod cluster;
mod command;
mod cut;
mod disk;
mod documents;
mod dropped;
pub mod gatekeeper;
mod halted;
mod installation;
mod issuer;
mod managed;
mod names;
mod objects;
mod policy;
mod preflight;
mod process;
mod protected;
mod proxy;
mod receiver;
mod recorded;
mod registry;
mod restic;
mod scratch;
mod shop;
mod skewed;
pub mod snapshots;
mod store;
mod tls;
mod vault;
pub mod velero;
pub mod volumes;
mod world;

pub use az::{Az, javascript};
pub use bare::Bare;
pub use closed::Closed;
pub use cluster::Cluster;
pub use command::{Ran, binary, run, wait_until};
pub use cut::Cut;
pub use disk::{Disk, Full};
pub use documents::shell_blocks;
pub use dropped::Dropped;
pub use halted::Halted;
pub use installation::{IMAGE, Installation, NAMESPACE, load_product, load_workload, product_archive};
pub use issuer::Issuer;
pub use managed::Managed;
pub use names::Names;
pub use policy::owner_policy;
pub use preflight::Preflight;
pub use process::{Extension, Hold, Start};
pub use protected::{GROUP, Protected, VAULT};
pub use proxy::ConnectProxy;
pub use receiver::Receiver;
pub use recorded::Recorded;
pub use registry::Registry;
pub use scratch::scratch;
pub use shop::{SHOP, SLOW};
pub use skewed::skewed_store;
pub use store::Store;
pub use vault::{Person, Vault};
pub use world::{ENDED, LONG, World};

/// Whether the long forms of the stories run (`make test-all`).
pub fn everything() -> bool {
    std::env::var("COFFERDAM_SCOPE").is_ok_and(|scope| scope == "all")
}
