//! `cofferdam extension-package key`.

use super::{files, refused};
use crate::{
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
};
use clap::Args;
use packages::SigningKey;
use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::PathBuf};

#[derive(Debug, Args)]
pub struct KeyArgs {
    /// The file that the private key goes into; it must not exist
    #[arg(long, value_name = "FILE")]
    private: PathBuf,
    /// The file that the public key goes into
    #[arg(long, value_name = "FILE")]
    public: PathBuf,
}

pub fn run(args: &KeyArgs, format: Format) -> Outcome {
    let (key, pem) = SigningKey::generate().map_err(refused)?;
    let public = key.public().map_err(refused)?;
    // Never over another key, and for nobody else's eyes.
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&args.private);
    written.and_then(|mut file| file.write_all(pem.as_bytes())).map_err(|error| {
        Failure::precondition(format!("could not write {}: {error}", args.private.display()))
            .next("Name a file that does not exist yet.")
    })?;
    files::write(&args.public, public.to_pem().as_bytes())?;
    let id = public.id().to_string();
    let text = format!(
        "key {id}\nnext: keep {} in a safe place; trust {} where packages are installed",
        args.private.display(),
        args.public.display()
    );
    output::tell(format, &text, serde_json::json!({"id": id}))?;
    Ok(Exit::Done)
}
