//! Who deletes a recovery point: the cluster that wrote it, or the vault because that cluster is gone. A cluster that may
//! come back is given time, and the time counts only while it is watched without a break.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// For so long what somebody did on purpose may be undone: disconnecting a cluster, removing its extension. A cluster that
/// was silent for too long is watched for as long too before it counts: the vault itself may have been away.
const PATIENCE: SignedDuration = SignedDuration::from_hours(24);
/// A watch that was broken off for longer than this begins anew.
const UNBROKEN: SignedDuration = SignedDuration::from_hours(6);

/// What is known of the cluster that wrote a recovery point, as long as the vault knows the cluster at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// It has a connection, whether or not anybody uses it.
    pub has_connection: bool,
    /// Its parts reach the vault now.
    pub is_connected: bool,
    /// When its agent last reported over this connection.
    pub heard_at: Option<Timestamp>,
    /// The key of the location that its extension writes to; none without extension.
    pub writes_to: Option<String>,
}

/// How a cluster is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Gone {
    /// The vault does not know it any more.
    Deleted,
    /// Somebody disconnected it.
    Disconnected,
    /// Its extension was removed.
    Uninstalled,
    /// It has not been heard of for too long.
    Silent,
    /// It was connected, and never heard of since.
    NeverHeard,
}

/// How the cluster stands towards a recovery point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is the one to delete it.
    There,
    /// It is there, and its extension writes to another location now.
    Elsewhere,
    /// It cannot.
    Gone(Gone),
}

/// How the cluster stands towards a recovery point whose repository has this key.
pub fn standing(seen: Option<&Seen>, key: &str, gone_after: SignedDuration, now: Timestamp) -> Standing {
    let Some(seen) = seen else { return Standing::Gone(Gone::Deleted) };
    if !seen.has_connection {
        return Standing::Gone(Gone::Disconnected);
    }
    let Some(writes_to) = &seen.writes_to else { return Standing::Gone(Gone::Uninstalled) };
    match seen.heard_at {
        _ if seen.is_connected => {}
        None => return Standing::Gone(Gone::NeverHeard),
        Some(at) if now.duration_since(at) > gone_after => return Standing::Gone(Gone::Silent),
        Some(_) => {}
    }
    if writes_to == key { Standing::There } else { Standing::Elsewhere }
}

/// Since when a cluster has been gone in one way, as far as this was watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Watch {
    gone: Gone,
    since: Timestamp,
    looked: Timestamp,
}

impl Watch {
    /// The watch after another look.
    pub fn after(before: Option<Self>, gone: Gone, now: Timestamp) -> Self {
        let goes_on = before.filter(|before| {
            before.gone == gone
                && now >= before.looked
                && now.duration_since(before.looked) <= UNBROKEN
                && now >= before.since
        });
        Self { gone, since: goes_on.map_or(now, |before| before.since), looked: now }
    }

    /// From when on the vault acts in the cluster's stead.
    pub fn acts_from(&self, gone_after: SignedDuration) -> Timestamp {
        let patience = match self.gone {
            Gone::Deleted => SignedDuration::ZERO,
            Gone::Disconnected | Gone::Uninstalled | Gone::Silent => PATIENCE,
            Gone::NeverHeard => gone_after.max(PATIENCE),
        };
        self.since.saturating_add(patience).unwrap_or(Timestamp::MAX)
    }
}

impl Gone {
    /// What happened to a cluster, for people.
    pub fn text(self, cluster: &str) -> String {
        match self {
            Self::Deleted => format!("the cluster '{cluster}' was deleted"),
            Self::Disconnected => format!("the cluster '{cluster}' was disconnected"),
            Self::Uninstalled => format!("the backup extension was removed from the cluster '{cluster}'"),
            Self::Silent => format!("the cluster '{cluster}' has not been heard of for too long"),
            Self::NeverHeard => {
                format!("the cluster '{cluster}' has never been heard of since it was connected")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONTH: SignedDuration = SignedDuration::from_hours(30 * 24);

    fn at(hours: i64) -> Timestamp {
        "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hours)
    }

    fn well() -> Seen {
        Seen {
            has_connection: true,
            is_connected: true,
            heard_at: Some(at(0)),
            writes_to: Some("k".to_owned()),
        }
    }

    #[test]
    fn only_a_cluster_that_cannot_is_gone() {
        let month_and_more = 30 * 24 + 1;
        let off = |seen: Seen| Seen { is_connected: false, ..seen };
        let cases = [
            ("well", Some(well()), 1, Standing::There),
            ("off for a day", Some(off(well())), 24, Standing::There),
            ("off for a month", Some(off(well())), 30 * 24, Standing::There),
            ("off for longer", Some(off(well())), month_and_more, Standing::Gone(Gone::Silent)),
            ("its agent is dead, its tunnel stands", Some(well()), month_and_more, Standing::There),
            (
                "not yet enrolled",
                Some(off(Seen { heard_at: None, ..well() })),
                1,
                Standing::Gone(Gone::NeverHeard),
            ),
            ("only its tunnel came", Some(Seen { heard_at: None, ..well() }), 1, Standing::There),
            ("moved", Some(Seen { writes_to: Some("other".to_owned()), ..well() }), 1, Standing::Elsewhere),
            ("uninstalled", Some(Seen { writes_to: None, ..well() }), 1, Standing::Gone(Gone::Uninstalled)),
            (
                "disconnected",
                Some(Seen { has_connection: false, ..well() }),
                1,
                Standing::Gone(Gone::Disconnected),
            ),
            ("deleted", None, 1, Standing::Gone(Gone::Deleted)),
        ];

        for (what, seen, hours, expected) in cases {
            assert_eq!(standing(seen.as_ref(), "k", MONTH, at(hours)), expected, "{what}");
        }
    }

    #[test]
    fn the_vault_waits_for_as_long_as_a_cluster_may_come_back() {
        let from = |gone: Gone| Watch::after(None, gone, at(5)).acts_from(MONTH);

        assert_eq!(from(Gone::Deleted), at(5));
        for gone in [Gone::Disconnected, Gone::Uninstalled, Gone::Silent] {
            assert_eq!(from(gone), at(5 + 24), "{gone:?}");
        }
        assert_eq!(from(Gone::NeverHeard), at(5 + 30 * 24));
    }

    #[test]
    fn a_watch_counts_only_while_it_is_kept() {
        let first = Watch::after(None, Gone::Silent, at(0));
        let kept = Watch::after(Some(first.clone()), Gone::Silent, at(6));
        let broken = Watch::after(Some(kept.clone()), Gone::Silent, at(13));
        let otherwise = Watch::after(Some(kept.clone()), Gone::Disconnected, at(7));
        let turned_back = Watch::after(Some(kept.clone()), Gone::Silent, at(5));

        assert_eq!(kept.acts_from(MONTH), at(24));
        assert_eq!(broken.acts_from(MONTH), at(13 + 24), "the vault was away itself");
        assert_eq!(otherwise.acts_from(MONTH), at(7 + 24));
        assert_eq!(turned_back.acts_from(MONTH), at(5 + 24), "the clock was wrong");
    }
}
