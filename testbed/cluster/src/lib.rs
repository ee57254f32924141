//! A real Kubernetes cluster from source, for the demo and the tests: every
//! component is built from its Go module, started in a network namespace of its
//! own and removed again without a trace.

mod addresses;
mod api;
mod build;
mod certificates;
mod cgroups;
mod command;
mod components;
mod configs;
mod doors;
mod driver;
mod error;
mod generate;
mod images;
mod layout;
mod lifecycle;
mod manifests;
mod network;
mod packages;
mod pool;
mod sign_in;
mod state;
mod stores;
mod supervisor;

pub use addresses::{AddressPlan, Hub};
pub use api::client;
pub use build::{BuiltBinaries, KubernetesVersion, build, build_everything, build_gatekeeper, build_velero};
pub use command::Invocation;
pub use doors::{Doors, OidcIssuer};
pub use error::Error;
pub use generate::{Mix, Summary, generate};
pub use images::load_image;
pub use layout::{ClusterName, Layout};
pub use lifecycle::{ClusterStatus, UpOptions, down, down_everything, status, up};
pub use packages::ensure_packages;
pub use state::{ClusterKind, ClusterState, PoolKind};
pub use stores::{StoreKind, StoreUp, create_bucket, store_down, store_up};
pub use supervisor::supervise;
