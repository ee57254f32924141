//! Named points at which a test can make the process kill itself.
//!
//! With the cargo feature `fault-injection`, `COFFERDAM_FAULT_KILL=<point>` sends SIGKILL to the process when
//! it reaches that point, `<point>@<n>` when it reaches it for the n-th time. Without the feature, which no
//! product build enables, [`point`] does nothing and reads nothing.

/// Marks a point, such as `backup/cut/before`.
#[cfg(not(feature = "fault-injection"))]
pub fn point(_name: &str) {}

/// Marks a point, such as `backup/cut/before`.
#[cfg(feature = "fault-injection")]
pub fn point(name: &str) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static REACHED: AtomicU64 = AtomicU64::new(0);

    let Ok(wanted) = std::env::var("COFFERDAM_FAULT_KILL") else { return };
    let (point, nth) = match wanted.split_once('@') {
        Some((point, nth)) => (point, nth.parse().unwrap_or(1)),
        None => (wanted.as_str(), 1),
    };
    if point == name && REACHED.fetch_add(1, Ordering::SeqCst) + 1 == nth {
        tracing::error!(point = name, "killing this process, as the test asked");
        if let Err(error) =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
        {
            tracing::error!(%error, "could not kill this process");
        }
    }
}

/// Every point that a reconciler with these steps passes: before and after each.
pub fn points(reconciler: &str, steps: &[&str]) -> Vec<String> {
    steps
        .iter()
        .flat_map(|step| ["before", "after"].map(|side| format!("{reconciler}/{step}/{side}")))
        .collect()
}
