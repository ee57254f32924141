//! What the writer writes is what stock restic reads, within the budget, whatever happens around it.

mod common;

use bytes::Bytes;
use common::{World, job, job_with_memory};
use engine::{EngineError, FileWriter, Node, SnapshotDraft, TreeId, Writer};
use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use repository::{BlobKind, FileKind, LockId, PackId, SnapshotId};
use std::sync::Arc;
use storage::faults::{Fault, FaultStore, Operation};
use storage::{RetryPolicy, Retrying, StoreErrorKind};

const TIME: Timestamp = Timestamp::UNIX_EPOCH;

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut data = vec![0; length];
    StdRng::seed_from_u64(seed).fill(&mut data[..]);
    data
}

async fn save(writer: &Writer, name: &str, data: &[u8]) -> Node {
    let mut file = writer.file();
    file.write_slice(data).await.unwrap();
    Node::file(name, &file.finish().await.unwrap(), TIME)
}

async fn commit(writer: &Writer, nodes: Vec<Node>) -> Result<SnapshotId, EngineError> {
    let root = writer.tree(nodes).await?;
    let draft = SnapshotDraft {
        paths: vec!["/".into()],
        tags: vec!["instance=test".into()],
        ..SnapshotDraft::new(root, TIME)
    };
    writer.commit(draft).await
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_restic_checks_and_reads_what_was_written() {
    let world = World::new().await;
    let (big, small) = (noise(1, 20 << 20), b"hello".to_vec());

    let writer = Writer::start(&world.repo, job()).await.unwrap();
    let nodes = vec![
        save(&writer, "big", &big).await,
        save(&writer, "small", &small).await,
        save(&writer, "empty", b"").await,
    ];
    commit(&writer, nodes).await.unwrap();

    let report = world.restic(&["check", "--read-data"]);
    assert!(report.contains("no errors were found"), "{report}");
    world.restic(&["restore", "latest", "--target", world.folder("out").to_str().unwrap()]);
    assert_eq!(std::fs::read(world.dir.path().join("out/big")).unwrap(), big);
    assert_eq!(std::fs::read(world.dir.path().join("out/small")).unwrap(), small);
    assert_eq!(std::fs::read(world.dir.path().join("out/empty")).unwrap(), b"");
    assert!(world.restic(&["snapshots"]).contains("instance=test"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_repository_has_is_not_stored_again() {
    let world = World::new().await;
    let data = noise(2, 5 << 20);
    let first = Writer::start(&world.repo, job()).await.unwrap();
    let node = save(&first, "a", &data).await;
    commit(&first, vec![node]).await.unwrap();

    let second = Writer::start(&world.repo, job()).await.unwrap();
    let nodes = vec![save(&second, "a", &data).await, save(&second, "b", &data).await];
    commit(&second, nodes).await.unwrap();

    assert!(first.totals().stored > 5 << 20);
    assert_eq!(second.totals().data_blobs, 0);
    assert_eq!(second.totals().tree_blobs, 1);
    world.restic(&["check", "--read-data"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_open_files_fit_a_small_budget() {
    let world = World::new().await;
    let writer = Writer::start(&world.repo, job_with_memory(64)).await.unwrap();
    let mut files: Vec<(FileWriter, Vec<u8>)> = (0..400).map(|_| (writer.file(), Vec::new())).collect();
    let mut rng = StdRng::seed_from_u64(3);

    // One task feeds all of them in turn: none may wait for memory that only another one could free.
    for _ in 0..4000 {
        let (file, expected) = &mut files[rng.random_range(0..400)];
        let length = rng.random_range(0..40_000);
        let piece = noise(rng.random(), length);
        expected.extend_from_slice(&piece);
        file.write(Bytes::from(piece)).await.unwrap();
    }
    let mut nodes = Vec::new();
    let mut all = Vec::new();
    for (number, (file, expected)) in files.into_iter().enumerate() {
        nodes.push(Node::file(&format!("{number}"), &file.finish().await.unwrap(), TIME));
        all.push(expected);
    }
    commit(&writer, nodes).await.unwrap();

    assert!(all.iter().map(Vec::len).sum::<usize>() > 64 << 20);
    world.restic(&["restore", "latest", "--target", world.folder("out").to_str().unwrap()]);
    for (number, expected) in all.iter().enumerate() {
        let restored = std::fs::read(world.dir.path().join("out").join(number.to_string())).unwrap();
        assert!(restored == *expected, "file {number} differs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn zeros_are_cheap_and_equal_to_written_zeros() {
    let world = World::new().await;
    let writer = Writer::start(&world.repo, job()).await.unwrap();
    let mut hole = writer.file();
    hole.write_slice(b"start").await.unwrap();
    hole.write_zeros(30 << 20).await.unwrap();
    hole.write_slice(b"end").await.unwrap();
    let mut written = writer.file();
    written.write_slice(&[b"start".as_slice(), &vec![0; 30 << 20], b"end"].concat()).await.unwrap();
    let mut huge = writer.file();
    huge.write_zeros(1 << 40).await.unwrap();

    let (hole, written, huge) =
        (hole.finish().await.unwrap(), written.finish().await.unwrap(), huge.finish().await.unwrap());

    assert_eq!(hole, written);
    assert_eq!(hole.size, (30 << 20) + 8);
    assert_eq!((huge.size, huge.ids.len()), (1 << 40, 1 << 17));
    commit(&writer, vec![Node::file("hole", &hole, TIME)]).await.unwrap();
    world.restic(&["check", "--read-data"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_snapshot_is_written_last_and_nothing_exists_before() {
    let faults = |store| Arc::new(FaultStore::new(store)) as Arc<dyn storage::Store>;
    let world = World::behind(faults).await;
    let writer = Writer::start(&world.repo, job()).await.unwrap();
    let node = save(&writer, "a", &noise(4, 1 << 20)).await;
    let root = writer.tree(vec![node]).await.unwrap();

    writer.finish().await.unwrap();

    assert!(world.repo.snapshots().await.unwrap().is_empty());
    let closed = writer.commit(SnapshotDraft::new(root, TIME)).await;
    assert!(matches!(closed, Err(EngineError::Closed)), "{closed:?}");
    let next = Writer::start(&world.repo, job()).await.unwrap();
    next.commit(SnapshotDraft::new(root, TIME)).await.unwrap();
    assert_eq!(world.repo.snapshots().await.unwrap().len(), 1);
    world.restic(&["check", "--read-data"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_nobody_saved_is_refused() {
    let world = World::new().await;
    let writer = Writer::start(&world.repo, job()).await.unwrap();

    let refused = writer.commit(SnapshotDraft::new(TreeId::of(b"nothing"), TIME)).await;

    assert!(matches!(refused, Err(EngineError::MissingBlob { .. })), "{refused:?}");
    assert!(world.repo.list::<LockId>(FileKind::Lock).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_store_ends_the_work_with_its_error_and_no_snapshot() {
    for pattern in ["data/", "index/", "snapshots/"] {
        let fault = Fault::FailPath {
            operation: Operation::Create,
            pattern: pattern.into(),
            kind: StoreErrorKind::Full,
        };
        let world = World::behind(|store| Arc::new(FaultStore::new(store).with(fault))).await;
        let writer = Writer::start(&world.repo, job_with_memory(48)).await.unwrap();

        let outcome = async {
            let mut nodes = Vec::new();
            for number in 0..30 {
                let mut file = writer.file();
                file.write_slice(&noise(number, 3 << 20)).await?;
                nodes.push(Node::file(&number.to_string(), &file.finish().await?, TIME));
            }
            commit(&writer, nodes).await
        };
        let error = outcome.await.unwrap_err();

        assert!(
            matches!(&error, EngineError::Store(error) if error.kind == StoreErrorKind::Full),
            "{pattern}: {error}"
        );
        drop(writer.abort().await);
        assert!(world.repo.snapshots().await.unwrap().is_empty(), "{pattern}");
        assert!(world.repo.list::<LockId>(FileKind::Lock).await.unwrap().is_empty(), "{pattern}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_failures_and_lost_answers_are_survived() {
    let policy = RetryPolicy { first_pause: std::time::Duration::from_millis(1), ..RetryPolicy::default() };
    let world = World::behind(|store| {
        let faults = FaultStore::new(store)
            .with(Fault::LoseAnswer { times: 3 })
            .with(Fault::FailFirst { operation: Operation::Read, times: 2 });
        Arc::new(Retrying::new(faults, policy))
    })
    .await;

    let writer = Writer::start(&world.repo, job()).await.unwrap();
    let node = save(&writer, "a", &noise(5, 3 << 20)).await;
    commit(&writer, vec![node]).await.unwrap();

    world.restic(&["check", "--read-data"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_writer_stops_and_gives_its_lock_back() {
    let world = World::behind(|store| {
        Arc::new(FaultStore::new(store).with(Fault::Delay(std::time::Duration::from_millis(50))))
    })
    .await;
    let job = job_with_memory(48);
    let writer = Writer::start(&world.repo, job.clone()).await.unwrap();
    let feeding = tokio::spawn({
        let writer = writer.clone();
        async move {
            let mut file = writer.file();
            for seed in 0.. {
                if let Err(error) = file.write_slice(&noise(seed, 1 << 20)).await {
                    return error;
                }
            }
            unreachable!()
        }
    });

    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    job.cancel.cancel();

    assert!(matches!(feeding.await.unwrap(), EngineError::Cancelled));
    writer.abort().await.unwrap();
    assert!(world.repo.list::<LockId>(FileKind::Lock).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_writer_gives_its_lock_back() {
    let world = World::new().await;
    let writer = Writer::start(&world.repo, job()).await.unwrap();
    save(&writer, "a", &noise(6, 1 << 20)).await;

    drop(writer);

    for _ in 0..200 {
        if world.repo.list::<LockId>(FileKind::Lock).await.unwrap().is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the lock is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_are_bounded_and_hold_one_kind() {
    let world = World::new().await;
    let writer = Writer::start(&world.repo, job_with_memory(64)).await.unwrap();
    let mut nodes = Vec::new();
    for number in 0..8 {
        nodes.push(save(&writer, &number.to_string(), &noise(number, 4 << 20)).await);
    }
    commit(&writer, nodes).await.unwrap();

    let index = engine::BlobIndex::load(&world.repo).await.unwrap();

    let packs: Vec<PackId> = world.repo.list(FileKind::Pack).await.unwrap();
    assert!(packs.len() > 3);
    for pack in packs {
        let size = world.repo.read(FileKind::Pack, pack).await.unwrap().len();
        let mut kinds: Vec<BlobKind> =
            index.iter().filter(|place| place.pack == pack).map(|place| place.entry.kind).collect();
        kinds.dedup();
        assert!(size <= 17 << 20, "{size}");
        assert_eq!(kinds.len(), 1);
    }
}

#[test]
fn the_writers_futures_can_be_spawned() {
    fn send<T: Send>(_: &T) {}
    fn check(writer: &Writer, mut file: FileWriter) {
        send(&file.write(Bytes::new()));
        send(&file.write_zeros(1));
        send(&file.finish());
        send(&writer.tree(Vec::new()));
        send(&writer.commit(SnapshotDraft::new(TreeId::of(b""), TIME)));
    }
    let _: fn(&Writer, FileWriter) = check;
}
