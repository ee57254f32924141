//! Index files against the packs that are really there.

use super::{CheckProblem, CheckReport};
use crate::{EngineError, Job, Repo, settle};
use repository::{FileKind, IndexFile, IndexId, OVERHEAD, PackEntry, PackId};
use std::collections::{BTreeMap, HashMap};
use storage::StorePath;

/// Bytes of a pack's header for a blob that is stored plain, and four more for a compressed one.
const HEADER_ENTRY: u64 = 37;
/// Bytes of the length at a pack's end.
const TRAILER: u64 = 4;

/// What the index files and the listing say about packs.
#[derive(Debug, Default)]
pub(crate) struct PackFacts {
    /// All index files that could be read.
    pub(crate) files: Vec<IndexFile>,
    /// The size in the store of every pack that is there.
    pub(crate) sizes: HashMap<PackId, u64>,
}

impl PackFacts {
    /// The packs that the index names, each with its blobs, sorted by id.
    pub(crate) fn packs(&self) -> BTreeMap<PackId, &[PackEntry]> {
        self.files.iter().flat_map(|file| &file.packs).map(|pack| (pack.id, pack.blobs.as_slice())).collect()
    }
}

/// Reads all index files and compares them with the listing of packs.
pub(super) async fn check_packs(
    repo: &Repo,
    job: &Job,
    report: &mut CheckReport,
) -> Result<PackFacts, EngineError> {
    let files = read_index_files(repo, job, report).await?;
    let facts = PackFacts { files, sizes: pack_sizes(repo).await? };
    let packs = facts.packs();
    for (pack, blobs) in &packs {
        report.packs += 1;
        report.blobs += blobs.len();
        match facts.sizes.get(pack) {
            None => report.add(CheckProblem::PackMissing { pack: *pack, blobs: blobs.len() }),
            Some(found) if *found != expected_size(blobs) => {
                report.add(CheckProblem::PackSize {
                    pack: *pack,
                    expected: expected_size(blobs),
                    found: *found,
                });
            }
            Some(_) => {}
        }
    }
    report.unreferenced_packs = facts.sizes.keys().filter(|pack| !packs.contains_key(pack)).count();
    drop(packs);
    Ok(facts)
}

async fn read_index_files(
    repo: &Repo,
    job: &Job,
    report: &mut CheckReport,
) -> Result<Vec<IndexFile>, EngineError> {
    let mut files = Vec::new();
    let read = |id: IndexId| repo.index_file(id);
    settle::each(repo, FileKind::Index, job.budget.readers(), read, |id, read| {
        match read {
            Ok(file) => files.push(file),
            Err(error) if error.is_temporary() => return Err(error),
            Err(error) => {
                report.add(CheckProblem::Index { file: FileKind::Index.path(id), cause: error.to_string() });
            }
        }
        Ok(())
    })
    .await?;
    Ok(files)
}

/// The size in the store of every pack that is there.
pub(crate) async fn pack_sizes(repo: &Repo) -> Result<HashMap<PackId, u64>, EngineError> {
    let folder =
        StorePath::parse(FileKind::Pack.folder()).map_err(|bad| EngineError::Internal(bad.to_string()))?;
    let listed = repo.store().list(&folder).await?;
    Ok(listed.iter().filter_map(|entry| Some((entry.path.name().parse().ok()?, entry.size))).collect())
}

/// The exact size of a pack with these blobs and nothing else.
pub(crate) fn expected_size(blobs: &[PackEntry]) -> u64 {
    let of = |blob: &PackEntry| {
        u64::from(blob.length) + HEADER_ENTRY + if blob.uncompressed_length.is_some() { 4 } else { 0 }
    };
    blobs.iter().map(of).sum::<u64>() + OVERHEAD as u64 + TRAILER
}
