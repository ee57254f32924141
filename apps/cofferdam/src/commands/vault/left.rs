//! `cofferdam vault list-left-snapshots`: what the vault could not delete with the recovery points of clusters that are gone,
//! and striking off what the operator has deleted in the storage system.

use super::{place::PlaceArgs, serve::failure};
use crate::{
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
};
use clap::Args;
use jiff::SignedDuration;
use std::str::FromStr;
use telemetry::{Clock, SystemClock};
use vault::{
    bootstrap::BootstrapError,
    directory::DataDirectory,
    protect::gone::left::{self, Left},
    server::open_store,
    store::Store,
};

#[derive(Debug, Args)]
pub struct LeftArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Strike off what you have deleted in the storage system, by the id that the list shows; may be given several times
    #[arg(long, value_name = "ID")]
    strike_off: Vec<String>,
}

/// How long a cluster may be silent before it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoneAfter(pub SignedDuration);

impl FromStr for GoneAfter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let days = text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok());
        let hours = days.and_then(|days| days.checked_mul(24)).and_then(SignedDuration::try_from_hours);
        match hours.or_else(|| text.parse().ok()) {
            Some(after) if after >= SignedDuration::from_hours(24) => Ok(Self(after)),
            Some(_) => Err("at least one day".to_owned()),
            None => Err("write a duration such as 30d or 720h".to_owned()),
        }
    }
}

pub async fn list(args: LeftArgs, format: Format) -> Outcome {
    let (place, _) = args.place.resolve()?;
    if place.database.is_none() && !place.data.is_dir() {
        return Err(Failure::precondition(BootstrapError::Nothing));
    }
    let directory = DataDirectory::open(&place.data).map_err(Failure::precondition)?;
    let store = open_store(&directory, place.database.as_ref()).await.map_err(failure)?;
    let listed = struck(store.as_ref(), &args.strike_off).await;
    store.close().await;
    let left = listed?;
    let mut lines: Vec<String> = left.iter().flat_map(shown).collect();
    if lines.is_empty() {
        lines.push("no snapshots were left".to_owned());
    }
    output::tell(format, &lines.join("\n"), serde_json::json!({"left": left}))?;
    Ok(if left.is_empty() { Exit::Done } else { Exit::Warnings })
}

async fn struck(store: &dyn Store, ids: &[String]) -> Result<Vec<Left>, Failure> {
    for id in ids {
        if !left::strike(store, id, SystemClock.now()).await.map_err(Failure::failed)? {
            return Err(Failure::precondition(format!("nothing is left under the id {id:?}"))
                .next("See the ids: cofferdam vault list-left-snapshots."));
        }
    }
    left::list(store).await.map_err(Failure::failed)
}

fn shown(left: &Left) -> Vec<String> {
    let Left { id, record } = left;
    let mut lines =
        vec![format!("{id}  {}  {}", record.deleted_at, record.point), format!("  {}", record.because)];
    lines.extend(record.snapshots.iter().map(|one| format!("  {one}")));
    lines
        .extend(record.unread.as_ref().map(|why| format!("  which snapshots there are is not known: {why}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_a_day_or_more() {
        let days = |days: i64| Ok(GoneAfter(SignedDuration::from_hours(24 * days)));

        assert_eq!(["30d".parse(), "48h".parse(), "1d".parse()], [days(30), days(2), days(1)]);
        for wrong in ["", "5h", "0d", "-3d", "soon", "9999999999999999d"] {
            assert!(wrong.parse::<GoneAfter>().is_err(), "{wrong}");
        }
    }
}
