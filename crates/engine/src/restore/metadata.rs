//! Puts owner, extended attributes, mode and times onto a restored entry, in the order that keeps all of them.
//!
//! Owner first (changing it clears set-user-id bits and capabilities), then attributes (they need write access),
//! then the mode, then the times.

use super::Ownership;
use repository::Metadata;
use rustix::{
    fs::{AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags},
    io::Errno,
};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Where the kernel shows our open files.
const OPEN: &str = "/proc/self/fd";
/// Set-user-id and set-group-id.
const SET_IDS: u32 = 0o6000;

/// What could not be restored, in words; empty when all was.
pub(super) type Shortcomings = Vec<String>;

/// For a file or directory that is open.
pub(super) fn apply_open(fd: BorrowedFd<'_>, meta: &Metadata, ownership: Ownership) -> Shortcomings {
    let mut missing = Vec::new();
    let own = owner(meta, ownership, &mut missing, |uid, gid| rustix::fs::fchown(fd, Some(uid), Some(gid)));
    for attribute in &meta.extended_attributes {
        let set = rustix::fs::fsetxattr(fd, attribute.name.as_str(), &attribute.value, XattrFlags::empty());
        note(&mut missing, &format!("attribute {}", attribute.name), set);
    }
    let mode = permissions(meta, own, &mut missing);
    note(&mut missing, "mode", rustix::fs::fchmod(fd, mode));
    note(&mut missing, "times", rustix::fs::futimens(fd, &times(meta)));
    missing
}

/// For an entry that must not be opened: a link, device or pipe, held by a handle on the entry itself.
pub(super) fn apply_handle(
    handle: BorrowedFd<'_>,
    meta: &Metadata,
    ownership: Ownership,
    is_symlink: bool,
) -> Shortcomings {
    let mut missing = Vec::new();
    let own = owner(meta, ownership, &mut missing, |uid, gid| {
        rustix::fs::chownat(handle, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)
    });
    let entry = format!("{OPEN}/{}", handle.as_raw_fd());
    for attribute in &meta.extended_attributes {
        // The path leads to the held entry itself, whatever its name stands for by now. For a symbolic link the
        // kernel offers no such way.
        let set = if is_symlink {
            Err(Errno::NOTSUP)
        } else {
            rustix::fs::setxattr(&entry, attribute.name.as_str(), &attribute.value, XattrFlags::empty())
        };
        note(&mut missing, &format!("attribute {}", attribute.name), set);
    }
    if !is_symlink {
        let mode = permissions(meta, own, &mut missing);
        note(&mut missing, "mode", rustix::fs::chmod(&entry, mode));
    }
    let set =
        rustix::fs::utimensat(handle, "", &times(meta), AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW);
    note(&mut missing, "times", set);
    missing
}

/// Sets the owner when asked to; says whether the entry has its recorded owner.
fn owner(
    meta: &Metadata,
    ownership: Ownership,
    missing: &mut Shortcomings,
    change: impl FnOnce(Uid, Gid) -> Result<(), Errno>,
) -> bool {
    if ownership == Ownership::Ours {
        return false;
    }
    // All bits set means "leave it alone" to the kernel: no file can have that owner.
    if meta.uid == u32::MAX || meta.gid == u32::MAX {
        missing.push("owner: the recorded one is impossible".to_owned());
        return false;
    }
    let changed = change(Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
    note(missing, "owner", changed);
    changed.is_ok()
}

/// The permissions; without its recorded owner an entry must not lend anybody's identity.
fn permissions(meta: &Metadata, has_owner: bool, missing: &mut Shortcomings) -> Mode {
    let mut bits = meta.mode.unix_permissions();
    if !has_owner && bits & SET_IDS != 0 {
        bits &= !SET_IDS;
        missing.push("set-user-id and set-group-id bits: the owner was not restored".to_owned());
    }
    Mode::from_raw_mode(bits)
}

fn times(meta: &Metadata) -> Timestamps {
    let spec = |time: jiff::Timestamp| {
        // Before 1970 jiff counts the fraction backwards, the kernel forwards.
        let (seconds, nanoseconds) = (time.as_second(), i64::from(time.subsec_nanosecond()));
        if nanoseconds < 0 {
            Timespec { tv_sec: seconds - 1, tv_nsec: nanoseconds + 1_000_000_000 }
        } else {
            Timespec { tv_sec: seconds, tv_nsec: nanoseconds }
        }
    };
    Timestamps { last_access: spec(meta.atime), last_modification: spec(meta.mtime) }
}

fn note(missing: &mut Shortcomings, what: &str, result: Result<(), Errno>) {
    if let Err(errno) = result {
        missing.push(format!("{what}: {errno}"));
    }
}
