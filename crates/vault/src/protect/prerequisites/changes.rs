//! What a look changes: which checks fail that held before, and which hold again. Pure.
//!
//! A failure is told at once. That it holds again is told at once too, unless the check has gone up and down: then it must
//! hold for a while first, so that what flaps has one alert that stays open, and not one for each turn.

use super::row::{Row, Verdict};
use crate::alerts::Counted;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Within this time turns are counted.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);
/// So often a check may fail anew within it before it flaps.
const OFTEN: usize = 2;
/// Times that are kept of it, however often is looked.
const MOST_KEPT: usize = 20;
/// What flaps must hold for so long.
const STEADY: SignedDuration = SignedDuration::from_mins(30);

/// What is remembered of a check that failed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Standing {
    /// Its alert is open.
    pub open: bool,
    /// Since when it holds again, while its alert is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub well_since: Option<Timestamp>,
    /// The alert that it shares with other instances, while that is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted: Option<Counted>,
    /// When it failed anew.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_at: Vec<Timestamp>,
}

impl Standing {
    fn end(&mut self) {
        self.open = false;
        self.well_since = None;
        self.counted = None;
    }
}

/// What is to be told.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// This does not hold any more.
    Fails(Row),
    /// What has this id holds again.
    Holds(String),
    /// Nobody looks at what has this id any more.
    Gone(String),
}

/// All checks that failed, by id.
pub type Standings = BTreeMap<String, Standing>;

/// What a look tells, and what is remembered of it. Checks that block alone are told: what warns is in the document.
/// `unlisted` says what a cluster that answered does not look at any more: that is over as if it held.
pub fn look(
    standings: &mut Standings,
    rows: &[Row],
    unlisted: impl Fn(&str) -> bool,
    now: Timestamp,
) -> Vec<Told> {
    let mut told = Vec::new();
    for row in rows {
        if row.is_fatal() {
            let standing = standings.entry(row.id.clone()).or_default();
            if standing.well_since.take().is_some() || !standing.open {
                standing.failed_at.push(now);
            }
            if !standing.open {
                standing.open = true;
                told.push(Told::Fails(row.clone()));
            }
        } else if let Some(standing) = standings.get_mut(&row.id)
            && standing.open
            && !unlisted(&row.id)
            && held(standing, row.verdict, now)
        {
            standing.end();
            told.push(Told::Holds(row.id.clone()));
        }
    }
    for (id, standing) in standings.iter_mut() {
        if standing.open && unlisted(id) && held(standing, Verdict::NotApplicable, now) {
            standing.end();
            told.push(Told::Gone(id.clone()));
        }
    }
    for standing in standings.values_mut() {
        standing.failed_at.retain(|at| now.duration_since(*at) < WINDOW);
        let over = standing.failed_at.len().saturating_sub(MOST_KEPT);
        standing.failed_at.drain(..over);
    }
    standings.retain(|_, standing| standing.open || !standing.failed_at.is_empty());
    told
}

/// Whether it holds for long enough to say so. What nobody could see holds as little as it fails.
fn held(standing: &mut Standing, verdict: Verdict, now: Timestamp) -> bool {
    match verdict {
        Verdict::Failed | Verdict::Passed | Verdict::NotApplicable => {}
        Verdict::NotObservable | Verdict::Skipped => {
            standing.well_since = None;
            return false;
        }
    }
    let since = *standing.well_since.get_or_insert(now);
    let lately = standing.failed_at.iter().filter(|at| now.duration_since(**at) < WINDOW).count();
    let wait = if lately >= OFTEN { STEADY } else { SignedDuration::ZERO };
    now.duration_since(since) >= wait
}

