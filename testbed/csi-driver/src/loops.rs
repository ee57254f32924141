//! Loop devices: they make a file of the pool look like a disk.

use crate::error::Error;
use crate::tool::run;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The loop device of `disk`: the one it has, or a new one.
pub fn attach(disk: &Path) -> Result<PathBuf, Error> {
    let args: [&OsStr; 4] = ["--find".as_ref(), "--show".as_ref(), "--nooverlap".as_ref(), disk.as_os_str()];
    Ok(PathBuf::from(run("losetup", &args)?.trim()))
}

/// The loop devices of `disk`.
pub fn attached(disk: &Path) -> Result<Vec<PathBuf>, Error> {
    if !disk.exists() {
        return Ok(Vec::new());
    }
    let args: [&OsStr; 6] = [
        "--list".as_ref(),
        "--noheadings".as_ref(),
        "--output".as_ref(),
        "NAME".as_ref(),
        "--associated".as_ref(),
        disk.as_os_str(),
    ];
    Ok(run("losetup", &args)?.lines().map(|line| PathBuf::from(line.trim())).collect())
}

/// Takes a loop device away as soon as its last user closes it.
pub fn detach(device: &Path) -> Result<(), Error> {
    run("losetup", &["--detach".as_ref(), device.as_os_str()]).map(drop)
}

/// Lets a loop device take on the length that its file has now.
pub fn resize(device: &Path) -> Result<(), Error> {
    run("losetup", &["--set-capacity".as_ref(), device.as_os_str()]).map(drop)
}
