//! What a decoder accepts at most; beyond it lies an error, never an allocation.

const MIB: usize = 1024 * 1024;

/// Longest `config` file, in stored bytes.
pub const CONFIG: usize = MIB;
/// Longest key file, in stored bytes.
pub const KEY_FILE: usize = MIB;
/// Longest lock file, in bytes after decompression.
pub const LOCK: usize = MIB;
/// Longest snapshot file, in bytes after decompression.
pub const SNAPSHOT: usize = 16 * MIB;
/// Longest index file, in bytes after decompression.
pub const INDEX: usize = 256 * MIB;
/// Longest sealed header of a pack, in bytes; restic's own limit.
pub const PACK_HEADER: usize = 16 * MIB;
/// Longest data blob, in plain bytes.
pub const DATA_BLOB: usize = 64 * MIB;
/// Longest tree blob, in plain bytes.
pub const TREE_BLOB: usize = 512 * MIB;
/// Most entries of one directory.
pub const TREE_NODES: usize = 2_000_000;
/// Longest name of one entry, in bytes.
pub const NAME: usize = 4096;
/// Largest scrypt cost `N`.
pub const SCRYPT_N: u64 = 1 << 20;
/// Most memory that scrypt may need (`128·N·r`), in bytes.
pub const SCRYPT_MEMORY: u64 = 256 * MIB as u64;
/// Most work that scrypt may need, as `N·r·p`.
pub const SCRYPT_WORK: u64 = 1 << 26;
