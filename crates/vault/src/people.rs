//! Accounts that the operator of the machine makes, changes and removes. Whoever may write to the data directory may do
//! this, whether or not a server runs.

use crate::{
    accounts::{PasswordError, client_id_of, hash_password},
    api::keep_administrator,
    bootstrap::{BootstrapError, OWNER, audit, role_named},
    store::{
        AssignmentRecord, Change, ClientSecret, Grants, Principal, PrincipalKind, Store, StoreError, Stores,
        Subscription,
    },
    trust::external_client_id,
};
use arm::ResourceId;
use identity::{Assignment, RoleId};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

const LONGEST_NAME: usize = 100;
const LONGEST_SUBSCRIPTION: usize = 64;

/// Why an account could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// What every new principal can fail at.
    #[error(transparent)]
    Principal(#[from] BootstrapError),
    /// The password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The name.
    #[error("{0:?} is no name: 1 to {LONGEST_NAME} letters, digits and any of .-_@+, and no more")]
    Name(String),
    /// The name of a subscription.
    #[error(
        "{0:?} is no name of a subscription: 1 to {LONGEST_SUBSCRIPTION} characters, no space first or last"
    )]
    Subscription(String),
    /// There is such a subscription.
    #[error("there is a subscription {0} or {1} already; choose another name and id")]
    SubscriptionExists(String, String),
    /// It is there already.
    #[error("{0} exists already; remove it first, or choose another name")]
    Exists(String),
    /// There is none.
    #[error("there is no principal {0}; write the name of a person, a client id or an object id")]
    Unknown(String),
    /// It must stay.
    #[error("{0} is the last one who can assign roles in {1}; give Owner to someone else first")]
    LastAdministrator(String, String),
    /// It is a resource's.
    #[error("{0} is the identity of {1} and goes with it; delete that")]
    OfResource(String, String),
}

/// Makes a person who signs in with a password; returns the object id.
pub async fn add_user(
    store: &dyn Store,
    name: &str,
    password: &str,
    role: Option<&str>,
    now: Timestamp,
) -> Result<String, PeopleError> {
    check_name(name)?;
    let hash = hash_password(name, password)?;
    let client_id = client_id_of(name);
    let principal = principal(name, client_id.clone(), PrincipalKind::User, now);
    let secret = secret(&client_id, hash, now);
    let more = vec![Change::AddSecret(secret)];
    make(store, principal, more, role, "add user", now).await
}

/// Registers someone of an issuer that the vault trusts; returns the object id.
pub async fn add_external(
    store: &dyn Store,
    name: &str,
    (issuer, subject): (&str, &str),
    role: Option<&str>,
    now: Timestamp,
) -> Result<String, PeopleError> {
    check_name(name)?;
    let principal = principal(name, external_client_id(issuer, subject), PrincipalKind::User, now);
    make(store, principal, Vec::new(), role, "add external user", now).await
}

/// Gives a person another password. What was refreshed with the old one ends.
pub async fn set_password(
    store: &dyn Store,
    name: &str,
    password: &str,
    now: Timestamp,
) -> Result<(), PeopleError> {
    let client_id = client_id_of(name);
    let found = stored(store.principal_of_client(&client_id).await)?;
    let principal = found.ok_or_else(|| PeopleError::Unknown(name.to_owned()))?;
    let hash = hash_password(name, password)?;
    let changes = [
        Change::RemoveSecrets(client_id.clone()),
        Change::AddSecret(secret(&client_id, hash, now)),
        Change::RemoveGrants(Grants::Principal(principal.object_id)),
    ];
    let subscription = subscription(store).await?;
    stored(store.commit(&changes, &audit("set password", &subscription, now)).await)
}

/// Removes a principal, by the name of a person, a client id or an object id. Its tokens count no more from now on.
pub async fn remove(store: &dyn Store, given: &str, now: Timestamp) -> Result<Principal, PeopleError> {
    let principal = find(store, given).await?;
    if let Some(resource) = &principal.resource {
        return Err(PeopleError::OfResource(principal.name, resource.to_string()));
    }
    let roles = identity::builtin::roles();
    let mut changes = vec![Change::RemovePrincipal(principal.object_id.clone())];
    let assigned = stored(store.assignments_of(&principal.object_id).await)?;
    for subscription in stored(store.subscriptions().await)? {
        changes.extend(keep_administrator(&assigned, &subscription.id, &roles));
    }
    let subscription = subscription(store).await?;
    match store.commit(&changes, &audit("remove principal", &subscription, now)).await {
        Ok(()) => Ok(principal),
        Err(StoreError::Conflict(_)) => {
            Err(PeopleError::LastAdministrator(principal.name, subscription.to_string()))
        }
        Err(error) => stored(Err(error)),
    }
}

