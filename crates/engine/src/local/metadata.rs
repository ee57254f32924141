//! From what the system knows about a file to what the repository keeps.

use jiff::Timestamp;
use repository::{FileMode, GenericAttributes, Metadata};
use rustix::fs::Stat;

/// The metadata of a file, without extended attributes.
#[allow(clippy::useless_conversion)] // narrower on other processors
pub(super) fn from_stat(stat: &Stat) -> Metadata {
    Metadata {
        mode: FileMode::from_unix(stat.st_mode),
        mtime: time(stat.st_mtime, stat.st_mtime_nsec),
        atime: time(stat.st_atime, stat.st_atime_nsec),
        ctime: time(stat.st_ctime, stat.st_ctime_nsec),
        uid: stat.st_uid,
        gid: stat.st_gid,
        user: String::new(),
        group: String::new(),
        inode: stat.st_ino,
        device_id: stat.st_dev,
        links: stat.st_nlink.into(),
        extended_attributes: Vec::new(),
        generic_attributes: GenericAttributes::default(),
        error: String::new(),
    }
}

/// A time of the file system; beyond the years that the format can hold the nearest one.
fn time(second: i64, nanosecond: impl TryInto<i32>) -> Timestamp {
    let nanosecond = nanosecond.try_into().unwrap_or(0);
    let limit = if second < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::new(second, nanosecond).unwrap_or(limit)
}

/// Whether the content may have changed between two looks.
pub(super) fn content_changed(before: &Stat, after: &Stat) -> bool {
    let view = |stat: &Stat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec, stat.st_ino, stat.st_dev);
    view(before) != view(after)
}
