//! Small disks that a test can fill.

use crate::{Ran, run};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the mounted file systems are called, before the process that mounted them.
const SOURCE: &str = "cofferdam-test-disk-";

/// A small file system in memory, gone with this value.
#[derive(Debug)]
pub struct Disk(tempfile::TempDir);

/// A disk without a byte left; what fills it goes with this value.
#[derive(Debug)]
pub struct Full(PathBuf);

impl Disk {
    /// One of this size, such as `24m`.
    pub fn new(size: &str) -> Self {
        unmount_leftovers();
        let disk = Self(tempfile::TempDir::new().expect("a directory"));
        let source = format!("{SOURCE}{}", std::process::id());
        disk.mount(&["-t", "tmpfs", "-o", &format!("size={size}"), &source]);
        disk
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Gives it another size.
    pub fn resize(&self, size: &str) {
        self.mount(&["-o", &format!("remount,size={size}")]);
    }

    /// Fills it to its last byte.
    pub fn fill(&self) -> Full {
        let full = Full(self.path().join("filler"));
        let mut file = File::create(&full.0).expect("a file");
        for part in [1 << 20, 4 << 10, 1] {
            let part = vec![0_u8; part];
            while file.write_all(&part).is_ok() {}
        }
        full
    }

    fn mount(&self, arguments: &[&str]) {
        let mut command = Command::new("mount");
        command.args(arguments).arg(self.path());
        run(command, "").ok();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        unmount(self.path());
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// Lazily: whoever still holds a file there keeps nobody from going on.
fn unmount(path: &Path) -> Ran {
    let mut command = Command::new("umount");
    command.arg("-l").arg(path);
    run(command, "")
}

/// A test that was ended by force leaves its disks behind.
fn unmount_leftovers() {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    for line in mounts.lines() {
        let mut words = line.split_whitespace();
        let (Some(source), Some(path)) = (words.next(), words.next()) else { continue };
        let Some(process) = source.strip_prefix(SOURCE) else { continue };
        if !Path::new("/proc").join(process).exists() {
            unmount(Path::new(path));
        }
    }
}
