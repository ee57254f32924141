//! Decides which packs stay, which are rewritten, which leave the index, and which are deleted.

use super::PruneOptions;
use crate::{
    BlobIndex, EngineError, Job, Reader, Repo, doomed, doomed::DoomedList, index::each_file, reader::missing,
    trees,
};
use jiff::Timestamp;
use repository::{
    BlobId, BlobKind, FileKind, IndexFile, IndexId, IndexPack, NodeKind, PackEntry, PackId, SnapshotId,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use storage::StorePath;

/// What prune will do.
#[derive(Debug, Clone, Default)]
pub struct PrunePlan {
    /// Bytes in packs that snapshots need.
    pub used_bytes: u64,
    /// Bytes in indexed packs that nothing needs.
    pub unused_bytes: u64,
    /// Packs that leave the index because nothing in them is needed.
    pub drop: BTreeSet<PackId>,
    /// Packs that leave the index after what is needed of them was written to new packs.
    pub repack: BTreeSet<PackId>,
    /// Packs that left the index before and return to it, because a snapshot needs them.
    pub rescue: BTreeSet<PackId>,
    /// Packs that left the index long enough ago: they are deleted.
    pub delete: BTreeSet<PackId>,
    /// Packs that no index ever named, older than the longest job: they are deleted.
    pub delete_unreferenced: BTreeSet<PackId>,
    /// Packs that wait, because they were written, or left the index, less than the longest job ago.
    pub waiting: BTreeSet<PackId>,
    pub(super) snapshots: BTreeSet<SnapshotId>,
    pub(super) index_files: BTreeMap<IndexId, IndexFile>,
    pub(super) lists: Vec<(StorePath, DoomedList)>,
    /// What is needed of the packs in `repack`.
    pub(super) copy: Vec<(PackId, PackEntry)>,
    pub(super) now: Timestamp,
}

impl PrunePlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        [&self.drop, &self.repack, &self.rescue, &self.delete, &self.delete_unreferenced]
            .iter()
            .all(|set| set.is_empty())
    }

    /// Whether snapshots and index are still what the plan was made from.
    pub(super) async fn is_current(&self, repo: &Repo) -> Result<bool, EngineError> {
        let snapshots: BTreeSet<SnapshotId> = repo.list(FileKind::Snapshot).await?.into_iter().collect();
        let index: Vec<IndexId> = repo.list(FileKind::Index).await?;
        let lists = doomed::load(repo).await?;
        Ok(snapshots == self.snapshots && index.iter().eq(self.index_files.keys()) && lists == self.lists)
    }
}

type Blob = (BlobKind, BlobId);

/// Reads snapshots, index, directories and the listing of packs. `now` is the time by the store's clock.
pub(super) async fn make(
    repo: &Repo,
    options: &PruneOptions,
    job: &Job,
    now: Timestamp,
) -> Result<PrunePlan, EngineError> {
    // Packs first: one that is uploaded later cannot be mistaken for an old one.
    let stored = stored_packs(repo).await?;
    let snapshots = repo.snapshots().await?;
    let mut plan = PrunePlan { now, lists: doomed::load(repo).await?, ..PrunePlan::default() };
    each_file(repo, |id, file| drop(plan.index_files.insert(id, file))).await?;
    plan.snapshots = snapshots.iter().map(|(id, _)| *id).collect();
    let index = BlobIndex::from_files(plan.index_files.values());
    let leaving = BlobIndex::from_files(plan.lists.iter().map(|(_, list)| &list.index));
    let reader = Reader::with_index(repo, index, leaving, &job.budget);
    let roots = snapshots.iter().map(|(id, snapshot)| (*id, snapshot.tree));
    let used = used_blobs(&reader, roots, job).await?;
    let facts = Facts { stored: &stored, options, used: &used };
    decide(&mut plan, &facts)?;
    Ok(plan)
}

/// What the decision needs besides the plan's own inputs.
struct Facts<'a> {
    stored: &'a BTreeMap<PackId, Timestamp>,
    options: &'a PruneOptions,
    used: &'a HashSet<Blob>,
}

async fn stored_packs(repo: &Repo) -> Result<BTreeMap<PackId, Timestamp>, EngineError> {
    let folder =
        StorePath::parse(FileKind::Pack.folder()).map_err(|bad| EngineError::Internal(bad.to_string()))?;
    let entries = repo.store().list(&folder).await?;
    Ok(entries.iter().filter_map(|entry| Some((entry.path.name().parse().ok()?, entry.modified))).collect())
}

/// Every blob that the snapshots need. Anything unreadable ends the prune: it must not make things worse.
async fn used_blobs(
    reader: &Reader,
    roots: impl Iterator<Item = (SnapshotId, repository::TreeId)>,
    job: &Job,
) -> Result<HashSet<Blob>, EngineError> {
    let mut used = HashSet::new();
    let mut damage = None;
    trees::each_tree(reader, roots, job, |at, tree| match tree {
        Err(error) => drop(damage.get_or_insert(error)),
        Ok(tree) => {
            used.insert((BlobKind::Tree, BlobId::from(at.tree)));
            for node in tree.nodes() {
                if let NodeKind::File(content) = &node.kind {
                    used.extend(content.ids.iter().map(|id| (BlobKind::Data, *id)));
                }
            }
        }
    })
    .await?;
    match damage {
        Some(error) => Err(error),
        None => Ok(used),
    }
}

