//! The extension as a process beside the cluster, so that a test can kill it, hold it and signal it.

use crate::{Cluster, binary, scratch, wait_until};
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const KILL: i32 = 9;

/// A running `cofferdam extension`; killed when dropped.
#[derive(Debug)]
pub struct Extension {
    child: Child,
    log: PathBuf,
}

/// How one is started.
#[derive(Debug, Clone)]
pub struct Start {
    cluster: Cluster,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    purpose: String,
}

impl Start {
    /// An extension for `cluster`. All that a test starts under one name share an identity, as the containers of
    /// one pod do: a successor need not wait until the Lease of a killed predecessor expires.
    pub fn new(cluster: &Cluster, identity: &str) -> Self {
        let arguments = ["--log", "info", "extension", "--identity", identity].map(str::to_owned).to_vec();
        let environment = Vec::new();
        Self { cluster: cluster.clone(), arguments, environment, purpose: identity.to_owned() }
    }

    /// With this argument of `cofferdam extension`.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Kills itself at a point, such as `backup/commit/before`.
    pub fn kill_at(mut self, point: &str) -> Self {
        self.environment.push(("COFFERDAM_FAULT_KILL".to_owned(), point.to_owned()));
        self
    }

    /// Holds at a point until [`Hold::release`].
    pub fn hold_at(mut self, point: &str) -> (Self, Hold) {
        let file = scratch().join(format!("hold-{}", self.purpose));
        drop(std::fs::remove_file(&file));
        let value = format!("{point}={}", file.display());
        self.environment.push(("COFFERDAM_FAULT_HOLD".to_owned(), value));
        (self, Hold { file })
    }

    /// Starts it.
    pub fn run(&self) -> Extension {
        let log = scratch().join(format!("extension-{}.log", self.purpose));
        let output = File::options().create(true).append(true).open(&log).expect("a log file");
        let child = Command::new(binary("cofferdam"))
            .args(&self.arguments)
            .env("KUBECONFIG", &self.cluster.kubeconfig)
            .env("NO_COLOR", "1")
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .expect("the extension starts");
        Extension { child, log }
    }
}

/// A point at which an extension is held.
#[derive(Debug)]
pub struct Hold {
    file: PathBuf,
}

impl Hold {
    /// Waits until the extension has come to the point.
    pub fn reached(&self, limit: Duration) {
        wait_until("the point at which to hold", limit, || {
            if self.file.exists() { Ok(()) } else { Err("not reached".to_owned()) }
        });
    }

    /// Lets it go on.
    pub fn release(&self) {
        std::fs::remove_file(&self.file).expect("the extension is held");
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.file));
    }
}

impl Extension {
    /// Waits until it has killed itself; says what else happened otherwise.
    pub fn killed(mut self, limit: Duration) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            match self.child.try_wait().expect("its state") {
                Some(status) if status.signal() == Some(KILL) => return Ok(()),
                Some(status) => return Err(format!("it ended by itself with {status}\n{}", self.log())),
                None if begun.elapsed() > limit => return Err("the point was not reached".to_owned()),
                None => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// Asks it to end (SIGTERM) and waits; its exit code and how long it took.
    pub fn terminate(mut self, limit: Duration) -> (i32, Duration) {
        let begun = Instant::now();
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        loop {
            if let Some(status) = self.child.try_wait().expect("its state") {
                return (status.code().unwrap_or(-1), begun.elapsed());
            }
            assert!(begun.elapsed() < limit, "it does not end\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// MiB that it has held in memory at most.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel says");
        line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).expect("a number") / 1024
    }

    /// Kills it (SIGKILL).
    pub fn kill(self) {
        drop(self);
    }

    /// The end of what it and its predecessors of the same name logged.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(40)).copied().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Extension {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
