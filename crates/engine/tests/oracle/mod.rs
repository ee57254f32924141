//! Plants directories full of everything a file system can hold, and compares two of them entry by entry.

#![allow(dead_code)] // each test binary uses its part

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Bytes that do not compress or repeat.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut data = vec![0; length];
    StdRng::seed_from_u64(seed).fill(&mut data[..]);
    data
}

/// Everything known about one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    kind: String,
    mode: u32,
    owner: (u32, u32),
    mtime: (i64, i64),
    size: u64,
    content: Option<Vec<u8>>,
    target: Option<PathBuf>,
    device: u64,
    attributes: BTreeMap<OsString, Vec<u8>>,
    /// The first path with the same inode.
    same_as: PathBuf,
}

/// All entries of a directory, the directory itself under the empty path.
pub fn survey(root: &Path) -> BTreeMap<PathBuf, Facts> {
    let mut inodes: BTreeMap<u64, PathBuf> = BTreeMap::new();
    let mut found = BTreeMap::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(path) = waiting.pop() {
        let full = root.join(&path);
        let stat = fs::symlink_metadata(&full).unwrap();
        if stat.is_dir() {
            waiting.extend(fs::read_dir(&full).unwrap().map(|child| path.join(child.unwrap().file_name())));
        }
        let names: Vec<OsString> = xattr::list(&full).map(Iterator::collect).unwrap_or_default();
        let attributes = names
            .into_iter()
            .filter_map(|name| Some((name.clone(), xattr::get(&full, &name).ok()??)))
            .collect();
        let facts = Facts {
            kind: format!("{:?}", stat.file_type()),
            mode: stat.mode(),
            owner: (stat.uid(), stat.gid()),
            mtime: (stat.mtime(), stat.mtime_nsec()),
            size: if stat.is_dir() { 0 } else { stat.size() },
            content: stat.is_file().then(|| fs::read(&full).unwrap()),
            target: stat.is_symlink().then(|| fs::read_link(&full).unwrap()),
            device: if stat.file_type().is_char_device() || stat.file_type().is_block_device() {
                stat.rdev()
            } else {
                0
            },
            attributes,
            same_as: if stat.is_dir() { path.clone() } else { PathBuf::from(stat.ino().to_string()) },
        };
        inodes
            .entry(stat.ino())
            .and_modify(|first| *first = first.clone().min(path.clone()))
            .or_insert(path.clone());
        found.insert(path, facts);
    }
    for facts in found.values_mut() {
        if let Some(first) = facts
            .same_as
            .to_str()
            .and_then(|text| text.parse().ok())
            .and_then(|inode: u64| inodes.get(&inode))
        {
            facts.same_as = first.clone();
        }
    }
    found
}

/// The differences between two directories, in words; empty when they are equal in everything we know.
pub fn differences(one: &Path, two: &Path) -> Vec<String> {
    let (left, right) = (survey(one), survey(two));
    let mut found = Vec::new();
    for path in left.keys().chain(right.keys()).collect::<std::collections::BTreeSet<_>>() {
        match (left.get(path), right.get(path)) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => {
                let brief = |facts: &Facts| Facts { content: None, ..facts.clone() };
                let what = if brief(a) == brief(b) {
                    "content".to_owned()
                } else {
                    format!("{:?} / {:?}", brief(a), brief(b))
                };
                found.push(format!("{}: {what}", path.display()));
            }
            (Some(_), None) => found.push(format!("{}: missing", path.display())),
            _ => found.push(format!("{}: unexpected", path.display())),
        }
    }
    found
}

