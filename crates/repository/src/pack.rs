//! Packs: sealed blobs one after another, then a sealed header that lists them.

use crate::{BlobId, BlobKind, Encoded, FormatError, MasterKey, Nonce, OVERHEAD, PackId, limits};
use std::num::NonZeroU32;

const WHAT: &str = "the header of a pack";
/// Bytes of the header's length at the very end.
const TRAILER: usize = 4;
/// Bytes of an entry for a blob that is stored plain; a compressed one has four more.
const PLAIN_ENTRY: usize = 37;

/// One blob of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackEntry {
    /// Which blob.
    pub id: BlobId,
    /// What it holds.
    pub kind: BlobKind,
    /// Where its sealed bytes begin.
    pub offset: u32,
    /// How many sealed bytes there are.
    pub length: u32,
    /// How many plain bytes there are, when it is stored compressed.
    pub uncompressed_length: Option<NonZeroU32>,
}

/// A pack that is being filled.
#[derive(Debug, Default)]
pub struct PackBuilder {
    bytes: Vec<u8>,
    entries: Vec<PackEntry>,
}

/// A pack that is ready to be stored.
#[derive(Debug)]
pub struct FinishedPack {
    /// The file's id.
    pub id: PackId,
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// What is in it.
    pub entries: Vec<PackEntry>,
}

impl PackBuilder {
    /// An empty pack.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a blob that [`crate::BlobEncoder`] made.
    pub fn add(
        &mut self,
        id: BlobId,
        kind: BlobKind,
        sealed: &[u8],
        encoded: Encoded,
    ) -> Result<(), FormatError> {
        let offset = u32::try_from(self.bytes.len())
            .map_err(|_| FormatError::too_large("a pack", self.bytes.len(), u32::MAX as usize))?;
        let Encoded { length, uncompressed_length } = encoded;
        if length as usize != sealed.len() {
            let detail = format!("a blob of {} bytes announced as {length}", sealed.len());
            return Err(FormatError::inconsistent("a pack", detail));
        }
        self.bytes.extend_from_slice(sealed);
        self.entries.push(PackEntry { id, kind, offset, length, uncompressed_length });
        Ok(())
    }

    /// Bytes of the blobs so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no blob yet.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many blobs there are.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// Seals the header and yields the file.
    pub fn finish(mut self, key: &MasterKey, nonce: Nonce) -> Result<FinishedPack, FormatError> {
        let mut header = Vec::with_capacity(self.entries.len() * (PLAIN_ENTRY + 4));
        for entry in &self.entries {
            encode_entry(entry, &mut header);
        }
        let length = header.len() + OVERHEAD;
        let trailer = u32::try_from(length).ok().filter(|_| length <= limits::PACK_HEADER);
        let trailer = trailer.ok_or_else(|| FormatError::too_large(WHAT, length, limits::PACK_HEADER))?;
        key.seal(nonce, &header, &mut self.bytes);
        self.bytes.extend_from_slice(&trailer.to_le_bytes());
        Ok(FinishedPack { id: PackId::of(&self.bytes), bytes: self.bytes, entries: self.entries })
    }
}

fn encode_entry(entry: &PackEntry, out: &mut Vec<u8>) {
    let kind = match entry.kind {
        BlobKind::Data => 0,
        BlobKind::Tree => 1,
    };
    match entry.uncompressed_length {
        None => {
            out.push(kind);
            out.extend_from_slice(&entry.length.to_le_bytes());
        }
        Some(plain) => {
            out.push(kind + 2);
            out.extend_from_slice(&entry.length.to_le_bytes());
            out.extend_from_slice(&plain.get().to_le_bytes());
        }
    }
    out.extend_from_slice(entry.id.as_bytes());
}

/// The length of the sealed header, from the pack's last four bytes and the pack's size. The header lies
/// directly in front of those four bytes.
pub fn header_length(trailer: [u8; 4], pack_size: u64) -> Result<u32, FormatError> {
    let length = u32::from_le_bytes(trailer);
    if length as usize > limits::PACK_HEADER {
        return Err(FormatError::too_large(WHAT, length as usize, limits::PACK_HEADER));
    }
    if u64::from(length) + TRAILER as u64 > pack_size {
        let detail = format!("it claims {length} bytes in a pack of {pack_size}");
        return Err(FormatError::inconsistent(WHAT, detail));
    }
    if (length as usize) < OVERHEAD {
        return Err(FormatError::Truncated { what: WHAT, length: length as usize, least: OVERHEAD });
    }
    Ok(length)
}

/// The blobs of a pack, from its sealed header. Their lengths must fill the pack exactly.
pub fn decode_header(key: &MasterKey, sealed: &[u8], pack_size: u64) -> Result<Vec<PackEntry>, FormatError> {
    if sealed.len() > limits::PACK_HEADER {
        return Err(FormatError::too_large(WHAT, sealed.len(), limits::PACK_HEADER));
    }
    let header = key.open(sealed, WHAT)?;
    let blobs = pack_size.checked_sub((sealed.len() + TRAILER) as u64);
    let blobs = blobs.ok_or_else(|| FormatError::inconsistent(WHAT, "it is longer than its pack"))?;
    decode_entries(&header, blobs)
}

