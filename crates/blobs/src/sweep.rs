//! Removes what uploads left behind that nobody will finish.

use crate::{Backing, BlobError, Conditions, Item, Key, Listing};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};

/// As long as Azure keeps blocks without a list.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
const PAGE: usize = 1_000;

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Removed blocks and unfinished files.
    pub removed: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is not old enough.
    pub kept: u64,
}

/// Removes uncommitted blocks and unfinished files that are older than a week. Idempotent; for a timer.
pub async fn sweep(backing: &dyn Backing, now: Timestamp) -> Result<Swept, BlobError> {
    let mut swept = Swept::default();
    let mut listing = Listing { own: true, most: PAGE, ..Listing::default() };
    loop {
        let page = backing.list(&listing).await?;
        for item in page.items {
            let Item::Blob(name, found) = item else { continue };
            if now.duration_since(found.modified) < KEPT {
                swept.kept += 1;
                continue;
            }
            match backing.delete(&Key::own(name), &Conditions::NONE).await {
                Err(error) if error.status != StatusCode::NOT_FOUND => return Err(error),
                _ => {
                    swept.removed += 1;
                    swept.bytes += found.size;
                }
            }
        }
        listing.marker = page.next;
        if listing.marker.is_none() {
            return Ok(swept);
        }
    }
}
