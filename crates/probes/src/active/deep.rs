//! A probe volume per driver: written, snapshot, restored, compared, removed. Each step has a deadline.

use super::{
    Hindered, Place,
    job::{self, Ran},
    volume,
};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams},
};
use prerequisites::{DeepCheck, Step};
use serde::Deserialize;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// How long a pod with a new volume may take, the making of the volume included.
const POD: Duration = Duration::from_secs(120);
const SNAPSHOT: Duration = Duration::from_secs(120);
const REMOVAL: Duration = Duration::from_secs(60);
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";
const DEFAULT_SNAPSHOT_CLASS: &str = "snapshot.storage.kubernetes.io/is-default-class";

/// A driver that can be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The CSI driver.
    pub driver: String,
    /// The StorageClass of its volume: the cluster's default where that is its own.
    pub class: String,
    /// The VolumeSnapshotClass.
    pub snapshot_class: String,
}

/// What a pod with a volume says.
#[derive(Debug, Deserialize)]
struct Said {
    sha256: String,
}

/// Every driver that has both a StorageClass and a VolumeSnapshotClass.
pub async fn candidates(client: &Client) -> Result<Vec<Candidate>, Hindered> {
    let any = ListParams::default();
    let classes: Api<StorageClass> = Api::all(client.clone());
    let classes = classes.list(&any).await.map_err(Hindered::by("listing storage classes"))?;
    let cuts: Api<DynamicObject> =
        Api::all_with(client.clone(), &volume::of_snapshots("VolumeSnapshotClass", "volumesnapshotclasses"));
    let cuts = cuts.list(&any).await.map_err(Hindered::by("listing snapshot classes"))?;
    let is = |object: &BTreeMap<String, String>, name: &str| object.get(name).is_some_and(|v| v == "true");
    let classes = classes
        .items
        .iter()
        .map(|class| (class.provisioner.clone(), class.name_any(), is(class.annotations(), DEFAULT_CLASS)));
    let cuts = cuts.items.iter().map(|class| {
        let driver = class.data.get("driver").and_then(|driver| driver.as_str()).unwrap_or_default();
        (driver.to_owned(), class.name_any(), is(class.annotations(), DEFAULT_SNAPSHOT_CLASS))
    });
    Ok(matched(&best(classes), &best(cuts)))
}

/// By driver, the default class, else the first by name.
fn best(classes: impl Iterator<Item = (String, String, bool)>) -> BTreeMap<String, String> {
    let mut sorted: Vec<_> = classes.collect();
    sorted.sort_by(|one, other| (!one.2, &one.1).cmp(&(!other.2, &other.1)));
    let mut best = BTreeMap::new();
    for (driver, name, _) in sorted {
        best.entry(driver).or_insert(name);
    }
    best
}

fn matched(classes: &BTreeMap<String, String>, cuts: &BTreeMap<String, String>) -> Vec<Candidate> {
    let both = classes.iter().filter_map(|(driver, class)| Some((driver, class, cuts.get(driver)?)));
    both.map(|(driver, class, cut)| Candidate {
        driver: driver.clone(),
        class: class.clone(),
        snapshot_class: cut.clone(),
    })
    .collect()
}

/// What became of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// It was made, well or not.
    Done(DeepCheck),
    /// The probe's image could not be pulled, and why.
    NoImage(String),
}

/// Why a try ended early.
enum Stop {
    NoImage(String),
    At(Step, String),
}

/// Tries one driver. `shown` is called with each step.
pub async fn deep(
    client: &Client,
    place: &Place,
    candidate: &Candidate,
    shown: &(dyn Fn(&str) + Sync),
) -> Result<Tried, Hindered> {
    let mut check = DeepCheck {
        driver: candidate.driver.clone(),
        class: candidate.class.clone(),
        snapshot_class: candidate.snapshot_class.clone(),
        took: Vec::new(),
        failed: None,
        left: Vec::new(),
    };
    let names = Names::new();
    let stopped = tried(client, place, candidate, &names, &mut check, shown).await;
    shown("remove");
    let began = Instant::now();
    let claims = [names.restored.as_str(), names.claim.as_str()];
    check.left = volume::remove(client, &place.namespace, &[&names.cut], &claims, REMOVAL).await;
    check.took.push((Step::Remove, milliseconds(began)));
    match stopped {
        Err(Stop::NoImage(why)) => return Ok(Tried::NoImage(why)),
        Err(Stop::At(step, why)) => check.failed = Some((step, why)),
        Ok(()) => {}
    }
    Ok(Tried::Done(check))
}

