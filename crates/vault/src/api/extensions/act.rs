//! The calls on extensions: what their owners want is written down; the agents bring it about.

use super::{
    decide::{Given, check_same, check_settings, given, merged, place},
    gate,
    protected::{self, Settings},
    record::{ExtensionRecord, ExtensionState, KIND},
    shown::shown,
    upgrade::{UpgradeMode, Upgrades},
};
use crate::{
    api::{
        Administrators, Call, Failure, Loaded, administrators_below,
        clusters::{self, ClusterRecord},
        identities::{ensure_extension_identity, remove_extension_identity},
        last_administrator, load, locks, operation,
        resource::{self, TRIES},
    },
    app::App,
    reply::Reply,
    store::{Change, Expected, OperationRecord, StoreError},
};
use arm::{ArmError, ResourceId};
use jiff::Timestamp;
use std::collections::BTreeMap;

type Extension = Loaded<ExtensionRecord>;

pub async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let cluster = cluster(call, call.scope()?).await?;
    resource::page(call, KIND, &cluster.id, |stored| {
        let extension: Extension = resource::read(stored)?;
        Ok(Some(document(call.app, &extension)))
    })
    .await
}

pub async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    let id = call.scope()?;
    let extension: Option<Extension> = load(call.app.store.as_ref(), id).await?;
    let extension = extension.ok_or_else(|| ArmError::not_found(id))?;
    Ok(Reply::json(200, document(call.app, &extension)))
}

