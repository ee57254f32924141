//! The tables of the results, on the screen and as a page. Pure.

mod footprint;
mod preflight;

use crate::results::{Cut, Measured, Results};
use crate::statistics::{Sample, number};
use crate::vaults;

/// The page.
pub fn page(results: &Results) -> String {
    format!(
        "# Benchmarks\n\n\
         Written by `make bench` (`make bench-all` with 300,000 objects, `make bench-footprint` and `make bench-preflight` for those tables alone) and \
         `make bench-vault`; the numbers behind it are in `benchmarks.json`.\n\n\
         {}\n\n\
         ## How it is measured\n\n{METHOD}\n\n\
         ## How vaults are measured\n\n{}\n",
        tables(results),
        vaults::report::METHOD
    )
}

/// All tables.
pub fn tables(results: &Results) -> String {
    let mut parts = Vec::new();
    if !results.captures.is_empty() {
        parts.push(format!("## Capture\n\n{}", speed(&results.captures, "bare LIST")));
    }
    if !results.restores.is_empty() {
        parts.push(format!("## Restore\n\n{}", speed(&results.restores, "bare creates")));
    }
    if let Some(cut) = &results.snapshots {
        parts.push(format!("## Snapshots\n\n{}", snapshots(cut)));
    }
    if let Some(used) = &results.footprint {
        parts.push(format!("## Footprint of agent and gateway\n\n{}", footprint::table(used)));
    }
    if let Some(one) = &results.preflight {
        parts.push(format!("## Preflight\n\n{}", preflight::table(one)));
    }
    let of_vaults = vaults::report::tables(&results.vaults, results.blobs.as_ref());
    parts.extend(Some(of_vaults).filter(|tables| !tables.is_empty()));
    let judged = targets(results);
    if !judged.is_empty() {
        parts.push(format!("## Targets\n\n{}", judged.join("\n")));
    }
    parts.join("\n\n")
}

/// At least this share of the API server's own rate.
const RATIO: f64 = 0.7;
/// At least so many times the rate of Velero.
const TIMES: f64 = 10.0;
/// Objects per second at least, where the API server makes 780 ConfigMaps a second on eight connections.
const RESTORED: f64 = 500.0;
/// MiB at most.
const PEAK: f64 = 256.0;
/// Captures of fewer objects are mostly fixed cost, which is shown apart.
const JUDGED: usize = 20_000;

/// What was aimed at, and whether the medians reach it.
fn targets(results: &Results) -> Vec<String> {
    let mut rows = Vec::new();
    let mut judge =
        |what: &str, one: &Measured, name: &str, value: Option<f64>, aim: String, met: fn(f64) -> bool| {
            if let Some(value) = value {
                let verdict = if met(value) { "met" } else { "**missed**" };
                let objects = number(one.objects as f64);
                rows.push(format!(
                    "| {what} of {objects} objects | {name} | {aim} | {} | {verdict} |",
                    number(value)
                ));
            }
        };
    let times = |one: &Measured| Some(one.ours.median()? / one.velero.median()?);
    let of_captures = results.captures.iter().filter(|one| one.made >= JUDGED).map(|one| ("capture", one));
    for (what, one) in of_captures.chain(results.restores.iter().map(|one| ("restore", one))) {
        judge(
            what,
            one,
            "share of the API server's own rate",
            one.ratio.median(),
            format!("≥ {RATIO}"),
            |value| value >= RATIO,
        );
        judge(what, one, "times Velero", times(one), format!("≥ {TIMES}"), |value| value >= TIMES);
        judge(what, one, "peak MiB", one.peak.most(), format!("< {PEAK}"), |value| value < PEAK);
        if what == "restore" {
            judge(what, one, "objects/s", one.ours.median(), format!("≈ {RESTORED}"), |value| {
                value >= RESTORED
            });
        }
    }
    rows.extend(results.preflight.iter().flat_map(preflight::targets));
    rows.extend(vaults::report::targets(&results.vaults));
    if rows.is_empty() {
        return rows;
    }
    let head = ["| What | Measure | Aim | Median (peak: most) | |", "|---|---|---:|---:|---|"];
    head.map(str::to_owned).into_iter().chain(rows).collect()
}

