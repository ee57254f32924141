//! A backup is gathered in a file without a name, sealed already: its length must be known before it goes to a store, the
//! database shall not wait for the store, and a kill leaves nothing behind.

use super::{
    SelfBackupError,
    format::{Counts, Header, end_line, header_line, row_line},
};
use crate::{
    sealed_file::{Recipient, Sealer},
    store::{Snapshot, whole::TABLES},
};
use blobs::{BlobError, Content};
use bytes::Bytes;
use futures::{StreamExt, stream};
use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
};

/// Bytes that are written and read at a time.
const PIECE: usize = 256 * 1024;

/// A gathered backup.
#[derive(Debug)]
pub struct Spool {
    file: File,
    /// Bytes.
    pub length: u64,
    /// Rows by table.
    pub counts: Counts,
}

/// Gathers a moment of the database, sealed to these keys.
pub async fn gather(
    folder: &Path,
    header: &Header,
    recipients: &[Recipient],
    mut snapshot: Box<dyn Snapshot>,
) -> Result<Spool, SelfBackupError> {
    let failed = |source: io::Error| SelfBackupError::Spool { place: folder.display().to_string(), source };
    let mut file = nameless(folder).map_err(failed)?;
    let (mut ready, mut length, mut counts) = (Vec::with_capacity(2 * PIECE), 0, Counts::new());
    let mut sealer = Sealer::begin(recipients, &mut ready)?;
    sealer.more(&header_line(header)?, &mut ready)?;
    for table in TABLES {
        let mut after = None;
        loop {
            let page = snapshot.page(table, after.as_ref()).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            for row in page {
                sealer.more(&row_line(table, row)?, &mut ready)?;
                *counts.entry(table.name.to_owned()).or_default() += 1;
                if ready.len() >= PIECE {
                    file.write_all(&ready).await.map_err(failed)?;
                    length += ready.len() as u64;
                    ready.clear();
                }
            }
        }
    }
    // The database is let go before the store is waited for.
    drop(snapshot);
    sealer.more(&end_line(&counts)?, &mut ready)?;
    sealer.end(&mut ready)?;
    file.write_all(&ready).await.map_err(failed)?;
    length += ready.len() as u64;
    file.flush().await.map_err(failed)?;
    file.rewind().await.map_err(failed)?;
    Ok(Spool { file, length, counts })
}

fn nameless(folder: &Path) -> io::Result<File> {
    let path = folder.join(format!("backup-{}.new", uuid::Uuid::new_v4().simple()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(File::from_std(file))
}

impl Spool {
    /// What was gathered, from its beginning.
    pub fn content(self) -> Content {
        content_of(self.file)
    }
}

/// A file, from where it stands to its end.
pub fn content_of(file: File) -> Content {
    let pieces = stream::unfold(Some(file), |file| async move {
        let mut file = file?;
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(length) => {
                piece.truncate(length);
                Some((Ok(Bytes::from(piece)), Some(file)))
            }
            Err(error) => {
                tracing::error!(%error, "could not read a file of a backup");
                Some((Err(BlobError::internal()), None))
            }
        }
    });
    pieces.boxed()
}
