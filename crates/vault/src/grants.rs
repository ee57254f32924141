//! Grants: what an extension that has proved its identity gets for one job, or for the upkeep of its own location: where
//! the repository lies, and its key. The contract is `docs/formats/cluster-link.md`.

use crate::{
    api::{
        Failure, Loaded, clusters,
        extensions::{self, ExtensionRecord},
        jobs::{JobRecord, Task},
        load,
        points::PointRecord,
        read,
        vaults::VaultRecord,
    },
    app::App,
    keys::{RepositoryKeyError, location_key, own_key, source_key},
    protect::{checks, expire, hold::is_held, rekey, start::location_settings, validate},
    refused_looks::Look,
    reply::Reply,
    seal::SealError,
    store::{AuditEntry, AuditOutcome},
    tokens::Caller,
};
use arm::{ArmError, Fields, OperationStatus, ResourceId};
use identity::{Action, Decision, decide};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const HOLDS: SignedDuration = SignedDuration::from_mins(60);
/// The code of a grant that is refused because a customer took their key away.
const NO_CUSTOMER_KEY: &str = "UserErrorEncryptionKeyNotAvailable";
/// The code of a grant that is refused for any other reason but a role.
const DENIED: &str = "GrantDenied";
/// The code of a grant that the identity gets as soon as somebody assigns it a role.
const MISSING_ROLE: &str = "GrantMissingRole";
const OWN: &str = "default";
/// The kind of a job that changes nothing.
const LOOK: &str = "ValidateForBackup";
/// How the names of the settings end that say where an account is reached, and whom to believe there; folded.
const SAYS_WHERE: [&str; 2] = [".config.storageaccounturi", ".cacert"];
const READ_BLOBS: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read";
const WRITE_BLOBS: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write";

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    purpose: String,
    kind: String,
    name: String,
    location: String,
}

/// Where something lies and what opens it.
struct Place {
    settings: BTreeMap<String, String>,
    key: String,
    is_own: bool,
}

/// Answers an extension.
pub async fn grant(app: &App, caller: &Caller, body: &[u8], correlation: &str) -> Result<Reply, Failure> {
    let asked = asked(body)?;
    let Some((cluster, extension)) = extension_of(app, &caller.object_id).await? else {
        let by = By { caller, asked: &asked, correlation, is_extension: false };
        return refused(app, &by, DENIED, "this identity is not that of an extension").await;
    };
    let by = By { caller, asked: &asked, correlation, is_extension: true };
    let place = match place(app, &cluster, &extension, &asked).await? {
        Ok(place) => place,
        Err(Refusal::Denied(why)) => return refused(app, &by, DENIED, &why).await,
        Err(Refusal::UnknownJob) => {
            let message = format!(
                "There is no {} '{}' under way for the cluster '{}'.",
                asked.kind,
                asked.name,
                cluster.name()
            );
            return Err(ArmError::new(404, "GrantUnknownJob", message).into());
        }
    };
    let (needed, role) = if place.is_own { (WRITE_BLOBS, "Contributor") } else { (READ_BLOBS, "Reader") };
    if !may(app, caller, needed, &place.settings).await? {
        let why =
            format!("the identity has no right to the storage account; assign Storage Blob Data {role}");
        return refused(app, &by, MISSING_ROLE, &why).await;
    }
    let key = if place.is_own {
        own_key(app, &place.key, &place.settings, &cluster).await
    } else {
        source_key(app, &place.key).await
    };
    let key = match key {
        Ok(password) if place.is_own => sealed(app, &cluster, &place.key).await?.map(|()| password),
        key => key,
    };
    let password = match key {
        Err(error @ RepositoryKeyError::OfAnother(_)) => {
            return refused(app, &by, DENIED, &error.to_string()).await;
        }
        Err(RepositoryKeyError::Seal(error @ SealError::Customer { .. })) => {
            return refused(app, &by, DENIED, &format!("{NO_CUSTOMER_KEY}: {error}")).await;
        }
        other => other.map_err(failed)?,
    };
    let vault_prunes = asked.purpose == "upkeep" && is_held(app, &place.settings).await?;
    let mut settings = place.settings;
    if !place.is_own && is_served_here(app, &settings).await? {
        // Where an account of this vault is reached is the vault's to say, not the other cluster's: the reader sends its
        // token there.
        settings.retain(|name, _| !SAYS_WHERE.iter().any(|end| name.to_lowercase().ends_with(end)));
    }
    extensions::reach_here(app, &mut settings);
    let ends = app.clock.now().checked_add(HOLDS).unwrap_or(app.clock.now());
    note_granted(app, &by).await?;
    let mut granted = json!({
        "role": if place.is_own { "own" } else { "source" },
        "settings": settings,
        "repositoryPassword": password.as_str(),
        "expiresAt": ends,
    });
    if let (true, Some(object)) = (vault_prunes, granted.as_object_mut()) {
        object.insert("vaultPrunes".to_owned(), json!(true));
    }
    Ok(Reply::json(200, granted))
}

