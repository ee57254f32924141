//! A real PostgreSQL server of this machine's packages, on a Unix socket in a folder of its own. It ends with the test
//! process, however that ends.

use std::{
    fs,
    io::Write,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

/// A running server.
pub struct Server {
    folder: PathBuf,
    programs: PathBuf,
    // Its guard ends the server when this pipe closes.
    _guard: (Child, ChildStdin),
}

/// PostgreSQL refuses to run as root; this is Debian's user for it.
const USER: &str = "postgres";

impl Server {
    /// Makes and starts one for tests: small, quick to make, and without syncing, because the machine does not lose power during
    /// a test; the kill of a server loses nothing that was written.
    pub fn start() -> Self {
        let settings = "fsync = off\nmin_wal_size = 2MB\nshared_buffers = 32MB\n";
        Self::made(&["-N", "--wal-segsize=1"], settings)
    }

    /// Makes and starts one as its packages set it up, which syncs what it has answered.
    pub fn as_packaged() -> Self {
        Self::made(&[], "")
    }

    fn made(initdb: &[&str], settings: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("cofferdam-pg").tempdir().unwrap().keep();
        let programs = programs();
        own(&folder);
        let guard = guard(&folder, &programs);
        let server = Self { folder, programs, _guard: guard };
        let always = ["-U", "vault", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8"];
        run(server.command("initdb").args(always).args(initdb).arg("-D").arg(server.data()));
        server.set(&format!("listen_addresses = ''\nmax_connections = 300\n{settings}"));
        server.up();
        server
    }

    /// Adds settings; those that come last count, from the next start on.
    pub fn set(&self, settings: &str) {
        let path = self.data().join("postgresql.conf");
        let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(settings.as_bytes()).unwrap();
    }

    /// The URL of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://vault@{}/{database}", self.folder.display().to_string().replace('/', "%2F"))
    }

    /// Makes an empty database.
    pub fn make(&self, database: &str) {
        run(self.command("createdb").args(["-U", "vault", "-h"]).arg(&self.folder).arg(database));
    }

    /// Drops a database, with whatever is connected to it. What cannot be dropped goes with the server.
    pub fn remove(&self, database: &str) {
        let mut command = self.command("dropdb");
        command.args(["-U", "vault", "--force", "-h"]).arg(&self.folder).arg(database);
        drop(command.stdout(Stdio::null()).stderr(Stdio::null()).status());
    }

    /// Where its socket is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts it.
    pub fn up(&self) {
        let socket = format!("-k {}", self.folder.display());
        run(self.control().args(["-w", "-o", &socket, "-l"]).arg(self.folder.join("log")).arg("start"));
    }

    /// Lets it answer nothing until what this returns is dropped: its host has vanished, and closes no connection.
    pub fn silenced(&self) -> Silence {
        let known = fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let main = known.lines().next().unwrap().to_owned();
        let children = Command::new("pgrep").args(["-P", &main]).output().unwrap().stdout;
        let children = String::from_utf8(children).unwrap();
        let processes = children.split_whitespace().map(str::to_owned).chain([main]).collect();
        let silence = Silence { processes };
        silence.signal("-STOP");
        silence
    }

    /// Ends it as a crash does: what is under way is lost, and the next start recovers from its log.
    pub fn crash(&self) {
        run(self.control().args(["-w", "-m", "immediate", "stop"]));
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn control(&self) -> Command {
        let mut command = self.command("pg_ctl");
        command.arg("-D").arg(self.data());
        command
    }

    fn command(&self, program: &str) -> Command {
        as_owner(self.programs.join(program), &self.folder)
    }
}

/// A command as the server's user, in its folder.
fn as_owner(program: impl AsRef<Path>, folder: &Path) -> Command {
    let mut command = Command::new(program.as_ref());
    command.current_dir(folder).stdin(Stdio::null()).env_remove("PGHOST").env_remove("PGUSER");
    if let Some((user, group)) = owner() {
        command.uid(user).gid(group);
    }
    command
}

/// Belongs to the server's user from now on.
pub fn own(path: &Path) {
    if let Some((user, group)) = owner() {
        std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    }
    let mode = if path.is_dir() { 0o700 } else { 0o600 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// User and group of the server, where the test runs as root.
fn owner() -> Option<(u32, u32)> {
    rustix::process::getuid().is_root().then(|| {
        let users = fs::read_to_string("/etc/passwd").unwrap();
        let line =
            users.lines().find(|line| line.starts_with(&format!("{USER}:"))).expect("Debian's user postgres");
        let fields: Vec<&str> = line.split(':').collect();
        (fields[2].parse().unwrap(), fields[3].parse().unwrap())
    })
}

/// The newest version that is installed.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("tests/packages installs PostgreSQL");
    let version = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest = versions.map(|entry| entry.unwrap().path()).max_by_key(|path| version(path));
    newest.expect("tests/packages installs PostgreSQL").join("bin")
}

fn guard(folder: &Path, programs: &Path) -> (Child, ChildStdin) {
    let script =
        r#"read -r line; "$1/pg_ctl" -D "$0/data" -m immediate stop >/dev/null 2>&1; cd /; rm -rf "$0""#;
    let mut child = as_owner("/bin/sh", folder)
        .args(["-c", script])
        .args([folder, programs])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let stdin = child.stdin.take().unwrap();
    (child, stdin)
}

fn run(command: &mut Command) {
    // The server keeps what it inherits open: files, not pipes, or this would wait for its end.
    let output = tempfile::tempfile().unwrap();
    let status = command.stdout(output.try_clone().unwrap()).stderr(output).status().unwrap();
    assert!(status.success(), "{command:?} ended with {status}");
}

/// A server that answers nothing; it goes on when this is dropped.
pub struct Silence {
    processes: Vec<String>,
}

impl Silence {
    fn signal(&self, signal: &str) {
        // One that ended meanwhile takes no signal.
        drop(Command::new("kill").arg(signal).args(&self.processes).stderr(Stdio::null()).status());
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}
