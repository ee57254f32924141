//! Accounts as folders of a directory, containers as folders of those: no database, one process. For trying the
//! service out and for measuring it; the vault keeps its accounts elsewhere.

use crate::{Accounts, BlobError, Container, ContainerListing, ContainerPage, Disk, Who};
use async_trait::async_trait;
use http::StatusCode;
use jiff::Timestamp;
use std::{collections::BTreeMap, fs, io, path::PathBuf, sync::Arc};

/// The directory.
#[derive(Debug, Clone)]
pub struct Folders {
    root: PathBuf,
}

impl Folders {
    /// Accounts below `root`; each existing folder is one.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn open(&self, account: &str, name: &str) -> Result<Container, BlobError> {
        let at = self.root.join(account).join(name);
        let metadata = match fs::metadata(&at) {
            Ok(metadata) if metadata.is_dir() => metadata,
            Ok(_) => return Err(BlobError::no_container()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(BlobError::no_container()),
            Err(error) => return Err(failed("look at", &error)),
        };
        let made = metadata.created().or_else(|_| metadata.modified());
        let modified =
            made.ok().and_then(|time| Timestamp::try_from(time).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
        let disk = Disk::open(at).map_err(|error| failed("open", &error))?;
        Ok(Container {
            name: name.to_owned(),
            etag: format!("0x{:X}", modified.as_nanosecond()),
            modified,
            metadata: BTreeMap::new(),
            backing: Arc::new(disk),
        })
    }

    fn account(&self, account: &str) -> Result<PathBuf, BlobError> {
        let at = self.root.join(account);
        if at.is_dir() { Ok(at) } else { Err(BlobError::no_account(account)) }
    }
}

fn failed(tried: &str, error: &io::Error) -> BlobError {
    tracing::error!(%error, "could not {tried} a container");
    BlobError::internal()
}

#[async_trait]
impl Accounts for Folders {
    async fn container(&self, account: &str, name: &str) -> Result<Container, BlobError> {
        self.account(account)?;
        self.open(account, name)
    }

    async fn create(
        &self,
        _: &Who,
        account: &str,
        name: &str,
        metadata: BTreeMap<String, String>,
    ) -> Result<Container, BlobError> {
        if !metadata.is_empty() {
            let message = "A folder keeps no metadata of a container.";
            return Err(BlobError::new(StatusCode::BAD_REQUEST, "InvalidMetadata", message));
        }
        match fs::create_dir(self.account(account)?.join(name)) {
            Ok(()) => self.open(account, name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(BlobError::container_exists()),
            Err(error) => Err(failed("create", &error)),
        }
    }

    async fn delete(&self, _: &Who, account: &str, name: &str) -> Result<(), BlobError> {
        match fs::remove_dir_all(self.account(account)?.join(name)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BlobError::no_container()),
            Err(error) => Err(failed("delete", &error)),
        }
    }

    async fn list(&self, account: &str, wanted: &ContainerListing) -> Result<ContainerPage, BlobError> {
        let entries = fs::read_dir(self.account(account)?).map_err(|error| failed("list", &error))?;
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| {
                name.starts_with(&wanted.prefix) && wanted.after.as_ref().is_none_or(|after| name > after)
            })
            .collect();
        names.sort_unstable();
        let more = names.len() > wanted.most;
        names.truncate(wanted.most);
        let containers: Result<Vec<Container>, BlobError> =
            names.iter().map(|name| self.open(account, name)).collect();
        Ok(ContainerPage { containers: containers?, more })
    }
}
