//! Extension packages, pure: what a package says, how its settings are judged, how its objects are rendered, how it
//! is signed and verified; and the messages by which a vault and an agent speak about extensions.
//!
//! Reference: `docs/formats/extension-package.md` and `docs/formats/cluster-link.md`, section "Agent".

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod digest;
mod error;
mod keys;
mod names;
mod object;
mod package;
mod pods;
mod rights;
mod seal;
mod settings;
mod template;
pub mod wire;

pub use digest::Digest;
pub use error::{PackageError, code};
pub use keys::{KeyId, PublicKey, SigningKey, Trust, TrustedKey};
pub use object::ObjectKey;
pub use package::{Entry, Gate, HealthRule, Package, PlaceSettings, limits};
pub use pods::{PodAsked, pod_of};
pub use rights::{Right, rights};
pub use seal::{Asked, PACKAGE_MEDIA_TYPE, Sealed, open, read_manifest, seal};
pub use settings::{Judged, SettingRule, SettingType, judge};
pub use template::{AGENT_VALUES, Condition, Values, render};
