//! Finds the shared libraries that programs need, by what their ELF files say.

use crate::debian::Package;
use crate::error::Error;
use crate::tree::{Kind, Node, Tree};
use object::Endianness;
use object::elf::{DT_NEEDED, ELFMAG};
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Adds to `tree` every library that its programs need, directly or not, from `packages`, each
/// with the copyright notice of its package.
pub fn add_needed(tree: &mut Tree, packages: &[Package]) -> Result<(), Error> {
    let shelf = Shelf::new(packages);
    let mut seen = BTreeSet::new();
    let mut open: VecDeque<(String, Vec<String>)> = VecDeque::new();
    for (path, node) in tree.iter() {
        open.extend(needs(path, node)?.map(|names| (path.to_owned(), names)));
    }
    while let Some((program, names)) = open.pop_front() {
        for name in names {
            if !seen.insert(name.clone()) || has_library(tree, &name) {
                continue;
            }
            let missing = || Error::NoLibrary { program: program.clone(), library: name.clone() };
            for (package, path, node) in shelf.with_targets(&name).ok_or_else(missing)? {
                tree.put(path, node.clone())?;
                copyright(tree, package, packages)?;
                open.extend(needs(path, node)?.map(|names| (path.to_owned(), names)));
            }
        }
    }
    Ok(())
}

/// A file of a package, with its path.
type Found<'a> = (&'a Package, &'a str, &'a Node);

/// The libraries of a set of packages, by file name and by path.
struct Shelf<'a> {
    by_name: BTreeMap<&'a str, Found<'a>>,
    by_path: BTreeMap<&'a str, Found<'a>>,
}

impl<'a> Shelf<'a> {
    fn new(packages: &'a [Package]) -> Self {
        let mut shelf = Self { by_name: BTreeMap::new(), by_path: BTreeMap::new() };
        for package in packages {
            for (path, node) in package.files.iter().filter(|(path, _)| is_library(path)) {
                let (name, found) = (file_name(path), (package, path, node));
                // A library lies higher than a plugin of the same name.
                let known: Option<&Found<'_>> = shelf.by_name.get(name);
                if known.is_none_or(|(_, known, _)| depth(path) < depth(known)) {
                    shelf.by_name.insert(name, found);
                }
                shelf.by_path.insert(path, found);
            }
        }
        shelf
    }

    /// The library called `name`, and the files it is a link to.
    fn with_targets(&self, name: &str) -> Option<Vec<Found<'a>>> {
        let mut found = vec![*self.by_name.get(name)?];
        while let Some((_, path, Node { kind: Kind::Symlink(target), .. })) = found.last() {
            let next = *self.by_path.get(target_of(path, target).as_str())?;
            if found.len() > 8 {
                return None;
            }
            found.push(next);
        }
        Some(found)
    }
}

/// Where the link at `path` leads, as a path in a tree.
fn target_of(path: &str, target: &str) -> String {
    let folder =
        if target.starts_with('/') { "" } else { path.rsplit_once('/').map_or("", |(folder, _)| folder) };
    let mut parts = Vec::new();
    for part in folder.split('/').chain(target.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.first().is_some_and(|first| first.starts_with("lib")) {
        parts.insert(0, "usr");
    }
    parts.join("/")
}

/// Adds the notice of the package that a library came from; packages of one source share theirs.
fn copyright(tree: &mut Tree, package: &Package, packages: &[Package]) -> Result<(), Error> {
    let folder = format!("usr/share/doc/{}", package.name);
    if let Some(node) = package.files.get(&folder)
        && let Kind::Symlink(owner) = &node.kind
    {
        tree.put(&folder, node.clone())?;
        let missing = || Error::NoFile { path: format!("usr/share/doc/{owner}/copyright") };
        let owner = packages.iter().find(|other| other.name == *owner).ok_or_else(missing)?;
        return copyright(tree, owner, packages);
    }
    let notice = format!("{folder}/copyright");
    package.files.get(&notice).map_or(Ok(()), |node| tree.put(&notice, node.clone()))
}

/// What an ELF file needs: its libraries and its loader. `None` when it is no ELF file.
fn needs(path: &str, node: &Node) -> Result<Option<Vec<String>>, Error> {
    let Kind::File(bytes) = &node.kind else { return Ok(None) };
    if !bytes.starts_with(&ELFMAG) {
        return Ok(None);
    }
    let needed = parse(bytes).map_err(|source| Error::NotAProgram { program: path.to_owned(), source })?;
    Ok(Some(needed))
}

fn parse(bytes: &[u8]) -> object::read::Result<Vec<String>> {
    let file = ElfFile64::<Endianness>::parse(bytes)?;
    let (header, endian) = (file.elf_header(), file.endian());
    let mut needed = Vec::new();
    for segment in header.program_headers(endian, bytes)? {
        if let Some(loader) = segment.interpreter(endian, bytes)? {
            needed.push(file_name(&String::from_utf8_lossy(loader)).to_owned());
        }
    }
    let table = header.sections(endian, bytes)?.dynamic_table(endian, bytes)?;
    for entry in table.iter().filter(|entry| entry.tag == DT_NEEDED) {
        needed.push(String::from_utf8_lossy(table.string(entry)?).into_owned());
    }
    Ok(needed)
}

fn has_library(tree: &Tree, name: &str) -> bool {
    tree.iter().any(|(path, _)| is_library(path) && file_name(path) == name)
}

fn is_library(path: &str) -> bool {
    path.starts_with("usr/lib") && path.contains(".so")
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn depth(path: &str) -> usize {
    path.matches('/').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(files: &[(&str, Kind)]) -> Package {
        let mut tree = Tree::default();
        for (path, kind) in files {
            tree.put(path, Node { kind: kind.clone(), mode: 0o644, owner: 0 }).unwrap();
        }
        Package { name: "libx1".to_owned(), files: tree }
    }

    #[test]
    fn links_are_followed_to_the_file_also_when_it_has_the_same_name() {
        let library = Kind::File(b"bytes".to_vec());
        let packages = [package(&[
            ("lib64/ld.so.2", Kind::Symlink("/lib/arch/ld.so.2".to_owned())),
            ("lib/arch/ld.so.2", library.clone()),
            ("usr/lib/arch/libx.so.1", Kind::Symlink("libx.so.1.2".to_owned())),
            ("usr/lib/arch/libx.so.1.2", library.clone()),
            ("usr/lib/arch/plugins/libx.so.1", library),
        ])];
        let shelf = Shelf::new(&packages);

        let paths = |name: &str| -> Option<Vec<&str>> {
            Some(shelf.with_targets(name)?.into_iter().map(|(_, path, _)| path).collect())
        };

        assert_eq!(paths("ld.so.2").unwrap(), ["usr/lib64/ld.so.2", "usr/lib/arch/ld.so.2"]);
        assert_eq!(paths("libx.so.1").unwrap(), ["usr/lib/arch/libx.so.1", "usr/lib/arch/libx.so.1.2"]);
        assert_eq!(paths("absent.so"), None);
    }

    #[test]
    fn a_program_says_what_it_needs() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();

        let needed = parse(&program).unwrap();

        assert!(needed.iter().any(|name| name.starts_with("ld-linux")), "{needed:?}");
        assert!(needed.contains(&"libc.so.6".to_owned()), "{needed:?}");
    }
}
