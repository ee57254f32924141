//! The mapping of a vault to the Resource Guard that guards it.

use super::{Critical, GuardRecord, PROXY_KIND, READ, check};
use crate::api::Each;
use crate::{
    alerts::{self, Event, Rule},
    api::{
        BLOCKED_GROUP, Call, Failure,
        resource::{Loaded, TRIES, check_conditions, load, put as write, read},
        vaults,
    },
    reply::Reply,
    store::{Change, Expected, Store, StoreError},
};
use arm::{ArmError, Fields, ResourceId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The one name that clients use.
const NAME: &str = "DppResourceGuardProxy";
const LONGEST_DESCRIPTION: usize = 1_024;

/// What is kept of a mapping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyRecord {
    /// Which guard.
    pub guard: ResourceId,
    /// A note.
    #[serde(default)]
    pub description: Option<String>,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// What may be deleted for a while.
    #[serde(default)]
    pub unlocked: Vec<Unlocked>,
}

/// Something that someone may delete for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unlocked {
    /// What.
    pub resource: ResourceId,
    /// Object id of who unlocked it.
    pub principal: String,
    /// Until when.
    pub until: Timestamp,
}

type Proxy = Loaded<ProxyRecord>;

/// The mapping of a vault.
pub async fn of_vault(store: &dyn Store, vault: &ResourceId) -> Result<Option<Proxy>, StoreError> {
    let found = store.resources(PROXY_KIND, vault, None, 1).await?;
    found.into_iter().next().map(read).transpose()
}

/// A vault that a guard guards, in any subscription.
pub async fn guarded_by(store: &dyn Store, guard: &ResourceId) -> Result<Option<ResourceId>, StoreError> {
    let all = all(store).await?;
    Ok(all.into_iter().find(|proxy| proxy.document.guard == *guard).and_then(|proxy| proxy.id.parent()))
}

/// Why a resource group cannot be deleted: a guard in it guards a vault elsewhere. Whoever could take it away so, and make
/// it again, would decide instead of those who do now.
pub async fn keeps_in(store: &dyn Store, group: &ResourceId) -> Result<Option<ArmError>, StoreError> {
    for proxy in all(store).await? {
        let guard = &proxy.document.guard;
        let from_outside = group.covers(guard) && !group.covers(&proxy.id);
        if from_outside && store.resource(guard).await?.is_some() {
            let vault = proxy.id.parent().unwrap_or(proxy.id);
            let message = format!(
                "The resource group cannot be deleted: the Resource Guard '{guard}' in it guards the vault '{vault}'. Remove \
                 that vault's backupResourceGuardProxies mapping first, which needs the guard's consent."
            );
            return Ok(Some(ArmError::new(409, BLOCKED_GROUP, message).about(guard.as_str())));
        }
    }
    Ok(None)
}

async fn all(store: &dyn Store) -> Result<Vec<Proxy>, StoreError> {
    let mut all = Vec::new();
    for subscription in store.subscriptions().await? {
        let mut each = Each::of(store, PROXY_KIND, &subscription.id);
        while let Some(stored) = each.next().await? {
            all.push(read(stored)?);
        }
    }
    Ok(all)
}

/// The one that a vault has, as a list.
pub async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let vault = vaults::of_path(call).await?;
    let store = call.app.store.as_ref();
    let mut value = Vec::new();
    if let Some(proxy) = of_vault(store, &vault.id).await? {
        value.push(shown(&proxy, &guard_of(store, &proxy).await?));
    }
    Ok(Reply::json(200, json!({"value": value})))
}

/// One.
pub async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    let proxy = existing(call).await?.ok_or_else(|| not_found(call))?;
    Ok(Reply::json(200, shown(&proxy, &guard_of(call.app.store.as_ref(), &proxy).await?)))
}

