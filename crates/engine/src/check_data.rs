//! Reads every pack and verifies every byte; names damaged packs, blobs, and the files that need them.

use crate::{
    CheckProblem, CheckReport, EngineError, Job, Location, Reader, Repo,
    check::{Checked, check_locked, release, shared_lock},
    trees,
};
use bytes::Bytes;
use futures::StreamExt;
use repository::{BlobId, BlobKind, FileKind, NodeKind, PackEntry, PackId, decode_header, header_length};
use std::collections::HashSet;

/// Which packs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Portion {
    /// All of them.
    All,
    /// One of several equal parts: part `number` (from 1) of `of`, chosen by the packs' ids, so that running all
    /// parts one after another reads every pack exactly once.
    Part {
        /// Which part, from 1.
        number: u32,
        /// How many parts there are.
        of: u32,
    },
}

impl Portion {
    fn holds(self, pack: PackId) -> bool {
        let [a, b, c, d, ..] = *pack.as_bytes();
        match self {
            Self::All => true,
            Self::Part { number, of } => u32::from_be_bytes([a, b, c, d]) % of.max(1) + 1 == number,
        }
    }
}

/// Does everything that [`crate::check`] does, then reads the packs of `portion`.
pub async fn check_data(repo: &Repo, portion: Portion, job: &Job) -> Result<CheckReport, EngineError> {
    let lock = shared_lock(repo, job).await?;
    let checked = async {
        let (mut report, checked) = check_locked(repo, job).await?;
        let damaged = check_packs(&checked, portion, job, &mut report).await?;
        if !damaged.is_empty() {
            name_affected(&checked, &damaged, job, &mut report).await?;
        }
        Ok(report)
    };
    let checked = checked.await;
    release(lock, checked).await
}

/// What reading one pack showed.
struct PackVerdict {
    bytes: u64,
    problems: Vec<CheckProblem>,
    /// Blobs that cannot be read from this pack.
    lost: Vec<(BlobKind, BlobId)>,
}

/// Blobs that can be read from none of the packs that were read.
async fn check_packs(
    checked: &Checked,
    portion: Portion,
    job: &Job,
    report: &mut CheckReport,
) -> Result<HashSet<(BlobKind, BlobId)>, EngineError> {
    let packs: Vec<(PackId, Vec<PackEntry>)> = checked
        .facts
        .packs()
        .into_iter()
        .filter(|(pack, _)| portion.holds(*pack))
        .map(|(pack, blobs)| (pack, blobs.to_vec()))
        .collect();
    let reader = &checked.reader;
    let at_once = job.budget.workers().min((job.budget.memory / (32 << 20)).max(1) as usize);
    let mut reads = futures::stream::iter(packs)
        .map(|(pack, blobs)| async move { read_pack(reader, pack, blobs).await })
        .buffer_unordered(at_once);
    let mut damaged = HashSet::new();
    loop {
        let next = tokio::select! {
            next = reads.next() => next,
            () = job.cancel.cancelled() => return Err(EngineError::Cancelled),
        };
        let Some(verdict) = next else { break };
        let PackVerdict { bytes, problems, lost } = verdict?;
        job.progress.read(bytes);
        report.bytes_read += bytes;
        problems.into_iter().for_each(|problem| report.add(problem));
        damaged.extend(lost);
    }
    drop(reads);
    let mut lost = HashSet::new();
    for (kind, id) in damaged {
        // Another copy in another pack saves it.
        if let Err(error) = reader.fetch(kind, id).await {
            if error.is_temporary() {
                return Err(error);
            }
            lost.insert((kind, id));
        }
    }
    Ok(lost)
}

async fn read_pack(reader: &Reader, pack: PackId, blobs: Vec<PackEntry>) -> Result<PackVerdict, EngineError> {
    let path = crate::repo::path(FileKind::Pack, pack)?;
    match reader.repo().store().read(&path).await {
        Ok(bytes) => {
            let reader = reader.clone();
            tokio::task::spawn_blocking(move || Ok(judge(&reader, pack, &blobs, &bytes))).await?
        }
        Err(error) if error.temporary => Err(error.into()),
        // A missing pack is reported by the structure check already.
        Err(error) => {
            let problems = if error.is_not_found() {
                Vec::new()
            } else {
                vec![CheckProblem::Pack { pack, cause: error.to_string() }]
            };
            let lost = blobs.iter().map(|blob| (blob.kind, blob.id)).collect();
            Ok(PackVerdict { bytes: 0, problems, lost })
        }
    }
}

fn judge(reader: &Reader, pack: PackId, blobs: &[PackEntry], bytes: &Bytes) -> PackVerdict {
    let mut verdict = PackVerdict { bytes: bytes.len() as u64, problems: Vec::new(), lost: Vec::new() };
    if PackId::of(bytes) != pack {
        let cause = "its content does not match its name".to_owned();
        verdict.problems.push(CheckProblem::Pack { pack, cause });
    }
    match header(reader, bytes) {
        Err(error) => verdict.problems.push(CheckProblem::Pack { pack, cause: error }),
        Ok(mut found) => {
            let mut named = blobs.to_vec();
            let order = |entry: &PackEntry| (entry.offset, entry.id);
            found.sort_by_key(order);
            named.sort_by_key(order);
            if found != named {
                let cause = "the index and the pack's own header differ".to_owned();
                verdict.problems.push(CheckProblem::Pack { pack, cause });
            }
        }
    }
    for entry in blobs {
        let (start, end) = (entry.offset as usize, entry.offset as usize + entry.length as usize);
        let cause = match bytes.get(start..end) {
            None => "it lies beyond the end of the pack".to_owned(),
            Some(sealed) => match reader.decode(&Location { pack, entry: *entry }, sealed) {
                Ok(_) => continue,
                Err(EngineError::Format { source, .. }) => source.to_string(),
                Err(error) => error.to_string(),
            },
        };
        verdict.problems.push(CheckProblem::Blob { blob: entry.id, pack, cause });
        verdict.lost.push((entry.kind, entry.id));
    }
    verdict
}

fn header(reader: &Reader, bytes: &Bytes) -> Result<Vec<PackEntry>, String> {
    let size = bytes.len() as u64;
    let (rest, trailer) = bytes.split_last_chunk::<4>().ok_or("it is shorter than a header's length")?;
    let length = header_length(*trailer, size).map_err(|error| error.to_string())? as usize;
    let sealed =
        rest.len().checked_sub(length).and_then(|start| rest.get(start..)).ok_or("its header is cut off")?;
    decode_header(reader.repo().key(), sealed, size).map_err(|error| error.to_string())
}

/// Reports every file and directory that needs one of the damaged blobs.
async fn name_affected(
    checked: &Checked,
    damaged: &HashSet<(BlobKind, BlobId)>,
    job: &Job,
    report: &mut CheckReport,
) -> Result<(), EngineError> {
    let roots: Vec<_> = checked.snapshots.iter().map(|(id, snapshot)| (*id, snapshot.tree)).collect();
    trees::each_tree(&checked.reader, roots, job, |at, tree| {
        // Directories that cannot be read are in the report of the structure check.
        let Ok(tree) = tree else { return };
        for node in tree.nodes() {
            if let NodeKind::File(content) = &node.kind
                && content.ids.iter().any(|id| damaged.contains(&(BlobKind::Data, *id)))
            {
                report.add(CheckProblem::FileAffected { snapshot: at.snapshot, path: at.child(&node.name) });
            }
        }
    })
    .await
}
