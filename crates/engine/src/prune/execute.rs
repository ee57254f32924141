//! Carries out a prune plan in an order that is safe to interrupt at every step.

use super::{
    PruneOptions,
    plan::{PrunePlan, listed_packs},
    repack,
};
use crate::{BlobIndex, EngineError, Job, Lock, Reader, Repo, doomed, doomed::DoomedList};
use repository::{FileKind, IndexFile, IndexId, IndexPack, Nonce, PackId};
use std::collections::{BTreeSet, HashSet};
use storage::{StoreError, StoreErrorKind, StorePath};

/// Blobs per index file: about 6 MiB of JSON.
const BLOBS: usize = 50_000;

/// What prune did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneReport {
    /// Packs that were deleted.
    pub deleted: BTreeSet<PackId>,
    /// Packs that left the index and are deleted by a later prune.
    pub left_index: BTreeSet<PackId>,
    /// Packs that returned to the index because a snapshot needs them.
    pub rescued: BTreeSet<PackId>,
    /// New packs, with what is still needed of those that left.
    pub written: BTreeSet<PackId>,
    /// Files that the store's retention still keeps, by path; a later prune deletes them.
    pub later: Vec<String>,
    /// Packs with something unused that are too young to be touched.
    pub waiting: usize,
}

/// The steps: copy what is needed, remember what leaves, write the new index, delete the old one, delete packs,
/// delete lists that are done. Before each of them the lock must still hold.
pub(super) async fn execute(
    repo: &Repo,
    plan: &PrunePlan,
    options: &PruneOptions,
    job: &Job,
    lock: &Lock,
) -> Result<PruneReport, EngineError> {
    let mut report = PruneReport { waiting: plan.waiting.len(), ..PruneReport::default() };
    let index = BlobIndex::from_files(plan.index_files.values());
    let reader = Reader::with_index(repo, index, BlobIndex::default(), &job.budget);
    let new_packs = repack::copy(&reader, &plan.copy, job).await?;
    report.written = new_packs.iter().map(|pack| pack.id).collect();
    drop(reader);

    let leaving: HashSet<PackId> = plan.drop.union(&plan.repack).copied().collect();
    lock.check()?;
    let fresh_list = remember(repo, plan, &leaving).await?;
    report.left_index = leaving.iter().copied().collect();

    rewrite_index(repo, plan, &leaving, new_packs, lock, &mut report).await?;
    report.rescued = plan.rescue.clone();

    // Packs that a retained index file still names must stay until that file can go.
    let named: HashSet<PackId> = BlobIndex::load(repo).await?.packs().iter().copied().collect();
    let at_once = options.longest_job.is_zero().then_some(&leaving);
    let doomed = plan.delete.iter().chain(&plan.delete_unreferenced).chain(at_once.into_iter().flatten());
    let mut gone: HashSet<PackId> = HashSet::new();
    for pack in doomed.filter(|pack| !named.contains(pack)) {
        if job.cancel.is_cancelled() {
            return Err(EngineError::Cancelled);
        }
        lock.check()?;
        if delete(repo, FileKind::Pack, pack.to_string(), &mut report).await? {
            report.deleted.insert(*pack);
            report.left_index.remove(pack);
            gone.insert(*pack);
        }
    }
    retire_lists(repo, plan, fresh_list, &gone, &mut report).await?;
    Ok(report)
}

/// Lists the packs that are about to leave the index, before anything about them is deleted.
async fn remember(
    repo: &Repo,
    plan: &PrunePlan,
    leaving: &HashSet<PackId>,
) -> Result<Option<(StorePath, DoomedList)>, EngineError> {
    let mut seen = HashSet::new();
    let packs: Vec<IndexPack> = plan
        .index_files
        .values()
        .flat_map(|file| &file.packs)
        .filter(|pack| leaving.contains(&pack.id) && seen.insert(pack.id))
        .cloned()
        .collect();
    if packs.is_empty() {
        return Ok(None);
    }
    let list = DoomedList { since: plan.now, index: IndexFile { packs } };
    Ok(Some((doomed::save(repo, &list).await?, list)))
}

/// Writes index files for what stays, then deletes those that named what leaves.
async fn rewrite_index(
    repo: &Repo,
    plan: &PrunePlan,
    leaving: &HashSet<PackId>,
    new_packs: Vec<IndexPack>,
    lock: &Lock,
    report: &mut PruneReport,
) -> Result<(), EngineError> {
    let outdated: Vec<(&IndexId, &IndexFile)> = plan
        .index_files
        .iter()
        .filter(|(_, file)| file.packs.iter().any(|pack| leaving.contains(&pack.id)))
        .collect();
    let staying =
        outdated.iter().flat_map(|(_, file)| &file.packs).filter(|pack| !leaving.contains(&pack.id));
    let listed = listed_packs(plan);
    let rescued = plan.rescue.iter().filter_map(|pack| listed.get(pack).copied());
    let mut seen = HashSet::new();
    let packs: Vec<IndexPack> =
        staying.chain(rescued).filter(|pack| seen.insert(pack.id)).cloned().chain(new_packs).collect();
    for file in split(packs) {
        lock.check()?;
        let nonce = Nonce::random(&mut rand::rng());
        let bytes = file.encode(repo.key(), nonce).map_err(EngineError::format("a new index"))?;
        repo.create::<IndexId>(FileKind::Index, bytes).await?;
    }
    for (id, _) in outdated {
        lock.check()?;
        delete(repo, FileKind::Index, id.to_string(), report).await?;
    }
    Ok(())
}

fn split(packs: Vec<IndexPack>) -> Vec<IndexFile> {
    let mut files = Vec::new();
    let (mut open, mut blobs) = (IndexFile::default(), 0);
    for pack in packs {
        blobs += pack.blobs.len();
        open.packs.push(pack);
        if blobs >= BLOBS {
            files.push(std::mem::take(&mut open));
            blobs = 0;
        }
    }
    if !open.packs.is_empty() {
        files.push(open);
    }
    files
}

/// Whether the file is gone; one that retention keeps is noted as *later*.
async fn delete(
    repo: &Repo,
    kind: FileKind,
    id: String,
    report: &mut PruneReport,
) -> Result<bool, EngineError> {
    match repo.delete(kind, &id).await {
        Ok(()) => Ok(true),
        Err(EngineError::Store(StoreError { kind: StoreErrorKind::Retained, .. })) => {
            report.later.push(kind.path(&id));
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Deletes lists that are done: each of their packs is deleted, back in the index, or on the list just written.
async fn retire_lists(
    repo: &Repo,
    plan: &PrunePlan,
    fresh: Option<(StorePath, DoomedList)>,
    gone: &HashSet<PackId>,
    report: &mut PruneReport,
) -> Result<(), EngineError> {
    let waits =
        |pack: &PackId| plan.waiting.contains(pack) || plan.delete.contains(pack) && !gone.contains(pack);
    let relisted: HashSet<PackId> =
        fresh.iter().flat_map(|(_, list)| &list.index.packs).map(|pack| pack.id).collect();
    let mut retired: Vec<&StorePath> = Vec::new();
    for (path, list) in &plan.lists {
        if list.index.packs.iter().all(|pack| relisted.contains(&pack.id) || !waits(&pack.id)) {
            retired.push(path);
        }
    }
    if let Some((path, list)) = &fresh
        && list.index.packs.iter().all(|pack| gone.contains(&pack.id))
    {
        retired.push(path);
    }
    for path in retired {
        match repo.store().delete(path).await {
            Ok(()) => {}
            Err(error) if error.kind == StoreErrorKind::Retained => report.later.push(path.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
