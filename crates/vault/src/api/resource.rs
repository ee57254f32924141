//! What all resources have in common: they are read with their version, written only as they were read, tagged, and
//! listed in pages.

use super::{Call, Failure};
use crate::{
    reply::Reply,
    store::{Change, Expected, Store, StoreError, Stored},
};
use arm::{ArmError, ResourceId};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// The most rows of one page.
pub const PAGE: u32 = 1_000;
/// After so many documents others have their turn.
const BREATH: usize = 100;
/// How often a write is decided again because someone else was faster.
pub const TRIES: usize = 5;

/// A resource as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded<D> {
    /// As its creator wrote it.
    pub id: ResourceId,
    /// What is kept of it.
    pub document: D,
    /// Which version that is.
    pub version: i64,
}

/// Reads a resource.
pub async fn load<D: DeserializeOwned>(
    store: &dyn Store,
    id: &ResourceId,
) -> Result<Option<Loaded<D>>, StoreError> {
    store.resource(id).await?.map(read).transpose()
}

/// What is kept, as its type.
pub fn read<D: DeserializeOwned>(stored: Stored) -> Result<Loaded<D>, StoreError> {
    let Stored { id, document, version } = stored;
    match serde_json::from_value(document) {
        Ok(document) => Ok(Loaded { id, document, version }),
        Err(error) => Err(StoreError::Damaged(format!("{id}: {error}"))),
    }
}

/// The change that writes a resource.
pub fn put<D: Serialize>(id: &ResourceId, document: &D, expected: Expected) -> Result<Change, StoreError> {
    let document = serde_json::to_value(document).map_err(|error| StoreError::Damaged(error.to_string()))?;
    Ok(Change::Put { id: id.clone(), document, expected })
}

/// Touches all above an id that is there: whoever deletes something of it at this moment meets a conflict. From above, as
/// deletions do it, or two at once could wait for each other.
pub async fn touched_above(store: &dyn Store, id: &ResourceId) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    let mut next = id.parent();
    while let Some(above) = next {
        next = above.parent();
        changes.extend(store.resource(&above).await?.map(|stored| Change::Touch(stored.id)));
    }
    changes.reverse();
    Ok(changes)
}

impl<D: Serialize> Loaded<D> {
    /// The change that writes it back, if nobody else has written it.
    pub fn write(&self) -> Result<Change, StoreError> {
        put(&self.id, &self.document, Expected::Version(self.version))
    }

    /// Its ETag.
    pub fn etag(&self) -> String {
        etag(self.version)
    }
}

/// The ETag of a version.
pub fn etag(version: i64) -> String {
    format!("\"{version:016x}\"")
}

/// Whether the conditions of the request hold for what is there.
pub fn check_conditions(call: &Call<'_>, version: Option<i64>) -> Result<(), ArmError> {
    let is = version.map(etag);
    let fits = |given: &str| {
        given.split(',').map(str::trim).any(|one| {
            let one = one.strip_prefix("W/").unwrap_or(one);
            is.as_deref().is_some_and(|is| one == "*" || one == is || one == is.trim_matches('"'))
        })
    };
    let failed = |message: String| ArmError::new(412, "PreconditionFailed", message);
    if let Some(given) = call.header("if-match").filter(|given| !fits(given)) {
        let there = is.as_deref().unwrap_or("nothing");
        return Err(failed(format!("If-Match is {given}, but there is {there}. Read the resource again.")));
    }
    if call.header("if-none-match").is_some_and(fits) {
        return Err(failed("If-None-Match: the resource exists already.".to_owned()));
    }
    Ok(())
}

/// The resource group above a resource must be there and stay.
pub async fn check_group(call: &Call<'_>, id: &ResourceId) -> Result<ResourceId, Failure> {
    let name = id.resource_group().unwrap_or_default();
    let missing = || {
        ArmError::new(404, "ResourceGroupNotFound", format!("Resource group '{name}' could not be found."))
    };
    let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
    let group = ResourceId::group(id.subscription_id(), name).map_err(wrong)?;
    let stored = call.app.store.resource(&group).await?.ok_or_else(missing)?;
    if super::read_group(&stored)?.deleting {
        let message = format!(
            "The resource group '{name}' is in deprovisioning state and cannot perform this operation."
        );
        return Err(ArmError::new(409, "ResourceGroupBeingDeleted", message).into());
    }
    Ok(stored.id)
}