/// Puts a vault under a guard, which the caller must be allowed to see. A vault that has one keeps it.
pub async fn put(call: &Call<'_>) -> Result<Reply, Failure> {
    if !call.params.get("proxy").eq_ignore_ascii_case(NAME) {
        let message = format!("The mapping of a vault to its Resource Guard is always called '{NAME}'.");
        return Err(ArmError::new(400, "UserErrorInvalidResourceGuardProxyName", message).into());
    }
    let body = call.json()?;
    let fields = Fields::of(&body)?.required_object("properties")?;
    let wanted = fields.required_text("resourceGuardResourceId")?;
    let wanted: ResourceId =
        wanted.parse().map_err(|error: arm::IdError| fields.wrong("resourceGuardResourceId", error))?;
    let description = fields.text("description")?.map(str::to_owned);
    if description.as_ref().is_some_and(|text| text.chars().count() > LONGEST_DESCRIPTION) {
        return Err(fields
            .wrong("description", format!("has more than {LONGEST_DESCRIPTION} characters"))
            .into());
    }
    for _ in 0..TRIES {
        let guard = guard_to_use(call, &wanted).await?;
        let mut vault = vaults::of_path(call).await?;
        let found = existing(call).await?;
        check_conditions(call, found.as_ref().map(|found| found.version))?;
        if let Some(found) = found.as_ref().filter(|found| found.document.guard != guard.id) {
            let message = format!(
                "The vault is guarded by '{}'. Remove that mapping first, which needs that guard's consent.",
                found.document.guard
            );
            return Err(ArmError::new(409, "UserErrorBackupVaultAlreadyGuarded", message).into());
        }
        let document = ProxyRecord {
            guard: guard.id.clone(),
            description: description.clone(),
            updated_at: call.now,
            unlocked: found.as_ref().map(|found| found.document.unlocked.clone()).unwrap_or_default(),
        };
        let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
        let (id, expected, version) = match found {
            Some(found) => (found.id, Expected::Version(found.version), found.version + 1),
            None => (vault.id.child("backupResourceGuardProxies", NAME).map_err(wrong)?, Expected::Absent, 1),
        };
        vault.document.guard = Some(guard.id.clone());
        let mut changes = Vec::new();
        if matches!(expected, Expected::Absent) {
            // Whoever deletes the guard or its group at this moment meets a conflict, and finds it in use.
            changes.extend(guard.id.parent().map(Change::Touch));
            changes.push(Change::Touch(guard.id.clone()));
        }
        changes.extend([write(&id, &document, expected)?, vault.write()?]);
        match call.commit(&changes).await {
            Ok(()) => return Ok(Reply::json(200, shown(&Loaded { id, document, version }, &guard.document))),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

async fn guard_to_use(call: &Call<'_>, id: &ResourceId) -> Result<Loaded<GuardRecord>, Failure> {
    if !call.may(READ, id) {
        let message = format!(
            "The client with object id '{}' may not read the linked Resource Guard '{id}'. Have Reader assigned there.",
            call.caller.object_id
        );
        return Err(ArmError::new(403, "LinkedAuthorizationFailed", message).about(id.as_str()).into());
    }
    let is_guard = id.kind().is(super::KIND);
    let found = if is_guard { load::<GuardRecord>(call.app.store.as_ref(), id).await? } else { None };
    Ok(found.ok_or_else(|| {
        let message = format!("There is no Resource Guard '{id}'.");
        ArmError::new(400, "UserErrorResourceGuardNotFound", message)
            .about("properties.resourceGuardResourceId")
    })?)
}

/// Takes a vault from under its guard, once that was unlocked. What is not there is gone already.
pub async fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    for _ in 0..TRIES {
        let found = existing(call).await?;
        check_conditions(call, found.as_ref().map(|found| found.version))?;
        let Some(found) = found else { return Ok(Reply::empty(204)) };
        let mut vault = vaults::of_path(call).await?;
        check::check_delete(call, &vault.id, Critical::RemoveGuard, &found.id).await?;
        vault.document.guard = None;
        let text = format!(
            "The vault '{}' is not under the Resource Guard '{}' any more.",
            vault.id.name(),
            found.document.guard.name()
        );
        let event = Event::of_call(call, Rule::GuardRemoved, &vault.id, &vault.id, text);
        let mut changes = alerts::fire(call.app, event, call.now).await?;
        changes.extend([Change::Remove(found.id, Expected::Version(found.version)), vault.write()?]);
        match call.commit(&changes).await {
            Ok(()) => {
                call.app.poke_work.notify_one();
                return Ok(Reply::empty(200));
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

async fn existing(call: &Call<'_>) -> Result<Option<Proxy>, Failure> {
    Ok(load(call.app.store.as_ref(), call.scope()?).await?)
}

/// The guard of a mapping; one that is not there guards everything.
async fn guard_of(store: &dyn Store, proxy: &Proxy) -> Result<GuardRecord, StoreError> {
    let found = load::<GuardRecord>(store, &proxy.document.guard).await?;
    Ok(found.map(|found| found.document).unwrap_or_default())
}

fn not_found(call: &Call<'_>) -> ArmError {
    let message = format!("The vault has no mapping '{}' to a Resource Guard.", call.params.get("proxy"));
    ArmError::new(404, "ResourceNotFound", message)
}

fn shown(proxy: &Proxy, guard: &GuardRecord) -> Value {
    let id = &proxy.document.guard;
    let one = |operation: Critical| {
        json!({
            "vaultCriticalOperation": operation.name(),
            "defaultResourceRequest": format!("{id}/{}/default", operation.requests()),
        })
    };
    json!({
        "id": proxy.id,
        "name": proxy.id.name(),
        "type": PROXY_KIND,
        "properties": {
            "resourceGuardResourceId": id,
            "resourceGuardOperationDetails": guard.guarded().map(one).collect::<Vec<_>>(),
            "lastUpdatedTime": proxy.document.updated_at,
            "description": proxy.document.description,
        },
    })
}
