//! Where each kind of file lives below the repository's prefix.

use std::fmt;

/// The kinds of files of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// `config`.
    Config,
    /// `keys/<id>`.
    Key,
    /// `locks/<id>`.
    Lock,
    /// `snapshots/<id>`.
    Snapshot,
    /// `index/<id>`.
    Index,
    /// `data/<first two digits>/<id>`.
    Pack,
}

impl FileKind {
    /// The folder of this kind; for [`FileKind::Config`] the file itself.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Key => "keys",
            Self::Lock => "locks",
            Self::Snapshot => "snapshots",
            Self::Index => "index",
            Self::Pack => "data",
        }
    }

    /// The path of the file with this id. The id is ignored for [`FileKind::Config`].
    pub fn path(self, id: impl fmt::Display) -> String {
        let folder = self.folder();
        match self {
            Self::Config => folder.to_owned(),
            Self::Pack => {
                let id = id.to_string();
                let digits: String = id.chars().take(2).collect();
                format!("{folder}/{digits}/{id}")
            }
            Self::Key | Self::Lock | Self::Snapshot | Self::Index => format!("{folder}/{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PackId;

    #[test]
    fn packs_are_spread_over_folders() {
        let id = PackId::from_bytes([0xab; 32]);

        assert_eq!(FileKind::Pack.path(id), format!("data/ab/{id}"));
        assert_eq!(FileKind::Index.path(id), format!("index/{id}"));
        assert_eq!(FileKind::Config.path(id), "config");
    }
}
