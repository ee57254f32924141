//! Which retention tag a recovery point gets. Source: the documented absolute criteria and their priorities.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use std::collections::BTreeSet;

/// What makes a backup deserve a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Marker {
    /// Every backup.
    AllBackup,
    /// The first successful one of a day.
    FirstOfDay,
    /// The first successful one of a week; weeks begin on Sunday.
    FirstOfWeek,
    /// The first successful one of a month.
    FirstOfMonth,
    /// The first successful one of a year.
    FirstOfYear,
}

/// One entry of a policy's tagging criteria.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagRule {
    /// Name of the retention rule that it leads to.
    pub tag: String,
    /// The smallest number wins.
    pub priority: u32,
    /// What it takes; the default rule takes all.
    pub markers: BTreeSet<Marker>,
    /// Whether it is for what no other rule takes.
    pub is_default: bool,
}

/// The rule for a successful backup that was cut at an instant, given when the earlier successful ones were cut to which
/// rules gave their tags. The criteria are those of a schedule (`ScheduleBasedBackupCriteria`): a backup that somebody asked
/// for with a tag of their choice is none of these, and takes the first of a day from none.
///
/// Among rules of one priority the first that is written wins. `None` only without a default rule.
pub fn tag_for<'a>(
    rules: &'a [TagRule],
    cut: Timestamp,
    earlier: &[Timestamp],
    zone: &TimeZone,
) -> Option<&'a TagRule> {
    let holds = |marker: &Marker| {
        let Some(period) = period_of(*marker) else { return true };
        let mine = period(zone.to_datetime(cut).date());
        !earlier.iter().any(|other| *other < cut && period(zone.to_datetime(*other).date()) == mine)
    };
    tag_when(rules, holds)
}

/// The rule for a backup of which it is known what it is the first of.
pub fn tag_when(rules: &[TagRule], holds: impl Fn(&Marker) -> bool) -> Option<&TagRule> {
    let special = rules.iter().filter(|rule| !rule.is_default && rule.markers.iter().any(&holds));
    special.min_by_key(|rule| rule.priority).or_else(|| rules.iter().find(|rule| rule.is_default))
}

/// Everything that a backup can be the first of at once. Whatever is the first of its year is that of its month and its day,
/// too, and whatever is the first of its week is that of its day.
pub fn combinations() -> impl Iterator<Item = BTreeSet<Marker>> {
    use Marker::{AllBackup, FirstOfDay, FirstOfMonth, FirstOfWeek, FirstOfYear};
    let all = [FirstOfDay, FirstOfWeek, FirstOfMonth, FirstOfYear];
    let sets = (0..1_u32 << all.len()).map(move |bits| {
        let chosen = all.into_iter().enumerate().filter(move |(place, _)| bits >> place & 1 == 1);
        chosen.map(|(_, marker)| marker).chain([AllBackup]).collect::<BTreeSet<_>>()
    });
    let implied = [(FirstOfYear, FirstOfMonth), (FirstOfMonth, FirstOfDay), (FirstOfWeek, FirstOfDay)];
    sets.filter(move |set| implied.iter().all(|(one, other)| !set.contains(one) || set.contains(other)))
}

/// What two dates share when they are in the same period.
fn period_of(marker: Marker) -> Option<fn(Date) -> (i16, i16)> {
    match marker {
        Marker::AllBackup => None,
        Marker::FirstOfDay => Some(|date| (date.year(), date.day_of_year())),
        Marker::FirstOfWeek => Some(week),
        Marker::FirstOfMonth => Some(|date| (date.year(), i16::from(date.month()))),
        Marker::FirstOfYear => Some(|date| (date.year(), 0)),
    }
}

