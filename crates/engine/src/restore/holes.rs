//! Finds the runs of zeros in a piece of a file that are worth a hole.

use std::ops::Range;

/// Holes begin and end at multiples of this in the file: the block size of common file systems.
const BLOCK: u64 = 4096;

/// The parts of `data` that must be written, when it lies at `offset` of the file; the rest is whole blocks of
/// zeros. Neighbouring parts are joined.
pub(super) fn data_ranges(data: &[u8], offset: u64) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    while start < data.len() {
        let to_boundary = (BLOCK - (offset + start as u64) % BLOCK) as usize;
        let end = data.len().min(start + to_boundary);
        let whole = end - start == BLOCK as usize;
        let zeros = whole && data.get(start..end).is_some_and(is_zero);
        if !zeros {
            match ranges.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => ranges.push(start..end),
            }
        }
        start = end;
    }
    ranges
}

/// Whether all bytes are zero.
pub(super) fn is_zero(data: &[u8]) -> bool {
    let (head, rest) = data.split_at(data.len().min(16));
    // Each byte equals the one sixteen before it, and the first sixteen are zero.
    head.iter().all(|byte| *byte == 0) && data.get(..rest.len()) == Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_whole_aligned_blocks_of_zeros_become_holes() {
        let mut data = vec![0; 5 * 4096];
        data[2 * 4096 + 7] = 1;

        let middle = vec![Range { start: 2 * 4096, end: 3 * 4096 }];
        assert_eq!(data_ranges(&data, 0), middle);
        assert_eq!(data_ranges(&data, 8192), middle);
        assert_eq!(
            data_ranges(&data, 100),
            [0..3996, 2 * 4096 - 100..3 * 4096 - 100, 5 * 4096 - 100..5 * 4096]
        );
        assert_eq!(data_ranges(&[0; 100], 0), vec![Range { start: 0, end: 100 }]);
        assert!(data_ranges(&[], 5).is_empty());
    }

    proptest! {
        #[test]
        fn writing_the_ranges_yields_the_data(
            runs in prop::collection::vec((any::<bool>(), 1..9000usize), 1..8),
            offset in 0..20_000u64,
        ) {
            let data: Vec<u8> = runs.iter().flat_map(|(ones, length)| vec![u8::from(*ones); *length]).collect();

            let mut written = vec![0; data.len()];
            for range in data_ranges(&data, offset) {
                written[range.clone()].copy_from_slice(&data[range]);
            }

            prop_assert_eq!(is_zero(&data), data.iter().all(|byte| *byte == 0));
            prop_assert_eq!(written, data);
        }
    }
}
