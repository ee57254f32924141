//! Who leads, decided from the Lease alone.
//!
//! Clocks of different machines are never compared: a lease counts as expired when *this* process has seen the
//! same record for longer than its duration.

use jiff::{SignedDuration, Timestamp};

/// The Lease as last read, and since when this process has seen this very record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Who holds it; empty after a release.
    pub holder: String,
    /// How long a record is valid.
    pub duration: SignedDuration,
    /// How often the holder has changed.
    pub transitions: i32,
    /// When this process first saw this record.
    pub since: Timestamp,
}

/// What to do with the Lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// There is none: create it.
    Create,
    /// It is free or expired: take it, with this number of transitions.
    Take {
        /// `leaseTransitions` to write.
        transitions: i32,
    },
    /// It is ours: renew it.
    Renew,
    /// Somebody else holds it: look again no later than this.
    Wait {
        /// When it expires unless it is renewed.
        until: Timestamp,
    },
}

/// Decides from the Lease, our own name and the time.
pub fn decide(lease: Option<&Seen>, me: &str, now: Timestamp) -> Decision {
    let Some(lease) = lease else { return Decision::Create };
    if lease.holder == me {
        return Decision::Renew;
    }
    let expires = lease.since.saturating_add(lease.duration).unwrap_or(Timestamp::MAX);
    if lease.holder.is_empty() || now >= expires {
        Decision::Take { transitions: lease.transitions.saturating_add(1) }
    } else {
        Decision::Wait { until: expires }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn held_by(holder: &str) -> Seen {
        Seen {
            holder: holder.to_owned(),
            duration: SignedDuration::from_secs(15),
            transitions: 3,
            since: at(100),
        }
    }

    #[test]
    fn nobody_takes_a_lease_that_was_renewed_in_time() {
        let lease = held_by("other");

        let decision = decide(Some(&lease), "me", at(114));

        assert_eq!(decision, Decision::Wait { until: at(115) });
    }

    #[test]
    fn an_expired_or_released_lease_is_taken() {
        let (expired, released) = (held_by("other"), held_by(""));

        let after_expiry = decide(Some(&expired), "me", at(115));
        let after_release = decide(Some(&released), "me", at(100));

        assert_eq!(after_expiry, Decision::Take { transitions: 4 });
        assert_eq!(after_release, Decision::Take { transitions: 4 });
    }

    #[test]
    fn the_holder_renews_and_an_absent_lease_is_created() {
        let mine = held_by("me");

        assert_eq!(decide(Some(&mine), "me", at(1000)), Decision::Renew);
        assert_eq!(decide(None, "me", at(0)), Decision::Create);
    }
}
