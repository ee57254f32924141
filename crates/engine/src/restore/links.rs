//! Hard links: the first name of a file is made with its content, every further name is linked to it.

use super::place::Place;
use parking_lot::Mutex;
use repository::{Metadata, Node, NodeKind};
use std::{
    collections::HashMap,
    fs::File,
    io,
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Inode and device of the file that the names belonged to.
type Inode = (u64, u64);

/// The files with several names, as far as they were met.
#[derive(Debug, Default)]
pub(super) struct Links(Mutex<HashMap<Inode, Group>>);

#[derive(Debug, Default)]
struct Group {
    /// All names so far, relative to the target; the first one has the content.
    names: Vec<PathBuf>,
    /// Kept open until all names were met, so that the first name need not be looked up again.
    file: Option<Arc<File>>,
    failed: Option<String>,
}

/// What to do with one name of a file.
#[derive(Debug)]
pub(super) enum Step {
    /// The file has this name only.
    Single,
    /// It is the first name: its content must be written, and [`Links::fail`] called when that fails.
    First(Arc<File>),
    /// It was linked to the first name.
    Linked,
}

impl Links {
    /// Handles one name of a regular file. Names are made in the order of the calls; once its content has failed, none is, and
    /// the error is the reason of that.
    pub(super) fn meet(&self, place: &Place, node: &Node, path: &Path) -> io::Result<Step> {
        let Some(inode) = inode(node) else { return Ok(Step::Single) };
        let mut groups = self.0.lock();
        let group = groups.entry(inode).or_default();
        if let Some(reason) = &group.failed {
            return Err(io::Error::other(reason.clone()));
        }
        let complete = group.names.len() as u64 + 1 >= node.meta.links;
        let step = match &group.file {
            None => {
                let file = Arc::new(place.make_file(&node.name)?);
                group.file = (!complete).then(|| file.clone());
                Step::First(file)
            }
            Some(file) => {
                place.make_link(&node.name, file.as_fd())?;
                if complete {
                    group.file = None;
                }
                Step::Linked
            }
        };
        group.names.push(path.to_path_buf());
        Ok(step)
    }

    /// The content of the file could not be written: none of its names may stay.
    pub(super) fn fail(&self, node: &Node, reason: &str) {
        let mut groups = self.0.lock();
        if let Some(group) = inode(node).and_then(|inode| groups.get_mut(&inode)) {
            group.failed = Some(reason.to_owned());
        }
    }

    /// Removes the further names of files whose content failed, and returns them with the reason.
    pub(super) fn remove_failed(self, root: &Place) -> Vec<(PathBuf, String)> {
        let mut removed = Vec::new();
        for group in self.0.into_inner().into_values() {
            let Some(reason) = group.failed else { continue };
            for path in group.names.into_iter().skip(1) {
                let place = root.descend(path.parent().unwrap_or(Path::new("")));
                let gone = place
                    .and_then(|place| place.remove(path.file_name().unwrap_or_default().as_encoded_bytes()));
                let reason = match gone {
                    Ok(()) => reason.clone(),
                    Err(error) => format!("{reason}; it could not be removed either: {error}"),
                };
                removed.push((path, reason));
            }
        }
        removed
    }
}

fn inode(node: &Node) -> Option<Inode> {
    let Metadata { inode, device_id, links, .. } = node.meta;
    (matches!(node.kind, NodeKind::File(_)) && links > 1).then_some((inode, device_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use repository::{FileContent, FileMode};

    #[test]
    fn a_further_name_is_told_why_the_content_failed_though_the_first_name_is_gone() {
        let target = tempfile::tempdir().unwrap();
        let place = Place::open_target(target.path()).unwrap();
        let named = |name: &str, inode| {
            let mode = FileMode::file(0o600);
            let meta = Metadata { inode, links: 3, ..Metadata::synthetic(mode, Timestamp::UNIX_EPOCH) };
            Node { name: name.into(), kind: NodeKind::File(FileContent::default()), meta }
        };
        let links = Links::default();
        let meet = |name: &str, inode| links.meet(&place, &named(name, inode), Path::new(name));

        assert!(matches!(meet("first", 1), Ok(Step::First(_))));
        assert!(matches!(meet("linked", 1), Ok(Step::Linked)));
        links.fail(&named("first", 1), "blob b1 of pack p1 is damaged");
        place.remove(b"first").unwrap();
        let late = meet("late", 1).unwrap_err();
        let other = meet("other", 2);

        assert_eq!(late.to_string(), "blob b1 of pack p1 is damaged");
        assert!(!target.path().join("late").exists());
        assert!(matches!(other, Ok(Step::First(_))), "another file is not concerned: {other:?}");
        let removed = links.remove_failed(&place);
        assert_eq!(removed, [(PathBuf::from("linked"), "blob b1 of pack p1 is damaged".to_owned())]);
        assert!(!target.path().join("linked").exists() && target.path().join("other").exists());
    }
}