/// Sees to it that a repository key is sealed with the customers' keys of the vaults that the cluster's owner lets in.
async fn sealed(
    app: &App,
    cluster: &ResourceId,
    key: &str,
) -> Result<Result<(), RepositoryKeyError>, Failure> {
    for vault in bound_vaults(app, cluster).await? {
        let found: Option<Loaded<VaultRecord>> = load(app.store.as_ref(), &vault).await?;
        let Some(found) = found else { continue };
        if let Err(error) = rekey::seal(app, key, &found).await {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

fn asked(body: &[u8]) -> Result<Asked, ArmError> {
    let body: Value = serde_json::from_slice(body).map_err(|error| {
        ArmError::new(400, "InvalidRequestContent", format!("The content cannot be read as JSON: {error}."))
    })?;
    let fields = Fields::of(&body)?;
    let text = |name: &str| Ok::<_, ArmError>(fields.text(name)?.unwrap_or_default().to_owned());
    let asked = Asked {
        purpose: fields.required_text("purpose")?.to_owned(),
        kind: text("kind")?,
        name: text("name")?,
        location: fields.required_text("location")?.to_owned(),
    };
    match asked.purpose.as_str() {
        "job" if asked.kind.is_empty() => Err(fields.wrong("kind", "is required for a job")),
        "job" if asked.name.is_empty() => Err(fields.wrong("name", "is required for a job")),
        "job" | "upkeep" => Ok(asked),
        other => Err(fields.wrong("purpose", format!("is '{other}'; known are job and upkeep"))),
    }
}

/// The cluster and extension whose identity this is.
async fn extension_of(app: &App, principal: &str) -> Result<Option<(ResourceId, ExtensionRecord)>, Failure> {
    for stored in app.store.resources_about(extensions::KIND, principal).await? {
        let extension: Loaded<ExtensionRecord> = read(stored)?;
        let is_it = extension.document.identity.as_ref().is_some_and(|one| one.principal_id == principal);
        if let (true, Some(cluster)) = (is_it, extension.id.parent()) {
            return Ok(Some((cluster, extension.document)));
        }
    }
    Ok(None)
}

enum Refusal {
    Denied(String),
    UnknownJob,
}

async fn place(
    app: &App,
    cluster: &ResourceId,
    extension: &ExtensionRecord,
    asked: &Asked,
) -> Result<Result<Place, Refusal>, Failure> {
    let settings = location_settings(&extension.settings);
    let own = Place { key: location_key(&settings), settings, is_own: true };
    if asked.purpose == "upkeep" || matches!(asked.kind.as_str(), "DeleteBackup" | LOOK) {
        return Ok(of_own(asked, own));
    }
    let vaults = bound_vaults(app, cluster).await?;
    if asked.kind == "ValidateForRestore" {
        if asked.location == OWN {
            return Ok(Ok(own));
        }
        return validated(app, &vaults, cluster, asked).await;
    }
    let Some(job) = job(app, &vaults, cluster, &asked.name).await? else {
        return Ok(Err(Refusal::UnknownJob));
    };
    match (&job.task, asked.kind.as_str()) {
        (Task::Backup { key, .. }, "Backup") if *key != own.key => {
            let why = "the extension's location was changed since the backup began; start it again";
            Ok(Err(Refusal::Denied(why.to_owned())))
        }
        (Task::Backup { .. }, "Backup") => Ok(of_own(asked, own)),
        (Task::Restore { location, point, .. }, "Restore") if *location == asked.location => {
            if asked.location == OWN {
                return Ok(Ok(own));
            }
            let point: Option<Loaded<PointRecord>> = load(app.store.as_ref(), point).await?;
            Ok(point.map(|point| of_point(point.document)).ok_or(Refusal::UnknownJob))
        }
        _ => {
            let why = format!("the job is no {} from the location '{}'", asked.kind, asked.location);
            Ok(Err(Refusal::Denied(why)))
        }
    }
}

fn of_own(asked: &Asked, own: Place) -> Result<Place, Refusal> {
    if asked.location == OWN {
        return Ok(own);
    }
    Err(Refusal::Denied(format!("'{}' is not the extension's own location", asked.location)))
}

fn of_point(point: PointRecord) -> Place {
    Place { settings: point.location, key: point.key, is_own: false }
}

/// The vaults that the cluster's owner lets in.
async fn bound_vaults(app: &App, cluster: &ResourceId) -> Result<Vec<ResourceId>, Failure> {
    let mut vaults = Vec::new();
    for stored in app.store.resources(clusters::BINDING, cluster, None, 100).await? {
        let binding: Loaded<clusters::BindingRecord> = read(stored)?;
        vaults.push(binding.document.source_resource_id);
    }
    Ok(vaults)
}

/// The job of that name for this cluster, while it is under way.
async fn job(
    app: &App,
    vaults: &[ResourceId],
    cluster: &ResourceId,
    name: &str,
) -> Result<Option<JobRecord>, Failure> {
    for vault in vaults {
        let Ok(id) = vault.child("backupJobs", name) else { continue };
        let found: Option<Loaded<JobRecord>> = load(app.store.as_ref(), &id).await?;
        if let Some(job) =
            found.filter(|job| !job.document.status.is_over() && job.document.cluster == *cluster)
        {
            return Ok(Some(job.document));
        }
    }
    Ok(None)
}

/// The place of a restore to this cluster that is being validated.
async fn validated(
    app: &App,
    vaults: &[ResourceId],
    cluster: &ResourceId,
    asked: &Asked,
) -> Result<Result<Place, Refusal>, Failure> {
    let running = app.store.operations(OperationStatus::Inprogress).await?;
    let mine = running.into_iter().find(|operation| {
        validate::name_of(&operation.id) == asked.name
            && operation.target.parent().is_some_and(|vault| vaults.contains(&vault))
    });
    let Some(operation) = mine else { return Ok(Err(Refusal::UnknownJob)) };
    let question = validate::question(app.store.as_ref(), &operation.id).await?;
    if !question.is_some_and(|question| question.kind == asked.kind && question.cluster == *cluster) {
        return Ok(Err(Refusal::UnknownJob));
    }
    let points = expire::all(app, &operation.target).await?;
    let wanted = asked.location.strip_prefix("vault-").unwrap_or_default();
    let point = points.into_iter().find(|point| point.document.key == wanted);
    Ok(point.map(|point| of_point(point.document)).ok_or(Refusal::UnknownJob))
}

/// Whether the identity has a right to the blobs of a location, by roles on the account or the container. A store that
/// the resource manager does not know enforces its own credentials.
async fn may(
    app: &App,
    caller: &Caller,
    action: &str,
    settings: &BTreeMap<String, String>,
) -> Result<bool, Failure> {
    let Some(container) = checks::container_of(settings) else { return Ok(true) };
    let assignments = app.store.roles_of(&caller.object_id).await?;
    let action = Action::data(action);
    Ok(decide(&caller.object_id, &action, &container, &assignments, &app.roles) != Decision::Denied)
}

/// Whether the storage account of a location is one of this vault.
async fn is_served_here(app: &App, settings: &BTreeMap<String, String>) -> Result<bool, Failure> {
    let Some(account) = checks::account_of(settings) else { return Ok(false) };
    Ok(app.store.resource(&account).await?.is_some())
}

/// Who asks for what.
struct By<'a> {
    caller: &'a Caller,
    asked: &'a Asked,
    correlation: &'a str,
    is_extension: bool,
}

impl By<'_> {
    fn audit(&self, app: &App, outcome: AuditOutcome) -> AuditEntry {
        audit(app, self.caller, self.asked, self.correlation, outcome)
    }

    /// What an extension asks for again and again.
    fn look(&self) -> Option<Look> {
        let purpose = match (self.asked.purpose.as_str(), self.asked.kind.as_str()) {
            ("upkeep", _) => "upkeep",
            ("job", LOOK) => LOOK,
            _ => return None,
        };
        // Of what is not its own it may ask in a thousand ways.
        (self.is_extension && self.asked.location == OWN).then(|| Look::of(&self.caller.object_id, purpose))
    }
}

async fn note_granted(app: &App, by: &By<'_>) -> Result<(), Failure> {
    let (store, entry) = (app.store.as_ref(), by.audit(app, AuditOutcome::Changed));
    if let Some(look) = by.look()
        && look.granted(store, &entry).await?
    {
        return Ok(());
    }
    match (by.asked.purpose.as_str(), by.asked.kind.as_str()) {
        // Every extension is looked at every few minutes.
        ("job", LOOK) => app.looks.note(store, &entry).await?,
        _ => store.note(&entry).await?,
    }
    Ok(())
}

async fn refused(app: &App, by: &By<'_>, code: &str, why: &str) -> Result<Reply, Failure> {
    let entry = by.audit(app, AuditOutcome::Denied);
    match by.look() {
        Some(look) => look.refused(app.store.as_ref(), &format!("{code} {why}"), &entry).await?,
        None => app.denials.note(app.store.as_ref(), entry).await?,
    }
    let asked = by.asked;
    tracing::info!(
        principal = by.caller.object_id,
        kind = asked.kind,
        name = asked.name,
        why,
        "grant denied"
    );
    let message = format!("The grant for '{}' is denied: {why}.", asked.location);
    Err(ArmError::new(403, code, message).into())
}

fn audit(app: &App, caller: &Caller, asked: &Asked, correlation: &str, outcome: AuditOutcome) -> AuditEntry {
    let Asked { purpose, kind, name, location } = asked;
    AuditEntry {
        at: app.clock.now(),
        principal: caller.object_id.clone(),
        action: format!("grant {purpose} {kind} {name}").chars().take(300).collect(),
        scope: format!("/locations/{location}").chars().take(300).collect(),
        outcome,
        correlation: correlation.to_owned(),
    }
}

fn failed(error: RepositoryKeyError) -> Failure {
    match error {
        RepositoryKeyError::Store(error) => error.into(),
        other => {
            tracing::error!(error = %other, "a repository key cannot be opened");
            let message =
                "The vault cannot open the repository's key; its operator finds the reason in its log.";
            ArmError::new(500, "InternalServerError", message).into()
        }
    }
}
