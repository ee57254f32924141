//! Measures the data plane through the whole vault (TLS, token, roles, network rules, database) beside direct access to the
//! same disk, in one run.
//!
//! `cargo run --release -p vault --example vault_throughput -- [--folder DIR] [--rounds N] [--json]`
//!
//! The data directory lies in the folder for temporary files, which `TMPDIR` names; `--folder` is for the direct access
//! and should be on the same disk.

#[path = "../../blobs/examples/measure/mod.rs"]
mod measure;
#[path = "../tests/world/mod.rs"]
mod world;

use measure::{Failure, argument, compare};
use object_store::local::LocalFileSystem;
use std::path::PathBuf;
use world::stored::{CONTRIBUTOR, StoredWorld};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let parent = argument("--folder").map_or_else(std::env::temp_dir, PathBuf::from);
    let rounds: usize = argument("--rounds").map_or(Ok(7), |text| text.parse())?;
    let json = std::env::args().any(|argument| argument == "--json");
    let beside = tempfile::tempdir_in(parent)?;
    let stored = StoredWorld::start().await;
    let identity = stored.identity(&stored.account).await;
    stored.assign(CONTRIBUTOR, &identity, &stored.account).await;

    let through = stored.object_store("backups", &stored.token(&identity));
    let direct = LocalFileSystem::new_with_prefix(beside.path())?.with_fsync(true);
    compare(&through, &direct, rounds, json).await
}
