//! Writes an image as one file that is an OCI layout and a docker archive at once.
//!
//! Formats: OCI image-spec 1.1 (`oci-layout`, `index.json`, `blobs/`), and the `manifest.json` of
//! `docker save`. The image's name stands in the index as the annotation `io.containerd.image.name`,
//! which containerd's importer reads, and in `manifest.json`, which docker reads.

mod digest;
mod layer;

pub use digest::Digest;

use crate::error::Error;
use crate::tree::Tree;
use layer::Layer;
use serde_json::{Value, json};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use tar::{Builder, EntryType, Header};

/// The modification time of everything in an image: 2024-01-01T00:00:00Z, in seconds since 1970.
const MTIME: u64 = 1_704_067_200;
/// The same instant as the image's creation time.
const CREATED: &str = "2024-01-01T00:00:00Z";

/// How a container of the image starts when nobody says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// Further arguments, replaced when a container gives its own.
    pub command: Vec<String>,
    /// Environment variables with their values.
    pub environment: Vec<(String, String)>,
    /// `user` or `user:group`, as numbers; empty means root.
    pub user: String,
    /// TCP ports that the program listens on.
    pub ports: Vec<u16>,
    /// Labels; the keys `org.opencontainers.image.*` are the common ones.
    pub labels: Vec<(String, String)>,
}

/// An image to write.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its name, as `registry/name:tag`.
    pub reference: String,
    /// Its files.
    pub files: Tree,
    /// How it starts.
    pub settings: Settings,
}

/// Writes `image` to the file `out`, which appears complete or not at all. The digest is the
/// manifest's, the one by which registries and containerd know the image.
pub fn write(image: &Image, out: &Path) -> Result<Digest, Error> {
    write_with_mtime(image, out, MTIME)
}

/// As [`write`], with another modification time for all files: it must lead to another digest.
#[doc(hidden)]
pub fn write_with_mtime(image: &Image, out: &Path, mtime: u64) -> Result<Digest, Error> {
    let tag = tag_of(&image.reference)?;
    let folder = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(Error::io("creating", folder))?;
    let fresh = tempfile::NamedTempFile::new_in(folder).map_err(Error::io("creating a file in", folder))?;
    let digest = layer::pack(&image.files, mtime)
        .and_then(|layer| assemble(image, tag, layer, BufWriter::new(fresh.as_file())))
        .map_err(Error::io("writing", out))?;
    readable_by_all(fresh.as_file()).map_err(Error::io("writing", out))?;
    fresh.persist(out).map_err(|failed| Error::io("publishing", out)(failed.error))?;
    Ok(digest)
}

fn assemble(image: &Image, tag: &str, layer: Layer, to: impl Write) -> io::Result<Digest> {
    let config = config(&image.settings, &layer.digest).to_string().into_bytes();
    let config_digest = Digest::of(&config);
    let manifest = manifest(&config, &config_digest, &layer).to_string().into_bytes();
    let digest = Digest::of(&manifest);
    let index = index(image, tag, &digest, manifest.len()).to_string();
    let docker = docker(image, &config_digest, &layer.digest).to_string();

    let mut tar = Builder::new(to);
    for folder in ["blobs/", "blobs/sha256/"] {
        tar.append_data(&mut header(EntryType::Directory, 0o755, 0), folder, io::empty())?;
    }
    let blobs = [(&config_digest, &config), (&digest, &manifest)];
    for (digest, bytes) in blobs {
        entry(&mut tar, &blob(digest), bytes)?;
    }
    let mut layer_header = header(EntryType::Regular, 0o644, layer.length);
    tar.append_data(&mut layer_header, blob(&layer.digest), layer.file)?;
    entry(&mut tar, "index.json", index.as_bytes())?;
    entry(&mut tar, "manifest.json", docker.as_bytes())?;
    entry(&mut tar, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    tar.into_inner()?.flush()?;
    Ok(digest)
}

fn config(settings: &Settings, layer: &Digest) -> Value {
    let pairs = |pairs: &[(String, String)]| -> Vec<String> {
        pairs.iter().map(|(key, value)| format!("{key}={value}")).collect()
    };
    let object = |pairs: Vec<(String, Value)>| Value::Object(pairs.into_iter().collect());
    let ports = settings.ports.iter().map(|port| (format!("{port}/tcp"), json!({}))).collect();
    let labels = settings.labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    json!({
        "architecture": architecture(),
        "os": "linux",
        "created": CREATED,
        "config": {
            "Entrypoint": settings.entrypoint,
            "Cmd": settings.command,
            "Env": pairs(&settings.environment),
            "User": settings.user,
            "WorkingDir": "/",
            "ExposedPorts": object(ports),
            "Labels": object(labels),
        },
        "rootfs": { "type": "layers", "diff_ids": [layer.to_string()] },
        "history": [{ "created": CREATED, "created_by": "cofferdam images" }],
    })
}

fn manifest(config: &[u8], config_digest: &Digest, layer: &Layer) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": config_digest.to_string(),
            "size": config.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": layer.digest.to_string(),
            "size": layer.length,
        }],
    })
}

fn index(image: &Image, tag: &str, manifest: &Digest, size: usize) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": manifest.to_string(),
            "size": size,
            "platform": { "architecture": architecture(), "os": "linux" },
            "annotations": {
                "io.containerd.image.name": image.reference,
                "org.opencontainers.image.ref.name": tag,
            },
        }],
    })
}

fn docker(image: &Image, config: &Digest, layer: &Digest) -> Value {
    json!([{ "Config": blob(config), "RepoTags": [image.reference], "Layers": [blob(layer)] }])
}

fn blob(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.digits())
}

fn entry(tar: &mut Builder<impl Write>, path: &str, bytes: &[u8]) -> io::Result<()> {
    tar.append_data(&mut header(EntryType::Regular, 0o644, bytes.len() as u64), path, bytes)
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(MTIME);
    header.set_size(size);
    header
}

/// The name that OCI gives the architecture this tool runs on.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The tag of `registry/name:tag`.
fn tag_of(reference: &str) -> Result<&str, Error> {
    let bad = || Error::BadReference(reference.to_owned());
    let (name, tag) = reference.rsplit_once(':').ok_or_else(bad)?;
    let plain = |text: &str, more: &[char]| {
        !text.is_empty()
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c) || more.contains(&c))
    };
    if name.contains('/') && plain(name, &['/', ':']) && plain(tag, &[]) { Ok(tag) } else { Err(bad()) }
}

fn readable_by_all(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_registry_or_tag_are_refused() {
        assert_eq!(tag_of("cofferdam.test/shell:1").unwrap(), "1");
        assert_eq!(tag_of("localhost:5000/a/b:v1.0").unwrap(), "v1.0");
        for bad in ["shell", "shell:1", "cofferdam.test/shell", "cofferdam.test/shell:", "a b/c:1"] {
            assert!(matches!(tag_of(bad), Err(Error::BadReference(_))), "{bad:?} got through");
        }
    }
}
