//! What an object store says of an object, as what is known of a blob, and back.

use crate::{Found, Properties};
use jiff::Timestamp;
use object_store::{Attribute, Attributes, GetResult, ObjectMeta};
use std::borrow::Cow;

/// Stores keep no MD5 of ours by themselves; it travels with the metadata.
const MD5: &str = "cofferdammd5";

/// Of a read object.
pub(super) fn found_of(result: &GetResult) -> Found {
    Found { properties: properties(&result.attributes), ..plain(&result.meta) }
}

/// Of a listed one.
pub(super) fn plain(meta: &ObjectMeta) -> Found {
    let modified = Timestamp::from_millisecond(meta.last_modified.timestamp_millis());
    let modified = modified.unwrap_or(Timestamp::UNIX_EPOCH);
    let etag = match &meta.e_tag {
        Some(etag) => etag.trim_start_matches("W/").trim_matches('"').to_owned(),
        None => format!("{:X}.{:X}", modified.as_millisecond(), meta.size),
    };
    Found {
        size: meta.size,
        etag,
        modified,
        properties: Properties::default(),
        version: meta.version.clone(),
    }
}

fn properties(attributes: &Attributes) -> Properties {
    let mut found = Properties::default();
    for (attribute, value) in attributes {
        let value = value.to_string();
        let setting = match attribute {
            Attribute::ContentType => "content-type",
            Attribute::ContentEncoding => "content-encoding",
            Attribute::ContentLanguage => "content-language",
            Attribute::ContentDisposition => "content-disposition",
            Attribute::CacheControl => "cache-control",
            Attribute::Metadata(name) if name == MD5 => "content-md5",
            Attribute::Metadata(name) => {
                found.metadata.insert(name.to_string(), value);
                continue;
            }
            _ => continue,
        };
        found.settings.insert(setting.to_owned(), value);
    }
    found
}

/// What to tell the store.
pub(super) fn attributes(properties: &Properties) -> Attributes {
    let mut attributes = Attributes::new();
    for (setting, value) in &properties.settings {
        let attribute = match setting.as_str() {
            "content-type" => Attribute::ContentType,
            "content-encoding" => Attribute::ContentEncoding,
            "content-language" => Attribute::ContentLanguage,
            "content-disposition" => Attribute::ContentDisposition,
            "cache-control" => Attribute::CacheControl,
            "content-md5" => Attribute::Metadata(Cow::Borrowed(MD5)),
            _ => continue,
        };
        attributes.insert(attribute, value.clone().into());
    }
    for (name, value) in &properties.metadata {
        attributes.insert(Attribute::Metadata(name.clone().into()), value.clone().into());
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_survive_the_way_through_a_store() {
        let given = Properties {
            settings: [
                ("content-type", "text/plain"),
                ("content-md5", "AAAA"),
                ("cache-control", "no-store"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            metadata: [("owner".to_owned(), "me".to_owned())].into(),
        };

        assert_eq!(properties(&attributes(&given)), given);
    }
}
