//! What a vault makes for itself at its first start: a tenant, a subscription and an administrator. And principals that
//! the operator of the machine makes later.

use crate::{
    accounts::NewSecret,
    store::{
        AssignmentRecord, AuditEntry, AuditOutcome, Change, ClientSecret, Principal, PrincipalKind, Store,
        StoreError, Subscription,
    },
};
use arm::ResourceId;
use identity::{Assignment, RoleId};
use jiff::Timestamp;
use serde_json::json;
use std::fmt;
use uuid::Uuid;
use zeroize::Zeroizing;

const TENANT: &str = "tenant";
/// The role that the first administrator has.
pub const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

/// What a new principal signs in with. It is shown once.
pub struct Credential {
    /// The tenant.
    pub tenant: String,
    /// The default subscription's id.
    pub subscription: String,
    /// With which it signs in.
    pub client_id: String,
    /// By which roles name it.
    pub object_id: String,
    /// The secret.
    pub secret: Zeroizing<String>,
}

/// Why it could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secret.
    #[error(transparent)]
    Secret(#[from] crate::accounts::HashError),
    /// The subscription's id cannot be an id.
    #[error("{0} is no subscription id; write a GUID")]
    Subscription(String),
    /// The data directory holds no vault yet.
    #[error("there is no vault here yet; start one with `cofferdam vault serve`")]
    Nothing,
    /// There is no such role.
    #[error("there is no role {0:?}; known are: {1}")]
    Role(String, String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// Makes what a vault needs, once; of several replicas that start first at once, one does. The credential is there at the
/// first start alone, and only where it was made.
pub async fn first_start(
    store: &dyn Store,
    subscription: Option<Uuid>,
    now: Timestamp,
) -> Result<(String, Option<Credential>), BootstrapError> {
    if let Some(tenant) = store.setting(TENANT).await? {
        return Ok((tenant, None));
    }
    let tenant = Uuid::new_v4().to_string();
    let subscription = subscription.unwrap_or_else(Uuid::new_v4).to_string();
    let id = ResourceId::subscription(&subscription)
        .map_err(|_| BootstrapError::Subscription(subscription.clone()))?;
    let new = Subscription { id: id.clone(), name: "Default".to_owned(), created_at: now };
    let (mut changes, credential) = principal("Administrator", &tenant, &id, Some(&RoleId::new(OWNER)), now)?;
    let first = Change::SetIf { name: TENANT.to_owned(), before: None, value: tenant.clone() };
    changes.extend([first, Change::AddSubscription(new)]);
    match store.commit(&changes, &audit("first start", &id, now)).await {
        Ok(()) => Ok((tenant, Some(credential))),
        Err(StoreError::Conflict(what)) => match store.setting(TENANT).await? {
            Some(tenant) => Ok((tenant, None)),
            None => Err(StoreError::Conflict(what).into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// Makes a principal, with a role at the default subscription where one is named.
pub async fn add_principal(
    store: &dyn Store,
    name: &str,
    role: Option<&str>,
    now: Timestamp,
) -> Result<Credential, BootstrapError> {
    let tenant = store.setting(TENANT).await?.ok_or(BootstrapError::Nothing)?;
    let subscription = store.subscriptions().await?.into_iter().next().ok_or(BootstrapError::Nothing)?.id;
    let role = role.map(role_named).transpose()?;
    let (changes, credential) = principal(name, &tenant, &subscription, role.as_ref(), now)?;
    store.commit(&changes, &audit("add principal", &subscription, now)).await?;
    Ok(credential)
}

/// The built-in role of a name.
pub fn role_named(wanted: &str) -> Result<RoleId, BootstrapError> {
    let roles = identity::builtin::roles();
    match roles.iter().find(|one| one.name.eq_ignore_ascii_case(wanted)) {
        Some(role) => Ok(role.id.clone()),
        None => {
            let known = roles.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
            Err(BootstrapError::Role(wanted.to_owned(), known))
        }
    }
}

fn principal(
    name: &str,
    tenant: &str,
    subscription: &ResourceId,
    role: Option<&RoleId>,
    now: Timestamp,
) -> Result<(Vec<Change>, Credential), BootstrapError> {
    let id = || Uuid::new_v4().to_string();
    let secret = NewSecret::make()?;
    let (client_id, object_id) = (id(), id());
    let mut changes = vec![
        Change::AddPrincipal(Principal {
            object_id: object_id.clone(),
            client_id: client_id.clone(),
            name: name.to_owned(),
            kind: PrincipalKind::Application,
            resource: None,
            created_at: now,
        }),
        Change::AddSecret(ClientSecret {
            id: id(),
            client_id: client_id.clone(),
            hash: secret.hash().to_owned(),
            created_at: now,
        }),
    ];
    if let Some(role) = role {
        let assignment =
            Assignment { principal: object_id.clone(), role: role.clone(), scope: subscription.clone() };
        let at = now.to_string();
        let document = json!({"principalType": "ServicePrincipal", "createdOn": at, "updatedOn": at});
        changes.push(Change::Assign(AssignmentRecord { name: id(), assignment, document }));
    }
    let credential = Credential {
        tenant: tenant.to_owned(),
        subscription: subscription.subscription_id().to_owned(),
        client_id,
        object_id,
        secret: Zeroizing::new(secret.reveal().to_owned()),
    };
    Ok((changes, credential))
}

/// The audit record of what the operator of the machine does.
pub fn audit(action: &str, subscription: &ResourceId, at: Timestamp) -> AuditEntry {
    AuditEntry {
        at,
        principal: "vault".to_owned(),
        action: action.to_owned(),
        scope: subscription.to_string(),
        outcome: AuditOutcome::Changed,
        correlation: Uuid::new_v4().to_string(),
    }
}
