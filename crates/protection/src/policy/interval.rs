//! ISO 8601 repeating intervals as policies write them: `R/2024-05-05T08:00:00+00:00/PT4H`.
//!
//! A period of whole days, or one that divides a day, keeps its time of day when clocks are put forward or back: daily
//! at 08:00 stays 08:00. A slot that the change leaves out comes as much later as the clocks were put forward; one that
//! comes twice counts at its first instant. Every other period is elapsed time since the start.

use jiff::{SignedDuration, Timestamp, ToSpan, civil::DateTime, tz::TimeZone};
use std::{fmt, str::FromStr};

const MINUTES_OF_A_DAY: u32 = 24 * 60;
/// Longer periods are typing errors.
const LONGEST_DAYS: u32 = 366;

/// How far slots lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    /// Whole days, at least one.
    Days(u32),
    /// Minutes, at least one.
    Minutes(u32),
}

/// Endless slots from a start on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RepeatingInterval {
    start: Timestamp,
    period: Period,
}

/// Why a text is no repeating interval.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntervalError {
    /// Not three parts with `R` in front.
    #[error(
        "{0:?} is not a repeating interval; write R/<start>/<period>, for example R/2026-05-05T08:00:00Z/PT4H"
    )]
    Form(String),
    /// The start is no instant.
    #[error("the start {text:?} is not an instant with an offset, as in 2026-05-05T08:00:00+02:00: {reason}")]
    Start {
        /// As written.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The period is not understood.
    #[error("the period {0:?} is not one of PT<n>M, PT<n>H, P<n>D, P<n>W up to 366 days")]
    Period(String),
}

impl RepeatingInterval {
    /// Slots every `period` from `start` on.
    pub fn new(start: Timestamp, period: Period) -> Self {
        Self { start, period }
    }

    /// The distance of its slots.
    pub fn period(&self) -> Period {
        self.period
    }

    /// The first slot.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// The first slot after an instant; none when the calendar ends before.
    pub fn next_after(&self, instant: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if instant < self.start {
            return Some(self.start);
        }
        self.around(instant, zone).into_iter().filter(|slot| *slot > instant).min()
    }

    /// The last slot that is not after an instant; none before the start.
    pub fn last_until(&self, instant: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        self.around(instant, zone).into_iter().filter(|slot| *slot <= instant).max()
    }

    /// Slots near an instant that is not before the start: its neighbours on both sides are among them.
    fn around(&self, instant: Timestamp, zone: &TimeZone) -> Vec<Timestamp> {
        let start = zone.to_datetime(self.start);
        let here = zone.to_datetime(instant);
        let civil = |at: DateTime| zone.to_ambiguous_timestamp(at).compatible().ok();
        let slots: Vec<Timestamp> = match self.period {
            Period::Days(days) => {
                let days = i64::from(days.max(1));
                let passed = here.date().duration_since(start.date()).as_hours() / 24 / days;
                let at = |number: i64| start.checked_add((number * days).days()).ok().and_then(civil);
                (passed - 1..=passed + 2).filter_map(at).collect()
            }
            Period::Minutes(minutes) if divides_a_day(minutes) => {
                let offset = start.time().hour() as i64 * 60 + start.time().minute() as i64;
                let first = offset % i64::from(minutes);
                let seconds = i64::from(start.time().second());
                let days = (-1..=1).filter_map(|day: i64| here.date().checked_add(day.days()).ok());
                let times = (0..i64::from(MINUTES_OF_A_DAY / minutes))
                    .map(|number| first + number * i64::from(minutes));
                let times: Vec<i64> = times.collect();
                days.flat_map(|day| times.iter().map(move |time| (day, *time)))
                    .filter_map(|(day, time)| {
                        let midnight = day.to_datetime(jiff::civil::Time::midnight());
                        midnight.checked_add(SignedDuration::from_secs(time * 60 + seconds)).ok()
                    })
                    .filter_map(civil)
                    .collect()
            }
            Period::Minutes(minutes) => {
                let length = i64::from(minutes.max(1)) * 60;
                let passed = (instant.as_second() - self.start.as_second()) / length;
                let at =
                    |number: i64| self.start.checked_add(SignedDuration::from_secs(number * length)).ok();
                (passed - 1..=passed + 1).filter_map(at).collect()
            }
        };
        slots.into_iter().filter(|slot| *slot >= self.start).collect()
    }
}

