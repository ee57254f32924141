//! Which failed requests are tried again, and when. Pure.

use http::StatusCode;
use std::time::Duration;

/// What went wrong with one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No connection or no answer.
    NoAnswer,
    /// An answer that is an error, with the `Retry-After` that came with it.
    Status { status: StatusCode, after: Option<Duration> },
    /// Nothing that another try would change.
    Final,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Try again after this pause.
    Again(Duration),
    /// Report the failure.
    GiveUp,
}

/// Tries of a request that the server is too busy for.
const PATIENT: u32 = 40;
/// Tries of a request that gets no answer: about half a minute.
const STEADY: u32 = 7;
/// Tries of a request that the server cannot answer: an aggregated API that is down must not hold us long.
const BRIEF: u32 = 4;
/// The longest pause that is obeyed; a server that wants more is asked earlier.
const LONGEST: Duration = Duration::from_secs(60);

impl Trouble {
    /// Whether the server is too busy for everybody.
    pub(super) fn is_overload(&self) -> bool {
        matches!(self, Self::Status { status, .. } if *status == StatusCode::TOO_MANY_REQUESTS)
    }
}

/// What to do after `tries` tries, the last of which ended in `trouble`.
pub(super) fn next(tries: u32, trouble: &Trouble) -> Next {
    let (most, after) = match trouble {
        Trouble::Final => return Next::GiveUp,
        Trouble::NoAnswer => (STEADY, None),
        Trouble::Status { status, after } => match *status {
            StatusCode::TOO_MANY_REQUESTS => (PATIENT, *after),
            StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => (BRIEF, *after),
            _ => return Next::GiveUp,
        },
    };
    if tries >= most {
        return Next::GiveUp;
    }
    let doubled = Duration::from_millis(500).saturating_mul(1_u32.checked_shl(tries - 1).unwrap_or(u32::MAX));
    Next::Again(after.unwrap_or(doubled.min(Duration::from_secs(10))).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, after: Option<u64>) -> Trouble {
        Trouble::Status { status: StatusCode::from_u16(code).unwrap(), after: after.map(Duration::from_secs) }
    }

    #[test]
    fn the_servers_own_pause_is_obeyed() {
        assert_eq!(next(1, &status(429, Some(3))), Next::Again(Duration::from_secs(3)));
        assert_eq!(next(39, &status(429, Some(1))), Next::Again(Duration::from_secs(1)));
        assert_eq!(next(1, &status(503, Some(2))), Next::Again(Duration::from_secs(2)));
        assert_eq!(next(1, &status(429, Some(3600))), Next::Again(LONGEST));
        assert_eq!(next(40, &status(429, Some(1))), Next::GiveUp);
    }

    #[test]
    fn without_one_pauses_double() {
        let pauses: Vec<Next> = (1..8).map(|tries| next(tries, &Trouble::NoAnswer)).collect();

        let milliseconds = [500, 1000, 2000, 4000, 8000, 10000];
        let expected: Vec<Next> = milliseconds
            .iter()
            .map(|pause| Next::Again(Duration::from_millis(*pause)))
            .chain([Next::GiveUp])
            .collect();
        assert_eq!(pauses, expected);
    }

    #[test]
    fn an_api_that_is_down_costs_seconds_not_minutes() {
        let total: Duration = (1..10)
            .map_while(|tries| match next(tries, &status(503, None)) {
                Next::Again(pause) => Some(pause),
                Next::GiveUp => None,
            })
            .sum();

        assert_eq!(total, Duration::from_millis(3500));
    }

    #[test]
    fn what_will_not_change_is_not_tried_again() {
        for code in [400, 401, 403, 404, 405, 406, 410] {
            assert_eq!(next(1, &status(code, Some(1))), Next::GiveUp, "{code}");
        }
    }
}
