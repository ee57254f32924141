//! Decides which runs live: those whose Lease changes while it is looked at. Machines' clocks disagree, so no time that a
//! run wrote is compared with the time here; a Lease that stays as it is for as long as it lasts is that of a dead run.

use super::RunId;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::Instant;

/// A Lease, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sign {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub run: Option<RunId>,
    /// Its version, which each renewal changes.
    pub version: String,
    /// How long it lasts without a renewal.
    pub lasts: Duration,
}

/// What is known of a Lease.
#[derive(Debug)]
enum Known {
    /// It was at this version since then; without an instant: nobody could look since.
    Unchanged(String, Option<Instant>),
    /// It was renewed, or came while others were looked at.
    Renewed,
}

/// What looks at all Leases, one after the other, have shown.
#[derive(Debug, Default)]
pub(super) struct Signs {
    known: BTreeMap<String, Known>,
    looked: bool,
}

/// Who lives.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Runs that live, or may.
    pub living: BTreeSet<RunId>,
    /// Leases of runs that do not.
    pub dead: Vec<Sign>,
    /// Whether it takes another look to know of all.
    pub open: bool,
}

impl Signs {
    /// Another look.
    pub(super) fn look(&mut self, seen: &[Sign], now: Instant) -> Verdict {
        let first = !std::mem::replace(&mut self.looked, true);
        let mut verdict = Verdict::default();
        for sign in seen {
            let fresh =
                || if first { Known::Unchanged(sign.version.clone(), Some(now)) } else { Known::Renewed };
            let known = self.known.entry(sign.name.clone()).or_insert_with(fresh);
            if let Known::Unchanged(version, since) = known {
                let since = *since.get_or_insert(now);
                if *version != sign.version {
                    *known = Known::Renewed;
                } else if now.saturating_duration_since(since) >= sign.lasts {
                    verdict.dead.push(sign.clone());
                    continue;
                } else {
                    verdict.open = true;
                }
            }
            verdict.living.extend(sign.run.clone());
        }
        verdict
    }

    /// Nobody could look. Who could not be seen may not have been able to renew either: their time begins anew.
    pub(super) fn blind(&mut self) {
        for known in self.known.values_mut() {
            if let Known::Unchanged(_, since) = known {
                *since = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(name: &str, version: &str) -> Sign {
        Sign {
            name: name.to_owned(),
            run: Some(RunId::named(name)),
            version: version.to_owned(),
            lasts: Duration::from_secs(20),
        }
    }

    /// Living, dead and whether it is open.
    fn shown(verdict: &Verdict) -> (Vec<&str>, Vec<&str>, bool) {
        let living = verdict.living.iter().map(RunId::as_str).collect();
        (living, verdict.dead.iter().map(|one| one.name.as_str()).collect(), verdict.open)
    }

    #[test]
    fn a_run_lives_if_its_lease_changes_and_is_dead_once_it_has_not_for_as_long_as_it_lasts() {
        let (mut signs, began) = (Signs::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);

        let first = signs.look(&[sign("killed", "1"), sign("lives", "2")], at(0));
        let soon = signs.look(&[sign("killed", "1"), sign("lives", "3")], at(5));
        let almost = signs.look(&[sign("killed", "1"), sign("lives", "3")], at(19));
        let late = signs.look(&[sign("killed", "1"), sign("lives", "3")], at(20));

        assert_eq!(shown(&first), (vec!["killed", "lives"], vec![], true));
        assert_eq!(shown(&soon), (vec!["killed", "lives"], vec![], true));
        assert_eq!(shown(&almost), (vec!["killed", "lives"], vec![], true));
        assert_eq!(shown(&late), (vec!["lives"], vec!["killed"], false), "one renewal is proof enough");
    }

    #[test]
    fn a_run_that_came_while_others_were_looked_at_lives_and_one_that_went_is_nobody() {
        let (mut signs, began) = (Signs::default(), Instant::now());
        signs.look(&[sign("ends", "1")], began);

        let verdict = signs.look(&[sign("came", "1")], began + Duration::from_secs(1));

        assert_eq!(shown(&verdict), (vec!["came"], vec![], false));
        assert_eq!(
            Signs::default().look(&[], began),
            Verdict::default(),
            "alone, there is nothing to wait for"
        );
    }

    #[test]
    fn the_time_of_a_lease_begins_anew_when_nobody_could_look() {
        let (mut signs, began) = (Signs::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        signs.look(&[sign("run", "1")], at(0));

        signs.blind();
        let back = signs.look(&[sign("run", "1")], at(60));
        let later = signs.look(&[sign("run", "1")], at(79));
        let over = signs.look(&[sign("run", "1")], at(80));

        assert_eq!(shown(&back), (vec!["run"], vec![], true), "it could not renew either");
        assert_eq!(shown(&later), (vec!["run"], vec![], true));
        assert_eq!(shown(&over), (vec![], vec!["run"], false));
    }
}