/// The entries of an opened header, for blobs that are `blobs` bytes long together.
pub(crate) fn decode_entries(header: &[u8], blobs: u64) -> Result<Vec<PackEntry>, FormatError> {
    let mut entries = Vec::with_capacity(header.len() / PLAIN_ENTRY);
    let mut rest = header;
    let mut offset: u32 = 0;
    while !rest.is_empty() {
        let (entry, after) = decode_entry(rest, offset)?;
        offset = offset
            .checked_add(entry.length)
            .ok_or_else(|| FormatError::inconsistent(WHAT, "its blobs exceed 4 GiB"))?;
        entries.push(entry);
        rest = after;
    }
    if u64::from(offset) != blobs {
        let detail = format!("it lists {offset} bytes of blobs, the pack has {blobs}");
        return Err(FormatError::inconsistent(WHAT, detail));
    }
    Ok(entries)
}

fn decode_entry(bytes: &[u8], offset: u32) -> Result<(PackEntry, &[u8]), FormatError> {
    let truncated = || FormatError::Truncated { what: WHAT, length: bytes.len(), least: PLAIN_ENTRY };
    let (kind, rest) = bytes.split_first().ok_or_else(truncated)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(truncated)?;
    let length = u32::from_le_bytes(*length);
    let (blob_kind, compressed) = match kind {
        0 => (BlobKind::Data, false),
        1 => (BlobKind::Tree, false),
        2 => (BlobKind::Data, true),
        3 => (BlobKind::Tree, true),
        other => return Err(FormatError::Unsupported { what: WHAT, found: format!("blob type {other}") }),
    };
    let (uncompressed_length, rest) = if compressed {
        let (plain, rest) = rest.split_first_chunk::<4>().ok_or_else(truncated)?;
        let plain = NonZeroU32::new(u32::from_le_bytes(*plain))
            .ok_or_else(|| FormatError::inconsistent(WHAT, "a compressed blob without content"))?;
        (Some(plain), rest)
    } else {
        (None, rest)
    };
    let (id, rest) = rest.split_first_chunk::<32>().ok_or_else(truncated)?;
    if (length as usize) < OVERHEAD {
        let detail = format!("a blob of {length} bytes, too short to be sealed");
        return Err(FormatError::inconsistent(WHAT, detail));
    }
    let id = BlobId::from_bytes(*id);
    Ok((PackEntry { id, kind: blob_kind, offset, length, uncompressed_length }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BlobDecoder, BlobEncoder};
    use proptest::prelude::*;

    fn pack(key: &MasterKey, blobs: &[(BlobKind, Vec<u8>)]) -> FinishedPack {
        let mut builder = PackBuilder::new();
        let mut encoder = BlobEncoder::new(1).unwrap();
        for (kind, plain) in blobs {
            let mut sealed = Vec::new();
            let nonce = Nonce::random(&mut rand::rng());
            let encoded = encoder.encode(key, *kind, plain, nonce, &mut sealed).unwrap();
            builder.add(BlobId::of(plain), *kind, &sealed, encoded).unwrap();
        }
        builder.finish(key, Nonce::random(&mut rand::rng())).unwrap()
    }

    fn read_header(key: &MasterKey, bytes: &[u8]) -> Result<Vec<PackEntry>, FormatError> {
        let (rest, trailer) = bytes.split_last_chunk::<4>().unwrap();
        let length = header_length(*trailer, bytes.len() as u64)? as usize;
        decode_header(key, &rest[rest.len() - length..], bytes.len() as u64)
    }

    fn blobs() -> impl Strategy<Value = Vec<(BlobKind, Vec<u8>)>> {
        let kind = prop_oneof![Just(BlobKind::Data), Just(BlobKind::Tree)];
        prop::collection::vec((kind, prop::collection::vec(any::<u8>(), 1..200)), 0..20)
    }

    proptest! {
        #[test]
        fn a_pack_yields_what_was_put_in(blobs in blobs()) {
            let key = MasterKey::random(&mut rand::rng());

            let pack = pack(&key, &blobs);
            let entries = read_header(&key, &pack.bytes).unwrap();

            prop_assert_eq!(&entries, &pack.entries);
            let mut decoder = BlobDecoder::new().unwrap();
            for (entry, (kind, plain)) in entries.iter().zip(&blobs) {
                let sealed = &pack.bytes[entry.offset as usize..][..entry.length as usize];
                let again = decoder.decode(&key, entry.id, *kind, sealed, entry.uncompressed_length).unwrap();
                prop_assert_eq!(&again, plain);
            }
        }

        #[test]
        fn any_cut_is_found(blobs in blobs(), cut: prop::sample::Index) {
            let key = MasterKey::random(&mut rand::rng());
            let pack = pack(&key, &blobs);

            let cut = cut.index(pack.bytes.len() - 4);

            prop_assert!(read_header(&key, &pack.bytes[cut + 1..]).is_err());
        }
    }

    #[test]
    fn headers_that_claim_too_much_are_refused() {
        assert!(matches!(header_length([0xff; 4], 1 << 40), Err(FormatError::TooLarge { .. })));
        assert!(matches!(header_length([100, 0, 0, 0], 50), Err(FormatError::Inconsistent { .. })));
        assert!(matches!(header_length([31, 0, 0, 0], 50), Err(FormatError::Truncated { .. })));
        assert!(decode_entries(&[9; 37], 0).is_err());
        assert!(decode_entries(&[0; 37], 0).is_err());
    }
}
