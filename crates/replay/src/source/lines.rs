//! The index file: a JSON array with one entry per line, read as it arrives.

use crate::SourceError;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, Stream, StreamExt};
use protection::point::{INDEX, IndexEntry};

/// No entry is longer; one that is means that the file is not an index.
const LONGEST_LINE: usize = 4 * 1024 * 1024;

/// The entries of an index whose bytes arrive in chunks.
pub(super) fn entries<'a>(
    chunks: impl Stream<Item = Result<Bytes, SourceError>> + Send + 'a,
) -> BoxStream<'a, Result<IndexEntry, SourceError>> {
    let state = Lines { chunks: chunks.boxed(), rest: BytesMut::new(), ended: false };
    stream::try_unfold(state, |mut state| async move {
        loop {
            let Some(line) = state.next().await? else { return Ok(None) };
            let line = line.trim_ascii();
            let line = line.strip_suffix(b",").unwrap_or(line);
            if matches!(line, b"" | b"[" | b"]" | b"[]") {
                continue;
            }
            let entry = serde_json::from_slice(line).map_err(|error| SourceError::damaged(INDEX, error))?;
            return Ok(Some((entry, state)));
        }
    })
    .boxed()
}

struct Lines<'a> {
    chunks: BoxStream<'a, Result<Bytes, SourceError>>,
    rest: BytesMut,
    ended: bool,
}

impl Lines<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, SourceError> {
        let mut searched = 0;
        loop {
            let unsearched = self.rest.get(searched..).unwrap_or_default();
            if let Some(found) = unsearched.iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.rest.split_to(searched + found + 1).freeze()));
            }
            if self.ended {
                let last = self.rest.split().freeze();
                return Ok((!last.is_empty()).then_some(last));
            }
            searched = self.rest.len();
            if searched > LONGEST_LINE {
                return Err(SourceError::damaged(INDEX, "a line has no end"));
            }
            match self.chunks.next().await {
                Some(chunk) => self.rest.extend_from_slice(&chunk?),
                None => self.ended = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt;

    fn entry(name: &str) -> String {
        format!(
            r#"{{"group":"","version":"v1","kind":"Secret","resource":"secrets","name":"{name}","uid":"1","offset":0,"length":1}}"#
        )
    }

    async fn read(text: &str, chunk: usize) -> Result<Vec<String>, SourceError> {
        let chunks: Vec<_> =
            text.as_bytes().chunks(chunk).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
        let entries: Vec<IndexEntry> = entries(stream::iter(chunks)).try_collect().await?;
        Ok(entries.into_iter().map(|entry| entry.name).collect())
    }

    #[tokio::test]
    async fn entries_are_found_wherever_the_chunks_break() {
        let text = format!("[\n{},\n{}\n]\n", entry("a"), entry("b"));

        for chunk in [1, 7, 64, 4096] {
            assert_eq!(read(&text, chunk).await.unwrap(), ["a", "b"], "{chunk}");
        }
    }

    #[tokio::test]
    async fn an_index_of_nothing_is_empty_and_a_cut_one_is_damaged() {
        let whole = format!("[\n{}\n]\n", entry("a"));

        assert!(read("[\n]\n", 2).await.unwrap().is_empty());
        assert!(read("[]", 2).await.unwrap().is_empty());
        assert!(read(&whole[..40], 8).await.unwrap_err().damaged);
    }
}
