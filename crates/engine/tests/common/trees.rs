//! Random directory trees with everything that a file system can hold, and a comparison that misses nothing.

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// What a random tree may hold beyond what every client understands.
#[derive(Debug, Clone, Copy)]
pub struct Flavour {
    /// Symbolic links whose targets are not UTF-8.
    pub raw_link_targets: bool,
}

/// Fills `root` with a random tree. Devices, foreign owners and `trusted.` attributes only when run by root.
pub fn plant(root: &Path, seed: u64, flavour: Flavour) {
    let mut rng = StdRng::seed_from_u64(seed);
    let privileged = rustix::process::geteuid().is_root();
    let mut planter = Planter { rng: &mut rng, privileged, flavour, files: Vec::new() };
    planter.fill(root, 3);
    planter.dress(root, 0);
}

struct Planter<'a> {
    rng: &'a mut StdRng,
    privileged: bool,
    flavour: Flavour,
    files: Vec<PathBuf>,
}

impl Planter<'_> {
    fn fill(&mut self, folder: &Path, depth: u32) {
        for number in 0..self.rng.random_range(1..9) {
            let path = folder.join(self.name(number));
            match self.rng.random_range(0..16) {
                0..4 if depth > 0 => {
                    fs::create_dir(&path).unwrap();
                    self.fill(&path, depth - 1);
                }
                4 => self.link(&path),
                5 => rustix::fs::mkfifoat(CWD, &path, Mode::RWXU).unwrap(),
                6 if self.privileged => {
                    let kind =
                        if self.rng.random() { FileType::BlockDevice } else { FileType::CharacterDevice };
                    let device =
                        rustix::fs::makedev(self.rng.random_range(1..300), self.rng.random_range(0..300));
                    rustix::fs::mknodat(CWD, &path, kind, Mode::RUSR, device).unwrap();
                }
                7 if !self.files.is_empty() => {
                    let other = &self.files[self.rng.random_range(0..self.files.len())];
                    fs::hard_link(other, &path).unwrap();
                    continue; // dressed already
                }
                8 => self.sparse(&path),
                _ => self.file(&path),
            }
            self.dress(&path, depth);
        }
    }

    /// Names that make trouble: bytes that are not UTF-8, control characters, quotes, escapes, spaces.
    fn name(&mut self, number: u32) -> OsString {
        let odd: [&[u8]; 10] = [
            b"plain",
            b"caf\xe9",
            b"a\nb",
            b"quote\"s\\x41",
            b" lead",
            "üñï日本".as_bytes(),
            b"<&>",
            b"\x01\x7f\xff",
            "\u{2028}\u{feff}".as_bytes(),
            b"-rf *",
        ];
        let base = odd[self.rng.random_range(0..odd.len())];
        OsString::from_vec([base, format!(".{number}").as_bytes()].concat())
    }

    fn file(&mut self, path: &Path) {
        let length = match self.rng.random_range(0..12) {
            0 => 0,
            1 => self.rng.random_range(500_000..3_000_000),
            2 => 512 * 1024,
            3 => 512 * 1024 + 1,
            _ => self.rng.random_range(1..20_000),
        };
        let mut data = vec![0; length];
        self.rng.fill(&mut data[..]);
        if self.rng.random() {
            data.iter_mut().for_each(|byte| *byte = b'a' + *byte % 4); // compressible
        }
        fs::write(path, data).unwrap();
        self.files.push(path.to_path_buf());
    }

    fn sparse(&mut self, path: &Path) {
        let file = File::create(path).unwrap();
        for _ in 0..self.rng.random_range(0..3) {
            file.write_all_at(b"island", self.rng.random_range(0..30 << 20)).unwrap();
        }
        file.set_len(file.metadata().unwrap().len().max(self.rng.random_range(0..40 << 20))).unwrap();
        self.files.push(path.to_path_buf());
    }

    fn link(&mut self, path: &Path) {
        let raw = self.flavour.raw_link_targets && self.rng.random();
        let target: &[u8] = if raw { b"gone/\xff\xfe" } else { "../somewhere/<ü>".as_bytes() };
        symlink(OsString::from_vec(target.to_vec()), path).unwrap();
    }

    /// Owner, mode, attributes and times, in the order in which they do not undo each other.
    fn dress(&mut self, path: &Path, depth: u32) {
        let kind = fs::symlink_metadata(path).unwrap().file_type();
        if self.privileged && self.rng.random() {
            let id = |rng: &mut StdRng| Some(rng.random_range(0..70_000));
            std::os::unix::fs::lchown(path, id(self.rng), id(self.rng)).unwrap();
        }
        if !kind.is_symlink() {
            let mode = if kind.is_dir() { 0o700 } else { 0o400 } | self.rng.random_range(0..0o10000);
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        if (kind.is_file() || kind.is_dir()) && self.rng.random() {
            let value: Vec<u8> = (0..self.rng.random_range(0..300)).map(|_| self.rng.random()).collect();
            xattr::set(path, "user.ünïcode", &value).unwrap();
            if self.privileged {
                xattr::set(path, "trusted.test", b"\0binary\xff").unwrap();
            }
            if depth.is_multiple_of(2) {
                xattr::set(path, "system.posix_acl_access", &acl(self.rng.random_range(1..60_000))).unwrap();
            }
        }
        let second = self.rng.random_range(-2_000_000_000..4_000_000_000_i64);
        let time = Timespec { tv_sec: second, tv_nsec: self.rng.random_range(0..1_000_000_000) };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

/// A POSIX ACL (version 2): owner, one named user, group, mask, others.
fn acl(user: u32) -> Vec<u8> {
    let entry = |tag: u16, permissions: u16, id: u32| {
        [tag.to_le_bytes().to_vec(), permissions.to_le_bytes().to_vec(), id.to_le_bytes().to_vec()].concat()
    };
    [
        2_u32.to_le_bytes().to_vec(),
        entry(0x01, 6, u32::MAX),
        entry(0x02, 4, user),
        entry(0x04, 4, u32::MAX),
        entry(0x10, 4, u32::MAX),
        entry(0x20, 0, u32::MAX),
    ]
    .concat()
}

/// Every difference between two trees, as sentences. Access and change times are not compared.
pub fn differences(expected: &Path, actual: &Path) -> Vec<String> {
    let (expected, actual) = (describe(expected), describe(actual));
    let paths: BTreeSet<&PathBuf> = expected.keys().chain(actual.keys()).collect();
    let different = paths.into_iter().filter_map(|path| match (expected.get(path), actual.get(path)) {
        (Some(a), Some(b)) if a == b => None,
        (Some(a), Some(b)) => Some(format!("{path:?}: {}", first_difference(a, b))),
        (Some(_), None) => Some(format!("{path:?} is missing")),
        _ => Some(format!("{path:?} is new")),
    });
    different.collect()
}

fn first_difference(a: &BTreeMap<&'static str, Vec<u8>>, b: &BTreeMap<&'static str, Vec<u8>>) -> String {
    let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
    let key = keys.into_iter().find(|key| a.get(*key) != b.get(*key)).unwrap();
    let show = |value: Option<&Vec<u8>>| {
        value.map(|value| String::from_utf8_lossy(&value[..value.len().min(80)]).into_owned())
    };
    format!("{key} is {:?}, should be {:?}", show(b.get(key)), show(a.get(key)))
}

/// Everything about every entry: type, mode, owner, time, content, target, device, attributes, hard links.
fn describe(root: &Path) -> BTreeMap<PathBuf, BTreeMap<&'static str, Vec<u8>>> {
    let mut entries = BTreeMap::new();
    let mut inodes = BTreeMap::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(path) = waiting.pop() {
        let full = root.join(&path);
        let meta = fs::symlink_metadata(&full).unwrap();
        if meta.is_dir() {
            for entry in fs::read_dir(&full).unwrap() {
                waiting.push(path.join(entry.unwrap().file_name()));
            }
        }
        if !path.as_os_str().is_empty() {
            inodes.entry(meta.ino()).or_insert_with(BTreeSet::new).insert(path.clone());
            entries.insert(path, describe_entry(&full, &meta));
        }
    }
    for names in inodes.values().filter(|names| names.len() > 1) {
        let group = names.iter().map(|name| name.as_os_str().as_bytes()).collect::<Vec<_>>().join(&b'\n');
        for name in names {
            entries.get_mut(name).unwrap().insert("hard links", group.clone());
        }
    }
    entries
}

fn describe_entry(path: &Path, meta: &fs::Metadata) -> BTreeMap<&'static str, Vec<u8>> {
    let mut facts = BTreeMap::from([
        ("mode", format!("{:o}", meta.mode()).into_bytes()),
        ("owner", format!("{}:{}", meta.uid(), meta.gid()).into_bytes()),
        ("mtime", format!("{}.{:09}", meta.mtime(), meta.mtime_nsec()).into_bytes()),
        ("device", if meta.rdev() == 0 { Vec::new() } else { meta.rdev().to_string().into_bytes() }),
    ]);
    if meta.is_file() {
        facts.insert("content", fs::read(path).unwrap());
    }
    if meta.is_symlink() {
        facts.insert("target", fs::read_link(path).unwrap().into_os_string().into_vec());
    }
    let mut attributes: Vec<Vec<u8>> = xattr::list(path)
        .unwrap()
        .map(|name| [name.as_bytes(), b"=", &xattr::get(path, &name).unwrap().unwrap()].concat())
        .collect();
    attributes.sort();
    facts.insert("extended attributes", attributes.join(&b'\n'));
    facts
}
