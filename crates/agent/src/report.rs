//! What the vault is told about the extensions: a pure function of what should be there and what is known.

use crate::{
    decide::{Trouble, blocked_removal},
    record::{Record, Work},
};
use jiff::Timestamp;
use packages::wire::{DesiredExtension, ErrorInfo, ExtensionReport, ExtensionState, Level, Status, Wanted};
use std::collections::BTreeMap;

/// What is known of an extension beside its record; it is lost with the process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Live {
    /// What the pods say, or what was left behind.
    pub noticed: Vec<Status>,
    /// Errors that could pass.
    pub trouble: Option<Trouble>,
    /// What a removal waits for.
    pub waiting: String,
}

/// Bytes of a text in a report.
const TEXT: usize = 4096;

/// One entry for each extension that is desired or known.
pub(crate) fn extensions(
    desired: &[DesiredExtension],
    records: &BTreeMap<String, Record>,
    live: &BTreeMap<String, Live>,
    now: Timestamp,
) -> Vec<ExtensionReport> {
    let nothing = (Record::default(), Live::default());
    let of = |name: &str| (records.get(name).unwrap_or(&nothing.0), live.get(name).unwrap_or(&nothing.1));
    let mut reports: Vec<ExtensionReport> = desired
        .iter()
        .map(|wanted| {
            let (record, live) = of(&wanted.name);
            entry(&wanted.name, Some(wanted), record, live, now)
        })
        .collect();
    let unmentioned = records.keys().filter(|name| !desired.iter().any(|wanted| wanted.name == **name));
    reports.extend(unmentioned.map(|name| {
        let (record, live) = of(name);
        entry(name, None, record, live, now)
    }));
    reports
}

fn entry(
    name: &str,
    wanted: Option<&DesiredExtension>,
    record: &Record,
    live: &Live,
    now: Timestamp,
) -> ExtensionReport {
    let mut report = ExtensionReport {
        name: name.to_owned(),
        generation: 0,
        state: ExtensionState::Installing,
        version: record.installed.as_ref().map(|release| release.version.clone()),
        statuses: Vec::new(),
        error: None,
    };
    let asked = wanted.map(|wanted| wanted.generation);
    match &record.work {
        Some(Work::Apply { release, .. } | Work::Wait { release, .. }) => {
            report.generation = release.generation;
            report.statuses.extend(release.statuses.iter().cloned());
        }
        Some(Work::Return { generation, failure, .. }) => {
            report.generation = *generation;
            report.statuses.push(Status::new(
                &failure.error.code,
                "Going back",
                Level::Error,
                failure.error.message.clone(),
            ));
        }
        Some(Work::Remove { generation, since, .. }) => {
            report.generation = *generation;
            report.state = ExtensionState::Removing;
            if let Some(failure) = blocked_removal(*since, &live.waiting, now) {
                report.state = ExtensionState::Failed;
                report.error = Some(failure.error);
            }
        }
        None => at_rest(&mut report, wanted, record),
    }
    // A newer generation that was refused while an older one is under way is what was asked about.
    if let (Some(failed), Some(asked)) = (&record.failed, asked)
        && record.work.is_some()
        && failed.generation == asked
    {
        fail(&mut report, asked, &failed.failure.error, &failed.failure.statuses);
    }
    report.statuses.extend(live.noticed.iter().cloned());
    if let Some(trouble) = &live.trouble {
        let text = trouble.message.clone();
        report.statuses.push(Status::new(trouble.code, "Trying again", Level::Warning, text));
    }
    crate::act::stamp(&mut report.statuses, now);
    bound(&mut report);
    report
}

fn at_rest(report: &mut ExtensionReport, wanted: Option<&DesiredExtension>, record: &Record) {
    let installed = record.installed.as_ref();
    report.generation =
        wanted.map_or_else(|| installed.map_or(0, |release| release.generation), |wanted| wanted.generation);
    if wanted.is_some_and(|wanted| wanted.wanted == Wanted::Absent) {
        report.state = match (installed, &record.failed) {
            (None, None) => ExtensionState::Removed,
            _ => ExtensionState::Removing,
        };
        return;
    }
    if let Some(failed) = &record.failed
        && wanted.is_none_or(|wanted| wanted.generation == failed.generation)
    {
        fail(report, failed.generation, &failed.failure.error, &failed.failure.statuses);
        return;
    }
    if let Some(release) = installed
        && wanted.is_none_or(|wanted| wanted.generation == release.generation)
    {
        report.state = ExtensionState::Installed;
        report.statuses.extend(release.statuses.iter().cloned());
    }
}

fn fail(report: &mut ExtensionReport, generation: i64, error: &ErrorInfo, statuses: &[Status]) {
    report.generation = generation;
    report.state = ExtensionState::Failed;
    report.error = Some(error.clone());
    report.statuses = statuses.to_vec();
}

/// Keeps a report small.
fn bound(report: &mut ExtensionReport) {
    let cut = |text: &mut String| {
        if text.len() > TEXT {
            *text = text.chars().take(TEXT / 4).collect();
            text.push('…');
        }
    };
    report.statuses.truncate(50);
    for status in &mut report.statuses {
        cut(&mut status.message);
    }
    if let Some(error) = &mut report.error {
        cut(&mut error.message);
        error.details.truncate(20);
        for detail in &mut error.details {
            cut(&mut detail.message);
        }
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
