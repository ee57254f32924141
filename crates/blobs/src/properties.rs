//! What is kept beside a blob's content: how it is to be shown, and what its owner noted.

use crate::{BlobError, asked::Headers};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The type of a blob whose owner said nothing.
pub(crate) const UNKNOWN_TYPE: &str = "application/octet-stream";
const META: &str = "x-ms-meta-";
/// Bytes of all names and values that an owner may note, as Azure has it.
const MOST_METADATA: usize = 8 * 1024;
/// The headers of a request, the headers of an answer.
const SETTINGS: [(&str, &str); 6] = [
    ("x-ms-blob-content-type", "content-type"),
    ("x-ms-blob-content-encoding", "content-encoding"),
    ("x-ms-blob-content-language", "content-language"),
    ("x-ms-blob-content-disposition", "content-disposition"),
    ("x-ms-blob-cache-control", "cache-control"),
    ("x-ms-blob-content-md5", "content-md5"),
];

/// Settings by the name of the header that they are sent back in, and metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Properties {
    /// For example `content-type`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// Without the beginning `x-ms-meta-`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl Properties {
    /// Of a request that writes a blob. `whole` when the request's own content headers are about the blob's content
    /// (*Put Blob*), not about a document (*Put Block List*).
    pub(crate) fn read(headers: &Headers<'_>, whole: bool) -> Result<Self, BlobError> {
        let mut settings = BTreeMap::new();
        for (asked, shown) in SETTINGS {
            let value = match headers.text(asked)? {
                None if whole => headers.text(shown)?,
                given => given,
            };
            if let Some(value) = value {
                settings.insert(shown.to_owned(), value.to_owned());
            }
        }
        Ok(Self { settings, metadata: metadata(headers)? })
    }

    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.metadata.is_empty()
    }

    /// The type of the content.
    pub fn content_type(&self) -> &str {
        self.settings.get("content-type").map_or(UNKNOWN_TYPE, String::as_str)
    }

    /// The names and values to answer with.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (String, &str)> {
        let settings = self.settings.iter().map(|(name, value)| (name.clone(), value.as_str()));
        settings.chain(self.metadata.iter().map(|(name, value)| (format!("{META}{name}"), value.as_str())))
    }
}

/// The `x-ms-meta-*` headers.
pub(crate) fn metadata(headers: &Headers<'_>) -> Result<BTreeMap<String, String>, BlobError> {
    let mut found = BTreeMap::new();
    let mut size = 0;
    for name in headers.0.keys() {
        let Some(short) = name.as_str().strip_prefix(META) else { continue };
        let mut letters = short.bytes();
        let fits = letters.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
            && letters.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !fits {
            let message = format!("The metadata name {short:?} is no identifier.");
            return Err(BlobError::new(StatusCode::BAD_REQUEST, "InvalidMetadata", message));
        }
        let value = headers.text(name.as_str())?.unwrap_or_default();
        size += short.len() + value.len();
        if size > MOST_METADATA {
            return Err(too_much());
        }
        found.insert(short.to_owned(), value.to_owned());
    }
    Ok(found)
}

pub(crate) fn too_much() -> BlobError {
    let message = "The size of the specified metadata exceeds what can be kept with a blob here.";
    BlobError::new(StatusCode::BAD_REQUEST, "MetadataTooLarge", message)
}
