//! Whether a Backup vault may reach the data of an account for its own work: only where the account's network rules let it
//! in. The vault serves the data itself and could always read it; the owner of the account decides all the same.

use crate::{
    api::{Loaded, load, storage::AccountRecord},
    store::{Store, StoreError},
};
use arm::ResourceId;

/// Why a vault may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// There is no such account here.
    #[error("the storage account '{0}' could not be found")]
    NoAccount(ResourceId),
    /// The network rules do not name it.
    #[error(
        "the network rules of the storage account '{account}' do not admit the vault '{vault}'; list it: az storage account network-rule add --resource-id {vault}"
    )]
    Network {
        /// The account.
        account: ResourceId,
        /// The vault.
        vault: ResourceId,
    },
}

/// Whether the network rules of an account let a vault in. To be asked before each piece of work on its data.
pub async fn vault_may_access(
    store: &dyn Store,
    account: &ResourceId,
    vault: &ResourceId,
) -> Result<Result<(), NotAdmitted>, StoreError> {
    let found: Option<Loaded<AccountRecord>> = load(store, account).await?;
    Ok(match found {
        None => Err(NotAdmitted::NoAccount(account.clone())),
        // The vault's work has no address: it does not come over the network.
        Some(found) if found.document.network.admit(None, Some(vault)) => Ok(()),
        Some(found) => Err(NotAdmitted::Network { account: found.id, vault: vault.clone() }),
    })
}
