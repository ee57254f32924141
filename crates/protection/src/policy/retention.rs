//! When a recovery point has lived long enough.
//!
//! The end of its life is set when it is made, so a changed policy counts for new recovery points only. The newest one
//! of an instance is kept whatever its age, and nothing ends while retention rests.

use jiff::{SignedDuration, Timestamp};
use std::{fmt, str::FromStr};

/// No operational recovery point lives longer than this many days on a service that keeps the documented limits.
pub const LONGEST_OPERATIONAL_DAYS: u32 = 360;

/// How long a recovery point lives, as retention rules write it: `P7D`, `P12W`, `P84D`, `P2M`, `P1Y`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lifetime {
    days: u32,
}

/// Why a text is no lifetime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a lifetime; write P<n>D, P<n>W, P<n>M or P<n>Y with at least one day and at most 100 years"
)]
pub struct LifetimeError(String);

impl Lifetime {
    const MOST: u32 = 36_600;

    /// In days of 24 hours. A month is 30 days, a year 365.
    pub fn days(self) -> u32 {
        self.days
    }

    /// When what was made at an instant has lived long enough.
    pub fn end(self, made: Timestamp) -> Timestamp {
        let length = SignedDuration::from_hours(i64::from(self.days) * 24);
        made.checked_add(length).unwrap_or(Timestamp::MAX)
    }
}

impl FromStr for Lifetime {
    type Err = LifetimeError;

    fn from_str(text: &str) -> Result<Self, LifetimeError> {
        let wrong = || LifetimeError(text.chars().take(60).collect());
        let upper = text.to_ascii_uppercase();
        let body = upper.strip_prefix('P').ok_or_else(wrong)?;
        let unit = match body.chars().last() {
            Some('D') => 1,
            Some('W') => 7,
            Some('M') => 30,
            Some('Y') => 365,
            _ => return Err(wrong()),
        };
        let digits = body.get(..body.len() - 1).filter(|digits| !digits.is_empty()).ok_or_else(wrong)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let days = digits.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
        let days = days.filter(|days| (1..=Self::MOST).contains(days)).ok_or_else(wrong)?;
        Ok(Self { days })
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{}D", self.days)
    }
}

/// A recovery point in one tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held<I> {
    /// Which one.
    pub id: I,
    /// When it was cut.
    pub cut: Timestamp,
    /// When it has lived long enough; `None` when it lives until somebody deletes it.
    pub end: Option<Timestamp>,
}

/// The recovery points of one instance and tier that have lived long enough.
pub fn expired<I: Clone + Ord>(points: &[Held<I>], now: Timestamp, rests: bool) -> Vec<I> {
    let newest = points.iter().max_by(|a, b| (a.cut, &a.id).cmp(&(b.cut, &b.id))).map(|point| &point.id);
    let has_ended = |point: &&Held<I>| point.end.is_some_and(|end| end <= now) && Some(&point.id) != newest;
    if rests { Vec::new() } else { points.iter().filter(has_ended).map(|point| point.id.clone()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn documented_lifetimes_are_understood_and_others_are_not() {
        for (text, days) in
            [("P7D", 7), ("P84D", 84), ("P360D", 360), ("P12W", 84), ("P2M", 60), ("p1y", 365)]
        {
            assert_eq!(text.parse::<Lifetime>().unwrap().days(), days, "{text}");
        }
        for wrong in
            ["", "P", "PD", "P0D", "7D", "P-7D", "P1.5D", "PT7H", "P7", "P101Y", "P99999999999D", "P٣D", "Pé"]
        {
            assert!(wrong.parse::<Lifetime>().is_err(), "{wrong}");
        }
    }

    fn held(id: u32, cut: i64, end: Option<i64>) -> Held<u32> {
        let instant = |second| Timestamp::from_second(second).unwrap();
        Held { id, cut: instant(cut), end: end.map(instant) }
    }

    #[test]
    fn the_newest_one_stays_whatever_its_age() {
        let points = [held(1, 100, Some(200)), held(2, 150, Some(250)), held(3, 120, None)];

        assert_eq!(expired(&points, Timestamp::from_second(1_000).unwrap(), false), [1]);
    }

    fn any_points() -> impl Strategy<Value = Vec<Held<u32>>> {
        let point = (0i64..1_000, prop::option::of(0i64..2_000));
        prop::collection::vec(point, 0..30).prop_map(|all| {
            (0..).zip(all).map(|(id, (cut, life))| held(id, cut, life.map(|life| cut + life))).collect()
        })
    }

    proptest! {
        #[test]
        fn what_goes_has_ended_and_one_always_stays(points in any_points(), now in 0i64..4_000) {
            let now = Timestamp::from_second(now).unwrap();
            let gone = expired(&points, now, false);

            prop_assert!(points.is_empty() || gone.len() < points.len());
            for point in &points {
                if gone.contains(&point.id) {
                    prop_assert!(point.end.is_some_and(|end| end <= now));
                    prop_assert!(points.iter().any(|other| other.cut >= point.cut && other.id != point.id));
                }
            }
        }

        #[test]
        fn time_never_brings_back_what_has_gone(points in any_points(), now in 0i64..4_000, later in 0i64..4_000) {
            let instant = |second| Timestamp::from_second(second).unwrap();
            let (gone, gone_later) = (expired(&points, instant(now), false), expired(&points, instant(now + later), false));

            prop_assert!(gone.iter().all(|id| gone_later.contains(id)));
        }

        #[test]
        fn the_order_of_expiries_leaves_the_same_in_the_end(points in any_points(), first in 0i64..4_000, second in 0i64..4_000) {
            let instant = |second| Timestamp::from_second(second).unwrap();
            let until = instant(first + second);
            let mut stepwise = points.clone();
            for now in [instant(first), until] {
                let gone = expired(&stepwise, now, false);
                stepwise.retain(|point| !gone.contains(&point.id));
            }
            let mut at_once = points;
            let gone = expired(&at_once, until, false);
            at_once.retain(|point| !gone.contains(&point.id));

            prop_assert_eq!(stepwise, at_once);
        }

        #[test]
        fn nothing_ends_while_retention_rests(points in any_points()) {
            prop_assert!(expired(&points, Timestamp::MAX, true).is_empty());
        }
    }
}
