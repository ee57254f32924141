//! What a job may use. Workers take every number from here.

use std::thread::available_parallelism;

const MIB: u64 = 1024 * 1024;

/// What one job may use of the machine. Values below the smallest workable ones are raised to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Bytes held in buffers at once, over all stages; at least 48 MiB.
    pub memory: u64,
    /// Files read at once; at least 1.
    pub readers: usize,
    /// Threads that hash, compress and seal; at least 1.
    pub workers: usize,
    /// Packs uploaded at once; at least 1.
    pub uploads: usize,
    /// zstd level, 1 (fast) to 19 (small).
    pub compression: i32,
}

impl Default for Budget {
    /// 192 MiB, as many workers as cores, four uploads.
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self { memory: 192 * MIB, readers: cores.max(2), workers: cores, uploads: 4, compression: 2 }
    }
}

impl Budget {
    /// The default with another memory limit in bytes.
    pub fn with_memory(memory: u64) -> Self {
        Self { memory, ..Self::default() }
    }

    /// The smallest memory that works.
    const FLOOR: u64 = 48 * MIB;

    fn usable(&self) -> u64 {
        self.memory.max(Self::FLOOR)
    }

    /// Bytes for chunks that are open or wait for a worker: three eighths.
    pub(crate) fn raw_bytes(&self) -> usize {
        (self.usable() / 8 * 3) as usize
    }

    /// Where a pack closes: all packs that can exist at once share three eighths of the memory.
    pub(crate) fn pack_bytes(&self) -> usize {
        let packs = (self.uploads() + self.workers() + 3) as u64;
        (self.usable() / 8 * 3 / packs).clamp(2 * MIB, 16 * MIB) as usize
    }

    pub(crate) fn uploads(&self) -> usize {
        self.uploads.max(1)
    }

    pub(crate) fn workers(&self) -> usize {
        self.workers.max(1)
    }

    pub(crate) fn readers(&self) -> usize {
        self.readers.max(1)
    }
}
