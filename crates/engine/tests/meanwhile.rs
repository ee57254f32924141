//! Whoever reads while others forget and prune sees a repository that once was, and no error.

mod common;
mod oracle;

use common::{World, job, open, secret};
use engine::prune::{PruneOptions, prune};
use engine::{Node, Reader, Repo, SnapshotDraft, Writer, check, forget};
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use oracle::noise;
use repository::{FileKind, IndexId, SnapshotId};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use storage::StoreErrorKind;
use storage::faults::{Fault, FaultStore, Operation};

const SIZE: usize = 100_000;

/// A snapshot with one file, whose content follows from `seed`.
async fn save(repo: &Repo, seed: u64) -> SnapshotId {
    let writer = Writer::start(repo, job()).await.unwrap();
    let mut file = writer.file();
    file.write_slice(&noise(seed, SIZE)).await.unwrap();
    let node = Node::file("file", &file.finish().await.unwrap(), Timestamp::UNIX_EPOCH);
    let root = writer.tree(vec![node]).await.unwrap();
    writer.commit(SnapshotDraft::new(root, Timestamp::UNIX_EPOCH)).await.unwrap()
}

/// The repository behind a store with this fault.
async fn with(repo: &Repo, fault: Fault) -> Repo {
    let faulty = FaultStore::new(repo.store().clone()).with(fault);
    Repo::open(Arc::new(faulty), &secret()).await.unwrap()
}

async fn ids(repo: &Repo) -> Vec<SnapshotId> {
    let mut ids: Vec<SnapshotId> = repo.snapshots().await.unwrap().iter().map(|(id, _)| *id).collect();
    ids.sort();
    ids
}

async fn indexes(repo: &Repo) -> Vec<IndexId> {
    repo.list(FileKind::Index).await.unwrap()
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_deleted_after_it_was_listed_is_not_among_them() {
    let world = World::new().await;
    let (gone, kept) = (save(&world.repo, 1).await, save(&world.repo, 2).await);
    let meanwhile = Fault::DeleteBeforeRead { pattern: FileKind::Snapshot.path(gone) };

    let seen = ids(&with(&world.repo, meanwhile).await).await;

    assert_eq!(seen, [kept]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_does_not_call_damage_what_is_deleted_meanwhile() {
    let world = World::new().await;
    let gone = save(&world.repo, 1).await;
    save(&world.repo, 2).await;
    let meanwhile = Fault::DeleteBeforeRead { pattern: FileKind::Snapshot.path(gone) };

    let report = check(&with(&world.repo, meanwhile).await, &job()).await.unwrap();

    assert_eq!((report.problems, report.snapshots), (Vec::new(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_stays_listed_and_cannot_be_found_is_an_error() {
    let world = World::new().await;
    let lost = save(&world.repo, 1).await;
    save(&world.repo, 2).await;

    for pattern in [FileKind::Snapshot.path(lost), "index/".to_owned()] {
        let fault = Fault::FailPath {
            operation: Operation::Read,
            pattern: pattern.clone(),
            kind: StoreErrorKind::NotFound,
        };
        let repo = with(&world.repo, fault).await;

        let seen = (repo.snapshots().await.map(drop), Reader::open(&repo).await.map(drop));

        let errors = [seen.0.err(), seen.1.err()].into_iter().flatten().map(|error| error.to_string());
        let errors: Vec<String> = errors.collect();
        assert!(errors.len() == 1 && errors[0].contains(&pattern), "{pattern}: {errors:?}");
    }
}

/// Every forget takes a snapshot away and every prune writes the index anew, under readers that never wait for either.
#[tokio::test(flavor = "multi_thread")]
async fn readers_see_all_that_stays_while_others_forget_and_prune() {
    let world = World::new().await;
    let kept = save(&world.repo, 0).await;
    let mut doomed = Vec::new();
    for seed in 1..=20 {
        doomed.push(save(&world.repo, seed).await);
    }
    // Packs that are younger than the longest job stay in the index.
    for file in walk(&world.repo_dir().join("data")) {
        let file = File::options().write(true).open(file).unwrap();
        let written = file.metadata().unwrap().modified().unwrap();
        file.set_modified(written - Duration::from_secs(7_200)).unwrap();
    }
    let before = indexes(&world.repo).await;
    let other = open(&world.repo_dir()).await;
    let options = PruneOptions { longest_job: SignedDuration::from_hours(1), tolerated_waste: 0 };
    let work = tokio::spawn(async move {
        for id in doomed {
            let plan = forget::plan_ids(other.snapshots().await.unwrap(), &[id]).unwrap();
            forget::execute(&other, &plan, &job()).await.unwrap();
            prune(&other, &options, &job()).await.unwrap();
        }
    });

    let mut looks = 0;
    while !work.is_finished() {
        assert!(ids(&world.repo).await.contains(&kept));
        let reader = Reader::open(&world.repo).await.unwrap();
        let tree = reader.tree(world.repo.snapshot(kept).await.unwrap().tree).await.unwrap();
        let file = reader.stream(tree.find(b"file").unwrap());
        let data = file.try_collect::<Vec<_>>().await.unwrap().concat();
        assert!(data == noise(0, SIZE));
        looks += 1;
    }
    work.await.unwrap();

    assert!(looks > 0);
    assert_eq!(ids(&world.repo).await, [kept]);
    let left: Vec<IndexId> =
        indexes(&world.repo).await.into_iter().filter(|id| before.contains(id)).collect();
    assert_eq!((before.len(), left.len()), (21, 1), "all but what is kept were written anew");
}
