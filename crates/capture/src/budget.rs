//! What a capture may use. Workers take every number from here.

/// What one capture may use of the API server and of memory, besides what the repository's writer uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Lists that are read at once; at least 1.
    pub connections: usize,
    /// Bytes held for objects that are under way; at least 16 MiB.
    pub memory: u64,
    /// Objects that the first page of a list asks for; the sizes of its objects are not known yet.
    pub first_page: u32,
    /// Objects that any page asks for at most.
    pub largest_page: u32,
    /// Bytes that a page should have: large objects make pages short.
    pub page_bytes: u64,
}

const MIB: u64 = 1024 * 1024;

impl Default for Budget {
    /// Four connections, 64 MiB, pages of 100, then up to 500 objects or about 8 MiB.
    fn default() -> Self {
        Self { connections: 4, memory: 64 * MIB, first_page: 100, largest_page: 500, page_bytes: 8 * MIB }
    }
}

impl Budget {
    pub(crate) fn connections(&self) -> usize {
        self.connections.max(1)
    }

    /// Bytes that one object may have: half of what a connection may hold.
    pub(crate) fn object_bytes(&self) -> usize {
        let share = self.memory.max(16 * MIB) / 2 / self.connections() as u64;
        usize::try_from(share.max(2 * MIB)).unwrap_or(usize::MAX)
    }

    /// Bytes that are collected before they are handed to the repository's writer.
    pub(crate) fn batch_bytes(&self) -> usize {
        64 * 1024
    }
}
