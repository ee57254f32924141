//! What the tests with official clients share: where these are, what they are told, and a clock that goes on by itself.

#![allow(dead_code)]

pub mod az;

use crate::world::World;
use jiff::SignedDuration;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};
use tokio::task::JoinHandle;

const STEP: Duration = Duration::from_millis(100);

/// The folder of the clients.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients").canonicalize().unwrap()
}

/// A command that reaches the vault directly, and nothing else by way of a proxy.
pub fn direct(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(name);
    }
    command.stdin(std::process::Stdio::null());
    command
}

/// Both streams, for the message of a failure.
pub fn both(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Lets time go by in the vault as it does for a client that waits.
pub fn ticking(world: &World) -> JoinHandle<()> {
    let clock = world.clock.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(STEP).await;
            clock.advance(SignedDuration::try_from(STEP).unwrap());
        }
    })
}
