//! From a backup into an empty database: all of it in one transaction, or nothing.

use super::RecoverError;
use crate::{
    directory::{DataDirectory, Readers},
    pki::{AUTHORITY_FILES, CA_FILE},
    seal::{KEY_FILE, KeySource, Wrapping},
    sealed_file::{Identity, SealedFileError},
    self_backup::{
        SelfBackupError, Sink,
        format::{Counts, Header, Shape},
        read,
    },
    store::{
        AuditEntry, AuditOutcome, Filling, Store, chained,
        whole::{Cell, Cells},
    },
};
use async_trait::async_trait;
use blobs::Content;
use jiff::Timestamp;
use zeroize::Zeroizing;

/// Rows that are added at a time.
const BATCH: usize = 100;
/// Bytes after which they are added, however few they are.
const ENOUGH: usize = 1024 * 1024;

/// What was recovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The moment that is back.
    pub taken_at: Timestamp,
    /// The vault's tenant.
    pub tenant: String,
    /// Fingerprint of the wrapping key.
    pub wrapping_key: String,
    /// The key came with the backup and lies in the data directory now.
    pub key_written: bool,
    /// Files that lie in the data directory now.
    pub files: Vec<String>,
    /// Files that were there already with another content, and were left alone.
    pub files_left: Vec<String>,
    /// Rows by table.
    pub rows: Counts,
    /// The first record of the audit log that does not follow from those before it; it was so when the backup was made.
    pub audit_broken_at: Option<i64>,
}

/// Fills the database from a backup. `source` is where the wrapping key is expected; with `identity` the file opens too,
/// when it was sealed to that.
pub async fn recover(
    store: &dyn Store,
    directory: &DataDirectory,
    source: &KeySource,
    identity: Option<Identity>,
    (name, content): (&str, Content),
    now: Timestamp,
) -> Result<Recovered, RecoverError> {
    let text = source.read(directory)?;
    let given = text.map(|text| Wrapping::from_text(&text, &source.to_string())).transpose()?;
    let mut identities: Vec<Identity> = identity.into_iter().collect();
    if let Some(given) = &given {
        identities.extend(given.backup_identities().map_err(SelfBackupError::from)?);
    }
    if identities.is_empty() {
        return Err(RecoverError::NoKey(source.to_string()));
    }
    let fingerprints = given.as_ref().map_or_else(|| "none".to_owned(), Wrapping::fingerprints);
    let mut loading = Loading {
        source: source.clone(),
        given,
        filling: store.fill().await?,
        waiting: None,
        bytes: 0,
        opened: None,
        last_hash: Vec::new(),
        audit_broken_at: None,
    };
    let rows = read(content, identities, name, &mut loading).await.map_err(|error| match error {
        RecoverError::Backup(SelfBackupError::Sealed(SealedFileError::OtherKey)) => {
            RecoverError::WrongKey { given: fingerprints }
        }
        error => error,
    })?;
    loading.flush().await?;
    let Some(Opened { header, wrapping: _, from_backup }) = loading.opened else {
        return Err(SelfBackupError::Shape("it is empty".to_owned()).into());
    };
    if let Some(text) = &from_backup {
        // What was sealed with the key that is there can still be opened: the first line seals, all open.
        let before = directory.read(KEY_FILE)?.map(Zeroizing::new).unwrap_or_default();
        let others = before.split_whitespace().filter(|line| *line != text.trim());
        let lines: Zeroizing<Vec<String>> =
            Zeroizing::new(std::iter::once(text.trim()).chain(others).map(str::to_owned).collect());
        directory.write(KEY_FILE, &Zeroizing::new(format!("{}\n", lines.join("\n"))), Readers::Owner)?;
    }
    let (files, files_left) = put_files(directory, &header)?;
    let audit = AuditEntry {
        at: now,
        principal: "operator".to_owned(),
        action: format!("recover the vault as it was at {} from {name}", header.taken_at),
        scope: "/".to_owned(),
        outcome: AuditOutcome::Changed,
        correlation: uuid::Uuid::new_v4().to_string(),
    };
    loading.filling.keep(&audit).await?;
    Ok(Recovered {
        taken_at: header.taken_at,
        tenant: header.tenant.clone(),
        wrapping_key: header.wrapping_key.clone(),
        key_written: from_backup.is_some(),
        files,
        files_left,
        rows,
        audit_broken_at: loading.audit_broken_at,
    })
}

