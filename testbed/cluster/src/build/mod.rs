//! Builds the Go programs of a cluster once and keeps them in a cache keyed by
//! what they were built from.

mod units;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, BufReader};

pub use units::KubernetesVersion;
use units::{Program, Published, Unit};

use crate::state::Lock;
use crate::{Error, Invocation, Layout};

const PROGRESS_EVERY: Duration = Duration::from_secs(15);

/// The programs of a cluster, ready to run.
#[derive(Debug, Clone)]
pub struct BuiltBinaries {
    /// etcd, the Kubernetes components and kubectl in one program.
    pub kubernetes: PathBuf,
    /// What a full cluster has beside them; absent when only a control plane was asked for.
    pub node: Option<NodeBinaries>,
}

/// The programs that only a full cluster runs.
#[derive(Debug, Clone)]
pub struct NodeBinaries {
    /// snapshot-controller.
    pub snapshot_controller: PathBuf,
    /// The csi-snapshotter sidecar.
    pub csi_snapshotter: PathBuf,
    /// The external-provisioner sidecar.
    pub csi_provisioner: PathBuf,
    /// The external-resizer sidecar.
    pub csi_resizer: PathBuf,
    /// CoreDNS.
    pub coredns: PathBuf,
}

/// Builds (or finds in the cache) what a cluster of this kind runs.
pub async fn build(layout: &Layout, version: KubernetesVersion, full: bool) -> Result<BuiltBinaries, Error> {
    let kubernetes = built(layout, &units::kubernetes(version)).await?;
    let node = match full {
        false => None,
        true => {
            let services = built(layout, &units::services()).await?;
            let provisioner = built(layout, &units::provisioner()).await?;
            Some(NodeBinaries {
                snapshot_controller: services.join("snapshot-controller"),
                csi_snapshotter: services.join("csi-snapshotter"),
                csi_provisioner: provisioner.join("csi-provisioner"),
                csi_resizer: provisioner.join("csi-resizer"),
                coredns: services.join("coredns"),
            })
        }
    };
    Ok(BuiltBinaries { kubernetes: kubernetes.join("kubernetes"), node })
}

/// Builds everything that the tests use and returns each program's name and path.
pub async fn build_everything(layout: &Layout) -> Result<Vec<(&'static str, PathBuf)>, Error> {
    let mut found = Vec::new();
    for unit in units::all() {
        let directory = built(layout, &unit).await?;
        let programs = unit.programs.iter();
        found.extend(programs.map(|p| (p.file, directory.join(p.file))));
    }
    Ok(found)
}

/// Builds Velero and its plugin for S3, which only comparisons and stories beside it need, and returns the directory of both.
pub async fn build_velero(layout: &Layout) -> Result<PathBuf, Error> {
    built(layout, &units::velero()).await
}

/// Builds Gatekeeper, which only stories beside it need, and returns the directory of its program and its manifest.
pub async fn build_gatekeeper(layout: &Layout) -> Result<PathBuf, Error> {
    built(layout, &units::gatekeeper()).await
}

/// The CRDs of the snapshot API, read out of the module that publishes them.
pub async fn snapshot_crds() -> Result<Vec<String>, Error> {
    let module = format!("{}@{}", units::SNAPSHOT_CLIENT, units::SNAPSHOT_CLIENT_VERSION);
    let mut crds = Vec::new();
    let directory = module_directory(&module).await?.join("config/crd");
    let entries = std::fs::read_dir(&directory).map_err(Error::file("read", &directory))?;
    for entry in entries {
        let path = entry.map_err(Error::file("read", &directory))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.contains("storage.k8s.io_") && name.ends_with(".yaml") {
            crds.push(std::fs::read_to_string(&path).map_err(Error::file("read", &path))?);
        }
    }
    crds.sort();
    Ok(crds)
}

async fn module_directory(module: &str) -> Result<PathBuf, Error> {
    #[derive(serde::Deserialize)]
    struct Downloaded {
        #[serde(rename = "Dir")]
        dir: PathBuf,
    }
    // Outside any module, else the answer would depend on the caller's directory.
    let mut command = Invocation::new("go").args(["mod", "download", "-json", module]);
    command = command.env("GO111MODULE", "on").env("GOWORK", "off");
    let answer = command.text().await?;
    let parsed: Downloaded = serde_json::from_str(&answer).map_err(|error| Error::Program {
        program: command.display(),
        outcome: "unexpected answer".to_owned(),
        detail: error.to_string(),
    })?;
    Ok(parsed.dir)
}

/// The directory with the unit's programs, built when the cache lacks it.
async fn built(layout: &Layout, unit: &Unit) -> Result<PathBuf, Error> {
    let source = source_directory().join(unit.directory);
    let go = go_version().await?;
    let directory = layout.cache().join(key(unit, &source, &go)?);
    if directory.exists() {
        return Ok(directory);
    }
    let lock = layout.cache().join(format!("{}.lock", unit.directory));
    let _one_build_at_a_time = Lock::take(&lock).await?;
    if directory.exists() {
        return Ok(directory);
    }
    let scratch = layout.cache().join(format!("{}.unfinished", unit.directory));
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch).map_err(Error::file("remove", &scratch))?;
    }
    std::fs::create_dir_all(&scratch).map_err(Error::file("create", &scratch))?;
    for program in unit.programs {
        compile(unit, program, &source, &scratch).await?;
    }
    for published in unit.published {
        copy(published, &source, &scratch).await?;
    }
    let moved = std::fs::rename(&scratch, &directory);
    moved.map_err(Error::file("move the build into", &directory))?;
    Ok(directory)
}