fn divides_a_day(minutes: u32) -> bool {
    minutes > 0 && MINUTES_OF_A_DAY.is_multiple_of(minutes)
}

impl Period {
    /// Its length in minutes, on a day without change of clocks.
    pub fn minutes(self) -> u32 {
        match self {
            Self::Days(days) => days * MINUTES_OF_A_DAY,
            Self::Minutes(minutes) => minutes,
        }
    }
}

impl FromStr for Period {
    type Err = IntervalError;

    fn from_str(text: &str) -> Result<Self, IntervalError> {
        let wrong = || IntervalError::Period(text.to_owned());
        let upper = text.to_ascii_uppercase();
        let unit = match (upper.starts_with("PT"), upper.chars().last()) {
            (true, Some('M')) => 1,
            (true, Some('H')) => 60,
            (false, Some('D')) => MINUTES_OF_A_DAY,
            (false, Some('W')) => 7 * MINUTES_OF_A_DAY,
            _ => return Err(wrong()),
        };
        let body = upper.strip_prefix("PT").or_else(|| upper.strip_prefix('P')).ok_or_else(wrong)?;
        let digits = body.get(..body.len().saturating_sub(1)).ok_or_else(wrong)?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let number: u32 = digits.parse().map_err(|_| wrong())?;
        let minutes =
            number.checked_mul(unit).filter(|all| (1..=LONGEST_DAYS * MINUTES_OF_A_DAY).contains(all));
        let minutes = minutes.ok_or_else(wrong)?;
        Ok(match minutes.is_multiple_of(MINUTES_OF_A_DAY) {
            true => Self::Days(minutes / MINUTES_OF_A_DAY),
            false => Self::Minutes(minutes),
        })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Days(days) => write!(f, "P{days}D"),
            Self::Minutes(minutes) if minutes.is_multiple_of(60) => write!(f, "PT{}H", minutes / 60),
            Self::Minutes(minutes) => write!(f, "PT{minutes}M"),
        }
    }
}

impl FromStr for RepeatingInterval {
    type Err = IntervalError;

    fn from_str(text: &str) -> Result<Self, IntervalError> {
        let mut parts = text.trim().split('/');
        let (Some("R" | "r"), Some(start), Some(period), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(IntervalError::Form(text.chars().take(200).collect()));
        };
        let start = start.parse().map_err(|error: jiff::Error| IntervalError::Start {
            text: start.chars().take(200).collect(),
            reason: error.to_string(),
        })?;
        Ok(Self { start, period: period.parse()? })
    }
}

