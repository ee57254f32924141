//! `cofferdam vault self-backup` and `list-self-backups`: how the vault backs itself up, by hand and on schedule. For those
//! who may read the data directory, whether or not a server runs.

use super::{
    file::{FileSettings, parsed},
    place::PlaceArgs,
    serve::failure,
};
use crate::{
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
};
use clap::Args;
use jiff::SignedDuration;
use std::{path::PathBuf, str::FromStr, sync::Arc};
use telemetry::{Clock, SystemClock};
use vault::{
    bootstrap::BootstrapError,
    directory::DataDirectory,
    rewrap,
    sealed_file::Recipient,
    self_backup::{self, Place, Settings, State, Taken, Taking},
    server::open_store,
    stores::StoreSpec,
};

/// The name by which credentials of the store are found: `COFFERDAM_STORE_BACKUPS_…`.
const NAME: &str = "backups";

#[derive(Debug, Args)]
pub struct StoreArgs {
    /// Where the vault keeps backups of itself: file:///DIR, s3://BUCKET/PREFIX, az://ACCOUNT/CONTAINER/PREFIX or
    /// gs://BUCKET/PREFIX; the folder backups of the data directory when absent
    #[arg(long, env = "COFFERDAM_VAULT_BACKUP_STORE", value_name = "URL")]
    backup_store: Option<BackupStore>,
}

#[derive(Debug, Args)]
pub struct KeepArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// How many are kept; 14 when absent
    #[arg(long, env = "COFFERDAM_VAULT_BACKUP_KEEP", value_name = "COUNT")]
    backup_keep: Option<usize>,
    /// File with the public half of a recovery key (age1…) that opens them too, and needs no wrapping key then; may be
    /// given several times
    #[arg(long, env = "COFFERDAM_VAULT_BACKUP_RECIPIENTS", value_name = "FILE", value_delimiter = ',')]
    backup_recipient: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ScheduleArgs {
    #[command(flatten)]
    keep: KeepArgs,
    /// How often the vault backs itself up, such as 6h, or never; 24h when absent
    #[arg(long, env = "COFFERDAM_VAULT_BACKUP_EVERY", value_name = "DURATION")]
    backup_every: Option<Every>,
}

#[derive(Debug, Args)]
pub struct TakeArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    keep: KeepArgs,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    store: StoreArgs,
}

/// A place for backups, as it is written.
#[derive(Debug, Clone)]
pub struct BackupStore(StoreSpec);

impl FromStr for BackupStore {
    type Err = vault::stores::StoreSpecError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        format!("{NAME}={text}").parse().map(Self)
    }
}

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Every(Option<SignedDuration>);

impl FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("never") {
            return Ok(Self(None));
        }
        match text.parse::<SignedDuration>() {
            Ok(every) if every >= SignedDuration::from_mins(1) => Ok(Self(Some(every))),
            Ok(_) => Err("at least one minute".to_owned()),
            Err(_) => Err("write a duration such as 30m, 6h or 24h, or never".to_owned()),
        }
    }
}

impl StoreArgs {
    /// What was chosen: flags and environment before the file.
    pub fn resolve(self, file: &mut FileSettings) -> Result<Option<StoreSpec>, Failure> {
        let of_file = parsed::<BackupStore>("backup-store", file.backup_store.take())?;
        Ok(self.backup_store.or(of_file).map(|store| store.0))
    }
}

impl KeepArgs {
    fn resolve(self, file: &mut FileSettings) -> Result<Settings, Failure> {
        let store = self.store.resolve(file)?;
        let keep = self.backup_keep.or(file.backup_keep.take()).unwrap_or(self_backup::KEEP);
        if keep == 0 {
            return Err(Failure::usage("no backup of the vault would be kept")
                .next("Pass `--backup-keep` with at least 1, or `--backup-every never`."));
        }
        let mut files = self.backup_recipient;
        if files.is_empty() {
            files = file.backup_recipients.take().unwrap_or_default();
        }
        let recipients = files.iter().map(|file| super::keys::key::<Recipient>(file));
        Ok(Settings { store, every: None, keep, recipients: recipients.collect::<Result<_, _>>()? })
    }
}

