//! The program is killed while it backs the vault up, and while it recovers one: what is there afterwards is whole, and what
//! was begun can be begun again.

mod served;

use serde_json::{Value, json};
use served::{PROGRAM, Served};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};
use telemetry::{Clock, SystemClock};
use vault::{
    directory::DataDirectory,
    server::open_store,
    store::{AuditEntry, AuditOutcome, Change, Expected},
};

#[allow(dead_code)]
#[path = "../../../crates/vault/tests/databases/server.rs"]
mod server;

use server::Server;

/// Kills are spread over the time that the command takes when nobody kills it.
const KILLS: u32 = 10;
const KEY: &str = "secrets/wrapping.key";

/// A folder with a vault that has much to say.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// Large enough that a command is killed in the middle of it.
    fn start() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        assert_eq!(Served::start(&world.data(), &["--backup-every", "never"]).stop(), 0);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let store = open_store(&DataDirectory::open(&world.data()).unwrap(), None).await.unwrap();
            let put = |n: usize| Change::Put {
                id: format!("/subscriptions/s/resourceGroups/g{n}").parse().unwrap(),
                document: json!({"text": n.to_string().repeat(4_000)}),
                expected: Expected::Absent,
            };
            let audit = AuditEntry {
                at: SystemClock.now(),
                principal: "test".into(),
                action: "fill".into(),
                scope: "/".into(),
                outcome: AuditOutcome::Changed,
                correlation: "c".into(),
            };
            store.commit(&(0..1_500).map(put).collect::<Vec<_>>(), &audit).await.unwrap();
            store.close().await;
        });
        world
    }

    fn data(&self) -> PathBuf {
        self.at("vault")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn done(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command once for the time that it takes, and then kills it at so many points of that time.
    fn killed(&self, whole: Duration, arguments: impl Fn(u32) -> Vec<String>, after: impl Fn(u32, bool)) {
        for n in 0..KILLS {
            let arguments = arguments(n);
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let mut child = self.command(&arguments).spawn().unwrap();
            std::thread::sleep(whole * n / KILLS);
            drop(child.kill());
            let ended = child.wait_with_output().unwrap();
            after(n, ended.status.success());
        }
    }

    /// The backups that the vault lists.
    fn listed(&self) -> Vec<String> {
        let told = self.done(&["vault", "list-self-backups", "--data", "vault", "-o", "json"]);
        let told: Value = serde_json::from_str(&told).unwrap();
        let names = told["backups"].as_array().unwrap().iter();
        names.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    }

    /// A data directory with nothing but the wrapping key.
    fn empty(&self, name: &str) -> PathBuf {
        let data = self.at(name);
        std::fs::create_dir_all(data.join("secrets")).unwrap();
        for folder in [data.clone(), data.join("secrets")] {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        }
        std::fs::copy(self.data().join(KEY), data.join(KEY)).unwrap();
        data
    }
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let done = work();
    (done, begun.elapsed())
}

/// How many bytes the files of a folder have.
fn bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let sizes = entries.map(|entry| match entry.metadata().unwrap() {
        found if found.is_dir() => bytes(&entry.path()),
        found => found.len(),
    });
    sizes.sum()
}

#[test]
fn a_self_backup_that_is_killed_at_any_time_leaves_no_part_of_one_and_the_next_one_is_whole() {
    let world = World::start();
    let take = ["vault", "self-backup", "--data", "vault", "--backup-keep", "100"];
    let (_, first) = timed(|| world.done(&take));
    let size = bytes(&world.data().join("backups"));
    let (_, second) = timed(|| world.done(&take));

    let mut finished = 0;
    let count = std::cell::RefCell::new(&mut finished);
    world.killed(
        first.min(second),
        |_| take.map(str::to_owned).to_vec(),
        |_, done| **count.borrow_mut() += usize::from(done),
    );
    let between = world.listed();
    world.done(&take);
    let after = world.listed();

    // One that was written whole may have been killed before it could say so.
    assert!(between.len() >= finished + 2 && between.len() < KILLS as usize, "{finished}: {between:?}");
    assert_eq!(after.len(), between.len() + 1);
    for (n, name) in after.iter().enumerate() {
        let data = world.empty(&format!("new-{n}"));
        let file = world.data().join("backups").join(name);
        let (data, file) = (data.display().to_string(), file.display().to_string());
        world.done(&["vault", "recover", "--data", &data, "--file", &file, "--no-scan"]);
    }
    let kept = bytes(&world.data().join("backups"));
    assert!(
        kept < size * (after.len() as u64 + 1),
        "nothing lies beside them: {kept} bytes, {size} for each"
    );
}

fn a_recovery_is_killed(world: &World, database: impl Fn(u32) -> Vec<String>) {
    world.done(&["vault", "self-backup", "--data", "vault"]);
    let arguments = |n: u32| {
        let data = format!("new-{n}");
        let fixed = ["vault", "recover", "--data", &data, "--backup-store"];
        let mut all: Vec<String> = fixed.map(str::to_owned).to_vec();
        all.push(format!("file://{}", world.data().join("backups").display()));
        all.push("--no-scan".to_owned());
        all.extend(database(n));
        all
    };
    let run = |n: u32| {
        let all = arguments(n);
        world.command(&all.iter().map(String::as_str).collect::<Vec<_>>()).output().unwrap()
    };
    let times = [98, 99].map(|n| {
        world.empty(&format!("new-{n}"));
        let (output, time) = timed(|| run(n));
        assert!(output.status.success(), "{}", told(&output));
        time
    });
    let whole = times[0].min(times[1]);
    for n in 0..KILLS {
        world.empty(&format!("new-{n}"));
    }

    let (mut again, mut there) = (0, 0);
    let counts = std::cell::RefCell::new((&mut again, &mut there));
    world.killed(whole, arguments, |n, _| {
        let second = run(n);
        let mut counts = counts.borrow_mut();
        if second.status.success() {
            *counts.0 += 1;
        } else {
            // The first one got as far as its end.
            assert!(told(&second).contains("the database is not empty"), "{n}: {}", told(&second));
            *counts.1 += 1;
        }
    });

    assert!(again >= KILLS / 3, "most kills come before the end: {again} and {there}");
    for n in [0, KILLS / 2, KILLS - 1] {
        let data = world.at(&format!("new-{n}"));
        for file in ["tls/ca.crt", "tls/ca.key", KEY] {
            let (new, old) =
                (std::fs::read(data.join(file)).unwrap(), std::fs::read(world.data().join(file)).unwrap());
            assert!(new == old, "{file} is as it was");
        }
        let database = database(n);
        let mut serve: Vec<&str> = database.iter().map(String::as_str).collect();
        serve.extend(["--backup-every", "never"]);
        let served = Served::start(&data, &serve);
        assert!(!data.join("administrator.json").exists(), "it is the old vault, and no new one");
        assert_eq!(served.stop(), 0);
    }
}

#[test]
fn a_recovery_that_is_killed_at_any_time_can_be_run_again() {
    let world = World::start();

    a_recovery_is_killed(&world, |_| Vec::new());
}

#[test]
fn a_recovery_into_postgresql_that_is_killed_at_any_time_can_be_run_again() {
    let (world, server) = (World::start(), Server::start());
    let url = |n: u32| {
        let file = world.at(&format!("url-{n}"));
        let name = format!("new{n}");
        if !file.exists() {
            server.make(&name);
            std::fs::write(&file, server.url(&name)).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        vec!["--database-file".to_owned(), file.display().to_string()]
    };

    a_recovery_is_killed(&world, url);
}
