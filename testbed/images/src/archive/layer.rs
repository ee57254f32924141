//! Packs a tree of files into a layer: a tar whose bytes depend on nothing but the tree.

use super::digest::{Digest, Digesting};
use crate::tree::{Kind, Node, Tree};
use std::fs::File;
use std::io::{self, BufWriter, Seek};
use tar::{Builder, EntryType, Header};

/// A packed layer in a temporary file.
pub(super) struct Layer {
    /// The tar, at its start.
    pub file: File,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub length: u64,
}

/// Packs `tree`; every entry gets the modification time `mtime`, in seconds since 1970.
pub(super) fn pack(tree: &Tree, mtime: u64) -> io::Result<Layer> {
    let writer = Digesting::new(BufWriter::new(tempfile::tempfile()?));
    let mut tar = Builder::new(writer);
    for (path, node) in tree.clone().with_parents().iter() {
        append(&mut tar, path, node, mtime)?;
    }
    let (buffer, digest, length) = tar.into_inner()?.finish();
    let mut file = buffer.into_inner()?;
    file.rewind()?;
    Ok(Layer { file, digest, length })
}

fn append(tar: &mut Builder<impl io::Write>, path: &str, node: &Node, mtime: u64) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_mode(node.mode);
    header.set_uid(node.owner.into());
    header.set_gid(node.owner.into());
    header.set_mtime(mtime);
    header.set_size(0);
    match &node.kind {
        Kind::Directory => {
            header.set_entry_type(EntryType::Directory);
            tar.append_data(&mut header, format!("{path}/"), io::empty())
        }
        Kind::File(bytes) => {
            header.set_entry_type(EntryType::Regular);
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, path, bytes.as_slice())
        }
        Kind::Symlink(target) => {
            header.set_entry_type(EntryType::Symlink);
            tar.append_link(&mut header, path, target)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        let mut tree = Tree::skeleton();
        tree.file("etc/hello", 0o644, "hello").unwrap();
        tree.file(&format!("opt/{}", "long/".repeat(60)), 0o755, "deep").unwrap();
        tree
    }

    #[test]
    fn the_same_tree_packs_to_the_same_bytes() {
        let one = pack(&tree(), 1).unwrap();
        let two = pack(&tree(), 1).unwrap();

        assert_eq!((one.digest, one.length), (two.digest, two.length));
    }

    #[test]
    fn every_property_of_a_file_is_in_the_digest() {
        let plain = pack(&tree(), 1).unwrap().digest;
        let mut content = tree();
        content.file("etc/hello", 0o644, "jello").unwrap();
        let mut mode = tree();
        mode.file("etc/hello", 0o600, "hello").unwrap();
        let mut owner = tree();
        let kind = Kind::File(b"hello".to_vec());
        owner.put("etc/hello", Node { kind, mode: 0o644, owner: 7 }).unwrap();

        let others = [pack(&content, 1), pack(&mode, 1), pack(&owner, 1), pack(&tree(), 2)];

        for other in others {
            assert_ne!(other.unwrap().digest, plain);
        }
    }
}