/// What both saw, by id: the vault what lies with it, the cluster what only it can see. Of two that saw the same the one
/// that saw a failure counts, and one that saw counts more than one that could not look. Checks of the catalogue that
/// nobody looked at are there too.
pub fn merged(vault: &[Row], cluster: &[Row], unasked: &str, now: Timestamp) -> Vec<Row> {
    let mut all: BTreeMap<&str, Row> = BTreeMap::new();
    for row in vault.iter().chain(cluster) {
        match all.get(row.id.as_str()) {
            Some(other) if rank(other) <= rank(row) => {}
            _ => drop(all.insert(row.id.as_str(), row.clone())),
        }
    }
    for check in prerequisites::catalogue() {
        all.entry(check.id).or_insert_with(|| {
            Row::new(check.id, check.title, Verdict::NotObservable, unasked, super::row::By::Cluster, now)
        });
    }
    let mut all: Vec<Row> = all.into_values().collect();
    all.sort_by_key(|row| (row.verdict, !row.blocks, place(&row.id)));
    all
}

/// What counts more of two that looked at the same. What could not be looked at again counts more than what the other one
/// saw: a store that failed for the extension is not well because its role is assigned.
fn rank(row: &Row) -> u8 {
    match row.verdict {
        Verdict::Failed => 0,
        Verdict::NotObservable if row.stale => 1,
        Verdict::Passed => 2,
        Verdict::Skipped => 3,
        Verdict::NotApplicable => 4,
        Verdict::NotObservable => 5,
    }
}

/// P2 before P10.
fn place(id: &str) -> (String, u32) {
    let letters: String = id.chars().take_while(|one| !one.is_ascii_digit()).collect();
    let number = id.get(letters.len()..).and_then(|digits| digits.parse().ok()).unwrap_or_default();
    (letters, number)
}

