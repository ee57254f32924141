//! An image unpacked into a directory, and programs run in it as a container would. Needs root.
#![allow(dead_code)]

use images::recipes::{self, Workload};
use images::{Image, Packages, archive};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// Packages in the cache that the tool itself uses.
pub fn packages() -> Packages {
    Packages::cached_in(std::env::home_dir().unwrap().join(".cache/cofferdam/images/packages"))
}

pub fn workload(workload: Workload) -> Image {
    let closure = recipes::closure(workload, &packages()).unwrap();
    recipes::workload(workload, &closure).unwrap()
}

/// A root file system made from an image.
pub struct Container {
    dir: TempDir,
    user: String,
    environment: Vec<(String, String)>,
}

impl Container {
    /// Writes the image, reads it back and unpacks its layer.
    pub fn new(image: &Image) -> Self {
        assert!(is_root(), "run this test as root: it runs programs as other users");
        let dir = tempfile::tempdir().unwrap();
        let tar = dir.path().join("image.tar");
        archive::write(image, &tar).unwrap();
        let root = dir.path().join("root");
        for folder in ["root", "root/dev", "root/proc"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        // The programs run as other users, who must get past the private temporary directory.
        Command::new("chmod").arg("711").arg(dir.path()).status().unwrap();
        unpack_layer(&tar, &root);
        fs::remove_file(tar).unwrap();
        Self { dir, user: image.settings.user.clone(), environment: image.settings.environment.clone() }
    }

    /// A path inside, seen from outside.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join("root").join(inside)
    }

    /// A command that runs `words` inside, as the image's user, in namespaces of its own, so that
    /// nothing it mounts or starts outlives it.
    fn command(&self, words: &[&str]) -> Command {
        let system = "/usr/sbin:/usr/bin:/sbin:/bin";
        let own = self.environment.iter().find(|(key, _)| key == "PATH").map(|(_, value)| value.as_str());
        let user = if self.user.is_empty() { "0:0" } else { &self.user };
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-ceu"])
            .arg(
                r#"root=$1 user=$2; shift 2
                mount --rbind /dev "$root/dev"; mount -t proc proc "$root/proc"
                ip link set lo up 2> /dev/null || busybox ip link set lo up
                exec chroot --groups= --userspec="$user" "$root" "$@""#,
            )
            .arg("sh")
            .arg(self.path(""))
            .arg(user)
            .args(words)
            .env_clear()
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            // The container's programs first: `chroot` looks them up with this, but is itself outside.
            .env("PATH", own.map_or_else(|| system.to_owned(), |own| format!("{own}:{system}")));
        command
    }

    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    pub fn start(&self, words: &[&str], environment: &[(&str, &str)]) -> Running {
        let child =
            self.command(words).envs(environment.iter().copied()).stdout(Stdio::piped()).spawn().unwrap();
        Running(child)
    }
}

/// A program that is killed, with all it started, when this is dropped.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // The first process of the namespace takes all others with it. It is not told when `unshare`
        // is killed: it has changed its user since.
        let unshare = self.0.id();
        let children =
            fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).unwrap_or_default();
        for child in children.split_whitespace() {
            if let Err(error) = Command::new("kill").args(["-KILL", child]).status() {
                eprintln!("process {child} stays behind: {error}");
            }
        }
        // The pipe ends when the last of them has ended.
        let mut rest = Vec::new();
        let drained = self.0.stdout.take().map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut rest));
        let ended = self.0.wait();
        if let Err(error) = drained.and(ended) {
            eprintln!("a program stays behind: {error}");
        }
    }
}

pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Unpacks the largest blob of the archive, which is the layer.
fn unpack_layer(image: &Path, root: &Path) {
    let sizes = |entry: tar::Entry<'_, fs::File>| (entry.size(), entry.path().unwrap().into_owned());
    let mut archive = tar::Archive::new(fs::File::open(image).unwrap());
    let layer = archive.entries().unwrap().map(|entry| sizes(entry.unwrap())).max().unwrap().1;
    let mut archive = tar::Archive::new(fs::File::open(image).unwrap());
    let entry = archive.entries().unwrap().map(Result::unwrap).find(|entry| *entry.path().unwrap() == layer);
    let mut layer = tar::Archive::new(entry.unwrap());
    layer.set_preserve_permissions(true);
    layer.set_preserve_ownerships(true);
    layer.unpack(root).unwrap();
}
