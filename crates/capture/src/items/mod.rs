//! Cuts a Kubernetes list into the bytes of its items while the list is still arriving.
//!
//! A pure state machine over pieces of a JSON document: it finds where each element of `items` begins and ends
//! and hands out exactly these bytes. Of the rest it keeps `apiVersion`, `kind` and `metadata`. It holds one
//! item at most, and only when that item lies across two pieces.

mod nest;

use bytes::{Bytes, BytesMut};
use nest::Nest;
use serde::Deserialize;

/// Bytes of the envelope (keys, `metadata`) that are kept at most.
const ENVELOPE_LIMIT: usize = 1024 * 1024;

/// Cuts one list into items.
#[derive(Debug)]
pub struct Splitter {
    place: Place,
    nest: Nest,
    /// The part of an item, or of an envelope value, that earlier pieces held.
    held: BytesMut,
    limit: usize,
    envelope: Raw,
}

/// Where in the document the next byte belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    /// Before a key; the flag says whether `}` may stand here.
    Key {
        may_end: bool,
    },
    InKey,
    Colon,
    Value,
    InValue,
    AfterValue,
    /// Before an item; the flag says whether `]` may stand here.
    Item {
        may_end: bool,
    },
    InItem,
    AfterItem,
    End,
}

/// The envelope's parts as they stand in the document.
#[derive(Debug, Default)]
struct Raw {
    key: Vec<u8>,
    api_version: Vec<u8>,
    kind: Vec<u8>,
    metadata: Vec<u8>,
    saw_items: bool,
}

/// What a list says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// `apiVersion` of the list.
    pub api_version: String,
    /// `kind` of the list.
    pub kind: String,
    /// `metadata.resourceVersion`: the instant that the list shows.
    pub resource_version: String,
    /// `metadata.continue`; empty on the last page.
    pub next: String,
    /// `metadata.remainingItemCount`, when the server knows it.
    pub remaining: Option<u64>,
}

/// A document that is not a Kubernetes list, or only a part of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// The document ended too early.
    #[error("the list ended early")]
    Truncated,
    /// One item is larger than what may be held.
    #[error("an object has more than {limit} bytes")]
    TooLong {
        /// How many bytes an item may have.
        limit: usize,
    },
    /// Not a list.
    #[error("the answer is not a list of objects: {0}")]
    NotAList(String),
}

impl Splitter {
    /// A splitter for one document whose items have at most `limit` bytes each.
    pub fn new(limit: usize) -> Self {
        Self {
            place: Place::Start,
            nest: Nest::default(),
            held: BytesMut::new(),
            limit,
            envelope: Raw::default(),
        }
    }

    /// Takes the next piece of the document and appends the items that end in it. An item that lies wholly in
    /// the piece shares its memory.
    pub fn feed(&mut self, piece: &Bytes, items: &mut Vec<Bytes>) -> Result<(), SplitError> {
        let mut at = 0;
        while let Some(rest) = piece.get(at..).filter(|rest| !rest.is_empty()) {
            at += match self.place {
                Place::InItem => self.item(piece, at, rest, items)?,
                Place::InValue => self.value(rest)?,
                Place::InKey => self.key(rest)?,
                _ => self.structure(rest)?,
            };
        }
        Ok(())
    }

    /// The envelope, once the whole document has been fed.
    pub fn finish(self) -> Result<Envelope, SplitError> {
        if self.place != Place::End {
            return Err(SplitError::Truncated);
        }
        self.envelope.read()
    }

    /// Inside an item.
    fn item(
        &mut self,
        piece: &Bytes,
        at: usize,
        rest: &[u8],
        items: &mut Vec<Bytes>,
    ) -> Result<usize, SplitError> {
        let (taken, complete) = self.nest.walk(rest);
        if self.held.len() + taken > self.limit {
            return Err(SplitError::TooLong { limit: self.limit });
        }
        if !complete {
            self.held.extend_from_slice(rest);
        } else {
            self.place = Place::AfterItem;
            if self.held.is_empty() {
                items.push(piece.slice(at..at + taken));
            } else {
                self.held.extend_from_slice(rest.get(..taken).unwrap_or_default());
                items.push(self.held.split().freeze());
            }
        }
        Ok(taken)
    }

    /// Inside a value of the envelope.
    fn value(&mut self, rest: &[u8]) -> Result<usize, SplitError> {
        let (taken, complete) = self.nest.walk(rest);
        if let Some(slot) = self.envelope.slot() {
            slot.extend_from_slice(rest.get(..taken).unwrap_or_default());
            if slot.len() > ENVELOPE_LIMIT {
                return Err(SplitError::NotAList("its metadata has no end".to_owned()));
            }
        }
        if complete {
            self.place = Place::AfterValue;
        }
        Ok(taken)
    }

