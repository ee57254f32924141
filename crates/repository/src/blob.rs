//! Blobs: chunks of files and directories, compressed when that helps, then sealed.

use crate::{BlobId, FormatError, MasterKey, Nonce, OVERHEAD, limits};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use zstd::bulk::{Compressor, Decompressor};

const WHAT: &str = "a blob";

/// What a blob holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlobKind {
    /// A chunk of a file.
    Data,
    /// A directory.
    Tree,
}

impl BlobKind {
    /// The most plain bytes that a blob of this kind may have.
    pub fn limit(self) -> usize {
        match self {
            Self::Data => limits::DATA_BLOB,
            Self::Tree => limits::TREE_BLOB,
        }
    }
}

/// What [`BlobEncoder::encode`] appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoded {
    /// Bytes of the sealed blob.
    pub length: u32,
    /// Bytes of the plain blob when it is stored compressed.
    pub uncompressed_length: Option<NonZeroU32>,
}

/// Compresses and seals blobs. Keeps its buffers: one per worker, not one per blob.
pub struct BlobEncoder {
    compressor: Compressor<'static>,
    compressed: Vec<u8>,
}

impl BlobEncoder {
    /// An encoder with a zstd level (1 fast … 19 small).
    pub fn new(level: i32) -> Result<Self, FormatError> {
        let compressor = Compressor::new(level).map_err(|error| compression(&error))?;
        Ok(Self { compressor, compressed: Vec::new() })
    }

    /// Appends the stored form of `plain` to `out`. Data that does not shrink is stored as it is; trees are
    /// always compressed.
    pub fn encode(
        &mut self,
        key: &MasterKey,
        kind: BlobKind,
        plain: &[u8],
        nonce: Nonce,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, FormatError> {
        if plain.len() > kind.limit() {
            return Err(FormatError::too_large(WHAT, plain.len(), kind.limit()));
        }
        self.compressed.clear();
        self.compressed.reserve(zstd::zstd_safe::compress_bound(plain.len()));
        self.compressor
            .compress_to_buffer(plain, &mut self.compressed)
            .map_err(|error| compression(&error))?;
        let smaller = self.compressed.len() < plain.len() || kind == BlobKind::Tree && !plain.is_empty();
        let (stored, uncompressed) =
            if smaller { (self.compressed.as_slice(), plain.len()) } else { (plain, 0) };
        key.seal(nonce, stored, out);
        let length = u32::try_from(stored.len() + OVERHEAD);
        let uncompressed = u32::try_from(uncompressed);
        match (length, uncompressed) {
            (Ok(length), Ok(uncompressed)) => {
                Ok(Encoded { length, uncompressed_length: NonZeroU32::new(uncompressed) })
            }
            _ => Err(FormatError::too_large(WHAT, plain.len(), u32::MAX as usize)),
        }
    }
}

impl std::fmt::Debug for BlobEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BlobEncoder")
    }
}

/// Opens, decompresses and verifies blobs. One per worker.
pub struct BlobDecoder {
    decompressor: Decompressor<'static>,
}

impl BlobDecoder {
    /// A decoder.
    pub fn new() -> Result<Self, FormatError> {
        Ok(Self { decompressor: Decompressor::new().map_err(|error| compression(&error))? })
    }

    /// The plain bytes of the blob `id`, from its stored form; anything but those bytes is an error.
    pub fn decode(
        &mut self,
        key: &MasterKey,
        id: BlobId,
        kind: BlobKind,
        sealed: &[u8],
        uncompressed_length: Option<NonZeroU32>,
    ) -> Result<Vec<u8>, FormatError> {
        if sealed.len() > kind.limit().saturating_add(OVERHEAD) {
            return Err(FormatError::too_large(WHAT, sealed.len(), kind.limit()));
        }
        let opened = key.open(sealed, WHAT)?;
        let plain = match uncompressed_length {
            None => opened,
            Some(length) => self.decompress(&opened, length.get() as usize, kind.limit())?,
        };
        if BlobId::of(&plain) != id {
            let detail = format!("it is sealed correctly, but its content is not that of {}", id.short());
            return Err(FormatError::inconsistent(WHAT, detail));
        }
        Ok(plain)
    }

    /// Decompresses one zstd frame of `length` plain bytes.
    pub fn decompress(&mut self, frame: &[u8], length: usize, limit: usize) -> Result<Vec<u8>, FormatError> {
        if length > limit {
            return Err(FormatError::too_large(WHAT, length, limit));
        }
        let plain = self.decompressor.decompress(frame, length).map_err(|error| compression(&error))?;
        if plain.len() != length {
            let detail = format!("{} bytes where {length} were announced", plain.len());
            return Err(FormatError::inconsistent(WHAT, detail));
        }
        Ok(plain)
    }
}

impl std::fmt::Debug for BlobDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BlobDecoder")
    }
}

fn compression(error: &std::io::Error) -> FormatError {
    FormatError::Compression { what: WHAT, detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(kind: BlobKind, plain: &[u8]) -> (Encoded, Vec<u8>, MasterKey) {
        let key = MasterKey::random(&mut rand::rng());
        let mut sealed = Vec::new();
        let nonce = Nonce::random(&mut rand::rng());
        let encoded = BlobEncoder::new(3).unwrap().encode(&key, kind, plain, nonce, &mut sealed).unwrap();
        (encoded, sealed, key)
    }

    proptest! {
        #[test]
        fn any_blob_survives(plain: Vec<u8>, tree: bool) {
            let kind = if tree { BlobKind::Tree } else { BlobKind::Data };

            let (encoded, sealed, key) = round_trip(kind, &plain);

            prop_assert_eq!(encoded.length as usize, sealed.len());
            let mut decoder = BlobDecoder::new().unwrap();
            let id = BlobId::of(&plain);
            prop_assert_eq!(decoder.decode(&key, id, kind, &sealed, encoded.uncompressed_length).unwrap(), plain);
        }
    }

    #[test]
    fn only_what_shrinks_is_compressed() {
        let text = vec![b'a'; 10_000];
        let mut noise = vec![0; 10_000];
        rand::fill(noise.as_mut_slice());

        assert_eq!(round_trip(BlobKind::Data, &text).0.uncompressed_length, NonZeroU32::new(10_000));
        assert_eq!(round_trip(BlobKind::Data, &noise).0.uncompressed_length, None);
        assert_eq!(round_trip(BlobKind::Tree, &noise).0.uncompressed_length, NonZeroU32::new(10_000));
    }

    #[test]
    fn a_blob_in_the_place_of_another_is_refused() {
        let (encoded, sealed, key) = round_trip(BlobKind::Data, b"one");

        let refused = BlobDecoder::new().unwrap().decode(
            &key,
            BlobId::of(b"two"),
            BlobKind::Data,
            &sealed,
            encoded.uncompressed_length,
        );

        assert!(matches!(refused, Err(FormatError::Inconsistent { .. })));
    }

    #[test]
    fn a_lie_about_the_length_is_found() {
        let (_, sealed, key) = round_trip(BlobKind::Data, &[b'a'; 1000]);
        let id = BlobId::of(&[b'a'; 1000]);
        for length in [1, 999, 1001, u32::MAX] {
            let refused = BlobDecoder::new().unwrap().decode(
                &key,
                id,
                BlobKind::Data,
                &sealed,
                NonZeroU32::new(length),
            );

            assert!(refused.is_err(), "{length}");
        }
    }
}
