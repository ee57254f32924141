//! A package as an artifact of a registry: a manifest that names it by digest and carries its signatures.
//!
//! The order of the checks matters: nothing of a package is read before its digest and a trusted signature hold.

use crate::{
    digest::Digest,
    error::{PackageError, code},
    keys::{SigningKey, Trust},
    package::{Package, limits},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Media type of a package.
pub const PACKAGE_MEDIA_TYPE: &str = "application/vnd.cofferdam.extension-package.v1+json";
const MANIFEST_MEDIA_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const EMPTY_MEDIA_TYPE: &str = "application/vnd.oci.empty.v1+json";
const EMPTY: &[u8] = b"{}";
/// What a signature's annotation begins with; the id of the key follows.
const SIGNATURE: &str = "io.cofferdam.signature.";

/// A package that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked<'a> {
    /// Type of the extension.
    pub kind: &'a str,
    /// Version.
    pub version: &'a str,
}

/// A manifest whose digest held: where the package is, and who signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Digest of the package.
    pub package: Digest,
    /// Bytes of the package.
    pub size: usize,
    signatures: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: String,
    #[serde(default)]
    artifact_type: String,
    config: Layer,
    layers: Vec<Layer>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: Digest,
    size: usize,
}

/// The manifest of a package, signed with `keys`.
pub fn seal(package: &[u8], keys: &[SigningKey]) -> Result<Vec<u8>, PackageError> {
    let parsed = Package::parse(package)?;
    let digest = Digest::of(package);
    let mut annotations = BTreeMap::from([
        ("org.opencontainers.image.title".to_owned(), parsed.kind),
        ("org.opencontainers.image.version".to_owned(), parsed.version),
    ]);
    for key in keys {
        let name = format!("{SIGNATURE}{}", key.public()?.id());
        annotations.insert(name, STANDARD.encode(key.sign(&message(&digest))));
    }
    let manifest = Manifest {
        schema_version: 2,
        media_type: MANIFEST_MEDIA_TYPE.to_owned(),
        artifact_type: PACKAGE_MEDIA_TYPE.to_owned(),
        config: Layer {
            media_type: EMPTY_MEDIA_TYPE.to_owned(),
            digest: Digest::of(EMPTY),
            size: EMPTY.len(),
        },
        layers: vec![Layer { media_type: PACKAGE_MEDIA_TYPE.to_owned(), digest, size: package.len() }],
        annotations,
    };
    serde_json::to_vec_pretty(&manifest)
        .map_err(|error| PackageError::malformed(format!("The manifest cannot be written: {error}.")))
}

/// Reads a manifest that was pinned by `pinned`.
pub fn read_manifest(pinned: &Digest, bytes: &[u8]) -> Result<Sealed, PackageError> {
    if bytes.len() > limits::MANIFEST {
        return Err(too_large("manifest", bytes.len(), limits::MANIFEST));
    }
    pinned.check("manifest", bytes)?;
    let manifest: Manifest = serde_json::from_slice(bytes)
        .map_err(|error| PackageError::malformed(format!("The manifest cannot be read: {error}.")))?;
    let [layer] = manifest.layers.as_slice() else {
        return Err(PackageError::malformed(format!("The manifest names {} files.", manifest.layers.len())));
    };
    if manifest.schema_version != 2 || layer.media_type != PACKAGE_MEDIA_TYPE {
        return Err(PackageError::malformed("The manifest names something else than an extension package."));
    }
    if layer.size > limits::PACKAGE {
        return Err(too_large("package", layer.size, limits::PACKAGE));
    }
    let signatures = manifest
        .annotations
        .iter()
        .filter_map(|(name, signature)| Some((name.strip_prefix(SIGNATURE)?.to_owned(), signature.clone())));
    Ok(Sealed {
        package: layer.digest.clone(),
        size: layer.size,
        signatures: signatures.take(limits::SIGNATURES).collect(),
    })
}

/// Opens a package: its digest, a signature by a key that is trusted for its type, and that it is what was asked for.
pub fn open(
    sealed: &Sealed,
    bytes: &[u8],
    trust: &Trust,
    asked: &Asked<'_>,
) -> Result<Package, PackageError> {
    if bytes.len() > limits::PACKAGE {
        return Err(too_large("package", bytes.len(), limits::PACKAGE));
    }
    sealed.package.check("package", bytes)?;
    let types = signed_for(sealed, trust)?;
    let package = Package::parse(bytes)?;
    if package.kind != asked.kind {
        return Err(PackageError::new(
            code::TYPE,
            format!("The package is of type {}, and {} was asked for.", package.kind, asked.kind),
            "Correct the reference of the package.",
        ));
    }
    if package.version != asked.version {
        return Err(PackageError::new(
            code::VERSION,
            format!("The package has version {}, and {} was asked for.", package.version, asked.version),
            "Correct the reference of the package; another version than the one named is never installed.",
        ));
    }
    if !types.contains(&package.kind.as_str()) {
        return Err(PackageError::new(
            code::UNSIGNED,
            format!("The key that signed the package is not trusted for the type {}.", package.kind),
            "Whoever owns the cluster can trust the key for this type, see `cofferdam cluster connect --trust`.",
        ));
    }
    Ok(package)
}

/// The types that the keys which signed are trusted for.
fn signed_for<'a>(sealed: &Sealed, trust: &'a Trust) -> Result<Vec<&'a str>, PackageError> {
    let message = message(&sealed.package);
    let (mut types, mut broken) = (Vec::new(), None);
    for (id, signature) in &sealed.signatures {
        let Some(key) = trust.key(id) else { continue };
        match STANDARD.decode(signature) {
            Ok(signature) if key.public_key.verifies(&message, &signature) => {
                types.extend(key.types.iter().map(String::as_str));
            }
            _ => broken = Some(id),
        }
    }
    match (types.is_empty(), broken) {
        (_, Some(id)) => Err(PackageError::new(
            code::SIGNATURE,
            format!("The signature with the key {id} does not fit the package."),
            "The package was altered or forged: do not install it, and ask its author.",
        )),
        (true, None) => Err(PackageError::new(
            code::UNSIGNED,
            "No key that this cluster trusts has signed the package.",
            "Whoever owns the cluster can trust its author's key, see `cofferdam cluster connect --trust`.",
        )),
        (false, None) => Ok(types),
    }
}

/// What is signed: the digest of the package, in words that no other protocol signs.
fn message(package: &Digest) -> Vec<u8> {
    format!("cofferdam extension package v1\n{package}\n").into_bytes()
}

fn too_large(what: &str, size: usize, most: usize) -> PackageError {
    PackageError::new(
        code::TOO_LARGE,
        format!("The {what} has {size} bytes; at most {most} are read."),
        "Ask the package's author for a smaller one.",
    )
}

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;
