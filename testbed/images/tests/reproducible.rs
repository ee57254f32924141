//! The same input gives the same image, and only then.

mod common;

use common::{packages, workload};
use images::recipes::{self, Workload};
use images::{Image, Settings, Tree, archive};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

fn small() -> Image {
    let mut files = Tree::skeleton();
    files.file("etc/hello", 0o644, "hello").unwrap();
    let settings =
        Settings { command: vec!["/etc/hello".to_owned()], ports: vec![80], ..Settings::default() };
    Image { reference: "cofferdam.test/small:1".to_owned(), files, settings }
}

/// The files of an archive with their bytes.
fn unpack(archive: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut tar = tar::Archive::new(fs::File::open(archive).unwrap());
    let mut files = BTreeMap::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(entry.path().unwrap().display().to_string(), bytes);
    }
    files
}

#[test]
fn two_builds_of_a_workload_are_equal_byte_by_byte() {
    let dir = tempfile::tempdir().unwrap();
    let build = |name: &str| -> (PathBuf, String) {
        let out = dir.path().join(name);
        let digest = archive::write(&workload(Workload::Shell), &out).unwrap();
        (out, digest.to_string())
    };

    let (one, first) = build("one.tar");
    let (two, second) = build("two.tar");

    assert_eq!(first, second);
    assert!(fs::read(one).unwrap() == fs::read(two).unwrap(), "equal digests, but other bytes");
}

#[test]
fn another_modification_time_gives_another_digest() {
    let dir = tempfile::tempdir().unwrap();

    let plain = archive::write(&small(), &dir.path().join("plain.tar")).unwrap();
    let defect = archive::write_with_mtime(&small(), &dir.path().join("defect.tar"), 7).unwrap();

    assert_ne!(plain, defect);
}

#[test]
fn the_archive_holds_together_as_oci_layout_and_as_docker_archive() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("small.tar");

    let digest = archive::write(&small(), &out).unwrap();

    let files = unpack(&out);
    let json = |name: &str| -> serde_json::Value { serde_json::from_slice(&files[name]).unwrap() };
    let blob = |digest: &serde_json::Value| format!("blobs/{}", digest.as_str().unwrap().replace(':', "/"));
    for (name, bytes) in files.iter().filter(|(name, bytes)| name.starts_with("blobs/") && !bytes.is_empty())
    {
        assert_eq!(*name, format!("blobs/sha256/{}", archive::Digest::of(bytes).digits()));
    }
    let listed = &json("index.json")["manifests"][0];
    assert_eq!(listed["digest"], digest.to_string());
    assert_eq!(listed["annotations"]["io.containerd.image.name"], "cofferdam.test/small:1");
    let manifest = json(&blob(&listed["digest"]));
    let config = json(&blob(&manifest["config"]["digest"]));
    assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);
    assert_eq!(config["config"]["ExposedPorts"], serde_json::json!({"80/tcp": {}}));
    let docker = &json("manifest.json")[0];
    assert_eq!(docker["Config"], blob(&manifest["config"]["digest"]));
    assert_eq!(docker["Layers"][0], blob(&manifest["layers"][0]["digest"]));
    assert_eq!(docker["RepoTags"][0], "cofferdam.test/small:1");
}

#[test]
fn the_products_image_has_what_its_program_needs_and_little_else() {
    let program = std::env::current_exe().unwrap();

    let image = recipes::product("cofferdam.test/cofferdam:dev", &program, &packages()).unwrap();

    let has = |ending: &str| image.files.iter().any(|(path, _)| path.ends_with(ending));
    assert!(has("/libc.so.6") && has("/ld-linux-x86-64.so.2") || cfg!(not(target_arch = "x86_64")));
    assert!(image.files.bytes("etc/ssl/certs/ca-certificates.crt").unwrap().starts_with(b"-----BEGIN"));
    assert!(!has("/sh") && !has("/busybox"));
    assert_eq!(image.settings.user, "65532:65532");
    assert_eq!(image.settings.entrypoint, ["/cofferdam"]);
}
