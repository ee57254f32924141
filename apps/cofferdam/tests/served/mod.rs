//! A vault as it is served: a process of its own, which ends with the test.

#![allow(dead_code, reason = "each test file uses its part of it")]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_cofferdam");

/// The vault.
pub struct Served {
    pub child: Child,
    pub url: String,
    pub data: PathBuf,
}

impl Served {
    /// Starts one, and waits until it answers.
    pub fn start(data: &Path, arguments: &[&str]) -> Self {
        let (served, lines) = Self::start_told(data, arguments);
        // Nobody reads on; the pipe must not fill.
        std::thread::spawn(move || lines.for_each(drop));
        served
    }

    /// The same, with what it goes on to say.
    pub fn start_told(data: &Path, arguments: &[&str]) -> (Self, impl Iterator<Item = String> + use<>) {
        let mut child = Command::new(PROGRAM)
            .args(["vault", "serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let says = |line: &String| line.contains("the vault answers at ");
        let line = lines.by_ref().find(says).expect("it should say where it answers");
        let url =
            line.split("answers at ").nth(1).and_then(|rest| rest.split(';').next()).unwrap().to_owned();
        (Self { child, url, data: data.to_owned() }, lines)
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(mut self) -> i32 {
        rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::Signal::TERM,
        )
        .unwrap();
        for _ in 0..300 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("it did not end within 30 s");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A directory in `folder` with the package of the Backup Extension, as an operator makes it, and whose key is trusted.
pub fn packages(folder: &Path) -> PathBuf {
    let (key, public, packages) = (folder.join("key"), folder.join("key.pub"), folder.join("packages"));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    for arguments in [
        ["key", "--private", &text(&key), "--public", &text(&public)].as_slice(),
        &["build", "--image", "cofferdam:test", "--key", &text(&key), "--directory", &text(&packages)],
    ] {
        let made = Command::new(PROGRAM).arg("extension-package").args(arguments).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    let trust = serde_json::json!({"keys": [{
        "publicKey": std::fs::read_to_string(&public).unwrap(),
        "types": ["microsoft.dataprotection.kubernetes"]}]});
    std::fs::write(packages.join("trust.json"), trust.to_string()).unwrap();
    packages
}