/// The Sunday that a date's week begins with.
fn week(date: Date) -> (i16, i16) {
    let since = i64::from(date.weekday().to_sunday_zero_offset());
    let sunday = date.saturating_sub(jiff::Span::new().days(since));
    (sunday.year(), sunday.day_of_year())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(tag: &str, priority: u32, marker: Marker) -> TagRule {
        TagRule { tag: tag.into(), priority, markers: BTreeSet::from([marker]), is_default: false }
    }

    fn rules() -> Vec<TagRule> {
        vec![
            TagRule { tag: "Default".into(), priority: 99, markers: BTreeSet::new(), is_default: true },
            rule("Daily", 25, Marker::FirstOfDay),
            rule("Weekly", 20, Marker::FirstOfWeek),
            rule("Monthly", 15, Marker::FirstOfMonth),
            rule("Yearly", 10, Marker::FirstOfYear),
        ]
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The tags of backups that all succeed, in order.
    fn tags(times: &[&str], zone: &TimeZone) -> Vec<String> {
        let (rules, times) = (rules(), times.iter().map(|text| at(text)).collect::<Vec<_>>());
        let tag = |number: usize| tag_for(&rules, times[number], &times[..number], zone).unwrap().tag.clone();
        (0..times.len()).map(tag).collect()
    }

    #[test]
    fn the_first_of_the_longest_period_wins() {
        let times = [
            "2026-12-31T08:00:00Z", // the first of all
            "2027-01-01T08:00:00Z",
            "2027-01-01T12:00:00Z",
            "2027-01-02T08:00:00Z",
            "2027-01-03T08:00:00Z", // a Sunday
            "2027-02-01T08:00:00Z", // a Monday, nothing since the Sunday before
        ];

        assert_eq!(
            tags(&times, &TimeZone::UTC),
            ["Yearly", "Yearly", "Default", "Daily", "Weekly", "Monthly"]
        );
    }

    #[test]
    fn days_begin_at_midnight_of_the_policy_s_zone() {
        let kolkata = crate::policy::zone("India Standard Time").unwrap();
        // 18:29 and 18:31 in UTC lie on two days there.
        let times = ["2026-05-05T00:00:00Z", "2026-05-05T18:29:00Z", "2026-05-05T18:31:00Z"];

        assert_eq!(tags(&times, &kolkata)[1..], ["Default", "Daily"]);
    }

    #[test]
    fn a_week_that_spans_two_years_is_one_week() {
        let rules = [rule("Weekly", 20, Marker::FirstOfWeek)];
        let (thursday, friday) = (at("2026-12-31T08:00:00Z"), at("2027-01-01T08:00:00Z"));

        assert!(tag_for(&rules, thursday, &[], &TimeZone::UTC).is_some());
        assert!(tag_for(&rules, friday, &[thursday], &TimeZone::UTC).is_none());
    }

    #[test]
    fn a_backup_that_came_later_takes_nothing_away() {
        let day = at("2026-05-05T08:00:00Z");
        let rules = [rule("Daily", 25, Marker::FirstOfDay)];

        assert!(tag_for(&rules, day, &[at("2026-05-05T09:00:00Z")], &TimeZone::UTC).is_some());
    }

    proptest! {
        #[test]
        fn each_day_has_one_first_backup_at_most(mut seconds in prop::collection::btree_set(1_790_000_000i64..1_800_000_000, 1..60)) {
            let daily = [rule("Daily", 25, Marker::FirstOfDay)];
            let mut earlier = Vec::new();
            let mut days = BTreeSet::new();
            while let Some(second) = seconds.pop_first() {
                let cut = Timestamp::from_second(second).unwrap();
                let is_first = days.insert(TimeZone::UTC.to_datetime(cut).date());
                prop_assert_eq!(tag_for(&daily, cut, &earlier, &TimeZone::UTC).is_some(), is_first);
                earlier.push(cut);
            }
        }

        #[test]
        fn the_order_of_rules_does_not_matter_when_priorities_differ(second in 1_700_000_000i64..1_900_000_000, earlier in prop::collection::vec(1_700_000_000i64..1_900_000_000, 0..20)) {
            let cut = Timestamp::from_second(second).unwrap();
            let earlier: Vec<_> = earlier.into_iter().map(|one| Timestamp::from_second(one).unwrap()).collect();
            let (rules, mut reversed) = (rules(), rules());
            reversed.reverse();

            prop_assert_eq!(
                tag_for(&rules, cut, &earlier, &TimeZone::UTC).map(|rule| &rule.tag),
                tag_for(&reversed, cut, &earlier, &TimeZone::UTC).map(|rule| &rule.tag)
            );
        }
    }
}
