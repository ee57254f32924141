//! The `api-version` of a request: `2026-06-01`, or `2026-08-31-preview`.

use jiff::civil::Date;
use std::{fmt, str::FromStr};

/// A day, and whether the version is a preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    date: Date,
    // A preview of a day comes before that day's version.
    is_final: bool,
}

/// The text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no api-version; write a date such as 2026-06-01, with -preview behind it where it is one")]
pub struct VersionError(String);

impl FromStr for ApiVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let wrong = || VersionError(text.chars().take(60).collect());
        let preview = text.len().checked_sub("-preview".len()).and_then(|at| text.split_at_checked(at));
        let (date, is_final) = match preview {
            Some((date, tail)) if tail.eq_ignore_ascii_case("-preview") => (date, false),
            _ => (text, true),
        };
        let shaped = date.len() == 10 && date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let date = date.parse().ok().filter(|_| shaped).ok_or_else(wrong)?;
        Ok(Self { date, is_final })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.date, if self.is_final { "" } else { "-preview" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_days_in_order() {
        let version = |text: &str| text.parse::<ApiVersion>().unwrap();

        assert!(version("2022-11-01-preview") < version("2022-11-01"));
        assert!(version("2022-11-01") < version("2026-06-01"));
        assert_eq!(version("2026-08-31-Preview").to_string(), "2026-08-31-preview");
    }

    #[test]
    fn anything_else_is_refused() {
        for wrong in [
            "",
            "latest",
            "2026-6-1",
            "2026-13-01",
            "2026-06-01-beta",
            "20260601",
            "-preview",
            "2026-06-01T00",
            "é2026-06-0",
        ] {
            assert!(wrong.parse::<ApiVersion>().is_err(), "{wrong}");
        }
    }
}
