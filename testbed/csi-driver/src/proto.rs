//! The generated CSI 1.13 and kubelet plugin registration v1 messages and services.
#![allow(missing_docs, unreachable_pub, rust_2018_idioms, clippy::all, clippy::let_underscore_must_use)]

/// Container Storage Interface, version 1.13.
pub mod csi {
    tonic::include_proto!("csi.v1");
}

/// How a driver tells kubelet that it exists.
pub mod registration {
    tonic::include_proto!("pluginregistration");
}