fn set_times(path: &Path, seconds: i64, nanoseconds: i64) {
    let spec = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps { last_access: spec, last_modification: spec };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// An access list: owner rw, user 1000 r, group r, mask r, others nothing.
pub fn access_list() -> Vec<u8> {
    let mut list = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in
        [(1u16, 6u16, u32::MAX), (2, 4, 1000), (4, 4, u32::MAX), (16, 4, u32::MAX), (32, 0, u32::MAX)]
    {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    list
}

/// Plants a directory with everything: needs to be root for owners and devices.
pub fn plant(root: &Path, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    fs::create_dir_all(root).unwrap();
    let mut folders = vec![root.to_path_buf()];
    for number in 0..rng.random_range(3..12) {
        let parent = folders[rng.random_range(0..folders.len())].clone();
        let folder = parent.join(format!("folder {number}"));
        fs::create_dir(&folder).unwrap();
        folders.push(folder);
    }
    for number in 0..rng.random_range(10..60) {
        let parent = &folders[rng.random_range(0..folders.len())];
        let file = parent.join(format!("file-{number}"));
        let length = [0, 1, 100, 4096, 70_000, 300_000, 2_500_000][rng.random_range(0..7)];
        fs::write(&file, noise(rng.random(), length)).unwrap();
    }
    curiosities(&folders[1]);
    dress(root, &mut rng);
}

fn curiosities(folder: &Path) {
    for name in [
        &b"caf\xe9"[..],
        b"new\nline",
        b"tab\t",
        b"quote\"",
        b"back\\slash",
        "猫".as_bytes(),
        b" ",
        b"-rf",
        b"\xff\xfe",
    ] {
        fs::write(folder.join(OsStr::from_bytes(name)), name).unwrap();
    }
    symlink("file that is not there", folder.join("dangling")).unwrap();
    symlink("/etc", folder.join("outside")).unwrap();
    fs::write(folder.join("one"), "linked").unwrap();
    fs::hard_link(folder.join("one"), folder.join("two")).unwrap();
    fs::create_dir(folder.join("sub")).unwrap();
    fs::hard_link(folder.join("one"), folder.join("sub/three")).unwrap();
    fs::write(folder.join("large-one"), noise(5, 3_000_000)).unwrap();
    fs::hard_link(folder.join("large-one"), folder.join("sub/large-two")).unwrap();
    rustix::fs::mknodat(CWD, folder.join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    rustix::fs::mknodat(
        CWD,
        folder.join("null"),
        FileType::CharacterDevice,
        Mode::RUSR,
        rustix::fs::makedev(1, 3),
    )
    .unwrap();
    rustix::fs::mknodat(
        CWD,
        folder.join("loop"),
        FileType::BlockDevice,
        Mode::RUSR,
        rustix::fs::makedev(7, 0),
    )
    .unwrap();
    let sparse = File::create(folder.join("sparse")).unwrap();
    sparse.set_len(40 << 20).unwrap();
    sparse.write_all_at(b"in the middle", 20 << 20).unwrap();
    fs::write(folder.join("attributes"), "x").unwrap();
    xattr::set(folder.join("attributes"), "user.note", b"\x00\xff").unwrap();
    xattr::set(folder.join("attributes"), "user.empty", b"").unwrap();
    xattr::set(folder.join("attributes"), "trusted.secret", b"root only").unwrap();
    xattr::set(folder.join("attributes"), "system.posix_acl_access", &access_list()).unwrap();
    xattr::set(folder, "user.folder", b"yes").unwrap();
    fs::write(folder.join("set-user-id"), "x").unwrap();
}

/// A link whose target is not UTF-8, which stock restic before 0.17 cannot represent.
pub fn plant_raw_link(folder: &Path) {
    symlink(OsString::from_vec(b"caf\xe9/\xff".to_vec()), folder.join("raw link")).unwrap();
}

/// Owners, modes and times, children before their parents.
fn dress(root: &Path, rng: &mut StdRng) {
    let mut paths: Vec<PathBuf> = survey(root).into_keys().collect();
    paths.reverse();
    for (number, path) in paths.iter().enumerate() {
        let full = root.join(path);
        let stat = fs::symlink_metadata(&full).unwrap();
        let owner = [0, 1000, 65_534, 4_000_000_000u32][rng.random_range(0..4)];
        std::os::unix::fs::lchown(&full, Some(owner), Some(owner / 2)).unwrap();
        if !stat.is_symlink() && path.file_name() != Some(OsStr::new("attributes")) {
            let mode = if stat.is_dir() {
                [0o755, 0o700, 0o1777, 0o500, 0o2770][rng.random_range(0..5)]
            } else {
                [0o644, 0o600, 0o400, 0o755, 0][rng.random_range(0..5)]
            };
            fs::set_permissions(&full, fs::Permissions::from_mode(mode)).unwrap();
        }
        if path.file_name() == Some(OsStr::new("set-user-id")) {
            fs::set_permissions(&full, fs::Permissions::from_mode(0o6755)).unwrap();
        }
        set_times(
            &full,
            1_000_000_000 + number as i64 * 1001 - if number == 3 { 1_000_000_002 } else { 0 },
            rng.random_range(0..1_000_000_000),
        );
    }
}
