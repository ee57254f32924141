//! Where backups are kept: a folder of the data directory, or a store of the operator.

use super::{SelfBackupError, decide, spool::Spool};
use crate::{
    directory::DataDirectory,
    stores::{StoreSpec, StoresError, backing_of},
};
use blobs::{Backing, BlobError, Conditions, Content, Disk, Item, Key, Listing, Properties, Write};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use std::{collections::BTreeSet, fs::DirBuilder, os::unix::fs::DirBuilderExt, sync::Arc};
use telemetry::Clock;

/// The folder of the data directory.
const FOLDER: &str = "backups";
const BEGIN: &str = "vault-";
const END: &str = ".age";
const PAGE: usize = 1_000;
/// The length of a tenant's id.
const TENANT: usize = 36;
/// By so much the clock of the machine that recovers may be behind the one that backed up.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_hours(1);

/// A place for backups; several vaults can share one.
#[derive(Debug, Clone)]
pub struct Place {
    backing: Arc<dyn Backing>,
    text: String,
}

/// A backup as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    /// Its name; of one vault's backups the greatest is the newest.
    pub name: String,
    /// Bytes.
    pub size: u64,
}

/// What [`Place::newest`] finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Newest {
    /// The place holds no backup.
    None,
    /// This one.
    One {
        /// Its name.
        name: String,
        /// Those whose time is yet to come: a clock was ahead when they were made, and what they hold may be older.
        passed_over: Vec<String>,
    },
    /// The place holds backups of vaults of these tenants.
    OfSeveral(Vec<String>),
}

impl Kept {
    /// The tenant of the vault that it is of.
    pub fn tenant(&self) -> Option<&str> {
        self.name.strip_prefix(BEGIN)?.get(..TENANT)
    }

    /// When it was made, as its name says; texts of times are ordered as the times are.
    fn time(&self) -> &str {
        let rest = self.name.strip_prefix(BEGIN).and_then(|rest| rest.get(TENANT..)).unwrap_or_default();
        rest.trim_start_matches('-').split('-').next().unwrap_or_default()
    }
}

impl Place {
    /// The store, or else the folder, which is made.
    pub fn open(
        spec: Option<&StoreSpec>,
        directory: &DataDirectory,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StoresError> {
        if let Some(spec) = spec {
            return Ok(Self { backing: backing_of(spec, clock)?, text: format!("the store {}", spec.name) });
        }
        let path = directory.path(FOLDER);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        let failed = |source| StoresError::Directory { name: FOLDER.to_owned(), path: path.clone(), source };
        made.map_err(failed)?;
        let disk = Disk::open(&path).map_err(failed)?;
        Ok(Self { backing: Arc::new(disk), text: path.display().to_string() })
    }

    /// Where it is, for people.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name of what is taken at a time. The last part keeps two apart that are taken at once.
    pub fn name(tenant: &str, taken_at: Timestamp) -> String {
        let time = time_text(taken_at);
        let unique = uuid::Uuid::new_v4().simple().to_string();
        format!("{BEGIN}{tenant}-{time}-{}{END}", unique.get(..8).unwrap_or(&unique))
    }

    /// All backups, of this tenant alone where one is named, the oldest first.
    pub async fn list(&self, tenant: Option<&str>) -> Result<Vec<Kept>, SelfBackupError> {
        let prefix = tenant.map_or_else(|| BEGIN.to_owned(), |tenant| format!("{BEGIN}{tenant}-"));
        let mut wanted = Listing { prefix, most: PAGE, ..Listing::default() };
        let mut found = Vec::new();
        loop {
            let page = self.backing.list(&wanted).await.map_err(self.failed("list", "the backups"))?;
            found.extend(page.items.into_iter().filter_map(|item| match item {
                Item::Blob(name, found) if name.ends_with(END) => Some(Kept { name, size: found.size }),
                _ => None,
            }));
            match page.next {
                Some(next) => wanted.marker = Some(next),
                None => break,
            }
        }
        found.sort();
        Ok(found)
    }

    /// The newest one that was made by now; of several vaults that share the place none is chosen.
    pub async fn newest(&self, tenant: Option<&str>, now: Timestamp) -> Result<Newest, SelfBackupError> {
        let kept = self.list(tenant).await?;
        let tenants: BTreeSet<String> = kept.iter().filter_map(Kept::tenant).map(str::to_owned).collect();
        if tenants.len() > 1 {
            return Ok(Newest::OfSeveral(tenants.into_iter().collect()));
        }
        let latest = time_text(now.checked_add(CLOCKS_DIFFER).unwrap_or(now));
        let (past, future) = kept.into_iter().partition(|one| one.time() <= latest.as_str());
        Ok(match decide::newest(past, future) {
            None => Newest::None,
            Some((newest, later)) => Newest::One {
                name: newest.name,
                passed_over: later.into_iter().map(|one: Kept| one.name).collect(),
            },
        })
    }

    /// Writes one whole; before this returns nobody sees any of it.
    pub(super) async fn put(&self, name: &str, spool: Spool) -> Result<(), SelfBackupError> {
        let failed = self.failed("write", name);
        let key = Key::blob(name).map_err(self.failed("write", name))?;
        // Nothing is ever written over.
        let conditions = Conditions { none_matches: Some("*".to_owned()), ..Conditions::NONE };
        let write =
            Write { length: spool.length, properties: Properties::default(), conditions: &conditions };
        self.backing.write(&key, write, spool.content()).await.map(drop).map_err(failed)
    }

    /// Reads one.
    pub async fn get(&self, name: &str) -> Result<Content, SelfBackupError> {
        let failed = self.failed("read", name);
        let key = Key::blob(name).map_err(self.failed("read", name))?;
        let whole = |found: &blobs::Found| Ok(0..found.size);
        match self.backing.read(&key, &whole).await {
            Ok(Some(read)) => Ok(read.content),
            Ok(None) => Err(failed(BlobError::no_blob())),
            Err(error) => Err(failed(error)),
        }
    }

    /// Removes one.
    pub(super) async fn remove(&self, name: &str) -> Result<(), SelfBackupError> {
        let key = Key::blob(name).map_err(self.failed("remove", name))?;
        match self.backing.delete(&key, &Conditions::NONE).await {
            // Of two that tidy at once, one is later.
            Err(error) if error != BlobError::no_blob() => Err(self.failed("remove", name)(error)),
            _ => Ok(()),
        }
    }

    fn failed(&self, tried: &'static str, name: &str) -> impl FnOnce(BlobError) -> SelfBackupError + use<> {
        let (name, place) = (name.to_owned(), self.text.clone());
        move |source| SelfBackupError::Place { tried, name, place, source }
    }
}

/// A time as it stands in names.
fn time_text(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%S.%3fZ").to_string()
}
