//! The ids of a repository: each the SHA-256 of some bytes, each with its own type.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The id of `bytes`: their SHA-256.
            pub fn of(bytes: &[u8]) -> Self {
                Self(Sha256::digest(bytes).into())
            }

            /// An id from its 32 bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first eight hex digits, for people.
            pub fn short(&self) -> String {
                self.0.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut digits = [0; 64];
                hex::encode_to_slice(self.0, &mut digits).map_err(|_| fmt::Error)?;
                f.pad(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let mut bytes = [0; 32];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseIdError)?;
                Ok(Self(bytes))
            }
        }

        impl From<[u8; 32]> for $name {
            fn from(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut digits = [0; 64];
                hex::encode_to_slice(self.0, &mut digits).map_err(serde::ser::Error::custom)?;
                serializer.serialize_str(std::str::from_utf8(&digits).map_err(serde::ser::Error::custom)?)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(HexVisitor).map(Self)
            }
        }
    };
}

id_type!(
    /// A blob: the SHA-256 of its plain bytes.
    BlobId
);
id_type!(
    /// A directory: the id of its tree blob.
    TreeId
);
id_type!(
    /// A pack file.
    PackId
);
id_type!(
    /// An index file.
    IndexId
);
id_type!(
    /// A snapshot file.
    SnapshotId
);
id_type!(
    /// A key file.
    KeyId
);
id_type!(
    /// A lock file.
    LockId
);

impl From<TreeId> for BlobId {
    fn from(tree: TreeId) -> Self {
        Self(tree.0)
    }
}

impl From<BlobId> for TreeId {
    fn from(blob: BlobId) -> Self {
        Self(blob.0)
    }
}

/// The text is not 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 64 hex digits")]
pub struct ParseIdError;

struct HexVisitor;

impl serde::de::Visitor<'_> for HexVisitor {
    type Value = [u8; 32];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("64 hex digits")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<[u8; 32], E> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_sha256_and_survives_its_text() {
        let id = BlobId::of(b"abc");

        let text = id.to_string();

        assert_eq!(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(text.parse::<BlobId>().unwrap(), id);
        assert_eq!(id.short(), "ba7816bf");
        assert_eq!(serde_json::from_str::<BlobId>(&format!("\"{text}\"")).unwrap(), id);
    }

    #[test]
    fn text_of_another_length_is_refused() {
        assert_eq!("ba78".parse::<PackId>(), Err(ParseIdError));
        assert_eq!("z".repeat(64).parse::<PackId>(), Err(ParseIdError));
    }
}
