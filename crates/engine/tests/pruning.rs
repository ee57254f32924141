//! Forget and prune free space and nothing else, whatever interferes: writers, retention, damage, a kill.

mod common;
mod oracle;

use common::{World, job, open};
use engine::prune::{PruneOptions, prune};
use engine::{
    EngineError, Node, Portion, Reader, Repo, SnapshotDraft, Writer, check_data, forget, prune as pruning,
};
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use oracle::noise;
use repository::{FileKind, PackId, SnapshotId};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, process::Command};
use storage::faults::{Fault, FaultStore};

/// Files of a snapshot by name and seed; each is 300,000 bytes that do not compress.
type Files<'a> = &'a [(&'a str, u64)];

const AT_ONCE: PruneOptions = PruneOptions { longest_job: SignedDuration::ZERO, tolerated_waste: 0 };
const SECOND: PruneOptions =
    PruneOptions { longest_job: SignedDuration::from_millis(1500), tolerated_waste: 0 };

async fn write(writer: &Writer, files: Files<'_>) -> engine::TreeId {
    let mut nodes = Vec::new();
    for (name, seed) in files {
        let mut file = writer.file();
        file.write_slice(&noise(*seed, 300_000)).await.unwrap();
        nodes.push(Node::file(name, &file.finish().await.unwrap(), Timestamp::UNIX_EPOCH));
    }
    writer.tree(nodes).await.unwrap()
}

async fn save(repo: &Repo, files: Files<'_>) -> SnapshotId {
    let writer = Writer::start(repo, job()).await.unwrap();
    let root = write(&writer, files).await;
    writer.commit(SnapshotDraft::new(root, Timestamp::UNIX_EPOCH)).await.unwrap()
}

async fn forget(repo: &Repo, id: SnapshotId) {
    let plan = forget::plan_ids(repo.snapshots().await.unwrap(), &[id]).unwrap();
    assert_eq!(forget::execute(repo, &plan, &job()).await.unwrap().removed, [id]);
}

/// Reads all files of a snapshot and compares them.
async fn assert_readable(repo: &Repo, id: SnapshotId, files: Files<'_>) {
    let reader = Reader::open(repo).await.unwrap();
    let tree = reader.tree(repo.snapshot(id).await.unwrap().tree).await.unwrap();
    assert_eq!(tree.nodes().len(), files.len());
    for (name, seed) in files {
        let node = tree.find(name.as_bytes()).unwrap();
        let data: Vec<u8> = reader.stream(node).try_collect::<Vec<_>>().await.unwrap().concat();
        assert!(data == noise(*seed, 300_000), "{name}");
    }
}

async fn assert_sound(repo: &Repo) -> engine::CheckReport {
    let report = check_data(repo, Portion::All, &job()).await.unwrap();
    assert_eq!(report.problems, []);
    report
}

async fn packs(repo: &Repo) -> Vec<PackId> {
    repo.list::<PackId>(FileKind::Pack).await.unwrap()
}

fn size(folder: &Path) -> u64 {
    let output = Command::new("du").args(["-sb"]).arg(folder).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split('\t').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_is_freed_and_what_is_kept_stays_readable_for_stock_restic_too() {
    let world = World::new().await;
    let gone = save(&world.repo, &[("a", 1), ("shared", 2), ("b", 3)]).await;
    let kept = save(&world.repo, &[("shared", 2), ("c", 4)]).await;
    let before = size(&world.repo_dir());

    forget(&world.repo, gone).await;
    let planned = pruning::plan(&world.repo, &AT_ONCE, &job()).await.unwrap();
    let report = pruning::execute(&world.repo, planned.clone(), &AT_ONCE, &job()).await.unwrap();

    assert_eq!(report.deleted.len(), planned.drop.len() + planned.repack.len());
    assert!(!report.written.is_empty() && report.later.is_empty(), "{report:?}");
    let after = size(&world.repo_dir());
    assert!((600_000..680_000).contains(&after) && before > 1_200_000, "{before} then {after}");
    assert_readable(&world.repo, kept, &[("shared", 2), ("c", 4)]).await;
    assert_eq!(assert_sound(&world.repo).await.unreferenced_packs, 0);
    let check = world.restic(&["check", "--read-data"]);
    assert!(check.contains("no errors were found"), "{check}");
    assert!(pruning::plan(&world.repo, &AT_ONCE, &job()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_writes_nothing() {
    let world = World::new().await;
    let gone = save(&world.repo, &[("a", 1)]).await;
    save(&world.repo, &[("b", 2)]).await;
    forget(&world.repo, gone).await;
    let repo = Repo::open(
        Arc::new(FaultStore::new(world.repo.store().clone()).with(Fault::StopAfter(0))),
        &common::secret(),
    )
    .await
    .unwrap();

    let plan = pruning::plan(&repo, &AT_ONCE, &job()).await.unwrap();

    assert_eq!((plan.drop.len(), plan.repack.len()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_leave_the_index_first_and_are_deleted_the_longest_job_later() {
    let world = World::new().await;
    let gone = save(&world.repo, &[("a", 1)]).await;
    let kept = save(&world.repo, &[("b", 2)]).await;
    forget(&world.repo, gone).await;
    let all = packs(&world.repo).await;

    let young = prune(&world.repo, &SECOND, &job()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1600)).await;
    let first = prune(&world.repo, &SECOND, &job()).await.unwrap();
    let still_there = packs(&world.repo).await;
    assert_sound(&world.repo).await;
    tokio::time::sleep(Duration::from_millis(1600)).await;
    let second = prune(&world.repo, &SECOND, &job()).await.unwrap();

    assert_eq!((young.left_index.len(), young.deleted.len(), young.waiting), (0, 0, 2), "{young:?}");
    assert_eq!((first.left_index.len(), first.deleted.len()), (2, 0), "{first:?}");
    assert_eq!(still_there, all);
    assert_eq!(second.deleted, first.left_index);
    assert_eq!(packs(&world.repo).await.len(), 2);
    assert!(!world.repo_dir().join("doomed").read_dir().is_ok_and(|mut lists| lists.next().is_some()));
    assert_readable(&world.repo, kept, &[("b", 2)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_writer_works_nothing_is_pruned() {
    let world = World::new().await;
    let gone = save(&world.repo, &[("a", 1)]).await;
    let other = save(&world.repo, &[("b", 2)]).await;
    let writer = Writer::start(&world.repo, job()).await.unwrap();

    let plan = forget::plan_ids(world.repo.snapshots().await.unwrap(), &[gone]).unwrap();
    let forgotten = forget::execute(&world.repo, &plan, &job()).await;
    let pruned = prune(&world.repo, &AT_ONCE, &job()).await;

    assert!(matches!(forgotten, Err(EngineError::Locked { .. })), "{forgotten:?}");
    assert!(matches!(pruned, Err(EngineError::Locked { .. })), "{pruned:?}");
    writer.abort().await.unwrap();
    assert_readable(&world.repo, gone, &[("a", 1)]).await;
    assert_readable(&world.repo, other, &[("b", 2)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_whose_lock_was_lost_finds_its_data_again() {
    let world = World::new().await;
    let gone = save(&world.repo, &[("a", 1)]).await;
    tokio::time::sleep(Duration::from_millis(1600)).await;
    // The writer reads the index, in which "a" is; then its lock disappears and everything else happens.
    let late = Writer::start(&world.repo, job()).await.unwrap();
    fs::remove_dir_all(world.repo_dir().join("locks")).unwrap();
    forget(&world.repo, gone).await;
    let first = prune(&world.repo, &SECOND, &job()).await.unwrap();
    assert_eq!(first.left_index.len(), 2, "{first:?}");

    let root = write(&late, &[("a", 1)]).await;
    let snapshot = late.commit(SnapshotDraft::new(root, Timestamp::UNIX_EPOCH)).await.unwrap();
    assert_eq!(packs(&world.repo).await.len(), 2, "the writer stored nothing new");
    assert_readable(&world.repo, snapshot, &[("a", 1)]).await;
    tokio::time::sleep(Duration::from_millis(1600)).await;
    let second = prune(&world.repo, &SECOND, &job()).await.unwrap();

    assert_eq!(second.rescued, first.left_index);
    assert!(second.deleted.is_empty());
    assert_readable(&world.repo, snapshot, &[("a", 1)]).await;
    assert!(world.restic(&["check", "--read-data"]).contains("no errors were found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_movers_tree_without_a_snapshot_yet_is_spared() {
    let world = World::new().await;
    save(&world.repo, &[("a", 1)]).await;
    let mover = Writer::start(&world.repo, job()).await.unwrap();
    let tree = write(&mover, &[("volume", 2)]).await;
    mover.finish().await.unwrap();

    let report = prune(&world.repo, &PruneOptions::default(), &job()).await.unwrap();
    let writer = Writer::start(&world.repo, job()).await.unwrap();
    let snapshot = writer.commit(SnapshotDraft::new(tree, Timestamp::UNIX_EPOCH)).await.unwrap();

    assert!(report.left_index.is_empty(), "{report:?}");
    assert_readable(&world.repo, snapshot, &[("volume", 2)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_retention_refuses_is_later_and_not_an_error() {
    let world = World::new().await;
    let gone = save(&world.repo, &[("a", 1)]).await;
    let kept = save(&world.repo, &[("b", 2)]).await;
    forget(&world.repo, gone).await;
    let faulty = FaultStore::new(world.repo.store().clone());
    let repo = Repo::open(Arc::new(faulty.clone()), &common::secret()).await.unwrap();
    let keep = |pattern: &str| Fault::FailPath {
        operation: storage::faults::Operation::Delete,
        pattern: pattern.into(),
        kind: storage::StoreErrorKind::Retained,
    };

    for pattern in ["index/", "data/"] {
        faulty.heal();
        faulty.inject(keep(pattern));
        let report = prune(&repo, &AT_ONCE, &job()).await.unwrap();
        assert!(
            !report.later.is_empty() && report.later.iter().all(|path| path.starts_with(pattern)),
            "{report:?}"
        );
        assert!(report.deleted.is_empty(), "{report:?}");
        assert_sound(&world.repo).await;
        assert_readable(&world.repo, kept, &[("b", 2)]).await;
    }
    faulty.heal();
    let report = prune(&repo, &AT_ONCE, &job()).await.unwrap();

    assert_eq!((report.deleted.len(), report.later.len()), (2, 0), "{report:?}");
    assert_eq!(packs(&world.repo).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_repository_is_not_pruned() {
    let world = World::new().await;
    let gone = save(&world.repo, &[("a", 1)]).await;
    save(&world.repo, &[("b", 2)]).await;
    forget(&world.repo, gone).await;
    let all = packs(&world.repo).await;

    for hidden in all.iter().map(|pack| FileKind::Pack.path(*pack)) {
        let faulty =
            FaultStore::new(world.repo.store().clone()).with(Fault::Hide { pattern: hidden.clone() });
        let repo = Repo::open(Arc::new(faulty), &common::secret()).await.unwrap();
        let needed = pruning::plan(&world.repo, &AT_ONCE, &job()).await.unwrap();
        let is_needed = !needed.drop.iter().any(|pack| hidden.contains(&pack.to_string()));
        let result = pruning::plan(&repo, &AT_ONCE, &job()).await;
        assert_eq!(result.is_err(), is_needed, "{hidden}: {result:?}");
        if is_needed {
            assert!(prune(&repo, &AT_ONCE, &job()).await.is_err());
        }
    }
    assert_eq!(packs(&world.repo).await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_any_change_prune_leaves_everything_readable_and_the_next_one_finishes() {
    let template = World::new().await;
    let gone = save(&template.repo, &[("a", 1), ("shared", 2)]).await;
    let kept = save(&template.repo, &[("shared", 2), ("b", 3)]).await;
    forget(&template.repo, gone).await;
    let mut finished = false;

    for changes in 0.. {
        let copy = template.folder("copy");
        fs::remove_dir_all(&copy).unwrap();
        assert!(Command::new("cp").arg("-a").args([&template.repo_dir(), &copy]).status().unwrap().success());
        let plain = open(&copy).await;
        let faulty = FaultStore::new(plain.store().clone()).with(Fault::StopAfter(changes));
        let killed = Repo::open(Arc::new(faulty), &common::secret()).await.unwrap();
        finished = prune(&killed, &AT_ONCE, &job()).await.is_ok();

        // Half an hour later the lock no longer counts.
        fs::remove_dir_all(copy.join("locks")).unwrap_or_default();
        assert_sound(&plain).await;
        assert_readable(&plain, kept, &[("shared", 2), ("b", 3)]).await;
        prune(&plain, &AT_ONCE, &job()).await.unwrap();
        assert_readable(&plain, kept, &[("shared", 2), ("b", 3)]).await;
        assert_eq!(assert_sound(&plain).await.unreferenced_packs, 0, "after {changes} changes");
        assert!(size(&copy) < 680_000, "after {changes} changes: {}", size(&copy));
        if finished {
            assert!(changes >= 8, "only {changes} changes");
            break;
        }
    }
    assert!(finished);
}