impl ScheduleArgs {
    /// How a running vault backs itself up.
    pub fn resolve(self, file: &mut FileSettings) -> Result<Settings, Failure> {
        let of_file = parsed::<Every>("backup-every", file.backup_every.take())?;
        let every = self.backup_every.or(of_file).unwrap_or(Every(Some(self_backup::EVERY)));
        Ok(Settings { every: every.0, ..self.keep.resolve(file)? })
    }
}

pub async fn take(args: TakeArgs, format: Format) -> Outcome {
    let (place, mut file) = args.place.resolve()?;
    let settings = args.keep.resolve(&mut file)?;
    if place.database.is_none() && !place.data.is_dir() {
        return Err(Failure::precondition(BootstrapError::Nothing));
    }
    let directory = DataDirectory::open(&place.data).map_err(Failure::precondition)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let to = Place::open(settings.store.as_ref(), &directory, &clock).map_err(|e| failure(e.into()))?;
    let store = open_store(&directory, place.database.as_ref()).await.map_err(failure)?;
    let taken = async {
        let mut wrapping = place.wrapping_key.open(&directory).map_err(|error| failure(error.into()))?;
        let now = clock.now();
        rewrap::settle(store.as_ref(), &mut wrapping, now).await.map_err(|error| failure(error.into()))?;
        let taking = Taking {
            store: store.as_ref(),
            wrapping: &wrapping,
            directory: &directory,
            place: &to,
            settings: &settings,
            principal: "operator",
            now,
        };
        self_backup::take(&taking).await.map_err(Failure::failed)
    };
    let taken = taken.await;
    store.close().await;
    let Taken { name, place, bytes, rows, .. } = taken?;
    let text = format!("{name} in {place} holds {rows} rows in {}", output::bytes(bytes));
    output::tell(
        format,
        &text,
        serde_json::json!({"name": name, "place": place, "bytes": bytes, "rows": rows}),
    )?;
    Ok(Exit::Done)
}

pub async fn list(args: ListArgs, format: Format) -> Outcome {
    let (place, mut file) = args.place.resolve()?;
    let spec = args.store.resolve(&mut file)?;
    let directory = DataDirectory::open(&place.data).map_err(Failure::precondition)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let at = Place::open(spec.as_ref(), &directory, &clock).map_err(|error| failure(error.into()))?;
    let kept = at.list(None).await.map_err(Failure::failed)?;
    // The place can be looked at when the database is lost: that is the day on which it is needed.
    let state = match open_store(&directory, place.database.as_ref()).await {
        Ok(store) => {
            let state = self_backup::state(store.as_ref()).await;
            store.close().await;
            state.ok()
        }
        Err(_) => None,
    };
    let State { last, failed } = state.unwrap_or_default();
    let mut lines: Vec<String> =
        kept.iter().map(|one| format!("{}  {}", one.name, output::bytes(one.size))).collect();
    if lines.is_empty() {
        lines.push(format!("there is no backup in {}", at.text()));
    }
    lines.extend(last.as_ref().map(|last| format!("last taken at {}", last.at)));
    lines.extend(
        failed.as_ref().map(|failed| {
            format!("failed {} times since, last at {}: {}", failed.times, failed.at, failed.why)
        }),
    );
    let rows: Vec<_> =
        kept.iter().map(|one| serde_json::json!({"name": one.name, "bytes": one.size})).collect();
    let facts = serde_json::json!({"place": at.text(), "backups": rows, "last": last, "failed": failed});
    output::tell(format, &lines.join("\n"), facts)?;
    Ok(if failed.is_some() { Exit::Warnings } else { Exit::Done })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_often_is_a_duration_or_never() {
        assert_eq!("6h".parse(), Ok(Every(Some(SignedDuration::from_hours(6)))));
        assert_eq!("never".parse(), Ok(Every(None)));
        for wrong in ["", "5s", "often", "-1h"] {
            assert!(wrong.parse::<Every>().is_err(), "{wrong}");
        }
    }
}
