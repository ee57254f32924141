//! Everything of a kind, however much there is of it.

use super::resource::PAGE;
use crate::store::{Store, StoreError, Stored};
use arm::ResourceId;

/// All of a kind below an id, one after the other in order; read a page at a time.
pub struct Each<'s> {
    store: &'s dyn Store,
    kind: &'s str,
    under: &'s ResourceId,
    page: std::vec::IntoIter<Stored>,
    after: Option<String>,
    is_last: bool,
}

impl<'s> Each<'s> {
    /// Nothing is read yet.
    pub fn of(store: &'s dyn Store, kind: &'s str, under: &'s ResourceId) -> Self {
        Self { store, kind, under, page: Vec::new().into_iter(), after: None, is_last: false }
    }

    /// The next one.
    pub async fn next(&mut self) -> Result<Option<Stored>, StoreError> {
        if let Some(stored) = self.page.next() {
            return Ok(Some(stored));
        }
        if self.is_last {
            return Ok(None);
        }
        let page = self.store.resources(self.kind, self.under, self.after.as_deref(), PAGE).await?;
        self.is_last = u32::try_from(page.len()).is_ok_and(|length| length < PAGE);
        self.after = page.last().map(|last| last.id.folded().to_owned());
        self.page = page.into_iter();
        Ok(self.page.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Change, Expected, sqlite::Sqlite};
    use serde_json::json;

    #[tokio::test]
    async fn nothing_is_left_out_where_a_page_ends() {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("vault.db")).await.unwrap();
        let group: ResourceId = "/subscriptions/s/resourceGroups/g".parse().unwrap();
        let kind = "Microsoft.ManagedIdentity/userAssignedIdentities";
        let counted = async || {
            let mut names = Vec::new();
            let mut each = Each::of(&store, kind, &group);
            while let Some(stored) = each.next().await.unwrap() {
                names.push(stored.id.name().to_owned());
            }
            assert_eq!(each.next().await.unwrap(), None, "it is over");
            names
        };
        let add = async |numbers: std::ops::Range<u32>| {
            let put = |number| {
                let id = group.with(kind, &format!("i{number:04}")).unwrap();
                Change::Put { id, document: json!({}), expected: Expected::Absent }
            };
            store.commit_unaudited(&numbers.map(put).collect::<Vec<_>>()).await.unwrap();
        };

        let mut seen = vec![counted().await];
        for numbers in [0..PAGE - 1, PAGE - 1..PAGE, PAGE..PAGE + 1, PAGE + 1..2 * PAGE] {
            add(numbers).await;
            seen.push(counted().await);
        }

        for (names, wanted) in seen.iter().zip([0, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE]) {
            let all: Vec<_> = (0..wanted).map(|number| format!("i{number:04}")).collect();
            assert_eq!(*names, all);
        }
    }
}
