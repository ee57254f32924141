//! What protection needs to know of a vault.

use crate::{
    api::{Call, Failure, Loaded, load, vaults::VaultRecord},
    store::{Store, StoreError},
};
use arm::{
    ArmError, ResourceId,
    dataprotection::{CrossSubscriptionRestoreState, ImmutabilityState, SoftDeleteState},
};
use std::collections::BTreeMap;

/// A vault that is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Existing {
    /// As its creator wrote it.
    pub id: ResourceId,
    /// What protection needs to know of it.
    pub facts: VaultFacts,
}

/// What protection needs to know of a vault.
#[derive(Debug, Clone, PartialEq)]
pub struct VaultFacts {
    /// Where it is.
    pub location: String,
    /// Object id of the identity by which it acts.
    pub principal: Option<String>,
    /// Object ids of its user-assigned identities, by folded resource id.
    pub users: BTreeMap<String, String>,
    /// How long deleted instances can be brought back; `None` where they cannot.
    pub soft_delete_days: Option<u32>,
    /// Nothing may go before its time.
    pub is_immutable: bool,
    /// Restores to other subscriptions are allowed.
    pub cross_subscription_restore: bool,
}

impl Existing {
    /// The vault as it acts for an instance that names one of its user-assigned identities. One that it does not have is
    /// none at all.
    pub fn acting_as(mut self, identity: Option<&ResourceId>) -> Self {
        if let Some(identity) = identity {
            self.facts.principal = self.facts.users.get(identity.folded()).cloned();
        }
        self
    }
}

/// A vault, if it is there.
pub async fn find(store: &dyn Store, id: &ResourceId) -> Result<Option<Existing>, StoreError> {
    let found: Option<Loaded<VaultRecord>> = load(store, id).await?;
    Ok(found.map(|vault| Existing { facts: facts(&vault.document), id: vault.id }))
}

/// A vault that must be there.
pub async fn existing(call: &Call<'_>, id: &ResourceId) -> Result<Existing, Failure> {
    Ok(find(call.app.store.as_ref(), id).await?.ok_or_else(|| ArmError::not_found(id))?)
}

fn facts(vault: &VaultRecord) -> VaultFacts {
    let security = &vault.settings.security_settings;
    let soft = &security.soft_delete_settings;
    let own = vault.identity.system.as_ref().map(|identity| identity.principal_id.clone());
    let others = vault.identity.user.iter();
    let users: BTreeMap<String, String> =
        others.map(|(id, identity)| (id.to_ascii_lowercase(), identity.principal_id.clone())).collect();
    let cross = vault.settings.feature_settings.cross_subscription_restore_settings.state;
    VaultFacts {
        location: vault.location.clone(),
        principal: own.or_else(|| users.values().next().cloned()),
        users,
        soft_delete_days: match soft.state {
            SoftDeleteState::Off => None,
            // Days are whole numbers, whatever the wire's type says.
            SoftDeleteState::On | SoftDeleteState::AlwaysOn => Some(soft.retention_duration_in_days as u32),
        },
        is_immutable: security.immutability_settings.state != ImmutabilityState::Disabled,
        cross_subscription_restore: cross == CrossSubscriptionRestoreState::Enabled,
    }
}