/// The namespace must be registered in the subscription.
pub async fn check_registered(call: &Call<'_>, namespace: &str) -> Result<(), Failure> {
    let subscription = &call.subscription()?.id;
    if call.app.store.registrations(subscription).await?.contains(&namespace.to_lowercase()) {
        return Ok(());
    }
    let message = format!(
        "The subscription is not registered to use namespace '{namespace}'. Register it: POST \
         {subscription}/providers/{namespace}/register, or: az provider register --namespace {namespace}."
    );
    Err(ArmError::new(409, "MissingSubscriptionRegistration", message).about(namespace).into())
}

/// A page of those resources of a kind below an id for which `shown` has a document.
pub async fn page(
    call: &Call<'_>,
    kind: &str,
    under: &ResourceId,
    shown: impl Fn(Stored) -> Result<Option<Value>, Failure>,
) -> Result<Reply, Failure> {
    page_of_kinds(call, &[kind], under, shown).await
}

/// The same of several kinds, one kind after the other.
pub async fn page_of_kinds(
    call: &Call<'_>,
    kinds: &[&str],
    under: &ResourceId,
    shown: impl Fn(Stored) -> Result<Option<Value>, Failure>,
) -> Result<Reply, Failure> {
    let most = top(call)?;
    let token = ["$skiptoken", "$skipToken"].iter().find_map(|name| call.address.parameter(name));
    let mut last = token.map(from_token).transpose()?;
    let of_last = last.as_ref().and_then(|key| key.parse::<ResourceId>().ok()).map(|id| id.kind());
    let begin = of_last.and_then(|last| kinds.iter().position(|kind| last.is(kind))).unwrap_or(0);
    let mut after = last.clone();
    let mut value: Vec<Value> = Vec::new();
    let mut next = None;
    // One more than fits tells whether there are others. Where much is passed over, more is read at a time.
    let mut size = most.saturating_add(1);
    // What the caller may not see, or does not want, does not count.
    'kinds: for kind in kinds.iter().skip(begin) {
        loop {
            let page = call.app.store.resources(kind, under, after.as_deref(), size).await?;
            let is_last = u32::try_from(page.len()).is_ok_and(|length| length < size);
            size = PAGE;
            for (number, stored) in page.into_iter().enumerate() {
                if number % BREATH == BREATH - 1 {
                    tokio::task::yield_now().await;
                }
                let key = stored.id.folded().to_owned();
                if let Some(document) = shown(stored)? {
                    if u32::try_from(value.len()).is_ok_and(|length| length >= most) {
                        next = last;
                        break 'kinds;
                    }
                    value.push(document);
                }
                last = Some(key.clone());
                after = Some(key);
            }
            if is_last {
                break;
            }
        }
        after = None;
    }
    let mut body = json!({"value": value});
    if let (Some(last), Some(object)) = (next, body.as_object_mut()) {
        object.insert("nextLink".to_owned(), json!(next_link(call, &last)));
    }
    Ok(Reply::json(200, body))
}

fn top(call: &Call<'_>) -> Result<u32, ArmError> {
    let names = ["$top", "$maxpagesize", "pageCount"];
    match names.iter().find_map(|name| call.address.parameter(name)) {
        None | Some("") => Ok(PAGE),
        Some(text) => match text.parse::<u32>() {
            Ok(most) if most > 0 => Ok(most.min(PAGE)),
            _ => {
                let message = format!("'$top' is '{text}'; a whole number of at least 1 is needed.");
                Err(ArmError::new(400, "InvalidTopQueryParameter", message))
            }
        },
    }
}

/// The same list from behind a key, with all that the client asked for.
fn next_link(call: &Call<'_>, last: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let own = ["api-version", "$skiptoken"];
    for (name, value) in call.address.query() {
        if !own.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            query.append_pair(name, value);
        }
    }
    query.append_pair("$skipToken", &URL_SAFE_NO_PAD.encode(last));
    call.url_with(&call.address.path(), &query.finish())
}

fn from_token(token: &str) -> Result<String, ArmError> {
    let key = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    key.ok_or_else(|| {
        let message = "The '$skipToken' is not one that this vault made; follow nextLink as it is.";
        ArmError::new(400, "InvalidSkipToken", message)
    })
}
