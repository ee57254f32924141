//! Writes and reads the same blobs through two stores in alternating order, and tells the medians, the spread and the
//! median of the rounds' ratios.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, path::Path};
use std::time::Instant;

const MIB: usize = 1024 * 1024;
/// What is written in a round: how many blobs of which size, how many at a time.
const LOADS: [Load; 3] = [
    Load { name: "packs of 16 MiB, 4 at a time", size: 16 * MIB, count: 16, together: 4 },
    Load { name: "one blob of 256 MiB", size: 256 * MIB, count: 1, together: 1 },
    Load { name: "blobs of 4 KiB, 16 at a time", size: 4096, count: 400, together: 16 },
];

struct Load {
    name: &'static str,
    size: usize,
    count: usize,
    together: usize,
}

pub type Failure = Box<dyn std::error::Error>;

/// Compares what is served with direct access, and prints a line per load and direction.
pub async fn compare(
    through: &dyn ObjectStore,
    direct: &dyn ObjectStore,
    rounds: usize,
    json: bool,
) -> Result<(), Failure> {
    let mut lines = Vec::new();
    for load in &LOADS {
        let data = Bytes::from((0..load.size).map(|n| (n * 31 + n / 251) as u8).collect::<Vec<u8>>());
        let total = (load.size * load.count) as f64 / 1e6;
        for (verb, writes) in [("write", true), ("read", false)] {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            // The first round warms up and is not counted.
            for round in 0..=rounds {
                let mut seconds = [0.0; 2];
                for turn in [round % 2, (round + 1) % 2] {
                    let store: &dyn ObjectStore = if turn == 0 { through } else { direct };
                    seconds[turn] =
                        if writes { write(store, load, &data).await? } else { read(store, load).await? };
                }
                if round > 0 {
                    ours.push(total / seconds[0]);
                    theirs.push(total / seconds[1]);
                }
            }
            let ratio = spread(ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect());
            lines.push((load.name, verb, spread(ours), spread(theirs), ratio));
        }
    }
    for (name, verb, ours, theirs, ratio) in lines {
        if json {
            println!(
                "{{\"load\":\"{name}\",\"verb\":\"{verb}\",\"rounds\":{rounds},\"served_mb_s\":{:.1},\"served_low\":{:.1},\
                 \"served_high\":{:.1},\"direct_mb_s\":{:.1},\"direct_low\":{:.1},\"direct_high\":{:.1},\"ratio\":{:.3},\
                 \"ratio_low\":{:.3},\"ratio_high\":{:.3}}}",
                ours.0, ours.1, ours.2, theirs.0, theirs.1, theirs.2, ratio.0, ratio.1, ratio.2
            );
        } else {
            println!(
                "{name}, {verb}: served {:.0} MB/s ({:.0} to {:.0}), direct {:.0} MB/s ({:.0} to {:.0}), ratio {:.2} \
                 ({:.2} to {:.2})",
                ours.0, ours.1, ours.2, theirs.0, theirs.1, theirs.2, ratio.0, ratio.1, ratio.2
            );
        }
    }
    Ok(())
}

async fn write(store: &dyn ObjectStore, load: &Load, data: &Bytes) -> Result<f64, Failure> {
    let begun = Instant::now();
    stream::iter(0..load.count)
        .map(|n| async move { store.put(&Path::from(format!("{n}")), PutPayload::from(data.clone())).await })
        .buffer_unordered(load.together)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    Ok(begun.elapsed().as_secs_f64())
}

async fn read(store: &dyn ObjectStore, load: &Load) -> Result<f64, Failure> {
    let begun = Instant::now();
    stream::iter(0..load.count)
        .map(|n| async move {
            let got = store.get(&Path::from(format!("{n}"))).await?.into_stream();
            got.try_fold(0, |sum, piece| async move { Ok(sum + piece.len()) }).await
        })
        .buffer_unordered(load.together)
        .try_for_each(|length| async move {
            assert_eq!(length, load.size, "a blob came back with another length");
            Ok(())
        })
        .await?;
    Ok(begun.elapsed().as_secs_f64())
}

/// Median, lowest, highest.
fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}

/// What follows a word of the command line.
pub fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.next()?;
    arguments.next()
}
