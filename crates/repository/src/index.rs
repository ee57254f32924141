//! Index files: which pack holds which blob, and where.

use crate::snapshot::null_as_default;
use crate::{BlobId, BlobKind, FormatError, MasterKey, Nonce, OVERHEAD, PackEntry, PackId, limits, unpacked};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

const WHAT: &str = "an index file";

/// The content of a file under `index/`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexFile {
    /// The packs it describes.
    pub packs: Vec<IndexPack>,
}

/// What an index says of one pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPack {
    /// Which pack.
    pub id: PackId,
    /// Its blobs.
    pub blobs: Vec<PackEntry>,
}

impl IndexFile {
    /// The stored bytes of the file.
    pub fn encode(&self, key: &MasterKey, nonce: Nonce) -> Result<Vec<u8>, FormatError> {
        let packs = self
            .packs
            .iter()
            .map(|pack| WirePack { id: pack.id, blobs: pack.blobs.iter().map(WireBlob::from).collect() });
        unpacked::encode(key, nonce, &WireIndex { packs: packs.collect() }, WHAT)
    }

    /// The index from the stored bytes of the file.
    pub fn decode(key: &MasterKey, sealed: &[u8]) -> Result<Self, FormatError> {
        Self::from_wire(unpacked::decode(key, sealed, limits::INDEX, WHAT)?)
    }

    /// The index from the opened bytes of the file.
    pub fn from_plain(plain: &[u8]) -> Result<Self, FormatError> {
        Self::from_wire(unpacked::from_plain(plain, limits::INDEX, WHAT)?)
    }

    fn from_wire(wire: WireIndex) -> Result<Self, FormatError> {
        let pack = |pack: WirePack| {
            let blobs = pack.blobs.into_iter().map(PackEntry::try_from).collect::<Result<_, _>>()?;
            Ok(IndexPack { id: pack.id, blobs })
        };
        Ok(Self { packs: wire.packs.into_iter().map(pack).collect::<Result<_, FormatError>>()? })
    }
}

#[derive(Serialize, Deserialize)]
struct WireIndex {
    #[serde(deserialize_with = "null_as_default")]
    packs: Vec<WirePack>,
}

#[derive(Serialize, Deserialize)]
struct WirePack {
    id: PackId,
    #[serde(deserialize_with = "null_as_default")]
    blobs: Vec<WireBlob>,
}

#[derive(Serialize, Deserialize)]
struct WireBlob {
    id: BlobId,
    #[serde(rename = "type")]
    kind: BlobKind,
    offset: u32,
    length: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    uncompressed_length: u32,
}

fn is_zero(length: &u32) -> bool {
    *length == 0
}

impl From<&PackEntry> for WireBlob {
    fn from(entry: &PackEntry) -> Self {
        Self {
            id: entry.id,
            kind: entry.kind,
            offset: entry.offset,
            length: entry.length,
            uncompressed_length: entry.uncompressed_length.map_or(0, NonZeroU32::get),
        }
    }
}

impl TryFrom<WireBlob> for PackEntry {
    type Error = FormatError;

    fn try_from(blob: WireBlob) -> Result<Self, FormatError> {
        let WireBlob { id, kind, offset, length, uncompressed_length } = blob;
        if (length as usize) < OVERHEAD || offset.checked_add(length).is_none() {
            let detail = format!("blob {} at {offset} with {length} bytes is impossible", id.short());
            return Err(FormatError::inconsistent(WHAT, detail));
        }
        Ok(Self { id, kind, offset, length, uncompressed_length: NonZeroU32::new(uncompressed_length) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry() -> impl Strategy<Value = PackEntry> {
        (any::<[u8; 32]>(), any::<bool>(), 0..1u32 << 31, 32..1u32 << 31, any::<u32>()).prop_map(
            |(id, tree, offset, length, plain)| PackEntry {
                id: BlobId::from_bytes(id),
                kind: if tree { BlobKind::Tree } else { BlobKind::Data },
                offset,
                length,
                uncompressed_length: NonZeroU32::new(plain),
            },
        )
    }

    proptest! {
        #[test]
        fn any_index_survives_its_file(blobs in prop::collection::vec(entry(), 0..20), id: [u8; 32]) {
            let key = MasterKey::random(&mut rand::rng());
            let index = IndexFile { packs: vec![IndexPack { id: PackId::from_bytes(id), blobs }] };

            let sealed = index.encode(&key, Nonce::random(&mut rand::rng())).unwrap();

            prop_assert_eq!(IndexFile::decode(&key, &sealed).unwrap(), index);
        }
    }

    #[test]
    fn supersedes_is_ignored_and_null_lists_are_empty() {
        let json =
            format!(r#"{{"supersedes":["{0}"],"packs":[{{"id":"{0}","blobs":null}}]}}"#, "ab".repeat(32));

        let index = IndexFile::from_plain(json.as_bytes()).unwrap();

        assert_eq!(index.packs.len(), 1);
        assert_eq!(IndexFile::from_plain(br#"{"packs":null}"#).unwrap(), IndexFile::default());
    }

    #[test]
    fn impossible_places_are_refused() {
        for (offset, length) in [(0, 31), (u32::MAX, 32)] {
            let json = format!(
                r#"{{"packs":[{{"id":"{0}","blobs":[{{"id":"{0}","type":"data","offset":{offset},"length":{length}}}]}}]}}"#,
                "ab".repeat(32)
            );

            assert!(matches!(IndexFile::from_plain(json.as_bytes()), Err(FormatError::Inconsistent { .. })));
        }
    }
}
