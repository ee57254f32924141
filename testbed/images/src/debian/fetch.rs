//! Asks apt which packages a program needs, and downloads those that are not there yet.

use super::run;
use crate::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// A package in the version that apt chose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Chosen {
    pub name: String,
    pub version: String,
    /// As `amd64`, or `all` for a package without programs.
    pub architecture: String,
}

/// A package file in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Archive {
    pub package: Chosen,
    pub path: PathBuf,
}

/// Resolves `names` as if nothing were installed.
pub(super) fn resolve(cache: &Path, names: &[&str]) -> Result<Vec<Chosen>, Error> {
    fs::create_dir_all(cache).map_err(Error::io("creating", cache))?;
    let mut args =
        vec!["-o", "Dir::State::status=/dev/null", "--no-install-recommends", "--simulate", "install"];
    args.extend(names);
    let plan = run("apt-get", &args, cache).map_err(|error| match error {
        Error::Tool { message, .. } => Error::NoPackage { packages: names.join(", "), message },
        other => other,
    })?;
    let mut chosen: Vec<Chosen> = String::from_utf8_lossy(&plan).lines().filter_map(parse).collect();
    chosen.sort();
    chosen.dedup();
    Ok(chosen)
}

/// Fetches what is missing into `cache`.
pub(super) fn fetch(cache: &Path, wanted: &[Chosen]) -> Result<Vec<Archive>, Error> {
    download(cache, wanted)?;
    let place = |package: &Chosen| {
        let missing = || Error::NoPackage {
            packages: format!("{}={}", package.name, package.version),
            message: "apt-get download fetched no file of that version".to_owned(),
        };
        let path = find(cache, package)?.ok_or_else(missing)?;
        Ok(Archive { package: package.clone(), path })
    };
    wanted.iter().map(place).collect()
}

/// Reads `Inst libc6 (2.36-9 Debian:12.5/stable [amd64]) []`.
fn parse(line: &str) -> Option<Chosen> {
    let rest = line.strip_prefix("Inst ")?;
    let (name, rest) = rest.split_once(' ')?;
    let (version, rest) = rest.split_once('(')?.1.split_once(' ')?;
    let architecture = rest.split_once('[')?.1.split_once(']')?.0;
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    Some(Chosen { name: name.to_owned(), version: version.to_owned(), architecture: architecture.to_owned() })
}

fn download(cache: &Path, wanted: &[Chosen]) -> Result<(), Error> {
    let mut missing = Vec::new();
    for package in wanted {
        if find(cache, package)?.is_none() {
            missing.push(format!("{}={}", package.name, package.version));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    // Fetched beside the cache: a download cut short must not look like a package.
    let fresh = tempfile::tempdir_in(cache).map_err(Error::io("creating a directory in", cache))?;
    let mut args = vec!["-o", "APT::Sandbox::User=", "download"];
    args.extend(missing.iter().map(String::as_str));
    run("apt-get", &args, fresh.path())?;
    for entry in fs::read_dir(fresh.path()).map_err(Error::io("listing", fresh.path()))? {
        let entry = entry.map_err(Error::io("listing", fresh.path()))?;
        let place = cache.join(entry.file_name());
        fs::rename(entry.path(), &place).map_err(Error::io("moving to", place))?;
    }
    Ok(())
}

/// The file of a package in the cache: apt writes `:` in versions as `%3a`.
fn find(cache: &Path, package: &Chosen) -> Result<Option<PathBuf>, Error> {
    let start = format!("{}_{}_", package.name, package.version.replace(':', "%3a"));
    for entry in fs::read_dir(cache).map_err(Error::io("listing", cache))? {
        let file = entry.map_err(Error::io("listing", cache))?.file_name();
        let file = file.to_string_lossy();
        if file.starts_with(&start) && file.ends_with(".deb") {
            return Ok(Some(cache.join(file.as_ref())));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_are_read_from_apts_plan() {
        let line = "Inst busybox-static (1:1.35.0-4+b1 Debian:12.5/stable [amd64]) []";

        let chosen = parse(line).unwrap();

        assert_eq!(chosen.name, "busybox-static");
        assert_eq!(chosen.version, "1:1.35.0-4+b1");
        assert_eq!(chosen.architecture, "amd64");
        assert_eq!(parse("Inst libc6:amd64 (2.36-9 Debian [amd64])").unwrap().name, "libc6");
        assert_eq!(parse("Conf busybox-static (1:1.35.0-4 Debian:12.5/stable [amd64])"), None);
    }
}
