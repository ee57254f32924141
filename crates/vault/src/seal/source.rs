//! Where the wrapping key comes from.

use super::{KEY_FILE, SealError, Wrapping};
use crate::directory::{DataDirectory, DirectoryError, Readers};
use rand::Rng;
use std::{fmt, path::PathBuf};
use zeroize::Zeroizing;

/// Where the wrapping key comes from.
#[derive(Clone, Default)]
pub enum KeySource {
    /// A file in the data directory, made at the first start.
    #[default]
    Directory,
    /// A file of the operator, which is only read.
    File(PathBuf),
    /// The text itself, from the environment.
    Given(Zeroizing<String>),
}

impl KeySource {
    /// The keys there.
    pub fn open(&self, directory: &DataDirectory) -> Result<Wrapping, SealError> {
        let text = match self.read(directory)? {
            Some(text) => text,
            None => {
                let text = make();
                directory.write(KEY_FILE, &text, Readers::Owner)?;
                text
            }
        };
        Wrapping::from_text(&text, &self.to_string())
    }

    /// The text there; `None` where the data directory has none yet.
    pub fn read(&self, directory: &DataDirectory) -> Result<Option<Zeroizing<String>>, SealError> {
        match self {
            Self::Directory => Ok(directory.read(KEY_FILE)?.map(Zeroizing::new)),
            Self::Given(text) => Ok(Some(text.clone())),
            Self::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|source| DirectoryError::Io {
                    what: "read",
                    path: path.clone(),
                    source,
                })?;
                Ok(Some(Zeroizing::new(text)))
            }
        }
    }
}

/// A new key, as text.
pub fn make() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    rand::rng().fill_bytes(bytes.as_mut());
    Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory => f.write_str(KEY_FILE),
            Self::File(path) => path.display().fmt(f),
            Self::Given(_) => f.write_str("COFFERDAM_WRAPPING_KEY"),
        }
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySource({self})")
    }
}
