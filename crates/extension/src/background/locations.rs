//! Opens every location and notes at its ConfigMap whether it can be used: own ones for writing, which claims
//! one that was never used and creates its repository, source ones for reading.
//!
//! Looks again as soon as a Secret or a location of the namespace changes, within seconds while something cannot
//! be used, and every few minutes otherwise.

use crate::{
    context::Context,
    grants::GrantPurpose,
    locations::{
        Access, CredentialKind, LABEL, LocationError, LocationRecord, READY, RepositoryKey, Role, STATE,
    },
    status::MANAGER,
};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, ResourceExt,
    api::{PartialObjectMeta, Patch, PatchParams},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use serde_json::json;
use std::{collections::HashMap, pin::pin, time::Duration};

/// The pauses after the first, second, … look at which something could not be used.
const SOON: [Duration; 4] =
    [Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8), Duration::from_secs(15)];
/// The pause while everything can be used.
const LATER: Duration = Duration::from_secs(300);
/// The pause while everything can be used and a role can be taken away at any time: what the store then refuses shows
/// within a minute.
const OFTEN: Duration = Duration::from_secs(40);
/// Several changes in a row, as an installation makes them, are one reason to look.
const GATHER: Duration = Duration::from_millis(300);

/// Keeps looking, for ever.
pub async fn keep_looking(context: &Context) {
    let mut changes = pin!(changes(context));
    let mut failures = 0;
    loop {
        let seen = look(context).await;
        failures = if seen.all_usable { 0 } else { failures + 1 };
        tokio::select! {
            () = tokio::time::sleep(pause(failures, seen.by_role)) => {}
            () = changed(&mut changes) => {
                failures = 0;
                tokio::time::sleep(GATHER).await;
            }
        }
    }
}

/// How long to wait after `failures` looks in a row that found something unusable; `by_role` when the store of an own
/// location judges by the roles of the pod's identity.
fn pause(failures: usize, by_role: bool) -> Duration {
    match failures.checked_sub(1) {
        None if by_role => OFTEN,
        None => LATER,
        Some(earlier) => SOON.get(earlier).or(SOON.last()).copied().unwrap_or(LATER),
    }
}

/// Waits for the next change; a watch that ended leaves the timer.
async fn changed(changes: &mut (impl Stream<Item = ()> + Unpin)) {
    if changes.next().await.is_none() {
        std::future::pending().await
    }
}

/// Changes of Secrets and locations in the extension's namespace. What a note says is none; that it was taken away
/// is one.
fn changes(context: &Context) -> impl Stream<Item = ()> {
    let (client, namespace) = (context.client.clone(), &context.config.namespace);
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    // Only their metadata: what the Secrets hold is read where it is used.
    let secrets: Api<PartialObjectMeta<Secret>> = Api::namespaced(client, namespace);
    let maps = watcher::watcher(maps, watcher::Config::default().labels(LABEL)).default_backoff();
    let noted = |map: &ConfigMap| map.annotations().contains_key(STATE);
    let maps = fresh(maps, move |map| (map.uid(), map.data.clone(), map.metadata.labels.clone(), noted(map)));
    let secrets = watcher::watcher(secrets, watcher::Config::default()).default_backoff();
    let secrets =
        fresh(secrets, |secret: &PartialObjectMeta<Secret>| (secret.uid(), secret.resource_version()));
    futures::stream::select(maps, secrets)
}

/// The events of a watch that show something new about an object.
fn fresh<K, V>(
    events: impl Stream<Item = Result<Event<K>, watcher::Error>>,
    about: impl Fn(&K) -> V,
) -> impl Stream<Item = ()>
where
    K: ResourceExt,
    V: PartialEq,
{
    let mut known: HashMap<String, V> = HashMap::new();
    events.filter_map(move |event| {
        let new = match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                let (name, value) = (object.name_any(), about(&object));
                let same = known.get(&name) == Some(&value);
                known.insert(name, value);
                !same
            }
            Ok(Event::Delete(object)) => known.remove(&object.name_any()).is_some(),
            Ok(Event::Init | Event::InitDone) => false,
            Err(error) => {
                tracing::debug!(%error, "watching for changed locations failed, retrying");
                false
            }
        };
        std::future::ready(new.then_some(()))
    })
}

