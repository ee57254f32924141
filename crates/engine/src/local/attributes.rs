//! Extended attributes, ACLs among them.

use repository::ExtendedAttribute;
use rustix::fs::{fgetxattr, flistxattr, lgetxattr, llistxattr};
use rustix::io::{Errno, Result};
use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::PathBuf;

/// The largest list of names and the largest value that Linux has.
const LARGEST: usize = 64 * 1024;

/// What could be read, and what could not.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    pub(super) found: Vec<ExtendedAttribute>,
    pub(super) problems: Vec<String>,
}

/// The attributes of an open file or directory.
pub(super) fn of_open(file: BorrowedFd<'_>) -> Attributes {
    read(|list| flistxattr(file, list), |name, value| fgetxattr(file, name, value))
}

/// The attributes of a link, device, pipe or socket, which cannot be opened: by way of the open directory.
pub(super) fn of_entry(directory: impl AsFd, name: &OsStr) -> Attributes {
    let mut path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_fd().as_raw_fd()));
    path.push(name);
    read(|list| llistxattr(&path, list), |name, value| lgetxattr(&path, name, value))
}

fn read(
    list: impl Fn(&mut [u8]) -> Result<usize>,
    get: impl Fn(&CStr, &mut [u8]) -> Result<usize>,
) -> Attributes {
    let mut attributes = Attributes::default();
    let names = match grown(&list) {
        Ok(names) => names,
        Err(Errno::NOTSUP) => return attributes,
        Err(error) => {
            attributes.problems.push(format!("its extended attributes cannot be listed: {error}"));
            return attributes;
        }
    };
    for name in names.split_inclusive(|byte| *byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        let Ok(text) = name.to_str() else {
            let shown = name.to_string_lossy();
            attributes.problems.push(format!("extended attribute {shown:?}: its name is not UTF-8"));
            continue;
        };
        match grown(&|value: &mut [u8]| get(name, value)) {
            Ok(value) => attributes.found.push(ExtendedAttribute { name: text.to_owned(), value }),
            // Gone since the listing.
            Err(Errno::NODATA) => {}
            Err(error) => attributes.problems.push(format!("extended attribute {text:?}: {error}")),
        }
    }
    attributes
}

/// Calls `read` with a small buffer first: most lists and values are empty or short.
fn grown(read: &impl Fn(&mut [u8]) -> Result<usize>) -> Result<Vec<u8>> {
    let mut small = [0; 256];
    match read(&mut small) {
        Ok(length) => return Ok(small.get(..length).unwrap_or_default().to_vec()),
        Err(Errno::RANGE) => {}
        Err(error) => return Err(error),
    }
    let mut large = vec![0; LARGEST];
    let length = read(&mut large)?;
    large.truncate(length);
    Ok(large)
}
