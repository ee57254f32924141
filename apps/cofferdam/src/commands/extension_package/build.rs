//! `cofferdam extension-package build`.

use super::{files, refused};
use crate::{
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
};
use clap::Args;
use packages::{Digest, Package, SigningKey, limits, seal};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct BuildArgs {
    /// The package; the Backup Extension of this version unless given
    #[arg(long, value_name = "FILE", conflicts_with = "image")]
    package: Option<PathBuf>,
    /// The image that the Backup Extension runs, best by digest
    #[arg(long, value_name = "IMAGE", required_unless_present = "package")]
    image: Option<String>,
    /// A private key to sign with; may be repeated
    #[arg(long = "key", required = true, value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// The repository that it will be fetched from, without the registry
    #[arg(long, default_value = "cofferdam/backup", value_name = "NAME")]
    repository: String,
    /// The directory that the files go into
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,
}

pub fn run(args: &BuildArgs, format: Format) -> Outcome {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
    };
    if !args.repository.split('/').all(plain) {
        return Err(Failure::usage(format!("{:?} is not the name of a repository", args.repository))
            .next("Use lower-case letters, digits, dots, dashes and slashes."));
    }
    let bytes = match (&args.package, &args.image) {
        (Some(path), _) => files::read(path, limits::PACKAGE)?,
        (None, image) => {
            let image = image.as_deref().unwrap_or_default();
            let package = extension::manifests::package(env!("CARGO_PKG_VERSION"), image);
            package.map_err(Failure::failed)?.to_string().into_bytes()
        }
    };
    let mut keys = Vec::new();
    for path in &args.keys {
        let pem = String::from_utf8_lossy(&files::read(path, limits::MANIFEST)?).into_owned();
        keys.push(SigningKey::from_pem(&pem).map_err(refused)?);
    }
    let package = Package::parse(&bytes).map_err(refused)?;
    let sealed = seal(&bytes, &keys).map_err(refused)?;
    let digest = Digest::of(&sealed);
    files::publish(&args.directory, &args.repository, &package.version, &sealed, &bytes)?;
    let reference = format!("{}:{}", args.repository, package.version);
    let text = format!(
        "{} {}\n{reference}\n{digest}\nnext: serve {} as the root of a web server, or push {} to a registry",
        package.kind,
        package.version,
        args.directory.display(),
        args.directory.join("oci").display()
    );
    let facts = serde_json::json!({
        "type": package.kind, "version": package.version, "releaseTrain": package.release_train,
        "reference": reference, "digest": digest,
    });
    output::tell(format, &text, facts)?;
    Ok(Exit::Done)
}
