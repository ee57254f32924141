//! `cofferdam job export`: the jobs of a vault, in a file.

use crate::{
    exit::{Exit, Failure, Outcome},
    managed::{Kind, Session, VaultName},
};
use clap::Args;
use management::Request;
use serde_json::{Value, json};
use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    vault: VaultName,
    /// File to make: .json, or .xlsx for a spreadsheet
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
}

/// What the names of both files begin with in the server's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Json,
    Sheet,
}

impl Content {
    /// By the ending of the file that it goes into.
    fn of(file: &Path) -> Option<Self> {
        let ending = file.extension()?.to_str()?;
        match ending.to_ascii_lowercase().as_str() {
            "json" => Some(Self::Json),
            "xlsx" => Some(Self::Sheet),
            _ => None,
        }
    }

    /// Where the server has it, the signature that opens it included.
    fn address(self, result: &Value) -> Option<String> {
        let (url, key) = match self {
            Self::Json => ("blobUrl", "blobSasKey"),
            Self::Sheet => ("excelFileBlobUrl", "excelFileBlobSasKey"),
        };
        let text = |name: &str| result.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        Some(format!("{}?{}", text(url)?, text(key)?.trim_start_matches('?')))
    }
}

pub async fn run(args: ExportArgs, session: &Session) -> Outcome {
    let file = &args.file;
    let content = Content::of(file).ok_or_else(|| {
        Failure::usage(format!("{} ends neither in .json nor in .xlsx", file.display()))
            .next("Say by its ending what the file shall hold.")
    })?;
    // Nothing is asked of the server that could not be written down afterwards.
    if file.symlink_metadata().is_ok() {
        return Err(Failure::precondition(format!("{} exists already", file.display()))
            .next("Name another file, or move it away."));
    }
    let request = Request::post(format!("{}/exportBackupJobs", args.vault.id(session)?), Kind::JOB.version);
    let result = session.follow("exporting the jobs", &request).await?;
    let address = content.address(&result).ok_or_else(|| {
        Failure::failed("the server did not say where the exported jobs are")
            .next("List them instead: `cofferdam job list -o json`.")
    })?;
    let bytes = session.client.download(&address).await?;
    write(file, &bytes).map_err(|error| {
        Failure::failed(format!("could not write {}: {error}", file.display()))
            .next("Check the folder, its permissions and the room on the disk.")
    })?;
    session.view.plain(&json!({"file": file.display().to_string(), "bytes": bytes.len()}))?;
    Ok(Exit::Done)
}

/// For the owner alone: jobs name clusters, namespaces and what went wrong in them.
fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    let written = opened.write_all(bytes).and_then(|()| opened.sync_all());
    if written.is_err() {
        // Half a file would be taken for a whole one.
        drop(std::fs::remove_file(file));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_says_what_the_file_holds_and_where_it_is_fetched() {
        let result = json!({"blobUrl": "https://v/jobs.json", "blobSasKey": "sig=a",
            "excelFileBlobUrl": "https://v/jobs.xlsx", "excelFileBlobSasKey": "?sig=b"});
        let address = |file: &str| Content::of(Path::new(file)).and_then(|content| content.address(&result));

        assert_eq!(address("a/jobs.json").as_deref(), Some("https://v/jobs.json?sig=a"));
        assert_eq!(address("JOBS.XLSX").as_deref(), Some("https://v/jobs.xlsx?sig=b"));
        assert_eq!(address("jobs.csv"), None);
        assert_eq!(address("jobs"), None);
        assert_eq!(Content::Json.address(&json!({"blobUrl": "https://v/jobs.json"})), None);
    }
}
