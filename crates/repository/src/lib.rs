//! The restic repository format, version 2, as pure functions: bytes in, values out, and back.
//!
//! `docs/formats/repository.md` describes the files. Nothing here reads a clock, a store or a thread;
//! every decoder is bounded (see [`limits`]) and treats its input as hostile.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod blob;
mod config;
mod crypto;
mod error;
mod gojson;
mod id;
mod index;
mod keyfile;
mod layout;
pub mod limits;
mod lock;
mod mode;
mod node;
mod node_wire;
mod pack;
mod polynomial;
mod quote;
mod snapshot;
mod time;
mod tree;
mod unpacked;

pub use blob::{BlobDecoder, BlobEncoder, BlobKind, Encoded};
pub use config::{Config, RepositoryId};
pub use crypto::{MasterKey, NONCE_LENGTH, Nonce, OVERHEAD, TAG_LENGTH};
pub use error::FormatError;
pub use id::{BlobId, IndexId, KeyId, LockId, PackId, SnapshotId, TreeId};
pub use index::{IndexFile, IndexPack};
pub use keyfile::{KeyFile, KeyOwner, ScryptParams};
pub use layout::FileKind;
pub use lock::{LockFile, LockMode};
pub use mode::FileMode;
pub use node::{ExtendedAttribute, FileContent, GenericAttributes, Metadata, Node, NodeKind};
pub use pack::{FinishedPack, PackBuilder, PackEntry, decode_header, header_length};
pub use polynomial::Polynomial;
pub use quote::{quote, unquote};
pub use snapshot::{Snapshot, SnapshotSummary};
pub use tree::Tree;
