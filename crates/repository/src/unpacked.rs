//! Unpacked files (index, snapshot, lock): JSON, compressed with a leading version byte, then sealed.

use crate::{FormatError, MasterKey, Nonce};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Read;

/// The byte in front of the zstd frame.
const COMPRESSED: u8 = 2;

/// The stored bytes of `value`. `what` names the piece in errors.
pub(crate) fn encode<T: Serialize>(
    key: &MasterKey,
    nonce: Nonce,
    value: &T,
    what: &'static str,
) -> Result<Vec<u8>, FormatError> {
    let json = crate::gojson::to_vec(value).map_err(|source| FormatError::Json { what, source })?;
    let failed = |error: std::io::Error| FormatError::Compression { what, detail: error.to_string() };
    let mut plain = vec![COMPRESSED];
    plain.append(&mut zstd::bulk::compress(&json, zstd::DEFAULT_COMPRESSION_LEVEL).map_err(failed)?);
    let mut sealed = Vec::new();
    key.seal(nonce, &plain, &mut sealed);
    Ok(sealed)
}

/// The value from the stored bytes; its JSON may be `limit` bytes long.
pub(crate) fn decode<T: DeserializeOwned>(
    key: &MasterKey,
    sealed: &[u8],
    limit: usize,
    what: &'static str,
) -> Result<T, FormatError> {
    if sealed.len() > limit {
        return Err(FormatError::too_large(what, sealed.len(), limit));
    }
    from_plain(&key.open(sealed, what)?, limit, what)
}

/// The value from the opened bytes, compressed or not.
pub(crate) fn from_plain<T: DeserializeOwned>(
    plain: &[u8],
    limit: usize,
    what: &'static str,
) -> Result<T, FormatError> {
    let invalid = |source| FormatError::Json { what, source };
    match plain.split_first() {
        None => Err(FormatError::Truncated { what, length: 0, least: 2 }),
        Some((b'{' | b'[', _)) => serde_json::from_slice(plain).map_err(invalid),
        Some((&COMPRESSED, frame)) => {
            serde_json::from_slice(&decompress(frame, limit, what)?).map_err(invalid)
        }
        Some((version, _)) => {
            Err(FormatError::Unsupported { what, found: format!("encoding version {version}") })
        }
    }
}

fn decompress(frame: &[u8], limit: usize, what: &'static str) -> Result<Vec<u8>, FormatError> {
    let failed = |error: std::io::Error| FormatError::Compression { what, detail: error.to_string() };
    let decoder = zstd::stream::read::Decoder::with_buffer(frame).map_err(failed)?;
    let mut json = Vec::new();
    decoder.take(limit as u64 + 1).read_to_end(&mut json).map_err(failed)?;
    if json.len() > limit {
        return Err(FormatError::too_large(what, json.len(), limit));
    }
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_json_and_compressed_json_are_read_alike() {
        let frame = zstd::bulk::compress(br#"["a"]"#, 3).unwrap();
        let compressed = [&[2], frame.as_slice()].concat();

        for plain in [br#"["a"]"#.as_slice(), &compressed] {
            assert_eq!(from_plain::<Vec<String>>(plain, 100, "test").unwrap(), ["a"]);
        }
        assert!(matches!(from_plain::<()>(&[1, 2], 100, "test"), Err(FormatError::Unsupported { .. })));
        assert!(matches!(from_plain::<()>(&[], 100, "test"), Err(FormatError::Truncated { .. })));
    }

    #[test]
    fn a_frame_that_would_fill_the_memory_is_refused() {
        let bomb = zstd::bulk::compress(&vec![b' '; 64 << 20], 3).unwrap();
        let plain = [&[2], bomb.as_slice()].concat();

        let refused = from_plain::<()>(&plain, 1 << 20, "test");

        assert!(matches!(refused, Err(FormatError::TooLarge { .. })));
    }
}
