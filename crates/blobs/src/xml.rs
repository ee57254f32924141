//! The XML documents of the protocol, as its clients parse them.

use crate::{BlobError, Container, Found, Item, conditions::http_date, staging::BlockId};
use quick_xml::{Reader, escape::escape, events::Event};

/// Blocks that one list may name.
const MOST_BLOCKS: usize = 50_000;

/// What a list of blobs or containers was asked with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Echo<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) container: Option<&'a str>,
    pub(crate) prefix: Option<&'a str>,
    pub(crate) marker: Option<&'a str>,
    pub(crate) most: Option<usize>,
    pub(crate) delimiter: Option<&'a str>,
}

fn element(name: &str, text: &str) -> String {
    if text.is_empty() { format!("<{name} />") } else { format!("<{name}>{}</{name}>", escape(text)) }
}

impl Echo<'_> {
    fn head(&self) -> String {
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"{}\"",
            escape(self.endpoint)
        );
        if let Some(container) = self.container {
            text += &format!(" ContainerName=\"{}\"", escape(container));
        }
        text.push('>');
        for (name, value) in [("Prefix", self.prefix), ("Marker", self.marker)] {
            text += &value.map(|value| element(name, value)).unwrap_or_default();
        }
        text += &self.most.map(|most| element("MaxResults", &most.to_string())).unwrap_or_default();
        text + &self.delimiter.map(|value| element("Delimiter", value)).unwrap_or_default()
    }

    /// A list of blobs.
    pub(crate) fn blobs(&self, items: &[Item], next: Option<&str>, metadata: bool) -> String {
        let mut text = self.head() + "<Blobs>";
        for item in items {
            match item {
                Item::Blob(name, found) => text += &blob(name, found, metadata),
                Item::Folder(name) => text += &format!("<BlobPrefix>{}</BlobPrefix>", element("Name", name)),
            }
        }
        text + "</Blobs>" + &element("NextMarker", next.unwrap_or_default()) + "</EnumerationResults>"
    }

    /// A list of containers.
    pub(crate) fn containers(&self, containers: &[Container], next: Option<&str>, metadata: bool) -> String {
        let mut text = self.head() + "<Containers>";
        for container in containers {
            text += &format!(
                "<Container>{}<Properties>{}{}<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>\
                 <HasImmutabilityPolicy>false</HasImmutabilityPolicy><HasLegalHold>false</HasLegalHold></Properties>{}\
                 </Container>",
                element("Name", &container.name),
                element("Last-Modified", &http_date(container.modified)),
                element("Etag", &format!("\"{}\"", container.etag)),
                if metadata { noted(&container.metadata) } else { String::new() },
            );
        }
        text + "</Containers>" + &element("NextMarker", next.unwrap_or_default()) + "</EnumerationResults>"
    }
}

fn noted(metadata: &std::collections::BTreeMap<String, String>) -> String {
    let inside: String = metadata.iter().map(|(name, value)| element(name, value)).collect();
    if inside.is_empty() { "<Metadata />".to_owned() } else { format!("<Metadata>{inside}</Metadata>") }
}

fn blob(name: &str, found: &Found, metadata: bool) -> String {
    let setting = |name: &str| found.properties.settings.get(name).map_or("", String::as_str);
    format!(
        "<Blob>{}<Properties>{}{}{}{}{}{}{}{}{}<BlobType>BlockBlob</BlobType><LeaseStatus>unlocked</LeaseStatus>\
         <LeaseState>available</LeaseState><ServerEncrypted>false</ServerEncrypted></Properties>{}</Blob>",
        element("Name", name),
        element("Last-Modified", &http_date(found.modified)),
        element("Etag", &found.etag),
        element("Content-Length", &found.size.to_string()),
        element("Content-Type", found.properties.content_type()),
        element("Content-Encoding", setting("content-encoding")),
        element("Content-Language", setting("content-language")),
        element("Content-MD5", setting("content-md5")),
        element("Cache-Control", setting("cache-control")),
        element("Content-Disposition", setting("content-disposition")),
        if metadata { noted(&found.properties.metadata) } else { String::new() },
    )
}

