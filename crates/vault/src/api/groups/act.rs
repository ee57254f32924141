//! The calls on resource groups.

use super::{DELETE, Group, KIND, READ, decide, keeps, shown};
use crate::{
    api::{
        Call, Failure, begin,
        call::invalid_filter,
        clusters,
        resource::{self, TRIES},
    },
    reply::Reply,
    store::{Change, Expected, OperationRecord, StoreError, Stored},
};
use arm::{ArmError, Filter, OperationStatus, ResourceId, filter::Term};
use http::header;

const POLL_SECONDS: &str = "1";

/// Those that the caller may see, in pages.
pub async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let filter = call.filter()?;
    let wanted = wanted(&filter)?;
    resource::page(call, KIND, &call.subscription()?.id, |stored| {
        let group = read(&stored)?;
        let seen = call.may(READ, &stored.id) && wanted.fit(&group);
        Ok(seen.then(|| shown(&stored.id, &group)))
    })
    .await
}

#[derive(Default)]
struct Wanted<'a> {
    tag: Option<&'a str>,
    value: Option<&'a str>,
}

impl Wanted<'_> {
    fn fit(&self, group: &Group) -> bool {
        let named = |name: &str| group.tags.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        match (self.tag, self.value) {
            (None, _) => true,
            (Some(tag), value) => named(tag).is_some_and(|(_, is)| value.is_none_or(|value| value == is)),
        }
    }
}

fn wanted(filter: &Filter) -> Result<Wanted<'_>, ArmError> {
    let mut wanted = Wanted::default();
    for term in filter.terms() {
        match term {
            Term::Equals { field, value } if field.eq_ignore_ascii_case("tagName") => {
                wanted.tag = Some(value)
            }
            Term::Equals { field, value } if field.eq_ignore_ascii_case("tagValue") => {
                wanted.value = Some(value)
            }
            Term::Equals { field: name, .. } | Term::Named { name, .. } => {
                let reason =
                    format!("'{name}' is not known here; known are tagName eq '…' and tagValue eq '…'");
                return Err(invalid_filter(&reason));
            }
        }
    }
    Ok(wanted)
}

/// One.
pub async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    let (stored, group) = existing(call).await?.ok_or_else(|| not_found(call))?;
    Ok(Reply::json(200, shown(&stored.id, &group)))
}

/// Whether there is one.
pub async fn exists(call: &Call<'_>) -> Result<Reply, Failure> {
    Ok(Reply::empty(if existing(call).await?.is_some() { 204 } else { 404 }))
}

