//! Reads a backup piece by piece, and tells what is in it to whoever wants it.

use super::{
    SelfBackupError,
    format::{Counts, Header, Line, Lines, Shape},
};
use crate::{
    sealed_file::{Identity, Opener},
    store::whole::Cells,
};
use async_trait::async_trait;
use blobs::Content;
use futures::StreamExt;
use zeroize::Zeroize;

/// Who is told.
#[async_trait]
pub trait Sink: Send {
    /// The first line; what it refuses ends the reading.
    type Error: From<SelfBackupError> + Send;

    /// What the file is.
    async fn header(&mut self, header: Header) -> Result<(), Self::Error>;
    /// One row.
    async fn row(&mut self, shape: Shape, cells: Cells) -> Result<(), Self::Error>;
}

/// Reads all of a file with whichever of the keys opens it; how many rows of each table it holds. What the sink was told
/// counts only when this succeeds: the file may be cut off.
pub async fn read<S: Sink>(
    mut file: Content,
    identities: Vec<Identity>,
    name: &str,
    sink: &mut S,
) -> Result<Counts, S::Error> {
    let (mut opener, mut lines, mut text) = (Opener::new(identities), Lines::default(), Vec::new());
    while let Some(piece) = file.next().await {
        let piece = piece.map_err(|source| SelfBackupError::Place {
            tried: "read",
            name: name.to_owned(),
            place: "its place".to_owned(),
            source,
        })?;
        opener.more(&piece, &mut text).map_err(SelfBackupError::from)?;
        tell(&mut lines, &text, sink).await?;
        text.zeroize();
    }
    opener.end(&mut text).map_err(SelfBackupError::from)?;
    tell(&mut lines, &text, sink).await?;
    text.zeroize();
    Ok(lines.end()?)
}

async fn tell<S: Sink>(lines: &mut Lines, text: &[u8], sink: &mut S) -> Result<(), S::Error> {
    for line in lines.more(text)? {
        match line {
            Line::Header(header) => sink.header(*header).await?,
            Line::Row(shape, cells) => sink.row(shape, cells).await?,
        }
    }
    Ok(())
}
