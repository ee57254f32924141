//! The packages that are offered now, and since when: the operator's directory is looked at again while the vault runs.

use super::catalogue::Catalogue;
use jiff::Timestamp;
use parking_lot::RwLock;
use std::{collections::HashMap, fmt, sync::Arc};

/// Where the operator's packages are read from.
pub trait PackageSource: Send + Sync + fmt::Debug {
    /// All packages, or why they cannot be offered: what was read before stays.
    fn read(&self) -> Result<Catalogue, String>;
}

/// What is offered.
#[derive(Debug)]
pub struct Packages {
    source: Option<Arc<dyn PackageSource>>,
    now: RwLock<Offered>,
}

#[derive(Debug, Default)]
struct Offered {
    catalogue: Arc<Catalogue>,
    since: HashMap<String, Timestamp>,
}

impl Packages {
    /// What was read at the start.
    pub fn new(catalogue: Catalogue, source: Option<Arc<dyn PackageSource>>, now: Timestamp) -> Self {
        let this = Self { source, now: RwLock::default() };
        this.replace(catalogue, now);
        this
    }

    /// What is offered now.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.now.read().catalogue.clone()
    }

    /// Since when this replica knows of a package.
    pub fn since(&self, digest: &str) -> Option<Timestamp> {
        self.now.read().since.get(digest).copied()
    }

    /// Looks at the directory again. It reads files: not for a thread that answers calls.
    pub fn look(&self, now: Timestamp) -> Result<(), String> {
        if let Some(source) = &self.source {
            self.replace(source.read()?, now);
        }
        Ok(())
    }

    fn replace(&self, catalogue: Catalogue, now: Timestamp) {
        let mut offered = self.now.write();
        let before = std::mem::take(&mut offered.since);
        let since = |digest: &String| before.get(digest).copied().unwrap_or(now);
        offered.since =
            catalogue.packages.iter().map(|one| (one.digest.clone(), since(&one.digest))).collect();
        offered.catalogue = Arc::new(catalogue);
    }
}