/// The blocks of a blob: those that wait, those that it is made of.
pub(crate) fn blocks(committed: Option<&[(BlockId, u64)]>, waiting: Option<&[(BlockId, u64)]>) -> String {
    let part = |name: &str, blocks: Option<&[(BlockId, u64)]>| {
        let Some(blocks) = blocks else { return String::new() };
        let inside: String = blocks
            .iter()
            .map(|(id, size)| {
                format!(
                    "<Block>{}{}</Block>",
                    element("Name", &id.shown()),
                    element("Size", &size.to_string())
                )
            })
            .collect();
        format!("<{name}>{inside}</{name}>")
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{}{}</BlockList>",
        part("CommittedBlocks", committed),
        part("UncommittedBlocks", waiting),
    )
}

/// Where a block is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Committed,
    Uncommitted,
    Latest,
}

/// Reads a list of blocks.
pub(crate) fn read_blocks(document: &[u8]) -> Result<Vec<(From, BlockId)>, BlobError> {
    let bad = |why: &str| BlobError::document(why);
    let text = std::str::from_utf8(document).map_err(|_| bad("it is no UTF-8"))?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut found = Vec::new();
    let mut open = 0;
    let mut from = None;
    let mut id = String::new();
    loop {
        match reader.read_event().map_err(|error| bad(&error.to_string()))? {
            Event::Start(start) => {
                open += 1;
                from = match (open, start.name().as_ref()) {
                    (1, b"BlockList") => None,
                    (2, b"Committed") => Some(From::Committed),
                    (2, b"Uncommitted") => Some(From::Uncommitted),
                    (2, b"Latest") => Some(From::Latest),
                    _ => return Err(bad("it is no list of blocks")),
                };
                id.clear();
            }
            Event::Text(piece) if from.is_some() => {
                id += &piece.decode().map_err(|error| bad(&error.to_string()))?;
            }
            Event::End(_) => {
                open -= 1;
                if let Some(from) = from.take() {
                    if found.len() >= MOST_BLOCKS {
                        return Err(bad("it names more than 50,000 blocks"));
                    }
                    let id = BlockId::read(id.trim())
                        .map_err(|_| bad("a block id is not the base64 of 1 to 64 bytes"))?;
                    found.push((from, id));
                }
            }
            Event::Text(piece) if piece.iter().all(u8::is_ascii_whitespace) => {}
            Event::Decl(_) | Event::Comment(_) => {}
            Event::Empty(empty) if open == 0 && empty.name().as_ref() == b"BlockList" => return Ok(found),
            Event::Eof if open == 0 && reader.buffer_position() > 0 => return Ok(found),
            _ => return Err(bad("it is no list of blocks")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_list_of_blocks_keeps_its_order() {
        let document =
            b"<?xml version=\"1.0\"?>\n<BlockList>\n\t<Latest>YQ==</Latest><Committed>Yg==</Committed>\
                         <Uncommitted> YQ== </Uncommitted></BlockList>";

        let blocks = read_blocks(document).unwrap();

        let shown: Vec<_> = blocks.iter().map(|(from, id)| (*from, id.shown())).collect();
        assert_eq!(
            shown,
            [
                (From::Latest, "YQ==".to_owned()),
                (From::Committed, "Yg==".into()),
                (From::Uncommitted, "YQ==".into())
            ]
        );
        assert_eq!(read_blocks(b"<BlockList/>").unwrap(), []);
    }

    #[test]
    fn another_document_is_refused() {
        for document in [
            "",
            "x",
            "<Other/>",
            "<BlockList>",
            "<BlockList><Latest>!</Latest></BlockList>",
            "<BlockList><a/></BlockList>",
            "<BlockList>text</BlockList>",
        ] {
            assert!(read_blocks(document.as_bytes()).is_err(), "{document}");
        }
    }

    proptest! {
        #[test]
        fn no_document_makes_the_reader_panic(document in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(read_blocks(&document));
        }
    }
}
