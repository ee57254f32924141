//! The recovery points of an instance beside those in the repositories that the vault can read.

use super::Found;
use crate::{
    api::{Loaded, extensions::ExtensionRecord, instances::InstanceRecord, points::PointRecord},
    app::App,
    protect::{
        expire,
        gone::{Closed, open},
        start::location_settings,
    },
    store::StoreError,
};
use arm::ResourceId;
use jiff::{SignedDuration, Timestamp};
use protection::Problem;
use std::collections::{BTreeMap, BTreeSet};

/// What was committed so lately may stand in the catalogue in a moment.
const FRESH: SignedDuration = SignedDuration::from_hours(1);
/// Ids that a message names.
const NAMED: usize = 10;

/// Compares.
pub async fn points(
    app: &App,
    vault: &ResourceId,
    instance: &Loaded<InstanceRecord>,
    extension: Option<&Loaded<ExtensionRecord>>,
) -> Result<Found, StoreError> {
    let (mut found, mut compared) = (Found::default(), 0_usize);
    let known = expire::all(app, &instance.id).await?;
    for (key, location) in places(&known, extension) {
        let of_place = known.iter().filter(|point| point.document.key == key);
        let wanted: Vec<&Loaded<PointRecord>> = of_place.filter(|point| !point.document.deleting).collect();
        let newest = wanted.iter().map(|point| point.document.time).max();
        let listed = match open(app, vault, &key, &location, newest).await? {
            Ok(repo) => points::list(&repo).await.map_err(|error| Closed::Kept(error.to_string())),
            Err(closed) => Err(closed),
        };
        let there = match listed {
            Ok(there) => there,
            // An extension that has not written anything yet has made no repository.
            Err(_) if wanted.is_empty() => continue,
            Err(Closed::Removed(why)) => {
                found.details.push(("RepositoryRemoved".to_owned(), why));
                Vec::new()
            }
            Err(Closed::Kept(why)) => {
                found.details.push(("RecoveryPointsNotCompared".to_owned(), why));
                continue;
            }
        };
        compared = compared.saturating_add(wanted.len());
        let ids: BTreeSet<&str> = there.iter().map(|point| point.id.as_str()).collect();
        let missing = missing(app, &instance.id, &wanted, &ids).await?;
        found.warnings.extend(told_missing(&missing, &key));
        let mine = there.iter().filter(|point| point.instance == instance.document.label);
        let unknown: Vec<&str> = mine
            .filter(|point| is_settled(point.time, app.clock.now()))
            .map(|point| point.id.as_str())
            .filter(|id| !known.iter().any(|point| point.id.name().eq_ignore_ascii_case(id)))
            .collect();
        found.warnings.extend(told_unknown(&unknown, &key));
    }
    found.details.push(("RecoveryPointsCompared".to_owned(), compared.to_string()));
    Ok(found)
}

/// Where they lie, and where the next one will.
fn places(
    known: &[Loaded<PointRecord>],
    extension: Option<&Loaded<ExtensionRecord>>,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut places: BTreeMap<_, _> =
        known.iter().map(|point| (point.document.key.clone(), point.document.location.clone())).collect();
    if let Some(extension) = extension {
        let location = location_settings(&extension.document.settings);
        places.entry(crate::keys::location_key(&location)).or_insert(location);
    }
    places
}

/// Those that are not in the repository, and still in the catalogue: one may have been deleted while this was looked at.
async fn missing(
    app: &App,
    instance: &ResourceId,
    wanted: &[&Loaded<PointRecord>],
    there: &BTreeSet<&str>,
) -> Result<Vec<String>, StoreError> {
    let missing = wanted.iter().map(|point| point.id.name()).filter(|id| !there.contains(id));
    let missing: Vec<&str> = missing.collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let now = expire::all(app, instance).await?;
    let still = now.iter().filter(|point| !point.document.deleting).map(|point| point.id.name());
    Ok(still.filter(|id| missing.contains(id)).map(str::to_owned).collect())
}

fn is_settled(made: Timestamp, now: Timestamp) -> bool {
    now.duration_since(made) > FRESH
}

fn told_missing(missing: &[String], key: &str) -> Option<Problem> {
    let (first, named) = (missing.first()?, names(missing.iter().map(String::as_str)));
    let message = format!(
        "{} recovery points of the catalogue are not in the repository {key} any more and cannot be restored: {named}.",
        missing.len()
    );
    Some(
        Problem::warning("RecoveryPointMissingInRepository", message).about(first.clone()).fix(
            "Find out who deleted them there; back up again, so that there is a recovery point that can be restored.",
        ),
    )
}

fn told_unknown(unknown: &[&str], key: &str) -> Option<Problem> {
    let (first, named) = (unknown.first()?, names(unknown.iter().copied()));
    let message = format!(
        "{} recovery points of this instance are in the repository {key} and not in the catalogue: {named}.",
        unknown.len()
    );
    Some(
        Problem::warning("RecoveryPointNotInCatalogue", message)
            .about(*first)
            .fix("Nothing expires them. Restore from them in the cluster, or delete them there: cofferdam recovery-point delete."),
    )
}

fn names<'n>(ids: impl Iterator<Item = &'n str>) -> String {
    let mut all: Vec<&str> = ids.collect();
    let more = all.len().saturating_sub(NAMED);
    all.truncate(NAMED);
    let named = all.join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}
