//! Writes container images without a container engine, reproducibly: same input, same digest.
//!
//! An image is a [`Tree`] of files and some [`Settings`]; [`archive::write`] makes one file of it
//! that `docker load`, `ctr images import` and every tool that reads OCI layouts accept. The
//! recipes say what is in the product's image and in those of the testbed's workloads; their
//! programs come from Debian packages.

pub mod archive;
pub mod built;
mod debian;
mod error;
mod libraries;
pub mod recipes;
mod tree;

pub use archive::{Digest, Image, Settings};
pub use debian::{Closure, Packages};
pub use error::Error;
pub use tree::{Kind, Node, Tree};