/// The names of one try.
struct Names {
    claim: String,
    cut: String,
    restored: String,
}

impl Names {
    fn new() -> Self {
        Self { claim: job::unique("volume"), cut: job::unique("snapshot"), restored: job::unique("restored") }
    }
}

async fn tried(
    client: &Client,
    place: &Place,
    candidate: &Candidate,
    names: &Names,
    check: &mut DeepCheck,
    shown: &(dyn Fn(&str) + Sync),
) -> Result<(), Stop> {
    let at = |step: Step| move |why: Hindered| Stop::At(step, why.0);
    shown("write");
    let mut began = Instant::now();
    let made = volume::claim(client, place, &names.claim, &candidate.class, None).await;
    made.map_err(at(Step::Write))?;
    let written = pod(client, place, "write", &names.claim, Step::Write).await?;
    note(check, Step::Write, &mut began);

    shown("snapshot");
    let cut = volume::cut(client, place, &names.cut, &names.claim, &candidate.snapshot_class, SNAPSHOT).await;
    let size = cut.map_err(at(Step::Snapshot))?;
    note(check, Step::Snapshot, &mut began);

    shown("restore");
    let source = Some((names.cut.as_str(), size));
    let made = volume::claim(client, place, &names.restored, &candidate.class, source).await;
    made.map_err(at(Step::Restore))?;
    let read = pod(client, place, "read", &names.restored, Step::Restore).await?;
    note(check, Step::Restore, &mut began);

    match read.sha256 == written.sha256 {
        true => {
            note(check, Step::Compare, &mut began);
            Ok(())
        }
        false => {
            let why = format!("{} was written and {} came back", written.sha256, read.sha256);
            Err(Stop::At(Step::Compare, why))
        }
    }
}

/// A pod that writes to the volume or reads from it.
async fn pod(client: &Client, place: &Place, verb: &str, claim: &str, step: Step) -> Result<Said, Stop> {
    let arguments = ["probe".to_owned(), verb.to_owned(), format!("--directory={}", volume::MOUNT)];
    let at = |why: Hindered| Stop::At(step, why.0);
    match job::run(client, place, &job::unique(verb), &arguments, POD, Some(claim)).await.map_err(at)? {
        Ran::Said(said) => job::read(&said).map_err(at),
        Ran::NoImage(why) => Err(Stop::NoImage(why)),
        Ran::Not(why) => Err(Stop::At(step, why)),
    }
}

fn note(check: &mut DeepCheck, step: Step, began: &mut Instant) {
    check.took.push((step, milliseconds(*began)));
    *began = Instant::now();
}

fn milliseconds(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_driver_with_both_classes_is_tried_once_with_its_default_ones() {
        let class = |driver: &str, name: &str, default| (driver.to_owned(), name.to_owned(), default);
        let classes = [
            class("disk", "a", false),
            class("disk", "z", true),
            class("file", "f", false),
            class("file", "e", false),
            class("plain", "p", false),
        ];
        let cuts = [class("disk", "cut", false), class("file", "cut-files", true), class("gone", "g", true)];

        let found = matched(&best(classes.into_iter()), &best(cuts.into_iter()));

        let shown: Vec<_> = found
            .iter()
            .map(|one| (one.driver.as_str(), one.class.as_str(), one.snapshot_class.as_str()))
            .collect();
        assert_eq!(shown, [("disk", "z", "cut"), ("file", "e", "cut-files")]);
    }
}
