//! Named points at which a test can kill or hold the process: before and after every step of a reconciler.
//!
//! Only in development builds: a product build (release) contains nothing of it and reads no variable.
//!
//! | Variable | At the named point |
//! |---|---|
//! | `COFFERDAM_FAULT_KILL=<point>` | the process sends SIGKILL to itself |
//! | `COFFERDAM_FAULT_HOLD=<point>=<file>` | the file is created, and the step waits until it is gone |
//!
//! A point is `<reconciler>/<step>/before` or `…/after`; `<point>@<n>` means its n-th passing.

#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicU64, Ordering};

/// Passes a point, such as `backup/commit/before`.
#[cfg(not(debug_assertions))]
pub async fn point(_reconciler: &str, _step: &str, _side: &str) {}

/// Passes a point inside a step, such as `restore/stage-claims/before`.
#[cfg(not(debug_assertions))]
pub fn inside(_reconciler: &str, _what: &str) {}

/// Passes a point, such as `backup/commit/before`.
#[cfg(debug_assertions)]
pub async fn point(reconciler: &str, step: &str, side: &str) {
    debug_assert!(RECONCILERS.contains(&reconciler), "a test must know {reconciler} to kill it");
    let name = format!("{reconciler}/{step}/{side}");
    if let Some(file) = held(&name)
        && tell_that_it_holds(&name, &file)
    {
        while file.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    kill(&name);
}

/// Passes a point inside a step, such as `restore/stage-claims/before`. A hold keeps the thread.
#[cfg(debug_assertions)]
pub fn inside(reconciler: &str, what: &str) {
    let name = format!("{reconciler}/{what}/before");
    if let Some(file) = held(&name)
        && tell_that_it_holds(&name, &file)
    {
        while file.exists() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
    kill(&name);
}

#[cfg(debug_assertions)]
fn kill(name: &str) {
    static KILLS: AtomicU64 = AtomicU64::new(0);

    if let Ok(wanted) = std::env::var("COFFERDAM_FAULT_KILL")
        && is_due(&wanted, name, &KILLS)
    {
        tracing::error!(point = name, "killing this process, as the test asked");
        let me = rustix::process::getpid();
        if let Err(error) = rustix::process::kill_process(me, rustix::process::Signal::KILL) {
            tracing::error!(%error, "could not kill this process");
        }
    }
}

/// Whether `name` is passed for the time that `wanted` asks for.
#[cfg(debug_assertions)]
fn is_due(wanted: &str, name: &str, passed: &AtomicU64) -> bool {
    let (point, nth) = match wanted.split_once('@') {
        Some((point, nth)) => (point, nth.parse().unwrap_or(1)),
        None => (wanted, 1),
    };
    point == name && passed.fetch_add(1, Ordering::SeqCst) + 1 == nth
}

/// The file of the hold that is due at this point.
#[cfg(debug_assertions)]
fn held(name: &str) -> Option<std::path::PathBuf> {
    static HOLDS: AtomicU64 = AtomicU64::new(0);

    let wanted = std::env::var("COFFERDAM_FAULT_HOLD").ok()?;
    let (point, file) = wanted.split_once('=')?;
    is_due(point, name, &HOLDS).then(|| file.into())
}

#[cfg(debug_assertions)]
fn tell_that_it_holds(name: &str, file: &std::path::Path) -> bool {
    tracing::warn!(point = name, file = %file.display(), "holding, as the test asked");
    let told = std::fs::write(file, name);
    if let Err(error) = &told {
        tracing::error!(%error, "could not tell the test that the point is reached");
    }
    told.is_ok()
}

/// The reconcilers that pass points, by the names in them, in order.
pub const RECONCILERS: [&str; 4] = ["backup", "delete-backup", "restore", "validate"];

/// Every point that a reconciler with these steps passes: before and after each.
pub fn points(reconciler: &str, steps: &[&str]) -> Vec<String> {
    steps
        .iter()
        .flat_map(|step| ["before", "after"].map(|side| format!("{reconciler}/{step}/{side}")))
        .collect()
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_due_at_the_passing_that_was_asked_for() {
        let (first, second) = (AtomicU64::new(0), AtomicU64::new(0));
        let names = ["backup/thaw/before", "backup/begin/before", "backup/thaw/before", "backup/thaw/before"];

        let at_once = names.map(|name| is_due("backup/thaw/before", name, &first));
        let at_the_second = names.map(|name| is_due("backup/thaw/before@2", name, &second));

        assert_eq!(at_once, [true, false, false, false]);
        assert_eq!(at_the_second, [false, false, true, false]);
    }
}
