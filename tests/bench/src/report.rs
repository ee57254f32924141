//! The tables of the results, on the screen and as a page. Pure.

use crate::results::{Cut, Measured, Results};
use crate::statistics::{Sample, number};

/// The page.
pub fn page(results: &Results) -> String {
    format!(
        "# Benchmarks\n\n\
         Written by `make bench` (`make bench-all` with 300,000 objects); the numbers behind it are in \
         `benchmarks.json`.\n\n\
         {}\n\n\
         ## How it is measured\n\n{METHOD}\n",
        tables(results)
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
    parts.join("\n\n")
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

fn provenance(environment: &crate::environment::Environment) -> String {
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
- The programs are built as `tests/bench/run` says: every crate that carries objects is optimised, without link-time
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
}
