//! File modes: the repository stores Go's `FileMode`, systems use Unix modes.

use serde::{Deserialize, Serialize};

const SET_UID: u32 = 1 << 23;
const SET_GID: u32 = 1 << 22;
const STICKY: u32 = 1 << 20;

/// Each kind of file with its Unix type (`S_IFMT`) and Go's bits.
const KINDS: [(u32, u32); 7] = [
    (0o100_000, 0),
    (0o040_000, 1 << 31),
    (0o120_000, 1 << 27),
    (0o060_000, 1 << 26),
    (0o020_000, 1 << 26 | 1 << 21),
    (0o010_000, 1 << 25),
    (0o140_000, 1 << 24),
];

/// A mode in Go's notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileMode(pub u32);

impl FileMode {
    /// A regular file with these permissions (the lower nine bits of a Unix mode).
    pub fn file(permissions: u32) -> Self {
        Self(permissions & 0o777)
    }

    /// A directory with these permissions.
    pub fn dir(permissions: u32) -> Self {
        Self(permissions & 0o777 | 1 << 31)
    }

    /// From `st_mode`.
    pub fn from_unix(mode: u32) -> Self {
        let kind = KINDS.iter().find(|(unix, _)| *unix == mode & 0o170_000).map_or(1 << 19, |(_, go)| *go);
        let bit = |unix: u32, go: u32| if mode & unix == 0 { 0 } else { go };
        Self(kind | mode & 0o777 | bit(0o4000, SET_UID) | bit(0o2000, SET_GID) | bit(0o1000, STICKY))
    }

    /// The lower twelve bits for `chmod`: permissions, set-uid, set-gid, sticky.
    pub fn unix_permissions(self) -> u32 {
        let bit = |go: u32, unix: u32| if self.0 & go == 0 { 0 } else { unix };
        self.0 & 0o777 | bit(SET_UID, 0o4000) | bit(SET_GID, 0o2000) | bit(STICKY, 0o1000)
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unix_mode_survives_and_kinds_have_their_bits() {
        for permissions in 0..0o10000 {
            let mode = FileMode::from_unix(0o040_000 | permissions);

            assert_eq!(mode.unix_permissions(), permissions);
            assert_eq!(mode.0 >> 31, 1);
        }
        assert_eq!(FileMode::from_unix(0o020_644), FileMode(1 << 26 | 1 << 21 | 0o644));
        assert_eq!(FileMode::from_unix(0o100_644), FileMode::file(0o644));
        assert_eq!(FileMode::from_unix(0o104_755), FileMode(1 << 23 | 0o755));
    }
}
