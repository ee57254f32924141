//! One entry of a directory that is no directory: file, link, device, pipe or socket.

use super::content::{self, Holes, Read, Source};
use super::walk::Walk;
use super::{attributes, metadata, previous, rooted};
use crate::{EngineError, FileOutcome};
use repository::{Metadata, Node, NodeKind, Tree};
use rustix::fs::{AtFlags, FileType, Stat, fstat, readlinkat, statat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::Ordering;

/// What became of an entry.
#[derive(Debug)]
pub(super) enum Entry {
    /// It goes into the directory's tree.
    Saved(Node, FileOutcome),
    /// It does not.
    Lost(FileOutcome),
    /// It is a directory after all.
    Directory,
}

impl Entry {
    fn lost(tried: &str, error: &io::Error) -> Self {
        Self::Lost(match error.kind() {
            io::ErrorKind::NotFound => FileOutcome::Vanished,
            _ => FileOutcome::Failed(format!("could not {tried} it: {error}")),
        })
    }
}

/// Saves an entry. `kind` is what the listing said it is, which may be unknown or outdated.
pub(super) fn save(
    walk: &Walk,
    directory: &OwnedFd,
    name: &OsStr,
    kind: FileType,
    last_time: Option<&Tree>,
    buffer: &mut Vec<u8>,
) -> Result<Entry, EngineError> {
    if kind == FileType::RegularFile {
        match rooted::open_entry(directory, name) {
            Ok(file) => match fstat(&file) {
                Ok(stat) if is(&stat, FileType::RegularFile) => {
                    return save_file(walk, name, &file, &stat, last_time, buffer);
                }
                Ok(_) => {}
                Err(error) => return Ok(Entry::lost("examine", &error.into())),
            },
            // Replaced by a link or a socket since the listing: look again.
            Err(error) if is_other_kind(&error) => {}
            Err(error) => return Ok(Entry::lost("open", &error)),
        }
    }
    let stat = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(error) => return Ok(Entry::lost("examine", &error.into())),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Ok(Entry::Directory),
        FileType::RegularFile if kind != FileType::RegularFile => {
            save(walk, directory, name, FileType::RegularFile, last_time, buffer)
        }
        FileType::RegularFile => {
            Ok(Entry::Lost(FileOutcome::Failed("it is replaced again and again".into())))
        }
        other => Ok(save_special(directory, name, other, &stat)),
    }
}

fn is(stat: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(stat.st_mode) == kind
}

fn is_other_kind(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::LOOP | Errno::NXIO | Errno::NODEV))
}

fn save_file(
    walk: &Walk,
    name: &OsStr,
    file: &OwnedFd,
    stat: &Stat,
    last_time: Option<&Tree>,
    buffer: &mut Vec<u8>,
) -> Result<Entry, EngineError> {
    let attributes = attributes::of_open(file.as_fd());
    let mut meta = metadata::from_stat(stat);
    meta.extended_attributes = attributes.found;
    let mut outcome = outcome(attributes.problems);
    let known = last_time.and_then(|tree| tree.find(name.as_bytes()));
    let known = previous::content(&walk.shared, known, stat);
    if let Some(content) = known {
        walk.unchanged.fetch_add(1, Ordering::Relaxed);
        walk.shared.add_read(content.size);
    }
    let content = match known.cloned().or_else(|| walk.links.find(stat)) {
        Some(content) => content,
        None => match read(walk, file, stat, buffer)? {
            Read::Failed(error) => return Ok(Entry::lost("read", &error)),
            Read::Changed(content) => {
                outcome = FileOutcome::Changed;
                content
            }
            Read::Complete(content) => {
                match fstat(file) {
                    Ok(after) if !metadata::content_changed(stat, &after) => {
                        walk.links.remember(stat, &content)
                    }
                    _ => outcome = FileOutcome::Changed,
                }
                content
            }
        },
    };
    let node = Node { name: name.as_bytes().to_vec(), kind: NodeKind::File(content), meta };
    Ok(Entry::Saved(node, outcome))
}

fn read(walk: &Walk, file: &OwnedFd, stat: &Stat, buffer: &mut Vec<u8>) -> Result<Read, EngineError> {
    let length = u64::try_from(stat.st_size).unwrap_or(0);
    let stored = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
    let holes = if stored < length { Holes::Skip } else { Holes::None };
    let mut source = Source::new(file.as_fd(), length, holes);
    if source.is_small() {
        content::save_small(&walk.shared, &source, buffer)
    } else {
        content::save_large(&walk.shared, &walk.runtime, &mut source)
    }
}

fn save_special(directory: &OwnedFd, name: &OsStr, kind: FileType, stat: &Stat) -> Entry {
    let kind = match kind {
        FileType::Symlink => match readlinkat(directory, name, Vec::new()) {
            Ok(target) => NodeKind::Symlink { target: target.into_bytes() },
            Err(error) => return Entry::lost("read", &error.into()),
        },
        FileType::BlockDevice => NodeKind::BlockDevice { device: stat.st_rdev },
        FileType::CharacterDevice => NodeKind::CharDevice { device: stat.st_rdev },
        FileType::Fifo => NodeKind::Fifo,
        FileType::Socket => NodeKind::Socket,
        _ => return Entry::Lost(FileOutcome::Failed("its kind is unknown".to_owned())),
    };
    let attributes = attributes::of_entry(directory, name);
    let meta = Metadata { extended_attributes: attributes.found, ..metadata::from_stat(stat) };
    Entry::Saved(Node { name: name.as_bytes().to_vec(), kind, meta }, outcome(attributes.problems))
}

pub(super) fn outcome(problems: Vec<String>) -> FileOutcome {
    if problems.is_empty() { FileOutcome::Complete } else { FileOutcome::Incomplete(problems.join("; ")) }
}
