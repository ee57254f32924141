//! Container images without an engine: archives go straight into containerd.

use std::path::Path;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::configs::PAUSE_IMAGE;
use crate::layout::Places;
use crate::{ClusterName, Error, Invocation, Layout};

const BUSYBOX: &str = "/bin/busybox";

/// Loads a docker or OCI archive into a cluster.
pub async fn load_image(layout: &Layout, name: &ClusterName, archive: &Path) -> Result<(), Error> {
    load(&layout.cluster(name), archive).await
}

pub(crate) async fn load(places: &Places, archive: &Path) -> Result<(), Error> {
    let ctr = Invocation::new("ctr")
        .arg("--address")
        .arg(places.containerd_socket())
        .args(["--namespace", "k8s.io", "images", "import"])
        .arg(archive);
    ctr.output().await.map(|_| ())
}

/// Loads the image that every pod's sandbox runs: busybox, asleep.
pub(crate) async fn load_pause(places: &Places) -> Result<(), Error> {
    let archive = places.data.join("pause.tar");
    let busybox = std::fs::read(BUSYBOX).map_err(Error::file("read", Path::new(BUSYBOX)))?;
    let bytes = pause_archive(&busybox).map_err(Error::file("write", &archive))?;
    std::fs::write(&archive, bytes).map_err(Error::file("write", &archive))?;
    load(places, &archive).await
}

/// A docker archive with one layer that holds one file.
fn pause_archive(busybox: &[u8]) -> std::io::Result<Vec<u8>> {
    let layer = tar_of(&[("busybox", 0o755, busybox)])?;
    let config = json!({
        "architecture": go_architecture(),
        "os": "linux",
        "config": {"Entrypoint": ["/busybox", "sleep", "2147483647"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
    })
    .to_string();
    let manifest = json!([{
        "Config": "config.json",
        "RepoTags": [PAUSE_IMAGE],
        "Layers": ["layer.tar"],
    }])
    .to_string();
    tar_of(&[
        ("layer.tar", 0o644, &layer),
        ("config.json", 0o644, config.as_bytes()),
        ("manifest.json", 0o644, manifest.as_bytes()),
    ])
}

fn tar_of(files: &[(&str, u32, &[u8])]) -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, mode, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        header.set_mtime(0);
        builder.append_data(&mut header, name, *content)?;
    }
    builder.into_inner()
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn go_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_program_gives_the_same_archive() {
        let (first, second) = (pause_archive(b"elf"), pause_archive(b"elf"));

        let other = pause_archive(b"another").unwrap();

        assert_eq!(first.unwrap(), second.unwrap());
        assert_ne!(pause_archive(b"elf").unwrap(), other);
    }
}
