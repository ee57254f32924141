//! `cofferdam extension-package verify`.

use super::{files, refused};
use crate::{
    exit::{Exit, Outcome},
    output::{self, Format},
};
use clap::Args;
use packages::{Asked, Digest, Trust, limits, open, read_manifest};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The directory that `build` has written, or a copy of it
    directory: PathBuf,
    /// The digest that is pinned
    #[arg(long, value_name = "sha256:…")]
    digest: String,
    /// The list of trusted keys, as an agent gets it
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
    /// The type that it must be of
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// The version that it must have
    #[arg(id = "package-version", long = "package-version", value_name = "VERSION")]
    version: String,
    /// The repository that it was built for
    #[arg(long, default_value = "cofferdam/backup", value_name = "NAME")]
    repository: String,
}

pub fn run(args: &VerifyArgs, format: Format) -> Outcome {
    let digest = Digest::try_from(args.digest.clone()).map_err(refused)?;
    let trust = Trust::parse(&files::read(&args.trust, limits::PACKAGE)?).map_err(refused)?;
    let manifest =
        files::read(&files::manifest(&args.directory, &args.repository, &digest), limits::MANIFEST)?;
    let sealed = read_manifest(&digest, &manifest).map_err(refused)?;
    let bytes =
        files::read(&files::blob(&args.directory, &args.repository, &sealed.package), limits::PACKAGE)?;
    let asked = Asked { kind: &args.kind, version: &args.version };
    let package = open(&sealed, &bytes, &trust, &asked).map_err(refused)?;
    let text = format!("{} {} is signed by a trusted key and unaltered", package.kind, package.version);
    let facts = serde_json::json!({
        "type": package.kind, "version": package.version, "objects": package.objects.len(),
    });
    output::tell(format, &text, facts)?;
    Ok(Exit::Done)
}