fn decide(plan: &mut PrunePlan, facts: &Facts<'_>) -> Result<(), EngineError> {
    let indexed = indexed_packs(plan);
    let mut open = facts.used.clone();
    let mut candidates = choose_places(plan, facts, &indexed, &mut open);
    rescue(plan, facts, &mut open);
    if let Some((kind, id)) = open.into_iter().next() {
        return Err(missing(kind, id));
    }
    // Pack by pack, the most wasteful first, until the rest is tolerable.
    candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.wasted * 1000 / candidate.total.max(1)));
    let tolerated = plan.used_bytes / 100 * u64::from(facts.options.tolerated_waste);
    let mut waste: u64 = candidates.iter().map(|candidate| candidate.wasted).sum();
    for candidate in candidates {
        if waste <= tolerated {
            break;
        }
        waste -= candidate.wasted;
        plan.repack.insert(candidate.pack);
        plan.copy.extend(candidate.needed.into_iter().map(|entry| (candidate.pack, entry)));
    }
    deletions(plan, facts, &indexed);
    Ok(())
}

/// A pack that is used in part.
struct Candidate {
    pack: PackId,
    total: u64,
    wasted: u64,
    needed: Vec<PackEntry>,
}

fn indexed_packs(plan: &PrunePlan) -> BTreeMap<PackId, Vec<PackEntry>> {
    let mut packs: BTreeMap<PackId, Vec<PackEntry>> = BTreeMap::new();
    for pack in plan.index_files.values().flat_map(|file| &file.packs) {
        let blobs = packs.entry(pack.id).or_default();
        // Two index files may name one pack.
        if blobs.is_empty() {
            blobs.extend(&pack.blobs);
        }
    }
    packs
}

/// Gives every needed blob one place, in the fullest pack that has it, and takes it out of `open`. Packs in which
/// nothing is needed are dropped; those in which some bytes are wasted are returned.
fn choose_places(
    plan: &mut PrunePlan,
    facts: &Facts<'_>,
    indexed: &BTreeMap<PackId, Vec<PackEntry>>,
    open: &mut HashSet<Blob>,
) -> Vec<Candidate> {
    let bytes = |blobs: &[PackEntry]| blobs.iter().map(|blob| u64::from(blob.length)).sum::<u64>();
    let used = |blob: &&PackEntry| facts.used.contains(&(blob.kind, blob.id));
    let mut order: Vec<(u64, PackId)> = indexed
        .iter()
        .map(|(pack, blobs)| (blobs.iter().filter(used).map(|blob| u64::from(blob.length)).sum(), *pack))
        .collect();
    order.sort_unstable_by(|a, b| b.cmp(a));
    let mut candidates = Vec::new();
    for (_, pack) in order {
        let blobs = indexed.get(&pack).map(Vec::as_slice).unwrap_or_default();
        // What is no longer in the store cannot serve anybody.
        let there = facts.stored.contains_key(&pack);
        let needed: Vec<PackEntry> =
            blobs.iter().filter(|blob| there && open.remove(&(blob.kind, blob.id))).copied().collect();
        let (total, kept) = (bytes(blobs), bytes(&needed));
        plan.used_bytes += kept;
        plan.unused_bytes += total - kept;
        let written = facts.stored.get(&pack);
        let young =
            written.is_some_and(|written| plan.now.duration_since(*written) < facts.options.longest_job);
        if kept < total && young {
            // Its writer may not have written its snapshot yet.
            plan.waiting.insert(pack);
        } else if needed.is_empty() {
            plan.drop.insert(pack);
        } else if kept < total {
            candidates.push(Candidate { pack, total, wasted: total - kept, needed });
        }
    }
    candidates
}

/// Blobs that only packs outside the index have: a writer finished after the packs had left.
fn rescue(plan: &mut PrunePlan, facts: &Facts<'_>, open: &mut HashSet<Blob>) {
    for pack in plan.lists.iter().flat_map(|(_, list)| &list.index.packs) {
        let there = facts.stored.contains_key(&pack.id);
        let mut needed = false;
        for blob in pack.blobs.iter().filter(|_| there) {
            needed |= open.remove(&(blob.kind, blob.id));
        }
        if needed {
            plan.rescue.insert(pack.id);
        }
    }
}

fn deletions(plan: &mut PrunePlan, facts: &Facts<'_>, indexed: &BTreeMap<PackId, Vec<PackEntry>>) {
    let longest = facts.options.longest_job;
    // A pack that is on several lists left when the last of them was written.
    let mut left: HashMap<PackId, Timestamp> = HashMap::new();
    for (_, list) in &plan.lists {
        for pack in &list.index.packs {
            let since = left.entry(pack.id).or_insert(list.since);
            *since = (*since).max(list.since);
        }
    }
    for (pack, written) in facts.stored {
        if indexed.contains_key(pack) || plan.rescue.contains(pack) {
            continue;
        }
        let set = match left.get(pack) {
            Some(since) if plan.now.duration_since(*since) >= longest => &mut plan.delete,
            None if plan.now.duration_since(*written) >= longest => &mut plan.delete_unreferenced,
            _ => &mut plan.waiting,
        };
        set.insert(*pack);
    }
}

/// What the index said about packs on the lists.
pub(super) fn listed_packs(plan: &PrunePlan) -> HashMap<PackId, &IndexPack> {
    plan.lists.iter().flat_map(|(_, list)| &list.index.packs).map(|pack| (pack.id, pack)).collect()
}
