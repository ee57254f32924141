//! Single steps with files: what a file says of its blob, and what the system's errors mean to a caller.

use crate::{BlobError, Found, Properties, properties::too_much};
use jiff::Timestamp;
use rustix::{
    fs::{IFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT},
    io::Errno,
};
use std::{fs::File, io, os::unix::fs::MetadataExt, path::Path};
use xattr::FileExt;

/// Where properties are kept.
const ATTRIBUTE: &str = "user.cofferdam.blob";

/// Opens a blob's file; `None` when there is none.
pub(super) fn open(path: &Path) -> Result<Option<File>, BlobError> {
    match File::open(path) {
        Ok(file) => match file.metadata() {
            Ok(metadata) if metadata.is_file() => Ok(Some(file)),
            Ok(_) => Ok(None),
            Err(error) => Err(at_fault("look at", path, &error)),
        },
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(at_fault("open", path, &error)),
    }
}

/// Whether an error says that there is no such file.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw_os_error), Some(Errno::NOENT | Errno::NOTDIR))
}

/// What a file says of its blob.
pub(super) fn found_of(path: &Path, file: &File) -> Result<Found, BlobError> {
    let metadata = file.metadata().map_err(|error| at_fault("look at", path, &error))?;
    let properties = match file.get_xattr(ATTRIBUTE) {
        Ok(Some(text)) => serde_json::from_slice(&text).unwrap_or_else(|error| {
            tracing::warn!(%error, path = %path.display(), "properties of a blob cannot be read and are left out");
            Properties::default()
        }),
        Ok(None) => Properties::default(),
        Err(error) if has_no_attributes(&error) => Properties::default(),
        Err(error) => return Err(at_fault("read the properties of", path, &error)),
    };
    Ok(Found { properties, ..plain(&metadata) })
}

/// The same without properties.
pub(super) fn plain(metadata: &std::fs::Metadata) -> Found {
    let nanoseconds = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    Found {
        size: metadata.len(),
        etag: format!("0x{:016X}{:X}.{:X}", nanoseconds, metadata.ino(), metadata.len()),
        modified: Timestamp::from_nanosecond(nanoseconds).unwrap_or(Timestamp::UNIX_EPOCH),
        properties: Properties::default(),
        version: None,
    }
}

/// Keeps properties with a file.
pub(super) fn set_properties(path: &Path, file: &File, properties: &Properties) -> Result<(), BlobError> {
    let text = serde_json::to_vec(properties).map_err(|error| at_fault("describe", path, &error.into()))?;
    match file.set_xattr(ATTRIBUTE, &text) {
        Ok(()) => Ok(()),
        // How a blob is to be shown may be lost where the file system cannot keep it; what its owner noted may not.
        Err(error) if has_no_attributes(&error) && properties.metadata.is_empty() => Ok(()),
        Err(error) if has_no_attributes(&error) => Err(BlobError::unsupported_header("x-ms-meta-*")),
        Err(error) => match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOSPC | Errno::TOOBIG | Errno::RANGE) => Err(too_much()),
            _ => Err(at_fault("describe", path, &error)),
        },
    }
}

fn has_no_attributes(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw_os_error), Some(Errno::OPNOTSUPP | Errno::NOSYS))
}

/// Whether the file system keeps the file from being changed.
pub(super) fn is_immutable(file: &File) -> bool {
    rustix::fs::ioctl_getflags(file).is_ok_and(|flags| flags.intersects(IFlags::IMMUTABLE | IFlags::APPEND))
}

/// Makes now the time of the last change.
pub(super) fn touch(file: &File) -> io::Result<()> {
    let special = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    let times = Timestamps { last_access: special(UTIME_OMIT), last_modification: special(UTIME_NOW) };
    Ok(rustix::fs::futimens(file, &times)?)
}

/// Makes the names in a folder durable. A folder that is gone was removed with its last blob: then its absence is.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    let mut existing = Err(io::Error::from(io::ErrorKind::NotFound));
    for directory in directory.ancestors() {
        existing = File::open(directory);
        if !existing.as_ref().is_err_and(is_gone) {
            break;
        }
    }
    existing?.sync_all()
}

/// What the caller is told of an error of the system; the operator finds the rest in the log.
pub(super) fn at_fault(tried: &str, path: &Path, error: &io::Error) -> BlobError {
    let told = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NAMETOOLONG) => BlobError::name("blob", "it is too long for this account's store"),
        Some(Errno::NOTDIR | Errno::ISDIR | Errno::NOTEMPTY) => BlobError::in_the_way(),
        // Some file systems take fewer names than others.
        Some(Errno::INVAL | Errno::ILSEQ) => BlobError::name("blob", "this account's store does not take it"),
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => BlobError::full(),
        Some(Errno::STALE | Errno::TIMEDOUT | Errno::HOSTDOWN | Errno::HOSTUNREACH) => {
            BlobError::unreachable()
        }
        _ => BlobError::internal(),
    };
    if told.status.is_server_error() {
        tracing::error!(%error, path = %path.display(), "could not {tried} a file");
    }
    told
}
