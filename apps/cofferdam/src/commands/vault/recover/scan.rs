//! Reads the repositories whose keys the vault has, and puts what they hold beside what the catalogue says.

use super::Told;
use crate::exit::Failure;
use engine::{Reader, Repo, RepositorySecret};
use extension::points::{self, OpenPoint};
use jiff::Timestamp;
use protection::Severity;
use std::collections::{BTreeMap, BTreeSet};
use vault::{
    keys::opened,
    recover::{FoundPoint, Reach, Repository, Scanned, adopt, known_points, reconcile, repositories},
    seal::Wrapping,
    store::Store,
};

/// Pairs of instance and recovery point.
type Pairs = BTreeSet<(String, String)>;

pub async fn scan(
    store: &dyn Store,
    wrapping: &Wrapping,
    reach: Reach<'_>,
    now: Timestamp,
    told: &mut Told,
) -> Result<(), Failure> {
    let known = known_points(store).await.map_err(Failure::failed)?;
    let (mut scanned, mut seen) = (Vec::new(), BTreeMap::new());
    let mut unread = Vec::new();
    for repository in repositories(store, reach).await.map_err(Failure::failed)? {
        let key = repository.key.clone();
        match read(store, wrapping, repository, &known, told).await {
            Ok((found, pairs)) => {
                seen.insert(key, pairs);
                scanned.push(found);
            }
            Err(why) => {
                told.warned = true;
                told.line(format!("could not read the repository {key}: {why}"));
                unread.push(key);
            }
        }
    }
    let done = reconcile(store, &scanned, &seen, now).await.map_err(Failure::failed)?;
    told.line(format!(
        "read {} repositories: {} recovery points were added to the catalogue, {} of unknown instances are in the \
         vault {} of the group {}, {} are gone",
        scanned.len(),
        done.added.len(),
        done.adopted.len(),
        adopt::NAME,
        adopt::NAME,
        done.gone.len()
    ));
    if done.unsound > 0 {
        told.warned = true;
        told.line(format!(
            "{} recovery points were left out: their names can be no names here; look at them with `cofferdam \
             recovery-point list` or restic",
            done.unsound
        ));
    }
    told.fact("unsound", done.unsound);
    for (what, ids) in [("added", &done.added), ("unknown instance", &done.adopted), ("gone", &done.gone)] {
        for id in ids {
            told.line(format!("{what}: {id}"));
        }
    }
    told.warned |= !done.gone.is_empty() || !done.adopted.is_empty();
    let texts = |ids: &[arm::ResourceId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    told.fact("added", texts(&done.added));
    told.fact("adopted", texts(&done.adopted));
    told.fact("gone", texts(&done.gone));
    told.fact("unread", unread);
    Ok(())
}

/// All recovery points of a repository; those that the catalogue does not know, with what their manifests say.
async fn read(
    store: &dyn Store,
    wrapping: &Wrapping,
    repository: Repository,
    known: &Pairs,
    told: &mut Told,
) -> Result<(Scanned, Pairs), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let Repository { key, settings, files } = repository;
    let files = files?;
    let password = opened(store, wrapping, &key).await.map_err(|error| text(&error))?;
    let secret = RepositorySecret::new(password.as_bytes().to_vec());
    let repo = Repo::open(files, &secret).await.map_err(|error| text(&error))?;
    let (mut pairs, mut found) = (Pairs::new(), Vec::new());
    let mut reader = None;
    for point in points::list(&repo).await.map_err(|error| text(&error))? {
        let pair = (point.instance.clone(), point.id.clone());
        let is_known = known.contains(&pair);
        pairs.insert(pair);
        if is_known {
            continue;
        }
        let reader = match &reader {
            Some(reader) => Reader::clone(reader),
            None => reader.insert(Reader::open(&repo).await.map_err(|error| text(&error))?).clone(),
        };
        let (id, instance, cluster) = (point.id.clone(), point.instance.clone(), point.cluster.clone());
        match (OpenPoint { point, reader }).manifest().await {
            Ok(manifest) => found.push(FoundPoint {
                id,
                instance,
                cluster,
                backup: manifest.backup.name,
                completed: manifest.completed,
                is_partial: manifest.problems.iter().any(|one| one.severity >= Severity::Warning),
                spec: manifest.selection,
            }),
            // One that cannot be read is no reason to leave the others out.
            Err(error) => {
                told.warned = true;
                told.line(format!(
                    "could not read the recovery point {id:?} of the repository {key}: {error}"
                ));
            }
        }
    }
    Ok((Scanned { key, settings, points: found }, pairs))
}
