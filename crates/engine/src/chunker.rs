//! Cuts a stream into chunks where its content says so, however it arrives.
//!
//! The cut points are those of `fastcdc::v2020` (a test compares them); that crate wants a whole chunk in
//! memory before it starts, while many of our streams are open at once and arrive in small pieces.

use fastcdc::v2020::{MASKS, get_gear_with_seed};

/// Smallest chunk, except at the end of a stream.
pub(crate) const MIN: usize = 512 * 1024;
/// What chunks tend towards.
pub(crate) const AVERAGE: usize = 1024 * 1024;
/// Largest chunk.
pub(crate) const MAX: usize = 8 * 1024 * 1024;

/// Binary logarithm of [`AVERAGE`].
const BITS: usize = 20;
const STRICT: u64 = mask(BITS + 1);
const LOOSE: u64 = mask(BITS - 1);

#[allow(clippy::indexing_slicing)] // evaluated by the compiler
const fn mask(bits: usize) -> u64 {
    MASKS[bits]
}

/// Where the scan of the current chunk stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chunker {
    /// How many bytes of the chunk were looked at.
    seen: usize,
    hash: u64,
}

impl Chunker {
    /// Looks at the rest of `chunk`, which begins where the last cut was. Yields the length of the chunk when
    /// its end is found; the next call then begins a new chunk.
    pub(crate) fn scan(&mut self, chunk: &[u8]) -> Option<usize> {
        let end = self.find(chunk);
        if end.is_some() {
            self.reset();
        }
        end
    }

    /// Begins a new chunk.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    fn find(&mut self, chunk: &[u8]) -> Option<usize> {
        self.seen = self.seen.max(MIN.min(chunk.len()));
        self.roll(chunk, AVERAGE, STRICT)
            .or_else(|| self.roll(chunk, MAX, LOOSE))
            .or_else(|| (self.seen >= MAX).then_some(MAX))
    }

    /// Rolls the hash up to `limit`; yields the place where the mask matches. The byte at that place belongs
    /// to the next chunk.
    fn roll(&mut self, chunk: &[u8], limit: usize, mask: u64) -> Option<usize> {
        let (gear, _) = get_gear_with_seed(0);
        let gear: &[u64; 256] = gear.as_ref().try_into().ok()?;
        let rest = chunk.get(self.seen..chunk.len().min(limit))?;
        let mut hash = self.hash;
        for (at, byte) in rest.iter().enumerate() {
            hash = (hash << 1).wrapping_add(*gear.get(usize::from(*byte))?);
            if hash & mask == 0 {
                return Some(self.seen + at);
            }
        }
        self.hash = hash;
        self.seen += rest.len();
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastcdc::v2020::FastCDC;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    fn cuts(data: &[u8], pieces: impl Fn(usize) -> usize) -> Vec<usize> {
        let mut chunker = Chunker::default();
        let (mut cuts, mut start, mut end) = (Vec::new(), 0, 0);
        while end < data.len() {
            end = (end + pieces(end)).min(data.len());
            while let Some(length) = chunker.scan(&data[start..end]) {
                cuts.push(length);
                start += length;
            }
        }
        if start < end {
            cuts.push(end - start);
        }
        cuts
    }

    fn stream(seed: u64, length: usize) -> Vec<u8> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut data = vec![0; length];
        rng.fill(&mut data[..]);
        for _ in 0..rng.random_range(0..4) {
            let start = rng.random_range(0..length);
            let end = (start + rng.random_range(0..9 << 20)).min(length);
            data[start..end].fill(rng.random_range(0..3));
        }
        data
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn cuts_are_those_of_fastcdc_however_the_stream_arrives(
            seed: u64, length in 1..24_usize << 20, piece in 1000..2_000_000_usize,
        ) {
            let data = stream(seed, length);

            let ours = cuts(&data, |_| piece);

            let theirs: Vec<usize> = FastCDC::new(&data, MIN, AVERAGE, MAX).map(|chunk| chunk.length).collect();
            prop_assert_eq!(&ours, &theirs);
            prop_assert!(ours.iter().all(|length| *length <= MAX));
        }
    }

    #[test]
    fn an_inserted_byte_moves_few_cuts() {
        let data = stream(7, 16 << 20);
        let mut changed = data.clone();
        changed.insert(1000, 1);

        let (before, after) = (cuts(&data, |_| 65_536), cuts(&changed, |_| 65_536));

        let same_tail = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
        assert!(same_tail + 3 >= before.len(), "{before:?} {after:?}");
    }
}