async fn compile(unit: &Unit, program: &Program, source: &Path, into: &Path) -> Result<(), Error> {
    println!("building {} (minutes when cold, then cached)", program.file);
    let go = Invocation::new("nice")
        .args(["go", "build", "-v", "-trimpath", "-buildvcs=false"])
        .args((unit.at_once > 0).then(|| format!("-p={}", unit.at_once)))
        .arg("-ldflags")
        .arg(unit.linker_flags)
        .arg("-o")
        .arg(into.join(program.file))
        .arg(program.package)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=readonly")
        .env("GOWORK", "off");
    let mut child = go
        .command()
        .current_dir(source)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Error::Program {
            program: go.display(),
            outcome: "not started".to_owned(),
            detail: format!("{error}; install Go and put it into PATH"),
        })?;
    let started = Instant::now();
    let mut tail = Vec::new();
    let mut packages = 0_usize;
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        let mut said = Instant::now();
        while let Some(line) =
            lines.next_line().await.map_err(Error::file("read the compiler's output of", source))?
        {
            packages += 1;
            tail.push(line);
            if tail.len() > 20 {
                tail.remove(0);
            }
            if said.elapsed() >= PROGRESS_EVERY {
                said = Instant::now();
                let seconds = started.elapsed().as_secs();
                println!("  {}: {packages} packages, {seconds} s", program.file);
            }
        }
    }
    let status = child.wait().await.map_err(Error::file("wait for the compiler of", source))?;
    if !status.success() {
        return Err(Error::Program {
            program: go.display(),
            outcome: status.to_string(),
            detail: tail.join("\n"),
        });
    }
    println!("built {} in {} s", program.file, started.elapsed().as_secs());
    Ok(())
}

/// Takes a file out of the module in the version that the unit requires.
async fn copy(published: &Published, source: &Path, into: &Path) -> Result<(), Error> {
    let list = Invocation::new("go").arg("-C").arg(source).args(["list", "-m", "-f", "{{.Dir}}"]);
    let list = list.arg(published.module).env("GOFLAGS", "-mod=readonly").env("GOWORK", "off");
    let from = PathBuf::from(list.text().await?.trim()).join(published.path);
    // Modules are read-only in their cache; what is written anew is not.
    let content = std::fs::read(&from).map_err(Error::file("read", &from))?;
    let to = into.join(published.file);
    std::fs::write(&to, content).map_err(Error::file("write", &to))
}

/// The cache key: a readable name and a digest of everything the result depends on.
fn key(unit: &Unit, source: &Path, go: &str) -> Result<String, Error> {
    let mut digest = Sha256::new();
    let mut add = |part: &[u8]| {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    };
    add(go.as_bytes());
    add(unit.linker_flags.as_bytes());
    for program in unit.programs {
        add(program.file.as_bytes());
        add(program.package.as_bytes());
    }
    for published in unit.published {
        add(published.file.as_bytes());
        add(published.module.as_bytes());
        add(published.path.as_bytes());
    }
    for file in unit.files {
        let path = source.join(file);
        add(&std::fs::read(&path).map_err(Error::file("read", &path))?);
    }
    let hex = hex::encode(digest.finalize());
    Ok(format!("{}-{}", unit.directory, hex.get(..16).unwrap_or(&hex)))
}

async fn go_version() -> Result<String, Error> {
    Invocation::new("go").args(["env", "GOVERSION", "GOARCH"]).text().await
}

/// Where the Go modules lie: the checkout that this program was built from.
fn source_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../go")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_compiler_or_another_module_file_is_another_build() {
        let source = tempfile::tempdir().unwrap();
        let unit = units::provisioner();
        for file in unit.files {
            std::fs::write(source.path().join(file), "a").unwrap();
        }

        let first = key(&unit, source.path(), "go1").unwrap();
        let newer_compiler = key(&unit, source.path(), "go2").unwrap();
        std::fs::write(source.path().join("go.sum"), "b").unwrap();
        let newer_module = key(&unit, source.path(), "go1").unwrap();

        assert!(first.starts_with("provisioner-"));
        assert!(first != newer_compiler && first != newer_module);
    }

    #[test]
    fn every_unit_names_files_that_exist() {
        let older = units::kubernetes(KubernetesVersion::V1_33);
        let units: Vec<_> =
            units::all().into_iter().chain([units::velero(), units::gatekeeper(), older]).collect();

        let keys: Vec<_> =
            units.iter().map(|unit| key(unit, &source_directory().join(unit.directory), "go1")).collect();

        assert!(keys.iter().all(Result::is_ok), "{keys:?}");
    }
}