/// What one look at all locations found.
struct Seen {
    all_usable: bool,
    by_role: bool,
}

/// Looks at every location once.
async fn look(context: &Context) -> Seen {
    let records = match context.locations.list().await {
        Ok(records) => records,
        Err(error) => {
            tracing::warn!(%error, "could not list the storage locations");
            return Seen { all_usable: false, by_role: false };
        }
    };
    let mut seen = Seen { all_usable: true, by_role: false };
    for (map, record) in records {
        seen.by_role |= record.as_ref().is_ok_and(judged_by_role);
        let state = match record {
            Ok(record) => state(context, &record).await,
            Err(bad) => bad.to_string(),
        };
        if state != READY {
            tracing::warn!(location = map, state, "the storage location cannot be used");
            seen.all_usable = false;
        }
        note(context, &map, &state).await;
    }
    seen
}

/// Whether roles of the pod's identity decide about writing.
fn judged_by_role(record: &LocationRecord) -> bool {
    record.role == Role::Own && record.credential == CredentialKind::WorkloadIdentity
}

async fn state(context: &Context, record: &LocationRecord) -> String {
    match usable(context, record).await {
        Ok(()) => READY.to_owned(),
        Err(error) => {
            let problem = error.problem();
            format!("{}: {}", problem.code, problem.message)
        }
    }
}

async fn usable(context: &Context, record: &LocationRecord) -> Result<(), LocationError> {
    let (locations, purpose) = (&context.locations, &GrantPurpose::Upkeep);
    match record.role {
        Role::Own => {
            let open = locations.open(&record.name, Access::Begin, purpose).await?;
            if judged_by_role(record) { locations.verify_writable(&open).await } else { Ok(()) }
        }
        // Its key is granted to a job alone: from here only the store is seen.
        Role::Source if record.repository_key == RepositoryKey::Vault => {
            let (_, location) = locations.look(&record.name, purpose).await?;
            Ok(location.root.top_level(1).await.map(drop)?)
        }
        Role::Source => locations.open(&record.name, Access::Read, purpose).await.map(drop),
    }
}

async fn note(context: &Context, map: &str, state: &str) {
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), &context.config.namespace);
    let noted = async {
        let current = api.get(map).await?;
        if current.annotations().get(STATE).map(String::as_str) == Some(state) {
            return Ok(());
        }
        let patch = Patch::Merge(json!({"metadata": {"annotations": {STATE: state}}}));
        api.patch(
            map,
            &PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() },
            &patch,
        )
        .await
        .map(drop)
    };
    if let Err(error) = noted.await {
        tracing::warn!(location = map, %error, "could not note the state of the location");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_looked_at_again_within_seconds() {
        let pauses: Vec<u64> = (0..7).map(|failures| pause(failures, false).as_secs()).collect();
        let by_role: Vec<u64> = (0..3).map(|failures| pause(failures, true).as_secs()).collect();

        assert_eq!(pauses, [300, 2, 4, 8, 15, 15, 15]);
        assert_eq!(by_role, [40, 2, 4]);
    }

    #[tokio::test]
    async fn only_what_is_new_about_an_object_wakes() {
        let map = |colour: &str, note: &str| {
            let mut map =
                ConfigMap { data: Some([("colour".into(), colour.into())].into()), ..ConfigMap::default() };
            map.metadata.name = Some("location-default".into());
            map.metadata.annotations = Some([(STATE.into(), note.into())].into());
            map
        };
        let events = [
            Event::InitApply(map("red", "a")),
            Event::Apply(map("red", "b")),
            Event::Apply(map("blue", "b")),
            Event::Delete(map("blue", "b")),
            Event::Delete(map("blue", "b")),
        ];

        let woken = fresh(futures::stream::iter(events.map(Ok)), |map: &ConfigMap| map.data.clone());

        assert_eq!(woken.count().await, 3);
    }
}
