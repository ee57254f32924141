//! The tables of what was measured of vaults. Pure.

use super::outcome::{Blobs, Lateness, Percentiles, Requests, Vault};
use crate::statistics::number;

/// Milliseconds that 99 of 100 reads at a rate may take.
const READ: f64 = 50.0;
/// Milliseconds by which 99 of 100 scheduled backups may be late.
const LATE: f64 = 5_000.0;
/// MiB with all agents connected.
const MEMORY: f64 = 1_024.0;
/// Milliseconds from the start of the process until it is ready.
const START: f64 = 1_000.0;

/// All tables.
pub fn tables(vaults: &[Vault], blobs: Option<&Blobs>) -> String {
    let mut parts = Vec::new();
    if !vaults.is_empty() {
        parts.push(of_vaults(vaults));
    }
    if let Some(blobs) = blobs {
        parts.push(of_blobs(blobs));
    }
    parts.join("\n\n")
}

/// Rows of the table of targets.
pub fn targets(vaults: &[Vault]) -> Vec<String> {
    let mut rows = Vec::new();
    for vault in vaults {
        let mut judge = |name: &str, aim: f64, unit: &str, value: Option<f64>| {
            if let Some(value) = value {
                let verdict = if value < aim { "met" } else { "**missed**" };
                let what = format!("vault of {} agents, {}", number(vault.agents as f64), vault.database);
                rows.push(format!(
                    "| {what} | {name} | < {} {unit} | {} | {verdict} |",
                    number(aim),
                    number(value)
                ));
            }
        };
        for read in vault.requests.iter().filter(|one| one.rate.is_some() && one.took.count > 0) {
            let rate = number(read.rate.unwrap_or_default().into());
            judge(&format!("p99 of {rate} reads a second, ms"), READ, "ms", Some(read.took.p99));
        }
        for (name, late) in [
            ("p99 of how late backups begin, ms", vault.steady.begun),
            ("the same while clients ask as fast as they can, ms", vault.loaded.begun),
        ] {
            judge(name, LATE, "ms", Some(late.p99).filter(|_| late.count > 0));
        }
        judge("MiB at most", MEMORY, "MiB", Some(vault.peak).filter(|peak| *peak > 0.0));
        judge("cold start, ms", START, "ms", vault.ready.most());
    }
    rows
}

fn of_vaults(vaults: &[Vault]) -> String {
    let mut lines = vec![
        "## Vault\n".to_owned(),
        "| Database | agents | instances | ready after, ms | all connected after, s | MiB alone | MiB connected | MiB at most |"
            .to_owned(),
        "|---|---:|---:|---:|---:|---:|---:|---:|".to_owned(),
    ];
    for one in vaults {
        lines.push(format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            one.database,
            number(one.agents as f64),
            number(one.instances as f64),
            one.ready.shown(),
            number(one.connecting),
            number(one.alone),
            number(one.connected),
            number(one.peak),
        ));
    }
    lines.push("\n| Database | Backups | due | completed | begun late, ms: p50 | p99 | most | cluster asked late, ms: p50 | p99 | most |".to_owned());
    lines.push("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|".to_owned());
    for one in vaults {
        lines.push(late(one, "while reads come at a rate", &one.steady));
        lines.push(late(one, "while clients ask as fast as they can", &one.loaded));
        lines.push(late(one, "all", &one.whole));
    }
    lines.push("\n| Database | Requests | from | answers/s | p50, ms | p99, ms | most, ms | failed | processors busy |".to_owned());
    lines.push("|---|---|---|---:|---:|---:|---:|---:|---|".to_owned());
    for one in vaults {
        lines.extend(one.requests.iter().map(|requests| asked(one, requests)));
    }
    let measured: Vec<String> = vaults
        .iter()
        .map(|one| {
            let where_from = crate::report::provenance(&one.environment);
            let load = one
                .load
                .map_or_else(String::new, |load| format!("; load average {} when it began", number(load)));
            let note = if one.note.is_empty() { String::new() } else { format!("; {}", one.note) };
            format!(
                "{}: {where_from}{load}{note}; {} connections of agents broke meanwhile",
                one.database, one.broken
            )
        })
        .collect();
    lines.push(format!("\nMeasured by `make bench-vault`. {}.", measured.join(". ")));
    lines.join("\n")
}

fn late(vault: &Vault, when: &str, one: &Lateness) -> String {
    let [begun, asked] = [&one.begun, &one.asked].map(percentiles);
    let (due, completed) = (number(one.due as f64), number(one.completed as f64));
    format!(
        "| {} | in {} s, {when} | {due} | {completed} | {begun} | {asked} |",
        vault.database, vault.spread
    )
}