/// Creates or replaces.
pub async fn put(call: &Call<'_>) -> Result<Reply, Failure> {
    let name = call.params.get("group");
    let body = call.json()?;
    for _ in 0..TRIES {
        let found = existing(call).await?;
        let group = decide::put(name, found.as_ref().map(|(_, group)| group), &body)?;
        let (id, expected, status) = match &found {
            Some((stored, _)) => (stored.id.clone(), Expected::Version(stored.version), 200),
            None => (new_id(call, name)?, Expected::Absent, 201),
        };
        match write(call, &id, &group, expected).await {
            Ok(()) => return Ok(Reply::json(status, shown(&id, &group))),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// Changes some of it.
pub async fn patch(call: &Call<'_>) -> Result<Reply, Failure> {
    let name = call.params.get("group");
    let body = call.json()?;
    for _ in 0..TRIES {
        let (stored, group) = existing(call).await?.ok_or_else(|| not_found(call))?;
        let group = decide::patch(name, &group, &body)?;
        match write(call, &stored.id, &group, Expected::Version(stored.version)).await {
            Ok(()) => return Ok(Reply::json(200, shown(&stored.id, &group))),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// Begins the deletion; the background task does it.
pub async fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    for _ in 0..TRIES {
        let (stored, group) = existing(call).await?.ok_or_else(|| not_found(call))?;
        if group.deleting
            && let Some(running) = running(call, &stored.id).await?
        {
            return accepted(call, &running.id);
        }
        if let Some(refusal) = keeps(call.app.store.as_ref(), &stored.id).await? {
            return Err(refusal.into());
        }
        if let Some(refusal) = clusters::keeps_in(call.app.store.as_ref(), &stored.id).await? {
            return Err(refusal.into());
        }
        let operation = begin(call, DELETE, &stored.id);
        let put = change(&stored.id, &Group { deleting: true, ..group }, Expected::Version(stored.version))?;
        match call.commit(&[put, Change::Begin(operation.clone())]).await {
            Ok(()) => {
                call.app.poke.notify_one();
                return accepted(call, &operation.id);
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

async fn running(call: &Call<'_>, id: &ResourceId) -> Result<Option<OperationRecord>, StoreError> {
    let all = call.app.store.operations(OperationStatus::Inprogress).await?;
    Ok(all.into_iter().find(|one| one.kind == DELETE && one.target == *id))
}

fn accepted(call: &Call<'_>, operation: &str) -> Result<Reply, Failure> {
    let path = format!("{}/operationresults/{operation}", call.subscription()?.id);
    Ok(Reply::empty(202).with(header::LOCATION, call.url(&path)).with(header::RETRY_AFTER, POLL_SECONDS))
}

/// How a deletion stands: 202 while it is under way, then 200 without a document. Whoever knows the id may ask: it was
/// told to the caller alone, and with the group its roles are gone.
pub async fn result(call: &Call<'_>) -> Result<Reply, Failure> {
    let id = call.params.get("operation");
    let found = call.app.store.operation(id).await?;
    let found = found.filter(|one| call.scope.as_ref().is_some_and(|scope| scope.covers(&one.target)));
    let Some(operation) = found else {
        let message =
            format!("There is no operation '{id}' here; poll the Location that the call answered with.");
        return Err(ArmError::new(404, "OperationNotFound", message).into());
    };
    match operation.status {
        OperationStatus::Inprogress => accepted(call, &operation.id),
        OperationStatus::Succeeded => Ok(Reply::empty(200)),
        OperationStatus::Failed | OperationStatus::Canceled => {
            let message = format!("'{}' could not be deleted. Try again.", operation.target);
            Err(ArmError::new(409, "ResourceGroupDeletionFailed", message).into())
        }
    }
}

/// With the subscription and the word `resourceGroups` as the vault writes them, and the name as the creator does.
fn new_id(call: &Call<'_>, name: &str) -> Result<ResourceId, Failure> {
    let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceGroup", error.to_string());
    Ok(ResourceId::group(call.subscription()?.id.subscription_id(), name).map_err(wrong)?)
}

async fn existing(call: &Call<'_>) -> Result<Option<(Stored, Group)>, Failure> {
    let Some(stored) = call.app.store.resource(call.scope()?).await? else { return Ok(None) };
    let group = read(&stored)?;
    Ok(Some((stored, group)))
}

/// What is kept of a group.
pub fn read(stored: &Stored) -> Result<Group, StoreError> {
    serde_json::from_value(stored.document.clone())
        .map_err(|error| StoreError::Damaged(format!("{}: {error}", stored.id)))
}

async fn write(
    call: &Call<'_>,
    id: &ResourceId,
    group: &Group,
    expected: Expected,
) -> Result<(), StoreError> {
    call.commit(&[change(id, group, expected)?]).await
}

fn change(id: &ResourceId, group: &Group, expected: Expected) -> Result<Change, StoreError> {
    let document = serde_json::to_value(group).map_err(|error| StoreError::Damaged(error.to_string()))?;
    Ok(Change::Put { id: id.clone(), document, expected })
}

fn not_found(call: &Call<'_>) -> ArmError {
    let message = format!("Resource group '{}' could not be found.", call.params.get("group"));
    ArmError::new(404, "ResourceGroupNotFound", message)
}
