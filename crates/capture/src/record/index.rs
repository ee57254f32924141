//! The lines of the object index, written as the objects pass.

use super::batch::{Batch, small_file};
use crate::discovery::Kind;
use crate::object::{Metadata, OwnerReference, Text};
use engine::{EngineError, FileContent, Writer};
use serde::Serialize as SerializeDerive;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// The lines of one list: joined by `,` and a line feed, with nothing before or after.
#[derive(Debug)]
pub(super) struct IndexLines(Batch);

impl IndexLines {
    pub(super) fn new(writer: &Writer, batch_bytes: usize) -> Self {
        Self(Batch::new(writer, batch_bytes))
    }

    /// Adds the line of an object that stands at `offset` of its list.
    pub(super) async fn add(
        &mut self,
        kind: &Kind,
        metadata: &Metadata<'_>,
        offset: u64,
        length: u64,
    ) -> Result<(), EngineError> {
        let namespace = if kind.namespaced { metadata.namespace.as_ref() } else { None };
        let line = Line {
            group: &kind.group,
            version: &kind.version,
            kind: &kind.kind,
            resource: &kind.resource,
            namespace: namespace.map(Text::as_str),
            name: metadata.name.as_str(),
            uid: metadata.uid.as_ref().map_or("", Text::as_str),
            offset,
            length,
            owners: metadata.owners(),
            labels: Labels(metadata.labels()),
        };
        let line = serde_json::to_vec(&line).map_err(|error| EngineError::Internal(error.to_string()))?;
        if self.0.length() > 0 {
            self.0.write(b",\n").await?;
        }
        self.0.write(&line).await
    }

    /// The lines, unless there are none.
    pub(super) async fn finish(self) -> Result<Option<FileContent>, EngineError> {
        if self.0.length() == 0 { Ok(None) } else { self.0.finish().await.map(Some) }
    }
}

/// Joins the lines of all lists to one file. Only references are joined: the lines are stored already.
pub(crate) async fn join(writer: &Writer, lists: Vec<FileContent>) -> Result<FileContent, EngineError> {
    let (begin, between, end) = (b"[\n", b",\n", b"\n]\n");
    if lists.is_empty() {
        return small_file(writer, b"[\n]\n").await;
    }
    let separator = small_file(writer, between).await?;
    let mut whole = small_file(writer, begin).await?;
    for (position, lines) in lists.into_iter().enumerate() {
        if position > 0 {
            append(&mut whole, separator.clone());
        }
        append(&mut whole, lines);
    }
    append(&mut whole, small_file(writer, end).await?);
    Ok(whole)
}

fn append(whole: &mut FileContent, part: FileContent) {
    whole.ids.extend(part.ids);
    whole.size += part.size;
}

/// A [`protection::point::IndexEntry`], borrowed.
#[derive(SerializeDerive)]
struct Line<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
    resource: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    name: &'a str,
    uid: &'a str,
    offset: u64,
    length: u64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    owners: &'a [OwnerReference<'a>],
    #[serde(skip_serializing_if = "Labels::is_empty")]
    labels: Labels<'a>,
}

struct Labels<'a>(&'a [(Text<'a>, Text<'a>)]);

impl Labels<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Labels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}
