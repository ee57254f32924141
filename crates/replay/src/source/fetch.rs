//! Fetches the bodies of many objects: few reads, a few ahead, and one damaged piece costs only its own
//! objects.

use super::{Batch, PointSource, batches};
use crate::SourceError;
use crate::item::Item;
use crate::json;
use crate::options::Budget;
use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};
use serde_json::Value;

/// A body, or why there is none.
pub(crate) type Fetched = (usize, Result<Value, SourceError>);

/// The bodies of the objects at `wanted`, which stand in the order of their bytes.
pub(crate) fn bodies<'a>(
    source: &'a dyn PointSource,
    items: &'a [Item],
    wanted: &[usize],
    budget: &Budget,
) -> impl Stream<Item = Fetched> + Send + use<'a> {
    stream::iter(batches(items, wanted, budget.read_bytes))
        .map(move |batch| read(source, items, batch))
        .buffered(budget.read_ahead.max(1))
        .flat_map(move |read| {
            stream::iter(read.into_iter().map(move |(index, bytes)| {
                let body = bytes.and_then(|bytes| match items.get(index) {
                    Some(item) => parse(item, &bytes),
                    None => Err(SourceError::damaged("the index", "it is inconsistent")),
                });
                (index, body)
            }))
        })
}

async fn read(
    source: &dyn PointSource,
    items: &[Item],
    batch: Batch,
) -> Vec<(usize, Result<Bytes, SourceError>)> {
    let missing = || SourceError::damaged(batch.path.as_str(), "it is shorter than the index says");
    let cut = |whole: &Bytes, range: &std::ops::Range<usize>| {
        let fits = range.start <= range.end && range.end <= whole.len();
        if fits { Ok(whole.slice(range.clone())) } else { Err(missing()) }
    };
    match source.read(&batch.path, batch.range.clone()).await {
        Ok(whole) => batch.items.iter().map(|(index, range)| (*index, cut(&whole, range))).collect(),
        Err(error) if batch.items.len() == 1 || !error.damaged => {
            batch.items.iter().map(|(index, _)| (*index, Err(error.clone()))).collect()
        }
        Err(_) => {
            let mut read = Vec::with_capacity(batch.items.len());
            for (index, _) in &batch.items {
                let bytes = match items.get(*index) {
                    Some(item) => {
                        let range = item.offset..item.offset.saturating_add(item.length);
                        source.read(&batch.path, range).await
                    }
                    None => Err(missing()),
                };
                read.push((*index, bytes));
            }
            read
        }
    }
}

/// The object, with the type that lists leave out. An object that is not the one that the index names is not
/// restored in its place.
fn parse(item: &Item, bytes: &[u8]) -> Result<Value, SourceError> {
    let what = || format!("{}", item.place());
    let mut object: Value =
        serde_json::from_slice(bytes).map_err(|error| SourceError::damaged(what(), error))?;
    let same = json::text(&object, &["metadata", "name"]) == Some(&*item.name)
        && json::text(&object, &["metadata", "namespace"]) == item.namespace.as_deref()
        && json::text(&object, &["metadata", "uid"]).unwrap_or("") == &*item.uid;
    if !same {
        return Err(SourceError::damaged(what(), "another object stands in its place"));
    }
    if json::at(&object, &["apiVersion"]).is_none() {
        json::set(&mut object, &["apiVersion"], Value::from(item.kind.api_version()));
    }
    if json::at(&object, &["kind"]).is_none() {
        json::set(&mut object, &["kind"], Value::from(item.kind.kind.as_str()));
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Interner;
    use crate::source::MemorySource;
    use async_trait::async_trait;
    use futures::TryStreamExt;
    use futures::stream::BoxStream;
    use protection::point::{IndexEntry, Manifest};
    use serde_json::json;
    use std::ops::Range;

    /// Fails every read that touches one byte.
    struct Damaged(MemorySource, u64);

    #[async_trait]
    impl PointSource for Damaged {
        async fn manifest(&self) -> Result<Manifest, SourceError> {
            self.0.manifest().await
        }

        async fn index(&self) -> Result<BoxStream<'_, Result<IndexEntry, SourceError>>, SourceError> {
            self.0.index().await
        }

        async fn read(&self, path: &str, range: Range<u64>) -> Result<Bytes, SourceError> {
            if range.contains(&self.1) {
                return Err(SourceError::damaged(path, "a blob does not match its name"));
            }
            self.0.read(path, range).await
        }
    }

    fn three_secrets() -> MemorySource {
        let mut source = MemorySource::default();
        for name in ["a", "b", "c"] {
            source.add(
                "secrets",
                json!({
                    "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "shop"},
                }),
            );
        }
        source
    }

    async fn items(source: &dyn PointSource) -> Vec<Item> {
        let entries: Vec<_> = source.index().await.unwrap().try_collect().await.unwrap();
        let mut interner = Interner::default();
        entries.iter().map(|entry| interner.item(entry)).collect()
    }

    #[tokio::test]
    async fn bodies_come_with_the_type_that_lists_leave_out() {
        let source = three_secrets();
        let items = items(&source).await;

        let found: Vec<Fetched> = bodies(&source, &items, &[0, 1, 2], &Budget::default()).collect().await;

        let first = found[0].1.as_ref().unwrap();
        assert_eq!((&first["apiVersion"], &first["kind"]), (&json!("v1"), &json!("Secret")));
        assert_eq!(found.len(), 3);
    }

    #[tokio::test]
    async fn a_damaged_piece_costs_only_its_own_objects() {
        let source = three_secrets();
        let items = items(&source).await;
        let damaged = Damaged(source, items[1].offset + 3);

        let found: Vec<Fetched> = bodies(&damaged, &items, &[0, 1, 2], &Budget::default()).collect().await;

        let ok: Vec<bool> = found.iter().map(|(_, body)| body.is_ok()).collect();
        assert_eq!(ok, [true, false, true]);
    }

    #[tokio::test]
    async fn an_object_in_the_place_of_another_is_not_taken_for_it() {
        let source = three_secrets();
        let mut items = items(&source).await;
        items[0].name = "other".into();

        let found: Vec<Fetched> = bodies(&source, &items, &[0], &Budget::default()).collect().await;

        assert!(found[0].1.as_ref().unwrap_err().damaged);
    }
}
