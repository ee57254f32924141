//! Content of any size passes through a small and constant memory, both ways. In a process of its own: it measures one.

mod world;

use blobs::Limits;
use bytes::Bytes;
use futures::{StreamExt, stream};
use std::{fs, sync::Arc};
use world::World;

const MIB: u64 = 1024 * 1024;
const SIZE: u64 = 512 * MIB;

/// Resident bytes of this process: server and client together.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// The highest of many looks while `work` goes on.
async fn highest<T>(work: impl Future<Output = T>) -> (T, u64) {
    let mut work = std::pin::pin!(work);
    let mut highest = 0;
    loop {
        tokio::select! {
            done = &mut work => return (done, highest.max(resident())),
            () = tokio::time::sleep(std::time::Duration::from_millis(20)) => highest = highest.max(resident()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_gibibyte_goes_up_and_down_in_constant_memory() {
    let world = World::with(Limits::default(), |folders| Arc::new(folders)).await;
    world.create_container("box").await;
    // Whatever a first transfer allocates for good.
    world.put("box/warm", vec![0; 8 << 20]).await;
    drop(world.request(reqwest::Method::GET, "box/warm").send().await.unwrap().bytes().await.unwrap());
    let before = resident();

    let piece = Bytes::from(vec![7; 1 << 20]);
    let pieces = stream::iter(0..SIZE / MIB).map(move |_| Ok::<_, std::io::Error>(piece.clone()));
    let put = world
        .request(reqwest::Method::PUT, "box/large")
        .header("x-ms-blob-type", "BlockBlob")
        .header("content-length", SIZE)
        .body(reqwest::Body::wrap_stream(pieces));
    let (put, up) = highest(async { put.send().await.unwrap() }).await;
    let (got, down) = highest(async {
        let mut got = world.request(reqwest::Method::GET, "box/large").send().await.unwrap();
        let mut length = 0;
        while let Some(piece) = got.chunk().await.unwrap() {
            length += piece.len() as u64;
        }
        length
    })
    .await;

    assert_eq!((put.status().as_u16(), got), (201, SIZE));
    let (up, down) = (up.saturating_sub(before) / MIB, down.saturating_sub(before) / MIB);
    println!("512 MiB up: {up} MiB more resident; down: {down} MiB more");
    assert!(up < 48 && down < 48, "{up} and {down} MiB more than before");
}
