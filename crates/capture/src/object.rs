//! The little that capture must know of an object: its metadata, borrowed from the bytes that are stored.

use protection::selection::{OPT_OUT, opts_out};
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize as DeserializeDerive, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// An object's metadata.
#[derive(Debug, DeserializeDerive)]
pub(crate) struct Object<'a> {
    #[serde(borrow)]
    pub metadata: Metadata<'a>,
}

impl<'a> Object<'a> {
    /// Reads the metadata. Fails when the bytes are not one complete JSON object with a name.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

/// `metadata`, as far as selection and the index need it.
#[derive(Debug, DeserializeDerive)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, default)]
    pub namespace: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub uid: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub deletion_timestamp: Option<Text<'a>>,
    #[serde(borrow, default)]
    labels: Option<Pairs<'a>>,
    #[serde(borrow, default)]
    annotations: Option<Notes<'a>>,
    #[serde(borrow, default)]
    owner_references: Option<Vec<OwnerReference<'a>>>,
}

impl<'a> Metadata<'a> {
    pub(crate) fn labels(&self) -> &[(Text<'a>, Text<'a>)] {
        self.labels.as_ref().map_or(&[], |labels| labels.0.as_slice())
    }

    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        self.labels().iter().find(|(name, _)| name.as_str() == key).map(|(_, value)| value.as_str())
    }

    pub(crate) fn owners(&self) -> &[OwnerReference<'a>] {
        self.owner_references.as_deref().unwrap_or_default()
    }

    /// Whether the object leaves itself out, by label or by annotation.
    pub(crate) fn opts_out(&self) -> bool {
        opts_out(self.label(OPT_OUT)) || self.annotations.as_ref().is_some_and(|notes| notes.opts_out)
    }

    /// Keys of Velero's labels and annotations other than the opt-out.
    pub(crate) fn velero_keys(&self) -> impl Iterator<Item = &str> {
        let notes = self.annotations.as_ref().map_or(&[][..], |notes| notes.velero.as_slice());
        let labels = self.labels().iter().map(|(key, _)| key.as_str()).filter(|key| is_velero(key));
        labels.chain(notes.iter().map(Text::as_str))
    }
}

/// An entry of `metadata.ownerReferences`.
#[derive(Debug, DeserializeDerive, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OwnerReference<'a> {
    #[serde(borrow)]
    pub api_version: Text<'a>,
    #[serde(borrow)]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub uid: Text<'a>,
    #[serde(default, deserialize_with = "flag", skip_serializing_if = "std::ops::Not::not")]
    pub controller: bool,
}

/// A string that is borrowed from the document unless it has escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

/// A map of strings in the document's order.
#[derive(Debug, Default)]
struct Pairs<'a>(Vec<(Text<'a>, Text<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Pairs<'de>, M::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// What capture looks for in annotations; their values are skipped.
#[derive(Debug, Default)]
struct Notes<'a> {
    opts_out: bool,
    velero: Vec<Text<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Notes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Notes<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Notes<'de>, M::Error> {
                let mut notes = Notes::default();
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    if key.as_str() == OPT_OUT {
                        notes.opts_out = opts_out(Some(map.next_value::<Text<'de>>()?.as_str()));
                        continue;
                    }
                    map.next_value::<IgnoredAny>()?;
                    if is_velero(key.as_str()) {
                        notes.velero.push(key);
                    }
                }
                Ok(notes)
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// Whether the key's prefix is Velero's domain, the opt-out apart.
fn is_velero(key: &str) -> bool {
    let Some((prefix, _)) = key.split_once('/') else { return false };
    (prefix == "velero.io" || prefix.ends_with(".velero.io")) && key != OPT_OUT
}

/// A boolean that may be `null`.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<bool>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read_without_copying_what_has_no_escapes() {
        let bytes = br#"{"spec":{"metadata":7},"metadata":{"name":"a\u0062","namespace":"shop","uid":"u1","labels":{"app":"x","velero.io/backup-name":"b"},
            "annotations":{"note":"{\"metadata\":1}","pre.hook.backup.velero.io/command":"[]"},"managedFields":[{}],
            "ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"r","uid":"u2","controller":true,"blockOwnerDeletion":true}]}}"#;

        let metadata = Object::read(bytes).unwrap().metadata;

        assert_eq!(metadata.name.as_str(), "ab");
        assert!(matches!(&metadata.namespace, Some(Text(Cow::Borrowed("shop")))));
        assert_eq!((metadata.label("app"), metadata.label("x")), (Some("x"), None));
        assert_eq!(metadata.owners().len(), 1);
        assert!(metadata.owners()[0].controller);
        let keys: Vec<&str> = metadata.velero_keys().collect();
        assert_eq!(keys, ["velero.io/backup-name", "pre.hook.backup.velero.io/command"]);
        assert!(!metadata.opts_out() && metadata.deletion_timestamp.is_none());
    }

    #[test]
    fn an_object_opts_out_by_label_or_by_annotation_but_only_with_true() {
        let table = [
            (r#""labels":{"velero.io/exclude-from-backup":"true"}"#, true),
            (r#""annotations":{"velero.io/exclude-from-backup":"true"}"#, true),
            (r#""labels":{"velero.io/exclude-from-backup":"false"},"annotations":{"a":"b"}"#, false),
            (r#""annotations":{"velero.io/exclude-from-backup":"True"}"#, false),
            (r#""labels":null,"annotations":null,"ownerReferences":null"#, false),
        ];

        for (fields, expected) in table {
            let text = format!(r#"{{"metadata":{{"name":"a",{fields}}}}}"#);
            let object = Object::read(text.as_bytes()).unwrap();
            assert_eq!(object.metadata.opts_out(), expected, "{fields}");
            assert_eq!(object.metadata.velero_keys().count(), 0, "{fields}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["{}", r#"{"metadata":{}}"#, r#"{"metadata":{"name":7}}"#, r#"{"metadata":{"name":"a"}"#]
        {
            assert!(Object::read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
