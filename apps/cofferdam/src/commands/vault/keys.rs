//! `cofferdam vault make-recovery-key`, `export-repository-keys`, `open-repository-keys`: how an operator gets at the
//! repositories without the vault. The files are those of the tool `age`.

use super::{
    place::{Place, PlaceArgs},
    serve::failure,
};
use crate::{
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
};
use clap::Args;
use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use telemetry::{Clock, SystemClock};
use vault::{
    bootstrap,
    directory::DataDirectory,
    keys, rewrap,
    sealed_file::{self, Identity, Recipient},
    server::open_store,
    store::Store,
};

#[derive(Debug, Args)]
pub struct MakeArgs {
    /// File for the secret half; must not exist. Keep it away from the vault
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// File with the public half of the recovery key (age1…)
    #[arg(long, value_name = "FILE")]
    recipient: PathBuf,
    /// File to write; must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub struct OpenArgs {
    /// File that `export-repository-keys` wrote
    file: PathBuf,
    /// File with the secret half of the recovery key (AGE-SECRET-KEY-1…)
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// Directory for the password files; made if it is not there
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
}

pub fn make(args: MakeArgs, format: Format) -> Outcome {
    let identity = Identity::make();
    let recipient = identity.recipient().map_err(Failure::failed)?.to_string();
    let text = format!("# public key: {recipient}\n{}\n", identity.reveal().as_str());
    write_new(&args.identity, text.as_bytes())?;
    output::tell(format, &recipient, serde_json::json!({"recipient": recipient}))?;
    Ok(Exit::Done)
}

pub async fn export(args: ExportArgs, format: Format) -> Outcome {
    let (place, _) = args.place.resolve()?;
    if place.database.is_none() && !place.data.is_dir() {
        return Err(Failure::precondition(bootstrap::BootstrapError::Nothing));
    }
    let recipient: Recipient = key(&args.recipient)?;
    let directory = DataDirectory::open(&place.data).map_err(Failure::precondition)?;
    let store = open_store(&directory, place.database.as_ref()).await.map_err(failure)?;
    let exported = sealed(store.as_ref(), &place, &directory, &recipient).await;
    store.close().await;
    let exported = exported?;
    write_new(&args.out, &exported.file)?;
    let mut lines = vec![format!(
        "{} repository keys are in {}, sealed to {recipient}",
        exported.keys,
        args.out.display()
    )];
    lines.extend(exported.left_out.iter().map(|(id, why)| format!("left out {id}: {why}")));
    let left_out: Vec<_> =
        exported.left_out.iter().map(|(id, why)| serde_json::json!({"id": id, "why": why})).collect();
    let facts =
        serde_json::json!({"keys": exported.keys, "recipient": recipient.to_string(), "leftOut": left_out});
    output::tell(format, &lines.join("\n"), facts)?;
    Ok(if exported.left_out.is_empty() { Exit::Done } else { Exit::Warnings })
}

async fn sealed(
    store: &dyn Store,
    place: &Place,
    directory: &DataDirectory,
    recipient: &Recipient,
) -> Result<keys::Exported, Failure> {
    let now = SystemClock.now();
    let wrapping = place.wrapping_key.open(directory).map_err(|error| failure(error.into()))?;
    let mut wrapping = wrapping.with_customers(place.customer_keys.clone());
    rewrap::settle(store, &mut wrapping, now).await.map_err(|error| failure(error.into()))?;
    keys::export(store, &wrapping, recipient, now).await.map_err(Failure::failed)
}

pub fn open(args: OpenArgs, format: Format) -> Outcome {
    let identity: Identity = key(&args.identity)?;
    let file = fs::read(&args.file).map_err(|error| could_not("read", &args.file, &error))?;
    let wrong = |error: &dyn std::fmt::Display| could_not("open", &args.file, error);
    let content = sealed_file::open(&identity, &file).map_err(|error| wrong(&error))?;
    let keys = keys::read_export(&content).map_err(|error| wrong(&error))?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&args.into)
        .map_err(|error| could_not("make", &args.into, &error))?;
    let mut told = Vec::new();
    let mut lines = Vec::new();
    for one in &keys {
        let path = args.into.join(format!("{}.password", one.id));
        write_new(&path, one.repository_password.as_bytes())?;
        let place = one.settings.iter().map(|(name, value)| {
            let short = name.rsplit("backupStorageLocation.").next().unwrap_or(name);
            format!("{short}={value}")
        });
        lines.push(format!("{}  {}", path.display(), place.collect::<Vec<_>>().join(" ")));
        told.push(serde_json::json!({"id": one.id, "passwordFile": path, "settings": one.settings}));
    }
    output::tell(format, &lines.join("\n"), serde_json::json!({"keys": told}))?;
    Ok(Exit::Done)
}

/// A key in a file.
pub fn key<K: std::str::FromStr<Err: std::fmt::Display>>(path: &Path) -> Result<K, Failure> {
    let text = fs::read_to_string(path).map_err(|error| could_not("read", path, &error))?;
    text.parse().map_err(|error| could_not("use", path, &error))
}

/// Only its owner can read it, and nothing is written over.
fn write_new(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()));
    written.map_err(|error| could_not("write", path, &error))
}

fn could_not(what: &str, path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::precondition(format!("could not {what} {}: {error}", path.display()))
}
