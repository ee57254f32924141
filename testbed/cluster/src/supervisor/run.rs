//! The supervisor itself: one task per process, until SIGTERM.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Process, Running, lock_file};
use crate::layout::Places;
use crate::state::{self, Lock, ProcessId};
use crate::{Error, Layout};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A process that ran this long starts again without a pause.
const STABLE: Duration = Duration::from_secs(10);
/// How long a process may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(3);

/// Runs what the cluster (or store) `name` should run, until SIGTERM. A second
/// supervisor of the same name ends at once.
pub async fn supervise(layout: &Layout, name: &str) -> Result<(), Error> {
    let places = layout.supervised(name);
    let Some(_lock) = Lock::try_take(&lock_file(&places))? else {
        return Ok(());
    };
    let path = places.processes();
    let processes: Vec<Process> =
        state::load(&path)?.ok_or_else(|| Error::Corrupt { path, reason: "it is not there".to_owned() })?;
    let stop = CancellationToken::new();
    let tasks: Vec<_> = processes
        .into_iter()
        .map(|process| tokio::spawn(keep(process, places.clone(), stop.clone())))
        .collect();
    let mut terminate =
        signal(SignalKind::terminate()).map_err(Error::file("wait for SIGTERM of", &places.run))?;
    terminate.recv().await;
    stop.cancel();
    for task in tasks {
        // A panicking task has no process left to stop.
        task.await.ok();
    }
    Ok(())
}

/// Keeps one process running until told to stop.
async fn keep(process: Process, places: Places, stop: CancellationToken) {
    let mut pause = FIRST_PAUSE;
    let mut restarts = 0;
    let record = places.pids().join(format!("{}.json", process.name));
    loop {
        for gate in &process.after {
            tokio::select! {
                () = gate.open() => {}
                () = stop.cancelled() => return,
            }
        }
        let started = Instant::now();
        match start(&process, &places.logs()) {
            Ok(mut child) => {
                note(&record, &child, restarts, &places.logs());
                tokio::select! {
                    _ = child.wait() => {}
                    () = stop.cancelled() => {
                        end(&mut child).await;
                        return;
                    }
                }
            }
            Err(error) => complain(&places.logs(), &process.name, &error),
        }
        restarts += 1;
        pause = if started.elapsed() > STABLE { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

fn start(process: &Process, logs: &Path) -> Result<Child, Error> {
    std::fs::create_dir_all(logs).map_err(Error::file("create", logs))?;
    let path = logs.join(format!("{}.log", process.name));
    let open = || File::options().create(true).append(true).open(&path);
    let (out, err) = (open(), open());
    let out = out.map_err(Error::file("open", &path))?;
    let err = err.map_err(Error::file("open", &path))?;
    let mut command = process.run.command();
    command.stdin(Stdio::null()).stdout(out).stderr(err);
    command.spawn().map_err(|error| Error::Program {
        program: process.run.display(),
        outcome: "not started".to_owned(),
        detail: error.to_string(),
    })
}

fn note(record: &Path, child: &Child, restarts: u32, logs: &Path) {
    let id = child.id().and_then(|pid| ProcessId::of(pid as i32));
    if let Some(id) = id
        && let Err(error) = state::save(record, &Running { id, restarts })
    {
        complain(logs, "supervisor", &error);
    }
}

async fn end(child: &mut Child) {
    if let Some(pid) = child.id() {
        kill(Pid::from_raw(pid as i32), Signal::SIGTERM).ok();
    }
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        child.kill().await.ok();
    }
}

/// The supervisor has no terminal: its own troubles go to the log of the process.
fn complain(logs: &Path, name: &str, error: &Error) {
    use std::io::Write;
    let path = logs.join(format!("{name}.log"));
    if let Ok(mut file) = File::options().create(true).append(true).open(path) {
        writeln!(file, "supervisor: {error}").ok();
    }
}
