//! The extension is killed before and after every step that a reconciler can take; afterwards everything is as if
//! it had not been. By default after every step, with `COFFERDAM_SCOPE=all` before and after.

#[path = "kills/backups.rs"]
mod backups;
#[path = "kills/checks.rs"]
mod checks;
#[path = "kills/deletions.rs"]
mod deletions;
#[path = "kills/restores.rs"]
mod restores;
#[path = "kills/validations.rs"]
mod validations;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// The points of a reconciler at which this run kills.
fn points(reconciler: &str, steps: &[&str], spared: &[(&str, &str)]) -> Vec<String> {
    let all = extension::fault::points(reconciler, steps);
    for (step, reason) in spared {
        assert!(steps.contains(step), "{step} is spared because {reason}, but there is no such step");
    }
    let only = std::env::var("COFFERDAM_TEST_POINT").ok();
    all.into_iter()
        .filter(|point| !spared.iter().any(|(step, _)| step_of(point) == *step))
        .filter(|point| scenarios::everything() || point.ends_with("/after") || only.is_some())
        .filter(|point| only.as_ref().is_none_or(|only| only == point))
        .collect()
}

/// The step of a point such as `backup/commit/before`.
fn step_of(point: &str) -> &str {
    point.split('/').nth(1).expect("reconciler/step/side")
}

/// The name of the object for a point: `backup-commit-before`.
fn name_of(point: &str) -> String {
    point.replace('/', "-")
}

/// Every reconciler whose steps have points is killed by a test of this file.
#[test]
fn no_reconciler_is_left_out() {
    let mut killed = Vec::new();
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kills")).expect("the stories") {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("a story");
        killed.extend(
            text.split("points(\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned),
        );
    }
    killed.sort();
    killed.dedup();

    assert_eq!(killed, extension::fault::RECONCILERS);
}

/// Plays `case` at every point, and fails in the end with all points that went wrong.
fn at_each(points: &[String], case: impl Fn(&str)) {
    let mut wrong = Vec::new();
    for point in points {
        let begun = Instant::now();
        let failed = catch_unwind(AssertUnwindSafe(|| case(point))).is_err();
        println!(
            "{point:40} {} {:.1} s",
            if failed { "FAILED" } else { "ok" },
            begun.elapsed().as_secs_f32()
        );
        if failed {
            wrong.push(point.as_str());
        }
    }
    assert!(wrong.is_empty(), "killed at these points, something was not as without a kill: {wrong:?}");
}
