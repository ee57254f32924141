//! Reads the kernel's table of mounts: the only record of what is published where.

use crate::error::Error;
use std::path::{Path, PathBuf};

/// One line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted: the path within its file system. For a device file, `/loop3`.
    pub root: PathBuf,
    /// Where it is mounted.
    pub target: PathBuf,
    /// Whether this mount can only be read.
    pub read_only: bool,
    /// The file system's type, as `btrfs` or `devtmpfs`.
    pub fs_type: String,
}

impl Mount {
    /// Every mount this process sees, oldest first.
    pub fn all() -> Result<Vec<Self>, Error> {
        let path = Path::new("/proc/self/mountinfo");
        let text = std::fs::read_to_string(path).map_err(Error::io("reading", path))?;
        Ok(text.lines().filter_map(Self::parse).collect())
    }

    /// The mount one sees at `target`: the newest of those stacked there.
    pub fn at(target: &Path) -> Result<Option<Self>, Error> {
        Ok(Self::all()?.into_iter().rev().find(|mount| mount.target == target))
    }

    fn parse(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut fields = left.split(' ').skip(3);
        let root = unescape(fields.next()?);
        let target = unescape(fields.next()?);
        let read_only = fields.next()?.split(',').any(|option| option == "ro");
        let fs_type = right.split(' ').next()?.to_owned();
        Some(Self { root: root.into(), target: target.into(), read_only, fs_type })
    }
}

/// Undoes the kernel's `\040` for a space and its like.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let code = after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                plain.push(char::from(code));
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                plain.push('\\');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_understood() {
        let line = r"36 35 0:41 /d/volumes/vol-1/tree /var/lib/kubelet/pods/a\040b/mount ro,relatime shared:1 - btrfs /dev/loop0 rw,subvol=/";

        let mount = Mount::parse(line).unwrap();

        assert_eq!(mount.root, Path::new("/d/volumes/vol-1/tree"));
        assert_eq!(mount.target, Path::new("/var/lib/kubelet/pods/a b/mount"));
        assert!(mount.read_only);
        assert_eq!(mount.fs_type, "btrfs");
    }

    #[test]
    fn a_line_without_the_separator_is_skipped() {
        assert_eq!(Mount::parse("36 35 0:41 / /x rw"), None);
        assert_eq!(unescape(r"back\slash\134end\04"), r"back\slash\end\04");
    }
}
