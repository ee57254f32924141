//! Fills packs up to a size.

use crate::EngineError;
use repository::{BlobId, BlobKind, Encoded, PackBuilder};

/// Blobs per pack at most: keeps the header small when files are tiny.
const MOST_BLOBS: usize = 10_000;

/// Fills packs up to a size.
#[derive(Debug)]
pub(super) struct Packer {
    open: PackBuilder,
    target: usize,
}

impl Packer {
    pub(super) fn new(target: usize) -> Self {
        Self { open: PackBuilder::new(), target }
    }

    /// Adds a sealed blob. Yields the pack that was open until now when this blob did not fit any more.
    pub(super) fn add(
        &mut self,
        id: BlobId,
        kind: BlobKind,
        sealed: &[u8],
        encoded: Encoded,
    ) -> Result<Option<PackBuilder>, EngineError> {
        let full = self.open.len() + sealed.len() > self.target || self.open.count() >= MOST_BLOBS;
        let closed = if full { self.take() } else { None };
        self.open.add(id, kind, sealed, encoded).map_err(EngineError::format("a new pack"))?;
        Ok(closed)
    }

    /// The open pack, if there is anything in it.
    pub(super) fn take(&mut self) -> Option<PackBuilder> {
        let open = std::mem::take(&mut self.open);
        (!open.is_empty()).then_some(open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_closes_before_it_would_exceed_its_size() {
        let mut packer = Packer::new(100);
        let mut add = |length: u32| {
            let sealed = vec![0; length as usize];
            let encoded = Encoded { length, uncompressed_length: None };
            packer.add(BlobId::of(&sealed), BlobKind::Data, &sealed, encoded).unwrap().map(|pack| pack.len())
        };

        assert_eq!([add(60), add(40), add(1), add(500), add(1)], [None, None, Some(100), Some(1), Some(500)]);
        assert_eq!(packer.take().map(|pack| pack.len()), Some(1));
        assert!(packer.take().is_none());
    }
}