impl fmt::Display for RepeatingInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "R/{}/{}", self.start, self.period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::zone;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn interval(text: &str) -> RepeatingInterval {
        text.parse().unwrap()
    }

    /// The slots in a span, as local times.
    fn slots(text: &str, name: &str, from: &str, until: &str) -> Vec<String> {
        let (interval, zone) = (interval(text), zone(name).unwrap());
        let mut found = Vec::new();
        let mut instant = at(from);
        while let Some(next) = interval.next_after(instant, &zone).filter(|next| *next <= at(until)) {
            found.push(next.to_zoned(zone.clone()).strftime("%d %H:%M %:z").to_string());
            instant = next;
        }
        found
    }

    #[test]
    fn documented_periods_are_understood() {
        for (text, minutes) in [
            ("PT4H", 240),
            ("PT6H", 360),
            ("PT8H", 480),
            ("PT12H", 720),
            ("P1D", 1440),
            ("P1W", 10_080),
            ("PT24H", 1440),
            ("pt30m", 30),
        ] {
            assert_eq!(text.parse::<Period>().unwrap().minutes(), minutes, "{text}");
        }
    }

    #[test]
    fn what_is_no_interval_says_what_is_wrong() {
        for wrong in
            ["", "R", "R/2026-01-01T00:00:00Z", "R5/2026-01-01T00:00:00Z/P1D", "R/2026-01-01T00:00:00Z/P1D/x"]
        {
            assert!(matches!(wrong.parse::<RepeatingInterval>(), Err(IntervalError::Form(_))), "{wrong}");
        }
        for wrong in ["2026-01-01T00:00:00", "yesterday", ""] {
            let parsed = format!("R/{wrong}/P1D").parse::<RepeatingInterval>();
            assert!(matches!(parsed, Err(IntervalError::Start { .. })), "{wrong}");
        }
        for wrong in [
            "P",
            "PT",
            "PT0H",
            "P0D",
            "P1Y",
            "P-1D",
            "P1.5D",
            "P400D",
            "PT99999999999H",
            "P1DT1H",
            "4H",
            "PTH",
            "P٣D",
        ] {
            let parsed = format!("R/2026-01-01T00:00:00Z/{wrong}").parse::<RepeatingInterval>();
            assert!(matches!(parsed, Err(IntervalError::Period(_))), "{wrong}: {parsed:?}");
        }
    }

    #[test]
    fn daily_stays_at_its_time_of_day_when_clocks_change() {
        let daily = "R/2026-03-01T08:00:00+01:00/P1D";
        assert_eq!(
            slots(daily, "Europe/Berlin", "2026-03-27T12:00:00Z", "2026-03-30T12:00:00Z"),
            ["28 08:00 +01:00", "29 08:00 +02:00", "30 08:00 +02:00"]
        );
    }

    #[test]
    fn a_slot_that_the_change_leaves_out_comes_later_and_one_that_comes_twice_counts_once() {
        let daily = "R/2026-01-01T02:30:00+01:00/P1D";
        assert_eq!(
            slots(daily, "W. Europe Standard Time", "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z"),
            ["29 03:30 +02:00", "30 02:30 +02:00"]
        );
        assert_eq!(
            slots(daily, "W. Europe Standard Time", "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"),
            ["25 02:30 +02:00", "26 02:30 +01:00"]
        );
    }

    #[test]
    fn hourly_slots_keep_their_times_of_day() {
        assert_eq!(
            slots(
                "R/2026-01-01T02:00:00+01:00/PT12H",
                "Europe/Berlin",
                "2026-10-24T11:00:00Z",
                "2026-10-26T00:00:00Z"
            ),
            ["24 14:00 +02:00", "25 02:00 +02:00", "25 14:00 +01:00"]
        );
    }

    #[test]
    fn an_hourly_slot_that_the_change_leaves_out_comes_later_and_the_distances_give_way() {
        let every_four = "R/2026-01-01T02:00:00+01:00/PT4H";
        for name in ["W. Europe Standard Time", "Europe/Berlin"] {
            assert_eq!(
                slots(every_four, name, "2026-03-28T20:00:00Z", "2026-03-29T09:00:00Z"),
                ["28 22:00 +01:00", "29 03:00 +02:00", "29 06:00 +02:00", "29 10:00 +02:00"],
                "{name}"
            );
            assert_eq!(
                slots(every_four, name, "2026-10-24T19:00:00Z", "2026-10-25T10:00:00Z"),
                ["24 22:00 +02:00", "25 02:00 +02:00", "25 06:00 +01:00", "25 10:00 +01:00"],
                "{name}"
            );
        }
    }

    #[test]
    fn weekly_slots_do_as_daily_ones() {
        // Both changes of clocks in Berlin are on a Sunday, at this time of day.
        let sundays = "R/2026-01-04T02:30:00+01:00/P1W";
        assert_eq!(
            slots(sundays, "Europe/Berlin", "2026-03-21T12:00:00Z", "2026-04-06T12:00:00Z"),
            ["22 02:30 +01:00", "29 03:30 +02:00", "05 02:30 +02:00"]
        );
        assert_eq!(
            slots(sundays, "Europe/Berlin", "2026-10-17T12:00:00Z", "2026-11-02T12:00:00Z"),
            ["18 02:30 +02:00", "25 02:30 +02:00", "01 02:30 +01:00"]
        );
    }

    #[test]
    fn the_start_is_an_instant_and_gives_the_time_of_day_in_the_zone() {
        let six_in_kolkata = "R/2026-01-01T00:30:00+00:00/P1D";
        assert_eq!(
            slots(six_in_kolkata, "India Standard Time", "2026-07-01T00:00:00Z", "2026-07-01T12:00:00Z"),
            ["01 06:00 +05:30"]
        );
    }

    #[test]
    fn clocks_that_change_by_half_an_hour_shift_a_slot_by_half_an_hour() {
        let daily = "R/2026-01-01T02:15:00+11:00/P1D";
        assert_eq!(
            slots(daily, "Lord Howe Standard Time", "2026-10-02T16:00:00Z", "2026-10-04T16:00:00Z"),
            ["04 02:45 +11:00", "05 02:15 +11:00"]
        );
    }

    #[test]
    fn a_period_that_does_not_divide_a_day_is_elapsed_time() {
        let five = interval("R/2026-01-01T00:00:00Z/PT5H");
        assert_eq!(
            five.next_after(at("2026-01-02T00:00:00Z"), &TimeZone::UTC),
            Some(at("2026-01-02T01:00:00Z"))
        );
    }

    #[test]
    fn the_calendar_ends() {
        let late = interval("R/9999-12-29T00:00:00Z/P7D");
        assert_eq!(late.next_after(at("9999-12-29T00:00:00Z"), &TimeZone::UTC), None);
    }

    fn any_interval() -> impl Strategy<Value = RepeatingInterval> {
        let period = prop_oneof![
            (1u32..40).prop_map(Period::Days),
            prop::sample::select(vec![1u32, 15, 45, 60, 240, 360, 480, 720]).prop_map(Period::Minutes),
            (1u32..5_000)
                .prop_filter("whole days have their own form", |m| !m.is_multiple_of(1440))
                .prop_map(Period::Minutes),
        ];
        (1_600_000_000i64..1_900_000_000, period).prop_map(|(second, period)| RepeatingInterval {
            start: Timestamp::from_second(second).unwrap(),
            period,
        })
    }

    fn any_zone() -> impl Strategy<Value = TimeZone> {
        prop::sample::select(vec![
            "UTC",
            "Europe/Berlin",
            "America/New_York",
            "Asia/Kolkata",
            "Australia/Lord_Howe",
            "Pacific/Apia",
        ])
        .prop_map(|name| zone(name).unwrap())
    }

    proptest! {
        #[test]
        fn slots_neither_overlap_nor_hide(interval in any_interval(), zone in any_zone(), second in 1_600_000_000i64..1_950_000_000) {
            let now = Timestamp::from_second(second).unwrap();
            let next = interval.next_after(now, &zone).unwrap();
            prop_assert!(next > now && next >= interval.start);
            let just_before = next - SignedDuration::from_secs(1);
            let last = interval.last_until(just_before, &zone);
            prop_assert!(last.is_none_or(|last| last <= now), "{last:?} lies between {now} and {next}");
            prop_assert_eq!(interval.last_until(next, &zone), Some(next));
            // Clocks are never put forward or back by more than a day.
            let most = i64::from(interval.period.minutes()) * 60 + 86_400;
            prop_assert!(next == interval.start || next.duration_since(now).as_secs() <= most);
        }

        #[test]
        fn what_is_written_is_read_again(interval in any_interval()) {
            prop_assert_eq!(interval.to_string().parse::<RepeatingInterval>().unwrap(), interval);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,60}", period in "P?T?[0-9]{0,12}[DWHMS]?") {
            drop(text.parse::<RepeatingInterval>());
            drop(format!("R/2026-01-01T00:00:00Z/{period}").parse::<RepeatingInterval>());
        }
    }
}