/// Creates an extension, or replaces what is wanted of it.
pub async fn put(call: &Call<'_>) -> Result<Reply, Failure> {
    let given = given(&call.json()?)?;
    for _ in 0..TRIES {
        let found: Option<Extension> = load(call.app.store.as_ref(), call.scope()?).await?;
        let answered = match found {
            None => create(call, &given).await?,
            Some(found) => change(call, found, &given, true).await?,
        };
        if let Some(reply) = answered {
            return Ok(reply);
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// Changes some of it: settings are merged.
pub async fn patch(call: &Call<'_>) -> Result<Reply, Failure> {
    let given = given(&call.json()?)?;
    let id = call.scope()?;
    for _ in 0..TRIES {
        let found: Option<Extension> = load(call.app.store.as_ref(), id).await?;
        let found = found.ok_or_else(|| ArmError::not_found(id))?;
        if let Some(reply) = change(call, found, &given, false).await? {
            return Ok(reply);
        }
    }
    Err(StoreError::Conflict(id.to_string()).into())
}

async fn create(call: &Call<'_>, given: &Given) -> Result<Option<Reply>, Failure> {
    let path = call.scope()?;
    let parent = path.parent().ok_or_else(|| ArmError::not_found(path))?;
    let cluster = cluster(call, &parent).await?;
    let (extension_type, namespace) = place(given)?;
    let settings = given.settings.clone().unwrap_or_default();
    let asked = gate::Asked {
        name: path.name(),
        kind: &extension_type,
        namespace: &namespace,
        settings: &settings,
        existing: None,
    };
    gate::check(call, &cluster, &asked).await?;
    check_only_one(call, &cluster.id, &extension_type).await?;
    let release_train = given.release_train.clone().unwrap_or_else(|| "stable".to_owned());
    let catalogue = call.app.packages.catalogue();
    let offer = catalogue.choose(&extension_type, &release_train, given.version.as_deref())?;
    let id = cluster
        .id
        .with(KIND, path.name())
        .map_err(|error| ArmError::new(400, "InvalidResourceName", error.to_string()))?;
    let store = call.app.store.as_ref();
    let (identity, mut changes) =
        ensure_extension_identity(store, &cluster, path.name(), &namespace, call.now).await?;
    let begun = operation::begin(call, &call.operation.needs.action(""), &id);
    let record = ExtensionRecord {
        namespace,
        settings: without_empty(settings),
        protected: protected::sealed(call.app, &id, &changed(Settings::new(), given)).await?,
        auto_upgrade: given.version.is_none()
            && given.auto_upgrade.unwrap_or(given.mode != Some(UpgradeMode::None)),
        release_train,
        pinned_version: given.version.clone(),
        wanted_version: offer.version.clone(),
        current_version: None,
        generation: first_generation(call.now),
        state: ExtensionState::Creating,
        statuses: Vec::new(),
        error: None,
        operation: Some(begun.id.clone()),
        identity: Some(identity),
        extension_type,
        upgrades: Upgrades { mode: given.mode, package: Some(offer.into()), ..Upgrades::default() },
    };
    changes.push(resource::put(&id, &record, Expected::Absent)?);
    changes.push(Change::Begin(begun.clone()));
    changes.push(crate::links::changed());
    match call.commit(&changes).await {
        Ok(()) => {
            call.app.links.look_again();
            let extension = Loaded { id, document: record, version: 1 };
            let reply = Reply::json(201, document(call.app, &extension));
            Ok(Some(operation::followed(call, reply, &begun, false)))
        }
        Err(StoreError::Conflict(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// An agent remembers which generation it installed. One that is made again, after its cluster was away or by another
/// vault, must not look like what is there: it begins at the second of its making, which no change reaches before.
fn first_generation(now: Timestamp) -> u64 {
    u64::try_from(now.as_second()).unwrap_or(1)
}

/// A vault that was recovered must not give a generation twice.
pub(super) fn next_generation(generation: u64, now: Timestamp) -> u64 {
    first_generation(now).max(generation + 1)
}

async fn change(
    call: &Call<'_>,
    mut found: Extension,
    given: &Given,
    is_put: bool,
) -> Result<Option<Reply>, Failure> {
    resource::check_conditions(call, Some(found.version))?;
    check_same(&found.document, given)?;
    if found.document.state == ExtensionState::Deleting {
        let message = format!("The extension '{}' is being deleted. Wait until it is gone.", found.id.name());
        return Err(ArmError::new(409, "ExtensionBeingDeleted", message).into());
    }
    let parent = found.id.parent().ok_or_else(|| ArmError::not_found(&found.id))?;
    let cluster = cluster(call, &parent).await?;
    let before = found.document.clone();
    if let Some(settings) = &given.settings {
        found.document.settings =
            if is_put { without_empty(settings.clone()) } else { merged(&before.settings, settings) };
        check_settings("configurationSettings", &found.document.settings)?;
    }
    let asked = gate::Asked {
        name: found.id.name(),
        kind: &before.extension_type,
        namespace: &before.namespace,
        settings: &found.document.settings,
        existing: Some(&found),
    };
    gate::check(call, &cluster, &asked).await?;
    let record = &mut found.document;
    if given.protected.is_some() {
        let kept = if is_put { None } else { before.protected.as_ref() };
        let kept = protected::opened(call.app, &found.id, kept).await?;
        let changed = changed(kept, given);
        check_settings("configurationProtectedSettings", &changed)?;
        record.protected = protected::sealed(call.app, &found.id, &changed).await?;
    }
    if let Some(train) = &given.release_train {
        record.release_train.clone_from(train);
    }
    if is_put || given.version.is_some() {
        record.pinned_version.clone_from(&given.version);
    }
    decide_upgrades(record, given, is_put);
    choose_version(call, record, &before)?;
    let same = ExtensionRecord { state: before.state, ..record.clone() } == before;
    if same && before.state == ExtensionState::Succeeded {
        return Ok(Some(Reply::json(200, document(call.app, &found))));
    }
    let begun = operation::begin(call, &call.operation.needs.action(""), &found.id);
    record.generation = next_generation(record.last_generation(), call.now);
    // What its owner wants overtakes an upgrade that nobody asked for.
    record.upgrades.running = None;
    record.state =
        if before.current_version.is_some() { ExtensionState::Updating } else { ExtensionState::Creating };
    record.error = None;
    record.operation = Some(begun.id.clone());
    let mut changes = vec![found.write()?, Change::Begin(begun.clone()), crate::links::changed()];
    changes.extend(superseded(call, &before).await?);
    match call.commit(&changes).await {
        Ok(()) => {
            call.app.links.look_again();
            let reply = Reply::json(200, document(call.app, &found));
            Ok(Some(operation::followed(call, reply, &begun, false)))
        }
        Err(StoreError::Conflict(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Which versions are taken without a word, as this call leaves it.
fn decide_upgrades(record: &mut ExtensionRecord, given: &Given, is_put: bool) {
    if is_put || given.mode.is_some() || given.auto_upgrade == Some(false) {
        record.upgrades.mode = given.mode;
    }
    let usual = if is_put { given.mode != Some(UpgradeMode::None) } else { record.auto_upgrade };
    let said = given.auto_upgrade.or(given.mode.map(|mode| mode != UpgradeMode::None));
    record.auto_upgrade = record.pinned_version.is_none() && said.unwrap_or(usual);
}

/// The version that is wanted after a change: the one that was asked for; of another train its newest; else what the
/// extension would take by itself, at once.
fn choose_version(
    call: &Call<'_>,
    record: &mut ExtensionRecord,
    before: &ExtensionRecord,
) -> Result<(), ArmError> {
    let catalogue = call.app.packages.catalogue();
    let pinned = record.pinned_version.as_deref();
    let offer = if pinned.is_some() || record.release_train != before.release_train {
        Some(catalogue.choose(&record.extension_type, &record.release_train, pinned)?)
    } else {
        record.newer(&catalogue, call.now, call.app.upgrade_within)
    };
    if let Some(offer) = offer {
        record.wanted_version.clone_from(&offer.version);
        record.upgrades.package = Some(offer.into());
    }
    Ok(())
}

/// The operation that a new one overtakes ends: nobody will bring it about any more.
async fn superseded(call: &Call<'_>, before: &ExtensionRecord) -> Result<Option<Change>, StoreError> {
    let error = ArmError::new(409, "OperationSuperseded", "Another change of the extension took its place.");
    let running = running(call, before).await?;
    Ok(running.map(|one| Change::End(one.id, operation::failed(&error), call.now)))
}

/// The operation that the agent is at.
async fn running(
    call: &Call<'_>,
    extension: &ExtensionRecord,
) -> Result<Option<OperationRecord>, StoreError> {
    let Some(id) = &extension.operation else { return Ok(None) };
    let found = call.app.store.operation(id).await?;
    Ok(found.filter(|one| one.status == arm::OperationStatus::Inprogress))
}

/// Refuses to delete an extension whose identity, which goes with it, must stay; else what keeps an administrator when others
/// go at the same moment.
async fn identity_may_go(call: &Call<'_>, extension: &ExtensionRecord) -> Result<Option<Change>, Failure> {
    let Some(identity) = &extension.identity else { return Ok(None) };
    if let Some(refusal) = locks::keeps(call.app.store.as_ref(), &identity.resource).await? {
        return Err(refusal.into());
    }
    match administrators_below(call.app, std::slice::from_ref(&identity.resource)).await? {
        Administrators::Elsewhere => Ok(None),
        Administrators::Both(keep) => Ok(Some(keep)),
        Administrators::Below => Err(last_administrator().into()),
    }
}

/// Has the agent remove it. Where no agent is left to do so, `forceDelete=true` forgets it.
pub async fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    for _ in 0..TRIES {
        let found: Option<Extension> = load(call.app.store.as_ref(), call.scope()?).await?;
        let Some(mut found) = found else { return Ok(Reply::empty(204)) };
        let parent = found.id.parent().ok_or_else(|| ArmError::not_found(&found.id))?;
        let cluster = cluster(call, &parent).await?;
        let forced =
            call.address.parameter("forceDelete").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let is_left_to_agent = !forced && cluster.document.connection.is_some();
        if found.document.state == ExtensionState::Deleting
            && is_left_to_agent
            && let Some(running) = running(call, &found.document).await?
        {
            return Ok(operation::accepted(call, &running));
        }
        let mut begun = operation::begin(call, &call.operation.needs.action(""), &found.id);
        let mut changes = vec![locks::no_more(call.app.store.as_ref(), &found.id).await?];
        let keep = identity_may_go(call, &found.document).await?;
        changes.extend(superseded(call, &found.document).await?);
        if !is_left_to_agent {
            begun = operation::finished(call, &call.operation.needs.action(""), &found.id);
            let store = call.app.store.as_ref();
            changes.extend(remove_extension_identity(store, &cluster, found.id.name()).await?);
            changes.push(Change::Remove(found.id.clone(), Expected::Version(found.version)));
            changes.extend(keep);
        } else {
            found.document.generation = next_generation(found.document.last_generation(), call.now);
            found.document.state = ExtensionState::Deleting;
            found.document.operation = Some(begun.id.clone());
            changes.push(found.write()?);
        }
        changes.extend([Change::Begin(begun.clone()), crate::links::changed()]);
        match call.commit(&changes).await {
            Ok(()) => {
                call.app.links.look_again();
                return Ok(operation::accepted(call, &begun));
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

async fn cluster(call: &Call<'_>, id: &ResourceId) -> Result<Loaded<ClusterRecord>, Failure> {
    if !id.kind().is(clusters::KIND) {
        let message = format!("Extensions belong to clusters ({}); '{id}' is none.", clusters::KIND);
        return Err(ArmError::new(400, "InvalidResourceType", message).about(id.as_str()).into());
    }
    let found: Option<Loaded<ClusterRecord>> = load(call.app.store.as_ref(), id).await?;
    Ok(found.ok_or_else(|| ArmError::not_found(id))?)
}

/// One extension of a type: two would reconcile the same objects.
async fn check_only_one(call: &Call<'_>, cluster: &ResourceId, kind: &str) -> Result<(), Failure> {
    for stored in call.app.store.resources(KIND, cluster, None, 100).await? {
        let other: Extension = resource::read(stored)?;
        if other.document.extension_type == kind {
            let message =
                format!("The cluster has the extension '{}' of this type already.", other.id.name());
            return Err(ArmError::new(409, "ExtensionTypeAlreadyInstalled", message)
                .about(other.id.as_str())
                .into());
        }
    }
    Ok(())
}

fn document(app: &App, extension: &Extension) -> serde_json::Value {
    let names = extension.document.protected.as_ref().map_or(&[][..], |protected| &protected.names);
    shown(&extension.id, &extension.document, names, app.issuer.tenant())
}

fn without_empty(settings: BTreeMap<String, String>) -> BTreeMap<String, String> {
    settings.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// Protected settings after a change; an empty one goes.
fn changed(mut settings: Settings, given: &Given) -> Settings {
    for (key, value) in given.protected.iter().flatten() {
        if value.is_empty() {
            settings.remove(key);
        } else {
            settings.insert(key.clone(), value.clone());
        }
    }
    settings
}
