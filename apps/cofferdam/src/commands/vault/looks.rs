//! How often a vault looks at the prerequisites of what it protects.

use super::file::{FileSettings, parsed};
use crate::exit::Failure;
use clap::Args;
use jiff::SignedDuration;
use std::{num::NonZeroUsize, str::FromStr};
use vault::protect::prerequisites::Looks;

/// More often than this makes every cluster work for the vault alone.
const SHORTEST: SignedDuration = SignedDuration::from_secs(10);
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

#[derive(Debug, Args)]
pub struct LookArgs {
    /// How often the prerequisites of each protected instance are looked at again, such as 5m or 1h, or never; 5m when absent
    #[arg(long, env = "COFFERDAM_VAULT_PREREQUISITES_EVERY", value_name = "DURATION")]
    prerequisites_every: Option<Again>,
    /// How many clusters are asked for that at the same time; 256 when absent
    #[arg(long, env = "COFFERDAM_VAULT_PREREQUISITES_AT_ONCE", value_name = "NUMBER")]
    prerequisites_at_once: Option<NonZeroUsize>,
}

/// A duration, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again(Option<SignedDuration>);

impl FromStr for Again {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self(None));
        }
        match text.parse::<SignedDuration>() {
            Ok(every) if (SHORTEST..=LONGEST).contains(&every) => Ok(Self(Some(every))),
            Ok(_) => Err("10 seconds to 24 hours, or never".to_owned()),
            Err(_) => Err("write a duration such as 5m or 1h, or never".to_owned()),
        }
    }
}

impl LookArgs {
    pub fn resolve(self, file: &mut FileSettings) -> Result<Looks, Failure> {
        let usual = Looks::default();
        let every = parsed::<Again>("prerequisites-every", file.prerequisites_every.take())?;
        let at_once = self.prerequisites_at_once.or(file.prerequisites_at_once);
        Ok(Looks {
            every: self.prerequisites_every.or(every).map_or(usual.every, |again| again.0),
            at_once: at_once.map_or(usual.at_once, NonZeroUsize::get),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_comes_after_ten_seconds_at_the_earliest_or_never() {
        assert_eq!("5m".parse(), Ok(Again(Some(SignedDuration::from_mins(5)))));
        assert_eq!("never".parse(), Ok(Again(None)));
        for wrong in ["", "0s", "9s", "25h", "often", "-5m"] {
            assert!(wrong.parse::<Again>().is_err(), "{wrong}");
        }
    }
}
