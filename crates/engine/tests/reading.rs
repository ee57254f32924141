//! Ranges, streams and listings of what stock restic saved equal the files on the disk, within the memory limit.

mod common;
mod oracle;

use common::{World, job, job_with_memory};
use engine::{Budget, EngineError, Reader, list};
use futures::{StreamExt, TryStreamExt};
use oracle::{noise, plant, survey};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::faults::{FaultStore, Operation};

async fn root(reader: &Reader) -> engine::TreeId {
    reader.repo().snapshots().await.unwrap().last().unwrap().1.tree
}

async fn node(reader: &Reader, path: &Path) -> engine::Node {
    reader.lookup(root(reader).await, path.to_str().unwrap()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn any_range_and_the_stream_equal_the_file() {
    let world = World::new().await;
    let file = world.folder("source").join("file");
    let data = noise(1, 9_000_000);
    std::fs::write(&file, &data).unwrap();
    world.restic(&["backup", file.to_str().unwrap()]);
    let reader = Reader::with_budget(&world.repo, &job_with_memory(48).budget).await.unwrap();
    let node = node(&reader, &file).await;
    let mut rng = StdRng::seed_from_u64(1);

    for _ in 0..200 {
        let (a, b) = (rng.random_range(0..=data.len()), rng.random_range(0..=data.len()));
        let (start, end) = (a.min(b), a.max(b));
        let read = reader.read(&node, start as u64..end as u64).await.unwrap();
        assert!(read == data[start..end], "{start}..{end}");
    }
    let streamed: Vec<u8> = reader.stream(&node).try_collect::<Vec<_>>().await.unwrap().concat();
    assert!(streamed == data);
    assert!(matches!(
        reader.read(&node, 5..9_000_001).await,
        Err(EngineError::OutOfRange { size: 9_000_000, .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listing_names_exactly_what_is_there() {
    let world = World::new().await;
    let source = world.dir.path().join("source");
    plant(&source, 4);
    world.restic(&["backup", source.to_str().unwrap()]);
    let reader = Reader::open(&world.repo).await.unwrap();
    let top = node(&reader, &source).await.subtree().unwrap();

    let listed: Vec<PathBuf> = list(&reader, top).map(|entry| entry.unwrap().path).collect().await;

    let there: BTreeSet<PathBuf> =
        survey(&source).into_keys().filter(|path| *path != Path::new("")).collect();
    assert_eq!(listed.len(), there.len());
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), there);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_none_and_a_folder_has_no_content() {
    let world = World::new().await;
    let source = world.folder("source");
    std::fs::write(source.join("file"), "x").unwrap();
    world.restic(&["backup", source.to_str().unwrap()]);
    let reader = Reader::open(&world.repo).await.unwrap();
    let root = root(&reader).await;

    for absent in ["nowhere", "a/b", source.join("file/below").to_str().unwrap(), ""] {
        assert_eq!(reader.lookup(root, absent).await.unwrap(), None, "{absent}");
    }
    let folder = node(&reader, &source).await;
    assert!(matches!(reader.read(&folder, 0..0).await, Err(EngineError::NotAFile { .. })));
    assert!(reader.stream(&folder).next().await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn neighbours_are_fetched_in_one_request() {
    let world = World::new().await;
    let source = world.folder("source");
    for number in 0..500 {
        std::fs::write(source.join(format!("{number:03}")), noise(number, 1000)).unwrap();
    }
    world.restic(&["backup", source.to_str().unwrap()]);
    let counting = FaultStore::new(world.repo.store().clone());
    let repo = engine::Repo::open(Arc::new(counting.clone()), &common::secret()).await.unwrap();
    let reader = Reader::with_budget(&repo, &Budget::default()).await.unwrap();
    let target = world.dir.path().join("target");
    let folder = node(&reader, &source).await;
    let before = counting.calls(Operation::Read);

    let report = engine::restore(&reader, folder.subtree().unwrap(), &target, Default::default(), &job())
        .await
        .unwrap();

    assert_eq!(report.files, 500);
    let requests = counting.calls(Operation::Read) - before;
    assert!(requests <= 5, "{requests} requests for 500 small files");
}