fn asked(vault: &Vault, one: &Requests) -> String {
    let from = match (one.clients, one.rate) {
        (Some(clients), _) => format!("{clients} clients"),
        (None, Some(rate)) => format!("{rate} a second, whatever comes back"),
        (None, None) => "–".to_owned(),
    };
    let used: Vec<String> = one.used.iter().map(|(name, busy)| format!("{name} {busy:.2}")).collect();
    format!(
        "| {} | {} | {from} | {} | {} | {} | {} |",
        vault.database,
        one.what,
        number(one.per_second),
        percentiles(&one.took),
        number(one.failed as f64),
        used.join(", ")
    )
}

fn percentiles(one: &Percentiles) -> String {
    match one.count {
        0 => "– | – | –".to_owned(),
        _ => format!("{} | {} | {}", number(one.p50), number(one.p99), number(one.most)),
    }
}

fn of_blobs(blobs: &Blobs) -> String {
    let mut lines = vec![
        "## Blobs through the vault\n".to_owned(),
        "| Blobs | through the vault, MB/s | directly, MB/s | ratio |".to_owned(),
        "|---|---:|---:|---:|".to_owned(),
    ];
    for load in &blobs.loads {
        let [served, direct, ratio] =
            [&load.served, &load.direct, &load.ratio].map(crate::statistics::Sample::shown);
        lines.push(format!("| {} | {served} | {direct} | {ratio} |", load.what));
    }
    let note = if blobs.note.is_empty() { String::new() } else { format!("; {}", blobs.note) };
    let place = crate::report::provenance(&blobs.environment);
    lines.push(format!("\nMeasured by `make bench-vault`. {place}{note}."));
    lines.join("\n")
}

/// How vaults are measured.
pub const METHOD: &str = "\
- The vault is `cofferdam vault serve` as a process, on loopback, with its defaults but for the time over which scheduled
  backups begin, as the table says. SQLite is a file in its data directory; PostgreSQL is a server on the same
  machine with `fsync` on. Programs are built as `tests/bench/run-vault` says: what a vault is made of is optimised, with
  the checks of a debug build and without link-time optimisation.
- Agents are simulated, and their connections are real: each dials as a gateway does, with a certificate of its own that
  the vault's cluster authority signed, TLS 1.3 both ways, HTTP/2 reversed, a sign of life every 10 s from both ends. To each
  request for a custom resource they answer at once that it is done. They share one process beside the vault's.
- No clock is moved. Backups that are due in one hour are compressed into less: all instances are due at one slot of one
  policy, and begin spread over the seconds in the table. 5,000 in 240 s are the load of 75,000 in an hour.
- A backup is late by the time from its slot, plus the shift that its instance always has, until the vault began its
  job; and until the simulated cluster had been asked for it.
- Ready: from the start of the process until `/readyz` answers 200, with all clusters and instances in the database.
- Requests at a rate are sent when they are due, and what they take counts from then. The clients that wait for each answer
  use HTTP/1.1 with a connection each, as Python's and `az` do. Busy processors are those of the whole run of that load:
  of the generator, the vault, the agents, PostgreSQL, and the whole machine, which tells what else ran there.
- Blobs go through a vault's data plane (TLS, token, roles) by `object_store`'s Azure client, and directly into the same
  disk by its local store with each write synced; one after the other in each round, in alternating order. What is read
  lies in the system's memory. The local store reads in small pieces, each on another thread: a ratio above 1 says more of
  it than of the vault.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_of_a_vault_that_is_missed_is_said_to_be() {
        let took = Percentiles { count: 10, p50: 1.0, p99: 51.0, most: 60.0 };
        let read = Requests { what: "reads".into(), rate: Some(200), took, ..Requests::default() };
        let begun = Percentiles { count: 10, p99: 4_999.0, ..Percentiles::default() };
        let vault = Vault {
            agents: 10_000,
            database: "SQLite".into(),
            peak: 1_025.0,
            steady: Lateness { begun, ..Lateness::default() },
            requests: vec![read],
            ..Vault::default()
        };

        let rows = targets(&[vault]).join("\n");

        assert!(rows.contains("p99 of 200 reads a second, ms | < 50.0 ms | 51.0 | **missed** |"), "{rows}");
        assert!(rows.contains("backups begin, ms | < 5,000 ms | 4,999 | met |"), "{rows}");
        assert!(rows.contains("MiB at most | < 1,024 MiB | 1,025 | **missed** |"), "{rows}");
        assert!(!rows.contains("cold start"), "what was not measured is not judged: {rows}");
    }
}