/// By the name of a person, a client id or an object id.
async fn find(store: &dyn Store, given: &str) -> Result<Principal, PeopleError> {
    let mut found = stored(store.principal(given).await)?;
    for client in [given.to_owned(), client_id_of(given)] {
        if found.is_none() {
            found = stored(store.principal_of_client(&client).await)?;
        }
    }
    found.ok_or_else(|| PeopleError::Unknown(given.to_owned()))
}

/// Makes another subscription, with an owner: nobody else could give a role in it.
pub async fn add_subscription(
    store: &dyn Store,
    name: &str,
    owner: &str,
    id: Option<Uuid>,
    now: Timestamp,
) -> Result<Subscription, PeopleError> {
    check_subscription(name)?;
    let owner = find(store, owner).await?;
    let known = stored(store.subscriptions().await)?;
    if known.is_empty() {
        return Err(BootstrapError::Nothing.into());
    }
    let guid = id.unwrap_or_else(Uuid::new_v4).to_string();
    let id = ResourceId::subscription(&guid).map_err(|_| BootstrapError::Subscription(guid))?;
    if known.iter().any(|one| one.name.eq_ignore_ascii_case(name) || one.id == id) {
        return Err(PeopleError::SubscriptionExists(name.to_owned(), id.to_string()));
    }
    let new = Subscription { id: id.clone(), name: name.to_owned(), created_at: now };
    let mut owning = assignment(&owner.object_id, &RoleId::new(OWNER), &id, now);
    if owner.kind != PrincipalKind::User
        && let Some(fields) = owning.document.as_object_mut()
    {
        fields.insert("principalType".to_owned(), "ServicePrincipal".into());
    }
    let changes = [Change::AddSubscription(new.clone()), Change::Assign(owning)];
    match store.commit(&changes, &audit("add subscription", &id, now)).await {
        Ok(()) => Ok(new),
        Err(StoreError::Conflict(_)) => Err(PeopleError::SubscriptionExists(name.to_owned(), id.to_string())),
        Err(error) => stored(Err(error)),
    }
}

/// What a line can show.
fn check_subscription(name: &str) -> Result<(), PeopleError> {
    let fits = |c: char| !c.is_control();
    if (1..=LONGEST_SUBSCRIPTION).contains(&name.chars().count())
        && name.trim() == name
        && name.chars().all(fits)
    {
        return Ok(());
    }
    Err(PeopleError::Subscription(name.chars().filter(|c| fits(*c)).take(LONGEST_SUBSCRIPTION).collect()))
}

async fn make(
    store: &dyn Store,
    principal: Principal,
    more: Vec<Change>,
    role: Option<&str>,
    action: &str,
    now: Timestamp,
) -> Result<String, PeopleError> {
    let subscription = subscription(store).await?;
    let (object_id, name) = (principal.object_id.clone(), principal.name.clone());
    let mut changes = vec![Change::AddPrincipal(principal)];
    changes.extend(more);
    if let Some(role) = role {
        changes.push(Change::Assign(assignment(&object_id, &role_named(role)?, &subscription, now)));
    }
    match store.commit(&changes, &audit(action, &subscription, now)).await {
        Ok(()) => Ok(object_id),
        Err(StoreError::Conflict(_)) => Err(PeopleError::Exists(name)),
        Err(error) => stored(Err(error)),
    }
}

fn principal(name: &str, client_id: String, kind: PrincipalKind, now: Timestamp) -> Principal {
    let object_id = Uuid::new_v4().to_string();
    Principal { object_id, client_id, name: name.to_owned(), kind, resource: None, created_at: now }
}

fn secret(client_id: &str, hash: String, now: Timestamp) -> ClientSecret {
    ClientSecret { id: Uuid::new_v4().to_string(), client_id: client_id.to_owned(), hash, created_at: now }
}

fn assignment(object_id: &str, role: &RoleId, scope: &ResourceId, now: Timestamp) -> AssignmentRecord {
    let assignment = Assignment { principal: object_id.to_owned(), role: role.clone(), scope: scope.clone() };
    let at = now.to_string();
    let document = json!({"principalType": "User", "createdOn": at, "updatedOn": at});
    AssignmentRecord { name: Uuid::new_v4().to_string(), assignment, document }
}

async fn subscription(store: &dyn Store) -> Result<ResourceId, PeopleError> {
    let first = stored(store.subscriptions().await)?.into_iter().next();
    Ok(first.ok_or(BootstrapError::Nothing)?.id)
}

fn stored<T>(result: Stores<T>) -> Result<T, PeopleError> {
    result.map_err(|error| PeopleError::Principal(error.into()))
}

fn check_name(name: &str) -> Result<(), PeopleError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_@+".contains(c);
    if (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(fits) {
        return Ok(());
    }
    Err(PeopleError::Name(name.chars().take(LONGEST_NAME).collect()))
}
