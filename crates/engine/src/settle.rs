//! Reads all files of a kind while others delete: what is listed may be gone when its turn comes.

use crate::{EngineError, Repo};
use futures::StreamExt;
use repository::FileKind;
use std::{collections::BTreeSet, fmt::Display, future::Future, str::FromStr};
use storage::{StoreError, StoreErrorKind};

/// Reads every file of a kind, `readers` at once, and hands each to `take` with its id, in any order.
///
/// A file that is listed and not there is handed over as such only if it is listed a second time. Otherwise somebody
/// deleted it meanwhile, and may have written others in its stead: those are read too.
pub(crate) async fn each<Id, T, Reading>(
    repo: &Repo,
    kind: FileKind,
    readers: usize,
    read: impl Fn(Id) -> Reading,
    mut take: impl FnMut(Id, Result<T, EngineError>) -> Result<(), EngineError>,
) -> Result<(), EngineError>
where
    Id: Copy + Ord + FromStr + Display,
    Reading: Future<Output = Result<T, EngineError>>,
{
    let mut taken = BTreeSet::new();
    let mut absent: Vec<(Id, EngineError)> = Vec::new();
    loop {
        let listed: BTreeSet<Id> = repo.list::<Id>(kind).await?.into_iter().collect();
        for (id, error) in absent.drain(..).filter(|(id, _)| listed.contains(id)) {
            taken.insert(id);
            take(id, Err(error))?;
        }
        let open: Vec<Id> = listed.difference(&taken).copied().collect();
        let reads = futures::stream::iter(open).map(|id| {
            let reading = read(id);
            async move { (id, reading.await) }
        });
        let mut reads = std::pin::pin!(reads.buffer_unordered(readers));
        while let Some((id, read)) = reads.next().await {
            match read {
                Err(error) if is_absent(&error) => absent.push((id, error)),
                read => {
                    taken.insert(id);
                    take(id, read)?;
                }
            }
        }
        if absent.is_empty() {
            return Ok(());
        }
    }
}

fn is_absent(error: &EngineError) -> bool {
    matches!(error, EngineError::Store(StoreError { kind: StoreErrorKind::NotFound, .. }))
}