    /// Inside a key of the envelope. Keys of lists need no escapes.
    fn key(&mut self, rest: &[u8]) -> Result<usize, SplitError> {
        let end = rest.iter().position(|byte| *byte == b'"');
        let taken = end.unwrap_or(rest.len());
        self.envelope.key.extend_from_slice(rest.get(..taken).unwrap_or_default());
        if self.envelope.key.len() > ENVELOPE_LIMIT {
            return Err(SplitError::NotAList("a key has no end".to_owned()));
        }
        if end.is_none() {
            return Ok(taken);
        }
        self.place = Place::Colon;
        Ok(taken + 1)
    }

    /// Between keys, values and items: one byte at a time.
    fn structure(&mut self, rest: &[u8]) -> Result<usize, SplitError> {
        let Some(byte) = rest.first().copied() else { return Ok(0) };
        if byte.is_ascii_whitespace() {
            return Ok(1);
        }
        self.place = match (self.place, byte) {
            (Place::Start, b'{') => Place::Key { may_end: true },
            (Place::Key { .. }, b'"') => {
                self.envelope.key.clear();
                Place::InKey
            }
            (Place::Key { may_end: true } | Place::AfterValue, b'}') => Place::End,
            (Place::AfterValue, b',') => Place::Key { may_end: false },
            (Place::Colon, b':') => Place::Value,
            (Place::Value, b'[') if self.envelope.key == b"items" => {
                self.envelope.saw_items = true;
                Place::Item { may_end: true }
            }
            (Place::Value, _) => {
                self.envelope.saw_items |= self.envelope.key == b"items";
                if let Some(slot) = self.envelope.slot() {
                    slot.clear();
                }
                self.nest = Nest::default();
                self.place = Place::InValue;
                return Ok(0);
            }
            (Place::Item { .. }, b'{') => {
                self.nest = Nest::default();
                self.place = Place::InItem;
                return Ok(0);
            }
            (Place::Item { may_end: true } | Place::AfterItem, b']') => Place::AfterValue,
            (Place::AfterItem, b',') => Place::Item { may_end: false },
            (place, byte) => {
                let found = char::from(byte);
                return Err(SplitError::NotAList(format!("`{found}` in the place of {}", place.expected())));
            }
        };
        Ok(1)
    }
}

impl Place {
    fn expected(self) -> &'static str {
        match self {
            Self::Start => "an object",
            Self::Key { .. } | Self::InKey => "a key",
            Self::Colon => "a colon",
            Self::Value | Self::InValue => "a value",
            Self::AfterValue => "the next key",
            Self::Item { .. } | Self::InItem => "an item",
            Self::AfterItem => "the next item",
            Self::End => "the end",
        }
    }
}

impl Raw {
    /// Where the current key's value is kept, if it is.
    fn slot(&mut self) -> Option<&mut Vec<u8>> {
        match self.key.as_slice() {
            b"apiVersion" => Some(&mut self.api_version),
            b"kind" => Some(&mut self.kind),
            b"metadata" => Some(&mut self.metadata),
            _ => None,
        }
    }

    fn read(self) -> Result<Envelope, SplitError> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Metadata {
            resource_version: Option<String>,
            r#continue: Option<String>,
            remaining_item_count: Option<u64>,
        }

        let api_version: Option<String> = parsed("apiVersion", &self.api_version)?;
        let kind: Option<String> = parsed("kind", &self.kind)?;
        let metadata: Metadata = parsed("metadata", &self.metadata)?.unwrap_or_default();
        if !self.saw_items {
            let kind = kind.unwrap_or_else(|| "an object".to_owned());
            return Err(SplitError::NotAList(format!("a {kind} has no items")));
        }
        Ok(Envelope {
            api_version: api_version.unwrap_or_default(),
            kind: kind.unwrap_or_default(),
            resource_version: metadata.resource_version.unwrap_or_default(),
            next: metadata.r#continue.unwrap_or_default(),
            remaining: metadata.remaining_item_count,
        })
    }
}

fn parsed<T: for<'de> Deserialize<'de>>(what: &str, bytes: &[u8]) -> Result<Option<T>, SplitError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(bytes)
        .map_err(|error| SplitError::NotAList(format!("its {what} is wrong: {error}")))
}

#[cfg(test)]
mod tests;
