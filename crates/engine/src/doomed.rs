//! Packs that prune has taken out of the index and will delete later: lists of them, with their index entries.
//!
//! A list lies in `doomed/<id>`, where stock clients do not look. It keeps what the index said about its packs,
//! so that a blob that a late writer still refers to is found, and can be put back into the index.

use crate::{EngineError, Repo};
use jiff::Timestamp;
use repository::{BlobId, IndexFile, IndexId, Nonce};
use storage::StorePath;

/// The folder of the lists.
const FOLDER: &str = "doomed";
/// Bytes in front of the sealed index: milliseconds since 1970, little endian, sealed with it.
const TIME: usize = 8;

/// Packs that leave, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DoomedList {
    /// When they left the index, by the store's clock.
    pub(crate) since: Timestamp,
    /// What the index said about them.
    pub(crate) index: IndexFile,
}

/// All lists with the files they are in.
pub(crate) async fn load(repo: &Repo) -> Result<Vec<(StorePath, DoomedList)>, EngineError> {
    let mut lists = Vec::new();
    for entry in repo.store().list(&path(FOLDER)?).await? {
        let bytes = match repo.store().read(&entry.path).await {
            Ok(bytes) => bytes,
            // Another prune has finished it in the meantime.
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error.into()),
        };
        if BlobId::of(&bytes).to_string() != entry.path.name() {
            return Err(EngineError::Damaged { path: entry.path.to_string() });
        }
        let list = decode(repo, &bytes, entry.path.as_str())?;
        lists.push((entry.path, list));
    }
    Ok(lists)
}

/// Stores a list. Must be complete before the index files that name its packs are deleted.
pub(crate) async fn save(repo: &Repo, list: &DoomedList) -> Result<StorePath, EngineError> {
    let bytes = encode(repo, list)?;
    let id = IndexId::of(&bytes);
    let path = path(&format!("{FOLDER}/{id}"))?;
    repo.store().create(&path, bytes.into()).await?;
    Ok(path)
}

fn encode(repo: &Repo, list: &DoomedList) -> Result<Vec<u8>, EngineError> {
    let nonce = Nonce::random(&mut rand::rng());
    let index =
        list.index.encode(repo.key(), nonce).map_err(EngineError::format("a list of leaving packs"))?;
    let mut plain = list.since.as_millisecond().to_le_bytes().to_vec();
    plain.extend(index);
    Ok(repo.seal(&plain))
}

fn decode(repo: &Repo, bytes: &[u8], what: &str) -> Result<DoomedList, EngineError> {
    let plain = repo.open_sealed(bytes, what)?;
    let damaged = || EngineError::Damaged { path: what.to_owned() };
    let (time, index) = plain.split_first_chunk::<TIME>().ok_or_else(damaged)?;
    let since = Timestamp::from_millisecond(i64::from_le_bytes(*time)).map_err(|_| damaged())?;
    let index = IndexFile::decode(repo.key(), index).map_err(EngineError::format(what))?;
    Ok(DoomedList { since, index })
}

fn path(text: &str) -> Result<StorePath, EngineError> {
    StorePath::parse(text).map_err(|error| EngineError::Internal(error.to_string()))
}
