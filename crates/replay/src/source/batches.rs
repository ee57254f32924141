//! Groups objects that stand beside each other in a list, so that one read fetches many. Pure.

use crate::item::Item;
use std::ops::Range;

/// Objects that are fetched with one read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The list.
    pub(crate) path: String,
    /// The bytes from the first to the last object.
    pub(crate) range: Range<u64>,
    /// Positions of the objects, with their bytes relative to the range.
    pub(crate) items: Vec<(usize, Range<usize>)>,
}

/// Reading over a gap of this many bytes costs less than another request.
const GAP: u64 = 64 * 1024;

/// Groups the objects at `wanted`, which stand in the order of their bytes. A batch spans at most `limit`
/// bytes, unless one object alone is longer.
pub(crate) fn batches(items: &[Item], wanted: &[usize], limit: u64) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut path_of: Option<(usize, String)> = None;
    for &index in wanted {
        let Some(item) = items.get(index) else { continue };
        let same_list = |other: usize| {
            items.get(other).is_some_and(|other| other.kind == item.kind && other.namespace == item.namespace)
        };
        let path = match &path_of {
            Some((other, path)) if same_list(*other) => path.clone(),
            _ => item.list_path(),
        };
        path_of = Some((index, path.clone()));
        let end = item.offset.saturating_add(item.length);
        match batches.last_mut() {
            Some(batch) if batch.takes(&path, item.offset, end, limit) => {
                batch.range.end = batch.range.end.max(end);
                batch.add(index, item);
            }
            _ => {
                let mut batch = Batch { path, range: item.offset..end, items: Vec::new() };
                batch.add(index, item);
                batches.push(batch);
            }
        }
    }
    batches
}

impl Batch {
    fn takes(&self, path: &str, start: u64, end: u64, limit: u64) -> bool {
        self.path == path
            && start >= self.range.start
            && start <= self.range.end.saturating_add(GAP)
            && end.saturating_sub(self.range.start) <= limit
    }

    fn add(&mut self, index: usize, item: &Item) {
        let start = usize::try_from(item.offset - self.range.start).unwrap_or(usize::MAX);
        let length = usize::try_from(item.length).unwrap_or(usize::MAX);
        self.items.push((index, start..start.saturating_add(length)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::ResourceType;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn item(namespace: &str, offset: u64, length: u64) -> Item {
        Item {
            kind: Arc::new(ResourceType {
                group: String::new(),
                version: "v1".into(),
                kind: "Secret".into(),
                resource: "secrets".into(),
                namespaced: true,
            }),
            namespace: Some(namespace.into()),
            name: "n".into(),
            uid: "u".into(),
            offset,
            length,
            owners: Box::default(),
            only_if_absent: false,
        }
    }

    #[test]
    fn neighbours_are_read_together_and_other_lists_are_not() {
        let items = [item("a", 0, 10), item("a", 11, 10), item("b", 22, 10), item("b", 1_000_000, 10)];

        let batches = batches(&items, &[0, 1, 2, 3], 1_000_000_000);

        let ranges: Vec<_> = batches.iter().map(|batch| batch.range.clone()).collect();
        assert_eq!(ranges, [0..21, 22..32, 1_000_000..1_000_010]);
        assert_eq!(batches[0].items, [(0, 0..10), (1, 11..21)]);
    }

    proptest! {
        #[test]
        fn every_object_is_in_one_batch_within_its_bytes(
            lengths in prop::collection::vec((0u64..200_000, 1u64..5_000), 1..60), limit in 1u64..100_000
        ) {
            let mut at = 0;
            let items: Vec<Item> = lengths.iter().map(|(gap, length)| {
                at += gap;
                let item = item("a", at, *length);
                at += length;
                item
            }).collect();
            let wanted: Vec<usize> = (0..items.len()).collect();

            let batches = batches(&items, &wanted, limit);

            let mut seen = Vec::new();
            for batch in &batches {
                let span = batch.range.end - batch.range.start;
                prop_assert!(span <= limit || batch.items.len() == 1);
                for (index, range) in &batch.items {
                    prop_assert_eq!(batch.range.start + range.start as u64, items[*index].offset);
                    prop_assert_eq!(range.len() as u64, items[*index].length);
                    seen.push(*index);
                }
            }
            prop_assert_eq!(seen, wanted);
        }
    }
}
