//! Empties a container piece by piece, so that it can be broken off and taken up again.

use crate::{Backing, BlobError, Conditions, Item, Key, Listing};
use futures::{StreamExt, TryStreamExt, stream};
use http::StatusCode;

const PAGE: usize = 1_000;
const TOGETHER: usize = 16;

/// Removes one page of blobs, and of what uploads left behind. `true` when there was nothing left to remove.
pub async fn remove_some(backing: &dyn Backing) -> Result<bool, BlobError> {
    let mut empty = true;
    for own in [false, true] {
        let page = backing.list(&Listing { own, most: PAGE, ..Listing::default() }).await?;
        empty &= page.items.is_empty() && page.next.is_none();
        stream::iter(page.items)
            .filter_map(|item| async move {
                match item {
                    Item::Blob(name, _) => Some(Key::own(name)),
                    Item::Folder(_) => None,
                }
            })
            .map(|key| async move {
                match backing.delete(&key, &Conditions::NONE).await {
                    Err(error) if error.status != StatusCode::NOT_FOUND => Err(error),
                    _ => Ok(()),
                }
            })
            .buffer_unordered(TOGETHER)
            .try_collect::<()>()
            .await?;
    }
    Ok(empty)
}
