//! Debian packages as a source of programs: resolved by apt, fetched once, unpacked in memory.
//!
//! Nothing is installed and no package script runs, so building needs no root.

mod fetch;
mod unpack;

use crate::error::Error;
use crate::tree::Tree;
use fetch::Chosen;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An unpacked package.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name, as `libc6`.
    pub name: String,
    /// Its files, without documentation, translations and what only a package manager reads.
    pub files: Tree,
}

/// What an image takes from which packages.
#[derive(Debug, Clone, Copy)]
pub struct Ingredients {
    /// The packages to resolve with everything they depend on.
    pub seeds: &'static [&'static str],
    /// Those of their dependencies that files are taken from, beside shared libraries.
    pub parts: &'static [&'static str],
    /// Packages of shared libraries that the image does without, because they are large.
    pub without: &'static [&'static str],
}

impl Ingredients {
    /// Whether the image can need anything of a package: it is named, or it may hold a shared
    /// library. Debian names such packages after their library (Debian Policy, 8.1).
    fn may_need(&self, package: &Chosen) -> bool {
        let name = package.name.as_str();
        let library = name.starts_with("lib") && package.architecture != "all";
        self.seeds.contains(&name) || self.parts.contains(&name) || library && !self.without.contains(&name)
    }
}

/// Packages by way of apt, with a cache of those fetched before.
#[derive(Debug, Clone)]
pub struct Packages {
    cache: PathBuf,
}

/// The packages that an image may need something of, each in one version.
#[derive(Debug, Clone)]
pub struct Closure {
    cache: PathBuf,
    chosen: Vec<Chosen>,
}

impl Packages {
    /// Packages kept in the directory `cache`.
    pub fn cached_in(cache: impl Into<PathBuf>) -> Self {
        Self { cache: cache.into() }
    }

    /// Resolves `ingredients` with everything they depend on, recommendations apart. Fetches nothing.
    pub fn closure(&self, ingredients: &Ingredients) -> Result<Closure, Error> {
        let mut chosen = fetch::resolve(&self.cache, ingredients.seeds)?;
        chosen.retain(|package| ingredients.may_need(package));
        Ok(Closure { cache: self.cache.clone(), chosen })
    }
}

impl Closure {
    /// Name and version of every package, one a line: what an image made of them depends on.
    pub fn describe(&self) -> String {
        self.chosen.iter().map(|one| format!("{} {}\n", one.name, one.version)).collect()
    }

    /// Fetches what is missing and unpacks all.
    pub(crate) fn unpack(&self) -> Result<Vec<Package>, Error> {
        let archives = fetch::fetch(&self.cache, &self.chosen)?;
        archives.iter().map(unpack::package).collect()
    }
}

/// Runs a tool in the directory `at` and returns what it wrote to standard output.
fn run(program: &str, args: &[&str], at: &Path) -> Result<Vec<u8>, Error> {
    let failed = |message: String| Error::Tool { command: format!("{program} {}", args.join(" ")), message };
    let output = Command::new(program)
        .args(args)
        .current_dir(at)
        .env("LC_ALL", "C")
        .output()
        .map_err(|error| failed(format!("{error}; is {program} installed?")))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
