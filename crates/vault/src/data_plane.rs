//! The data of storage accounts over the wire: [`blobs::Service`] with the vault's accounts behind it and the vault's
//! roles and network rules before it.

mod access;
mod accounts;
mod gate;
mod held;
mod known;
mod located;
pub mod remove;
mod rights;
mod sweep;

pub use access::{NotAdmitted, vault_may_access};
pub use known::{Known, StoredData};
pub use located::{Located, NotLocated, located};
pub use sweep::run as sweep;

use crate::{api::storage::is_account_name, app::App};
use accounts::VaultAccounts;
use blobs::{Service, Settings};
use gate::VaultGate;
use std::sync::Arc;

/// The service of all accounts of a vault.
pub fn service(app: &Arc<App>) -> Service {
    let settings = Settings {
        endpoint: app.public.origin().to_owned(),
        authority: app.public.at(&format!("/{}/oauth2/authorize", app.issuer.tenant())),
        limits: blobs::Limits::default(),
    };
    let accounts = Arc::new(VaultAccounts::new(app.clone()));
    let gate = Arc::new(VaultGate::new(app.clone()));
    Service::new(accounts, gate, app.clock.clone(), settings)
}

/// The account that the first part of a path can name.
pub fn account_of(path: &str) -> Option<&str> {
    let first = path.trim_start_matches('/').split('/').next()?;
    is_account_name(first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_management_api_name_no_account() {
        for path in
            ["/", "/subscriptions/s", "/Subscriptions/s", "/healthz", "/common/v2.0", "/a", "/providers/x"]
        {
            assert_eq!(account_of(path), None, "{path}");
        }
        assert_eq!(account_of("/acct/box/blob"), Some("acct"));
        assert_eq!(account_of("//acct"), Some("acct"));
    }
}
