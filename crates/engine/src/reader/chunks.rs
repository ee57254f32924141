//! Where the chunks of a file lie in the file, computed from the index without reading them.

use crate::EngineError;
use repository::{BlobId, BlobKind};
use std::ops::Range;

/// One chunk of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Which blob.
    pub(crate) id: BlobId,
    /// Which bytes of the file it holds.
    pub(crate) range: Range<u64>,
}

/// The chunks in order; `length` tells the plain length of a blob that is in the index.
pub(crate) fn chunks(
    ids: &[BlobId],
    length: impl Fn(BlobId) -> Option<u64>,
) -> Result<Vec<Chunk>, EngineError> {
    let mut end = 0;
    ids.iter()
        .map(|id| {
            let start = end;
            end += length(*id).ok_or_else(|| super::missing(BlobKind::Data, *id))?;
            Ok(Chunk { id: *id, range: start..end })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_follow_one_another_and_an_unknown_one_is_named() {
        let ids: Vec<BlobId> = [b"a", b"b", b"a"].map(|text| BlobId::of(text)).to_vec();

        let found = chunks(&ids, |id| Some(if id == ids[0] { 10 } else { 5 })).unwrap();
        let error = chunks(&ids, |id| (id == ids[0]).then_some(1)).unwrap_err();

        assert_eq!(
            found.iter().map(|chunk| chunk.range.clone()).collect::<Vec<_>>(),
            [0..10, 10..15, 15..25]
        );
        assert!(error.to_string().contains(&ids[1].to_string()));
    }
}
