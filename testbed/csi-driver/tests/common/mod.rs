//! A throw-away btrfs pool on a loop device and a driver process on it, both cleaned up on drop.
#![allow(dead_code)]

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Room for the pool and for kubelet's directory, in one temporary directory.
pub struct World {
    dir: TempDir,
}

impl World {
    /// Makes a file system of `gib` GiB, sparse, and mounts it. Needs root.
    pub fn new(gib: u64) -> Self {
        assert!(rustix::process::geteuid().is_root(), "run this test as root: it mounts a btrfs pool");
        let world = Self { dir: tempfile::tempdir().unwrap() };
        let image = world.path("pool.img");
        fs::File::create(&image).unwrap().set_len(gib << 30).unwrap();
        fs::create_dir(world.path("pool")).unwrap();
        fs::create_dir(world.path("kubelet")).unwrap();
        tool("mkfs.btrfs", &["-q".as_ref(), &image]);
        tool("mount", &["-o".as_ref(), "loop".as_ref(), &image, &world.path("pool")]);
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn pool(&self) -> PathBuf {
        self.path("pool")
    }

    pub fn kubelet(&self) -> PathBuf {
        self.path("kubelet")
    }

    /// The mounts below this world's directory, newest first.
    fn mounts(&self) -> Vec<PathBuf> {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let targets = table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
        let mut mine: Vec<_> = targets.filter(|target| target.starts_with(self.dir.path())).collect();
        mine.reverse();
        mine
    }

    /// The loop devices whose file is below this world's directory.
    pub fn loops(&self) -> Vec<PathBuf> {
        let list = Command::new("losetup")
            .args(["--list", "--noheadings", "--raw", "--output", "NAME,BACK-FILE"])
            .output()
            .unwrap();
        String::from_utf8_lossy(&list.stdout)
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter(|(_, file)| Path::new(file).starts_with(self.pool()))
            .map(|(name, _)| PathBuf::from(name))
            .collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let pool = self.pool();
        let mounts = self.mounts();
        let (last, first): (Vec<_>, Vec<_>) = mounts.into_iter().partition(|target| *target == pool);
        for target in first {
            complain("umount", &[&target]);
        }
        for device in self.loops() {
            complain("losetup", &["--detach".as_ref(), &device]);
        }
        for target in last {
            complain("umount", &[&target]);
        }
    }
}

/// A running driver; killed on drop.
pub struct Driver {
    child: Child,
    pub endpoint: PathBuf,
}

impl Driver {
    /// Starts the driver named `name` on the world's pool and waits until it serves.
    pub fn start(world: &World, name: &str, more: &[&str]) -> Self {
        let endpoint = world.path(&format!("{name}.sock"));
        let child = Command::new(env!("CARGO_BIN_EXE_csi-driver"))
            .arg("--endpoint")
            .arg(&endpoint)
            .args(["--driver-name", name, "--node-id", "node-1", "--pool"])
            .arg(world.pool())
            .arg("--kubelet-root")
            .arg(world.kubelet())
            .args(more)
            .env("RUST_LOG", "error")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut driver = Self { child, endpoint };
        let deadline = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(&driver.endpoint).is_err() {
            assert_eq!(driver.child.try_wait().unwrap(), None, "the driver ended at once");
            assert!(Instant::now() < deadline, "the driver does not open its socket");
            sleep(Duration::from_millis(20));
        }
        driver
    }

    /// Asks the driver to stop and waits until it has.
    pub fn stop(mut self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success(), "the driver did not stop cleanly");
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("the driver stays behind: {error}");
        }
    }
}

fn tool(program: &str, args: &[&Path]) {
    let output = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn complain(program: &str, args: &[&Path]) {
    match Command::new(program).args(args).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => eprintln!("{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => eprintln!("{program} {args:?}: {error}"),
    }
}
