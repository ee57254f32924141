//! The budget bounds what is resident, not only what is counted. Alone in its file: it measures its process.

mod common;

use common::{World, job_with_memory};
use engine::{FileWriter, Node, SnapshotDraft, Writer};
use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};

fn resident(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// 600 MiB pass through 300 open files with a budget of 64 MiB.
#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_open_files_stay_within_the_budget() {
    let world = World::new().await;
    let before = resident("VmRSS");
    let writer = Writer::start(&world.repo, job_with_memory(64)).await.unwrap();
    let mut files: Vec<FileWriter> = (0..300).map(|_| writer.file()).collect();
    let mut rng = StdRng::seed_from_u64(1);
    let mut piece = vec![0; 256 << 10];

    for _ in 0..8 {
        for file in &mut files {
            rng.fill(&mut piece[..]);
            file.write_slice(&piece).await.unwrap();
        }
    }
    let mut nodes = Vec::new();
    for (number, file) in files.into_iter().enumerate() {
        let content = file.finish().await.unwrap();
        assert_eq!(content.size, 2 << 20);
        nodes.push(Node::file(&number.to_string(), &content, Timestamp::UNIX_EPOCH));
    }
    let root = writer.tree(nodes).await.unwrap();
    writer.commit(SnapshotDraft::new(root, Timestamp::UNIX_EPOCH)).await.unwrap();

    let grown = resident("VmHWM") - before;
    // A quarter on top for what the allocator keeps.
    assert!(grown <= 80, "{grown} MiB resident for a budget of 64 MiB");
}
