//! The directory of extension packages that a vault offers: as `cofferdam extension-package build` writes it, with
//! `trust.json` beside it: whose packages a cluster takes that is connected to this vault.

use crate::{commands::extension_package::files, exit::Failure};
use jiff::SignedDuration;
use packages::{Asked, Digest, Package, Trust, limits, open, read_manifest};
use parking_lot::RwLock;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};
use vault::{
    api::extensions::{Catalogue, Offer, PackageSource},
    manifests::{ConnectManifests, ConnectSettings},
};

/// What agent and gateway run unless the operator says otherwise.
pub const IMAGE: &str = concat!("cofferdam/cofferdam:", env!("CARGO_PKG_VERSION"));

/// Within which time a newer version is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Within(pub Duration);

impl FromStr for Within {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let within = text.parse::<SignedDuration>().ok().and_then(|within| Duration::try_from(within).ok());
        match within {
            Some(within) if within >= Duration::from_secs(1) => Ok(Self(within)),
            Some(_) => Err("at least one second".to_owned()),
            None => Err("write a duration such as 1h or 30m".to_owned()),
        }
    }
}

/// A directory that is read again while the vault runs.
#[derive(Debug)]
pub struct Watched {
    directory: PathBuf,
    registry: String,
    now: RwLock<Offered>,
}

impl Watched {
    /// Reads it. A package that does not verify is an error.
    pub fn read(directory: &Path, registry: &str) -> Result<Self, Failure> {
        let now = RwLock::new(Offered::read(directory, registry)?);
        Ok(Self { directory: directory.to_owned(), registry: registry.to_owned(), now })
    }

    /// What the vault offers.
    pub fn catalogue(&self) -> Catalogue {
        self.now.read().catalogue()
    }
}

impl PackageSource for Watched {
    /// All or nothing: a directory that is half written, or in which one package does not verify, is looked at again later.
    fn read(&self) -> Result<Catalogue, String> {
        let offered =
            Offered::read(&self.directory, &self.registry).map_err(|failure| failure.to_string())?;
        let catalogue = offered.catalogue();
        *self.now.write() = offered;
        Ok(catalogue)
    }
}

impl ConnectManifests for Watched {
    fn documents(&self, settings: &ConnectSettings) -> Result<Vec<Value>, String> {
        self.now.read().documents(settings)
    }
}

/// The packages of a directory.
#[derive(Debug)]
pub struct Offered {
    packages: Vec<(Package, Offer)>,
    trust: Trust,
    registry: String,
}

impl Offered {
    /// Reads a directory. A package that does not verify is an error: it would be refused in every cluster.
    pub fn read(directory: &Path, registry: &str) -> Result<Self, Failure> {
        let trust = files::read(&directory.join("trust.json"), limits::PACKAGE)?;
        let trust = Trust::parse(&trust).map_err(|error| wrong(&directory.join("trust.json"), &error))?;
        let mut packages = Vec::new();
        for manifest in manifests(&directory.join("v2"))? {
            packages.push(package(directory, &manifest, &trust, registry)?);
        }
        Ok(Self { packages, trust, registry: format!("https://{registry}") })
    }

    /// What the vault offers.
    pub fn catalogue(&self) -> Catalogue {
        Catalogue { packages: self.packages.iter().map(|(_, offer)| offer.clone()).collect() }
    }
}

/// All files below a directory that are named after a digest in a folder `manifests`.
fn manifests(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: std::io::Error| wrong(directory, &error);
    let mut found = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if folder.file_name().is_some_and(|name| name == "manifests") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn package(
    directory: &Path,
    manifest: &Path,
    trust: &Trust,
    registry: &str,
) -> Result<(Package, Offer), Failure> {
    let failed = |error: &dyn std::fmt::Display| wrong(manifest, error);
    let name = manifest.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let digest = Digest::try_from(name).map_err(|error| failed(&error))?;
    let sealed =
        read_manifest(&digest, &files::read(manifest, limits::MANIFEST)?).map_err(|error| failed(&error))?;
    let repository = manifest
        .parent()
        .and_then(Path::parent)
        .and_then(|path| path.strip_prefix(directory.join("v2")).ok());
    let repository = repository.and_then(Path::to_str).unwrap_or_default().to_owned();
    let bytes = files::read(&files::blob(directory, &repository, &sealed.package), limits::PACKAGE)?;
    let inside = Package::parse(&bytes).map_err(|error| failed(&error))?;
    let asked = Asked { kind: &inside.kind, version: &inside.version };
    let package = open(&sealed, &bytes, trust, &asked).map_err(|error| failed(&error))?;
    let offer = Offer {
        kind: package.kind.clone(),
        version: package.version.clone(),
        release_train: package.release_train.clone(),
        reference: format!("{registry}/{repository}:{}", package.version),
        digest: digest.as_str().to_owned(),
    };
    Ok((package, offer))
}

fn wrong(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::precondition(format!("{}: {error}", path.display()))
        .next("Write the directory with `cofferdam extension-package build`, and trust.json beside it.")
}

impl Offered {
    fn documents(&self, settings: &ConnectSettings) -> Result<Vec<Value>, String> {
        // The agent gets rights for the newest of each type alone: those of older versions are not wider.
        let newest: Vec<(Package, String)> =
            self.packages.iter().map(|(package, _)| (package.clone(), package.namespace.clone())).collect();
        let connect = agent::manifests::ConnectSettings {
            image: settings.image.clone().unwrap_or_else(|| IMAGE.to_owned()),
            vault: settings.vault.clone(),
            authorities: settings.authorities.clone(),
            token: Some(settings.token.to_string()),
            proxy: settings.proxy.clone(),
            trust: self.trust.clone(),
            registries: vec![self.registry.clone()],
            registry_authorities: Some(settings.authorities.clone()),
            packages: newest,
        };
        agent::manifests::connect_manifests(&connect).map_err(|error| error.to_string())
    }
}