/// Files that were made meanwhile are left alone: something may trust them already.
fn put_files(directory: &DataDirectory, header: &Header) -> Result<(Vec<String>, Vec<String>), RecoverError> {
    let (mut put, mut left) = (Vec::new(), Vec::new());
    let there = AUTHORITY_FILES.iter().any(|file| directory.path(file).exists());
    // Only names that this program knows: a file says where it goes, and must not choose.
    for file in AUTHORITY_FILES {
        let Some(content) = header.files.get(file) else { continue };
        if there {
            if directory.read(file)?.as_ref() != Some(content) {
                left.push(file.to_owned());
            }
            continue;
        }
        let readers = if file == CA_FILE { Readers::Everyone } else { Readers::Owner };
        directory.write(file, content, readers)?;
        put.push(file.to_owned());
    }
    Ok((put, left))
}

struct Opened {
    header: Header,
    wrapping: Wrapping,
    /// The text of the wrapping key, where it came with the backup and is to be put into the data directory.
    from_backup: Option<Zeroizing<String>>,
}

struct Loading {
    source: KeySource,
    given: Option<Wrapping>,
    filling: Box<dyn Filling>,
    waiting: Option<(Shape, Vec<Cells>)>,
    bytes: usize,
    opened: Option<Opened>,
    last_hash: Vec<u8>,
    audit_broken_at: Option<i64>,
}

impl Loading {
    async fn flush(&mut self) -> Result<(), RecoverError> {
        self.bytes = 0;
        let Some((shape, rows)) = self.waiting.take() else { return Ok(()) };
        let columns: Vec<&'static str> = shape.columns.iter().map(|(name, _)| *name).collect();
        Ok(self.filling.add(shape.table, &columns, rows).await?)
    }

    /// What is sealed must open, or the vault would not start; and the audit log is followed.
    fn look(&mut self, shape: &Shape, cells: &Cells) -> Result<(), RecoverError> {
        let value = |name: &str| {
            let at = shape.columns.iter().position(|(known, _)| *known == name)?;
            cells.get(at)
        };
        let text = |name: &str| match value(name) {
            Some(Cell::Text(text)) => text.as_str(),
            _ => "",
        };
        let bytes = |name: &str| match value(name) {
            Some(Cell::Bytes(bytes)) => bytes.as_slice(),
            _ => &[],
        };
        let secret = match shape.table.name {
            "signing_keys" => format!("signing key {}", text("id")),
            "sealed_secrets" => text("name").to_owned(),
            "audit" => {
                let hash = bytes("hash").to_vec();
                if self.audit_broken_at.is_none() && chained(&self.last_hash, text("record")) != hash {
                    self.audit_broken_at = match value("number") {
                        Some(Cell::Number(number)) => Some(*number),
                        _ => Some(0),
                    };
                }
                self.last_hash = hash;
                return Ok(());
            }
            _ => return Ok(()),
        };
        let opens = self
            .opened
            .as_ref()
            .is_some_and(|one| one.wrapping.open_secret(&secret, bytes("sealed")).is_ok());
        if opens { Ok(()) } else { Err(RecoverError::Secret(secret)) }
    }
}

#[async_trait]
impl Sink for Loading {
    type Error = RecoverError;

    async fn header(&mut self, header: Header) -> Result<(), RecoverError> {
        let wanted = header.wrapping_key.clone();
        let fits = self.given.take().filter(|given| given.has(&wanted));
        let inside = header.wrapping_key_text.clone().map(Zeroizing::new);
        let (wrapping, from_backup) = match (fits, inside) {
            (Some(given), _) => (given, None),
            // A key of the operator's own file or environment is never replaced.
            (None, Some(text)) if matches!(self.source, KeySource::Directory) => {
                let wrapping = Wrapping::from_text(&text, "the backup")?;
                (wrapping, Some(text))
            }
            _ => return Err(RecoverError::NoWrappingKey { wanted, given: self.source.to_string() }),
        };
        if !wrapping.has(&wanted) {
            return Err(RecoverError::NoWrappingKey { wanted, given: "in the backup".to_owned() });
        }
        self.opened = Some(Opened { header, wrapping, from_backup });
        Ok(())
    }

    async fn row(&mut self, shape: Shape, cells: Cells) -> Result<(), RecoverError> {
        self.look(&shape, &cells)?;
        let bytes: usize = cells.iter().map(size).sum();
        let fits = self.bytes + bytes <= ENOUGH;
        match &mut self.waiting {
            Some((before, rows)) if fits && before.table == shape.table && rows.len() < BATCH => {
                rows.push(cells);
            }
            _ => {
                self.flush().await?;
                self.waiting = Some((shape, vec![cells]));
            }
        }
        self.bytes += bytes;
        Ok(())
    }
}

fn size(cell: &Cell) -> usize {
    match cell {
        Cell::Text(text) => text.len(),
        Cell::Bytes(bytes) => bytes.len(),
        Cell::Null | Cell::Number(_) => 0,
    }
}

impl From<SealedFileError> for RecoverError {
    fn from(error: SealedFileError) -> Self {
        SelfBackupError::from(error).into()
    }
}
