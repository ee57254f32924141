//! Where the files of a package lie: as a registry serves them, and as an OCI image layout.

use crate::exit::Failure;
use packages::Digest;
use serde_json::json;
use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Reads a file of at most `most` bytes.
pub fn read(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| {
        Failure::precondition(format!("could not read {}: {error}", path.display()))
            .next("Check the name of the file and its permissions.")
    };
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > most {
        return Err(Failure::precondition(format!("{} has more than {most} bytes", path.display()))
            .next("Name the right file."));
    }
    Ok(bytes)
}

pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        Failure::precondition(format!("could not write {}: {error}", path.display()))
            .next("Name a directory that can be written to.")
    };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    fs::write(path, bytes).map_err(failed)
}

/// Where a web server finds the manifest.
pub fn manifest(directory: &Path, repository: &str, digest: &Digest) -> PathBuf {
    directory.join("v2").join(repository).join("manifests").join(digest.as_str())
}

/// Where a web server finds the package.
pub fn blob(directory: &Path, repository: &str, digest: &Digest) -> PathBuf {
    directory.join("v2").join(repository).join("blobs").join(digest.as_str())
}

/// Writes a package in both forms.
pub fn publish(
    directory: &Path,
    repository: &str,
    version: &str,
    sealed: &[u8],
    package: &[u8],
) -> Result<(), Failure> {
    let (digest, inside) = (Digest::of(sealed), Digest::of(package));
    write(&manifest(directory, repository, &digest), sealed)?;
    write(&blob(directory, repository, &inside), package)?;
    let layout = directory.join("oci");
    for bytes in [sealed, package, b"{}".as_slice()] {
        write(&layout.join("blobs").join("sha256").join(Digest::of(bytes).digits()), bytes)?;
    }
    write(&layout.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": packages::PACKAGE_MEDIA_TYPE,
            "digest": digest, "size": sealed.len(),
            "annotations": {"org.opencontainers.image.ref.name": version},
        }],
    });
    write(&layout.join("index.json"), index.to_string().as_bytes())
}
