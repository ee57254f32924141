//! The vault: a server that speaks Azure Resource Manager's REST API, so that official clients work against it unchanged.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]
#![allow(
    clippy::result_large_err,
    reason = "an error is made once per refused call; boxing would make every match harder to read"
)]

pub mod access;
pub mod accounts;
pub mod alerts;
pub mod api;
pub mod app;
pub mod bearer;
pub mod bootstrap;
pub mod cluster_link;
pub mod data_plane;
pub mod denials;
pub mod directory;
pub mod exports;
pub mod forwarded;
pub mod grants;
mod graph;
pub mod keys;
pub mod links;
pub mod manifests;
pub mod metrics;
pub mod packages;
pub mod people;
pub mod pki;
pub mod places;
pub mod protect;
pub mod public_url;
pub mod recover;
mod refused_looks;
pub mod reply;
pub mod request;
pub mod rewrap;
pub mod seal;
pub mod sealed_file;
pub mod seldom;
pub mod self_backup;
pub mod server;
pub mod shared;
pub mod signin;
pub mod store;
pub mod stores;
mod tasks;
pub mod tokens;
pub mod trust;
pub mod webhooks;
pub mod work;
