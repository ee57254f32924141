//! `cofferdam probe`: what the Jobs of `preflight --active` and `--deep` run. The outcome is JSON in the container's
//! termination message.

use crate::{
    exit::{Exit, Failure, Outcome},
    output,
};
use clap::{Args, Subcommand};
use prerequisites::Endpoint;
use probes::egress::{WayOut, reach};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
};

/// The file on a probe volume.
const FILE: &str = "cofferdam-probe";
const BYTES: usize = 4 << 20;

#[derive(Debug, Subcommand)]
pub enum ProbeCommand {
    /// See how far connections come: DNS, TCP, TLS, HTTP
    Egress(EgressArgs),
    /// Write a file to a volume
    Write(VolumeArgs),
    /// Read the file of a volume
    Read(VolumeArgs),
}

#[derive(Debug, Args)]
pub struct EgressArgs {
    /// What to reach, as JSON
    #[arg(long, value_name = "JSON")]
    endpoints: String,
    /// Who signed the certificate of a proxy that is reached over TLS, as PEM, beside what the environment names
    #[arg(long, value_name = "PEM")]
    proxy_authorities: Option<String>,
    #[command(flatten)]
    report: Report,
}

#[derive(Debug, Args)]
pub struct VolumeArgs {
    /// Where the volume is mounted
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    report: Report,
}

#[derive(Debug, Args)]
pub struct Report {
    /// Where the outcome is written
    #[arg(long, default_value = "/dev/termination-log", value_name = "FILE")]
    report: PathBuf,
}

pub async fn run(command: ProbeCommand) -> Outcome {
    let (report, done) = match command {
        ProbeCommand::Egress(args) => {
            (args.report, egress(&args.endpoints, args.proxy_authorities.as_deref()).await)
        }
        ProbeCommand::Write(args) => (args.report, blocking(move || write(&args.directory)).await),
        ProbeCommand::Read(args) => (args.report, blocking(move || read(&args.directory)).await),
    };
    let (said, exit) = match done {
        Ok(said) => (said, Exit::Done),
        Err(why) => (json!({"error": why}), Exit::Failed),
    };
    let text = said.to_string();
    std::fs::write(&report.report, &text).map_err(|error| {
        Failure::failed(format!("could not write the outcome to {}: {error}", report.report.display()))
    })?;
    output::line(&text)?;
    Ok(exit)
}

async fn egress(endpoints: &str, proxy_authorities: Option<&str>) -> Result<Value, String> {
    let endpoints: Vec<Endpoint> = serde_json::from_str(endpoints)
        .map_err(|error| format!("the endpoints cannot be understood: {error}"))?;
    let mut way = WayOut::from_env()?;
    if let Some(authorities) = proxy_authorities {
        way = way.trusting(authorities);
    }
    let sights = reach(&endpoints, &way).await;
    serde_json::to_value(sights).map_err(|error| error.to_string())
}

async fn blocking(work: impl FnOnce() -> Result<Value, String> + Send + 'static) -> Result<Value, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?
}

/// Data that no store has seen before, on the disk when this returns.
fn write(directory: &Path) -> Result<Value, String> {
    let path = directory.join(FILE);
    let failed = |error: std::io::Error| format!("could not write {}: {error}", path.display());
    let mut data = vec![0_u8; BYTES];
    rand::Rng::fill_bytes(&mut rand::rng(), &mut data);
    let mut file = File::create(&path).map_err(failed)?;
    file.write_all(&data).and_then(|()| file.sync_all()).map_err(failed)?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
    Ok(json!({"sha256": hex::encode(Sha256::digest(&data)), "bytes": BYTES}))
}

fn read(directory: &Path) -> Result<Value, String> {
    let path = directory.join(FILE);
    let failed = |error: std::io::Error| format!("could not read {}: {error}", path.display());
    let mut data = Vec::new();
    let file = File::open(&path).map_err(failed)?;
    // More than was written is not needed to see that it is not the same.
    file.take(BYTES as u64 + 1).read_to_end(&mut data).map_err(failed)?;
    Ok(json!({"sha256": hex::encode(Sha256::digest(&data)), "bytes": data.len()}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_was_written_and_a_changed_byte_is_seen() {
        let folder = tempfile::tempdir().unwrap();

        let written = write(folder.path()).unwrap();
        let same = read(folder.path()).unwrap();
        let mut data = std::fs::read(folder.path().join(FILE)).unwrap();
        data[BYTES / 2] ^= 1;
        std::fs::write(folder.path().join(FILE), data).unwrap();
        let changed = read(folder.path()).unwrap();

        assert_eq!(written, same);
        assert_ne!(written["sha256"], changed["sha256"]);
        assert!(read(&folder.path().join("not-there")).unwrap_err().contains("could not read"));
    }
}
