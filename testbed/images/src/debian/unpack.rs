//! Unpacks a package file into memory, without what an image does not need.

use super::fetch::Archive;
use super::{Package, run};
use crate::error::Error;
use crate::tree::{Kind, Node, Tree};
use std::io::Read;
use std::path::Path;
use tar::EntryType;

/// What is left out of images.
const UNNEEDED: [&str; 9] = [
    "usr/share/bash-completion/",
    "usr/share/bug/",
    "usr/share/info/",
    "usr/share/lintian/",
    "usr/share/locale/",
    "usr/share/man/",
    "etc/apparmor.d/",
    "etc/init.d/",
    "usr/lib/systemd/",
];

/// Unpacks `archive`.
pub(super) fn package(archive: &Archive) -> Result<Package, Error> {
    let path = archive.path.to_string_lossy();
    let bytes = run("dpkg-deb", &["--fsys-tarfile", &path], Path::new("/"))?;
    let mut files = Tree::default();
    read(&bytes, &mut files).map_err(|error| match error {
        Unreadable::Io(source) => Error::Io { doing: "unpacking", path: archive.path.clone(), source },
        Unreadable::Bad(error) => error,
    })?;
    Ok(Package { name: archive.package.name.clone(), files })
}

enum Unreadable {
    Io(std::io::Error),
    Bad(Error),
}

impl From<std::io::Error> for Unreadable {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Error> for Unreadable {
    fn from(error: Error) -> Self {
        Self::Bad(error)
    }
}

fn read(bytes: &[u8], into: &mut Tree) -> Result<(), Unreadable> {
    let mut tar = tar::Archive::new(bytes);
    for entry in tar.entries()? {
        let mut entry = entry?;
        let path = utf8(&entry.path_bytes())?;
        let kind = match entry.header().entry_type() {
            EntryType::Directory => Kind::Directory,
            EntryType::Regular => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                Kind::File(content)
            }
            EntryType::Symlink => Kind::Symlink(utf8(&entry.link_name_bytes().unwrap_or_default())?),
            // An image needs no second name for a file: a copy of it does.
            EntryType::Link => {
                let original = utf8(&entry.link_name_bytes().unwrap_or_default())?;
                Kind::File(into.bytes(&original)?.to_vec())
            }
            _ => continue,
        };
        if needed(path.trim_start_matches("./"), &kind) {
            into.put(&path, Node { kind, mode: entry.header().mode()? & 0o7777, owner: 0 })?;
        }
    }
    Ok(())
}

fn needed(path: &str, kind: &Kind) -> bool {
    let path = path
        .strip_prefix("lib/systemd/")
        .map_or_else(|| path.to_owned(), |rest| format!("usr/lib/systemd/{rest}"));
    if let Some(documentation) = path.strip_prefix("usr/share/doc/") {
        // Of the documentation only the copyright notices, and the links that lead to them.
        return documentation.ends_with("/copyright")
            || matches!(kind, Kind::Symlink(_)) && !documentation.contains('/');
    }
    !UNNEEDED.iter().any(|folder| path.starts_with(folder) || format!("{path}/") == **folder)
}

fn utf8(bytes: &[u8]) -> Result<String, Error> {
    String::from_utf8(bytes.to_vec())
        .map_err(|error| Error::BadPath { path: String::from_utf8_lossy(error.as_bytes()).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_goes_but_copyright_notices_stay() {
        let file = Kind::File(Vec::new());

        assert!(needed("usr/share/doc/libc6/copyright", &file));
        assert!(needed("usr/share/doc/libgcc-s1", &Kind::Symlink("gcc-12-base".to_owned())));
        assert!(!needed("usr/share/doc/libc6/changelog.gz", &file));
        assert!(!needed("usr/share/man/man1/x.1.gz", &file));
        assert!(!needed("lib/systemd/system/x.service", &file));
        assert!(needed("usr/lib/locale/C.utf8/LC_CTYPE", &file));
    }
}
