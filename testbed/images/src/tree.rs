//! The files of an image, in memory, sorted by path.

use crate::error::Error;
use std::collections::BTreeMap;

/// One file, directory or link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Permission bits, as `0o755`.
    pub mode: u32,
    /// The owner's number; the group's is the same.
    pub owner: u32,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A file with its bytes.
    File(Vec<u8>),
    /// A symbolic link with its target.
    Symlink(String),
}

/// Files by path. Paths are relative to the image's root and have no `.` or `..`.
///
/// `bin`, `sbin`, `lib` and `lib64` are links into `usr`, as on an installed Debian: what is put
/// below them ends up below `usr`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree(BTreeMap<String, Node>);

/// The top-level directories that are links into `usr`.
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

impl Tree {
    /// A root file system without files: the links into `usr`, and `/tmp` for everybody.
    pub fn skeleton() -> Self {
        let mut tree = Self::default();
        for name in MERGED {
            let target = format!("usr/{name}");
            tree.0.insert(target.clone(), Node { kind: Kind::Directory, mode: 0o755, owner: 0 });
            tree.0.insert(name.to_owned(), Node { kind: Kind::Symlink(target), mode: 0o777, owner: 0 });
        }
        tree.0.insert("tmp".to_owned(), Node { kind: Kind::Directory, mode: 0o1777, owner: 0 });
        tree
    }

    /// Puts `node` at `path`; a directory that is there keeps its mode and owner.
    pub fn put(&mut self, path: &str, node: Node) -> Result<(), Error> {
        let path = normal(path)?;
        if path.is_empty() {
            return Ok(());
        }
        if MERGED.contains(&path.as_str()) {
            return Ok(());
        }
        let known_directory = node.kind == Kind::Directory
            && self.0.get(&path).is_some_and(|there| there.kind == Kind::Directory);
        if !known_directory {
            self.0.insert(path, node);
        }
        Ok(())
    }

    /// Puts a directory of the owner `owner` at `path`, also where one is already.
    pub fn directory(&mut self, path: &str, mode: u32, owner: u32) -> Result<(), Error> {
        self.0.insert(normal(path)?, Node { kind: Kind::Directory, mode, owner });
        Ok(())
    }

    /// Puts a file of root's at `path`.
    pub fn file(&mut self, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) -> Result<(), Error> {
        self.put(path, Node { kind: Kind::File(bytes.into()), mode, owner: 0 })
    }

    /// Puts a symbolic link at `path`.
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<(), Error> {
        self.put(path, Node { kind: Kind::Symlink(target.to_owned()), mode: 0o777, owner: 0 })
    }

    /// What is at `path`, given as in the image.
    pub fn get(&self, path: &str) -> Option<&Node> {
        normal(path).ok().and_then(|path| self.0.get(&path))
    }

    /// The bytes of the file at `path`.
    pub fn bytes(&self, path: &str) -> Result<&[u8], Error> {
        match self.get(path).map(|node| &node.kind) {
            Some(Kind::File(bytes)) => Ok(bytes),
            _ => Err(Error::NoFile { path: path.to_owned() }),
        }
    }

    /// Every path with its node, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.0.iter().map(|(path, node)| (path.as_str(), node))
    }

    /// Adds the directories that a path needs and nobody has put.
    pub(crate) fn with_parents(mut self) -> Self {
        let paths: Vec<String> = self.0.keys().cloned().collect();
        for path in paths {
            let mut rest = path.as_str();
            while let Some((parent, _)) = rest.rsplit_once('/') {
                let missing = Node { kind: Kind::Directory, mode: 0o755, owner: 0 };
                self.0.entry(parent.to_owned()).or_insert(missing);
                rest = parent;
            }
        }
        self
    }
}

/// `./lib/x/` becomes `usr/lib/x`.
fn normal(path: &str) -> Result<String, Error> {
    let bad = || Error::BadPath { path: path.to_owned() };
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(bad()),
            part if part.contains('\0') => return Err(bad()),
            part => parts.push(part),
        }
    }
    if parts.len() > 1 && parts.first().is_some_and(|first| MERGED.contains(first)) {
        parts.insert(0, "usr");
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_their_decoration_and_follow_the_links_into_usr() {
        assert_eq!(normal("./etc/passwd").unwrap(), "etc/passwd");
        assert_eq!(normal("/lib/x86_64-linux-gnu/").unwrap(), "usr/lib/x86_64-linux-gnu");
        assert_eq!(normal("./lib64").unwrap(), "lib64");
        assert!(matches!(normal("etc/../../x"), Err(Error::BadPath { .. })));
    }

    #[test]
    fn a_package_that_ships_lib_does_not_replace_the_link() {
        let mut tree = Tree::skeleton();

        tree.put("./lib/", Node { kind: Kind::Directory, mode: 0o755, owner: 0 }).unwrap();
        tree.file("./lib/a.so", 0o644, "a").unwrap();

        assert_eq!(tree.get("lib").map(|node| &node.kind), Some(&Kind::Symlink("usr/lib".to_owned())));
        assert_eq!(tree.bytes("usr/lib/a.so").unwrap(), b"a");
        assert_eq!(tree.bytes("lib/a.so").unwrap(), b"a");
    }

    #[test]
    fn missing_parents_are_added() {
        let mut tree = Tree::default();
        tree.file("a/b/c", 0o644, "").unwrap();

        let paths: Vec<String> = tree.with_parents().iter().map(|(path, _)| path.to_owned()).collect();

        assert_eq!(paths, ["a", "a/b", "a/b/c"]);
    }
}