fn speed(all: &[Measured], bare: &str) -> String {
    let mut lines = vec![
        format!(
            "| Objects | Cofferdam, objects/s | {bare}, objects/s | ratio | Velero 1.18.3, objects/s | times Velero | \
             seconds | of it fixed | peak MiB | Velero: fixed s | Velero: peak MiB |"
        ),
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|".to_owned(),
    ];
    let mut early = false;
    for one in all {
        early |= one.velero_ended_early;
        let times = match (one.ours.median(), one.velero.median()) {
            (Some(ours), Some(velero)) => number(ours / velero),
            _ => "–".to_owned(),
        };
        let mark = if one.velero_ended_early { "¹" } else { "" };
        lines.push(format!(
            "| {} | {} | {} | {} | {}{mark} | {times} | {} | {} | {} | {} | {} |",
            number(one.objects as f64),
            one.ours.shown(),
            one.bare.shown(),
            one.ratio.shown(),
            one.velero.shown(),
            one.seconds.shown(),
            one.fixed.shown(),
            most(&one.peak),
            one.velero_fixed.shown(),
            most(&one.velero_peak),
        ));
    }
    if early {
        lines.push("\n¹ ended before it was done; the rate is that of the time until then.".to_owned());
    }
    for one in all.iter().filter(|one| one.again.median().is_some()) {
        lines.push(format!(
            "\n{} objects: a second backup of the same objects makes {} objects/s; the first backup into a new \
             location takes {} s more.",
            number(one.objects as f64),
            one.again.shown(),
            one.opening.shown()
        ));
    }
    let mut measured: Vec<String> = all.iter().map(|one| provenance(&one.environment)).collect();
    measured.dedup();
    lines.push(format!("\nMeasured {}.", measured.join("; ")));
    lines.join("\n")
}

fn snapshots(cut: &Cut) -> String {
    format!(
        "| Volumes | all cut, s after the request | bare requests: all cut, s | backup complete, s |\n\
         |---:|---:|---:|---:|\n| {} | {} | {} | {} |\n\nMeasured {}.",
        cut.volumes,
        cut.cut.shown(),
        cut.bare.shown(),
        cut.complete.shown(),
        provenance(&cut.environment)
    )
}

/// When, where and of what sources.
pub fn provenance(environment: &crate::environment::Environment) -> String {
    format!("{} on {} at commit {}", environment.date, environment.machine, environment.commit)
}

fn most(sample: &Sample) -> String {
    sample.most().map_or("–".to_owned(), number)
}

const METHOD: &str = "\
- Numbers are the median of the rounds, with the least and the most in parentheses. In each round the three stand side
  by side in one cluster: one after the other, never at once. The ratio is taken round by round.
- The cluster is the testbed's: Kubernetes 1.35.4 with etcd on the same machine as everything that is measured, control
  plane only for objects, with a node for volumes. The objects are those of `testbed generate`, and what Kubernetes
  makes of them (replica sets, endpoint slices).
- Cofferdam is `cofferdam extension` as a process, driven by `Backup` and `Restore` objects with default settings; time
  runs from the request until the object says that it is complete, recovery point committed.
- Rates include everything from the request to the end. Fixed is the part of it that an operation on a namespace with
  nothing in it takes, too: opening the location, discovery, lists that are empty, commit. At 2,000 objects it is most
  of the time. Every round captures into a new, empty repository that was opened before.
- Bare LIST reads the same kinds with four lists at once, first 100, then 500 objects a page, and drops what arrives. Bare
  creates send the generated objects, 16 at once, into new namespaces.
- Velero is `velero server` as a process with its plugin for S3, default settings, the same store (moto).
  Peak memory is the kernel's high-water mark of the process; for Velero that of the server plus that of the plugin
  processes that run at the end.
- Snapshots: from the request of a backup until the last content has a handle and a creation time, and the same for
  snapshots that are requested by hand, all at once.
- Footprint: `cofferdam vault serve` beside the cluster, agent and gateway in it as `cofferdam cluster connect` puts them
  there, and the extension as `enable-backup` installs it. Everything is read from the control groups of the two
  containers. CPU is the processor time in thousandths of a second per second. The kernel enforces a limit in periods of
  100 ms and kubelet asks for no less than 1 ms of each, so that one of 5m holds back above 10m. A period is throttled when
  the container was held back in it; the seconds of that are added up over the processors. Memory is what the kernel counts
  towards the limit, page cache included that the container was the first to use.
- Preflight: `cofferdam preflight -o json` as a process, with the settings and the credential of a store that answers, on a
  control plane without nodes or volumes. Everything that only reads is looked at, whatever `--active` and `--deep` would
  add is apart. Time runs from the start of the process to its end; memory is the kernel's high-water mark.
- The programs are built as `tests/bench/build` says: every crate that carries objects is optimised, without link-time
  optimisation.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_without_velero_still_makes_a_row() {
        let mut one = Measured { made: 2000, objects: 2345, ..Measured::default() };
        one.ours.add(8000.0);

        let table = speed(&[one], "bare LIST");

        assert!(table.contains("| 2,345 | 8,000 | – | – | – | – |"), "{table}");
    }

    #[test]
    fn a_target_that_is_missed_is_said_to_be() {
        let mut one = Measured { made: 2000, objects: 2002, ..Measured::default() };
        one.ratio.add(0.69);
        one.ours.add(600.0);
        let results = Results { restores: vec![one.clone()], captures: vec![one], ..Results::default() };

        let judged = targets(&results).join("\n");

        assert!(judged.contains("own rate | ≥ 0.7 | 0.69 | **missed** |"), "{judged}");
        assert!(judged.contains("objects/s | ≈ 500 | 600 | met |"), "{judged}");
        assert!(!judged.contains("capture"), "small captures are not judged: {judged}");
    }
}
