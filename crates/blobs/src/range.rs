//! Which bytes of a blob are wanted.

use crate::{BlobError, asked::Headers};
use std::ops::Range;

/// From one byte to the end or to another one, both included, as the header has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    first: u64,
    last: Option<u64>,
}

impl Wanted {
    /// From `x-ms-range`, else `Range`. What cannot be understood is refused: fewer or other bytes than a caller
    /// thinks to get would be worse.
    pub(crate) fn read(headers: &Headers<'_>) -> Result<Option<Self>, BlobError> {
        let name = if headers.text("x-ms-range")?.is_some() { "x-ms-range" } else { "range" };
        let Some(text) = headers.text(name)? else { return Ok(None) };
        let refused = || BlobError::header(name, "must be bytes=FIRST- or bytes=FIRST-LAST");
        let (first, last) =
            text.strip_prefix("bytes=").and_then(|range| range.split_once('-')).ok_or_else(refused)?;
        let first = number(first).ok_or_else(refused)?;
        let last = if last.is_empty() { None } else { Some(number(last).ok_or_else(refused)?) };
        if last.is_some_and(|last| last < first) {
            return Err(refused());
        }
        Ok(Some(Self { first, last }))
    }

    /// The bytes of a blob of this size.
    pub(crate) fn of(self, size: u64) -> Result<Range<u64>, BlobError> {
        if self.first >= size {
            return Err(BlobError::range(size));
        }
        let end = self.last.map_or(size, |last| last.saturating_add(1).min(size));
        Ok(self.first..end)
    }
}

fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn wanted(text: &str) -> Result<Option<Wanted>, BlobError> {
        let mut headers = HeaderMap::new();
        headers.insert("range", text.parse().unwrap());
        Wanted::read(&Headers(&headers))
    }

    #[test]
    fn a_range_is_cut_at_the_end_of_the_blob() {
        for (text, range) in [
            ("bytes=0-", 0..10),
            ("bytes=0-0", 0..1),
            ("bytes=9-9", 9..10),
            ("bytes=3-99", 3..10),
            ("bytes=0-18446744073709551615", 0..10),
        ] {
            assert_eq!(wanted(text).unwrap().unwrap().of(10), Ok(range), "{text}");
        }
        assert_eq!(wanted("bytes=10-").unwrap().unwrap().of(10).unwrap_err().code, "InvalidRange");
        assert_eq!(wanted("bytes=0-").unwrap().unwrap().of(0).unwrap_err().status, 416);
    }

    #[test]
    fn a_range_that_cannot_be_understood_is_refused() {
        for text in [
            "bytes=-5",
            "bytes=5-3",
            "bytes=a-b",
            "bytes=0-1,3-4",
            "items=0-1",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(wanted(text).unwrap_err().code, "InvalidHeaderValue", "{text}");
        }
    }
}