/// The same rows with the time since when each ends as it does.
pub fn carried(before: &[Row], mut after: Vec<Row>) -> Vec<Row> {
    for row in &mut after {
        let old = before.iter().find(|old| old.id == row.id && old.verdict == row.verdict);
        if let Some(old) = old {
            row.since = old.since;
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::super::row::By;
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    fn row(verdict: Verdict) -> Row {
        Row::new("P23", "t", verdict, "seen", By::Vault, at(0))
    }

    fn listed(_: &str) -> bool {
        false
    }

    fn told(standings: &mut Standings, verdict: Verdict, minutes: i64) -> String {
        match &look(standings, &[row(verdict)], listed, at(minutes))[..] {
            [] => String::new(),
            [Told::Fails(row)] => format!("{} fails", row.id),
            [Told::Holds(id)] => format!("{id} holds"),
            more => format!("{more:?}"),
        }
    }

    #[test]
    fn a_change_is_told_once_and_the_way_back_too() {
        let mut seen = Standings::new();

        let said: Vec<String> = [
            (Verdict::Passed, 0),
            (Verdict::Failed, 5),
            (Verdict::Failed, 10),
            (Verdict::Passed, 15),
            (Verdict::Passed, 20),
        ]
        .map(|(verdict, minutes)| told(&mut seen, verdict, minutes))
        .into();

        assert_eq!(said, ["", "P23 fails", "", "P23 holds", ""]);
    }

    #[test]
    fn what_nobody_could_see_is_neither_a_failure_nor_mended() {
        let mut seen = Standings::new();

        assert_eq!(told(&mut seen, Verdict::NotObservable, 0), "");
        assert_eq!(told(&mut seen, Verdict::Failed, 5), "P23 fails");
        assert_eq!(told(&mut seen, Verdict::NotObservable, 10), "");
        assert_eq!(told(&mut seen, Verdict::Skipped, 15), "");
        assert_eq!(told(&mut seen, Verdict::Failed, 20), "", "it was never mended");
        assert_eq!(told(&mut seen, Verdict::NotApplicable, 25), "P23 holds");
    }

    #[test]
    fn what_goes_up_and_down_all_day_is_told_a_few_times_and_not_at_each_turn() {
        let mut seen = Standings::new();
        let mut said = Vec::new();

        for turn in 0..288 {
            let verdict = if turn % 2 == 0 { Verdict::Failed } else { Verdict::Passed };
            said.push(told(&mut seen, verdict, turn * 5));
        }
        let loud = said.iter().filter(|text| !text.is_empty()).count();
        let calm: Vec<String> = (288..300).map(|turn| told(&mut seen, Verdict::Passed, turn * 5)).collect();

        assert_eq!(loud, 3, "it fails, holds, fails, and stays open: {said:?}");
        assert_eq!(calm.iter().filter(|text| *text == "P23 holds").count(), 1);
        assert!(seen.is_empty());
    }

    #[test]
    fn what_a_cluster_that_answers_does_not_list_any_more_is_over_and_flaps_no_more_than_the_rest() {
        let mut seen = Standings::new();
        let unseen = row(Verdict::NotObservable);
        let mut said = Vec::new();

        for turn in 0..288 {
            said.extend(match turn % 2 {
                0 => look(&mut seen, &[row(Verdict::Failed)], listed, at(turn * 5)),
                _ => look(&mut seen, std::slice::from_ref(&unseen), |id| id == "P23", at(turn * 5)),
            });
        }
        let calm: Vec<Told> = (288..300)
            .flat_map(|turn| look(&mut seen, std::slice::from_ref(&unseen), |id| id == "P23", at(turn * 5)))
            .collect();

        assert!(matches!(&said[..], [Told::Fails(_), Told::Gone(_), Told::Fails(_)]), "{said:?}");
        assert_eq!(calm, [Told::Gone("P23".to_owned())]);
        assert!(seen.is_empty());
    }

    #[test]
    fn a_warning_is_told_by_no_alert() {
        let mut seen = Standings::new();
        let warning = Row { blocks: false, ..row(Verdict::Failed) };

        assert_eq!(look(&mut seen, &[warning], listed, at(0)), []);
    }

    #[test]
    fn of_two_that_looked_a_failure_counts_and_what_nobody_looked_at_is_named() {
        let of = |id: &str, verdict, by| Row::new(id, "t", verdict, "seen", by, at(0));
        let vault = [of("P6", Verdict::Failed, By::Vault), of("P3", Verdict::Passed, By::Vault)];
        let cluster = [
            of("P6", Verdict::Passed, By::Cluster),
            of("P3", Verdict::NotObservable, By::Cluster),
            of("location", Verdict::Passed, By::Cluster),
        ];

        let all = merged(&vault, &cluster, "nobody was asked", at(0));

        let find = |id: &str| all.iter().find(|row| row.id == id).unwrap();
        assert_eq!((find("P6").verdict, find("P6").by), (Verdict::Failed, By::Vault));
        assert_eq!((find("P3").verdict, find("P3").by), (Verdict::Passed, By::Vault));
        assert_eq!(find("location").verdict, Verdict::Passed);
        assert_eq!(all.len(), prerequisites::catalogue().len() + 1);
        assert_eq!(find("P12").evidence, "nobody was asked");
        assert_eq!(all[0].id, "P6", "the worst first");
    }

    #[test]
    fn a_store_that_failed_for_the_extension_is_not_well_because_the_cluster_went_away() {
        let mut seen = Standings::new();
        let of = |verdict, by| Row::new("P6", "t", verdict, "seen", by, at(0));
        let vault = [of(Verdict::Passed, By::Vault)];
        let failed = [of(Verdict::Failed, By::Cluster)];
        let away = [failed[0].not_seen_again("The cluster is away.", at(5))];
        let p6 = |cluster: &[Row]| -> Vec<Row> {
            merged(&vault, cluster, "", at(5)).into_iter().filter(|row| row.id == "P6").collect()
        };

        let first = look(&mut seen, &p6(&failed), listed, at(0));
        let then = look(&mut seen, &p6(&away), listed, at(5));

        assert_eq!((first.len(), then.len()), (1, 0));
        assert_eq!(p6(&away)[0].verdict, Verdict::NotObservable);
    }

    #[test]
    fn a_check_that_ends_as_before_does_so_since_then() {
        let old = [Row { since: at(-60), ..row(Verdict::Passed) }];

        assert_eq!(carried(&old, vec![row(Verdict::Passed)])[0].since, at(-60));
        assert_eq!(carried(&old, vec![row(Verdict::Failed)])[0].since, at(0));
    }
}
