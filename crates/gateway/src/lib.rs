//! The gateway: carries the vault's requests to the API server, each under the rights of its Trusted Access binding.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod api;
mod bindings;
mod forward;
mod health;
pub mod manifests;
pub mod reconcile;
mod repairs;
pub mod role;
mod run;
mod secret;
mod tokens;

pub use api::ApiServer;
pub use bindings::{BadBindings, Granted, account_name, check};
pub use forward::Gateway;
pub use health::Health;
pub use repairs::Repairs;
pub use run::{Config, RunError, TokenFile, run};
pub use secret::SecretStore;
pub use tunnel::{EgressPart, EgressProxy};

/// Namespace of the ServiceAccounts, which holds nothing else.
pub const ACCESS_NAMESPACE: &str = "cofferdam-trusted-access";
/// The one ClusterRoleBinding.
pub const CLUSTER_ROLE_BINDING: &str = "cofferdam-trusted-access";
/// Name of the Deployment, its ServiceAccount, its roles and the Secret with its credential.
pub const NAME: &str = "cofferdam-gateway";
/// Namespace of the Deployment unless the settings say otherwise.
pub const NAMESPACE: &str = "kube-system";
/// Field manager of everything that the gateway writes.
pub const MANAGER: &str = "cofferdam-gateway";
