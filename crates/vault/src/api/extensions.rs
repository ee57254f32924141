//! Extensions of clusters: what their owners want there, and what the agents report of it.

mod act;
mod agent;
mod catalogue;
mod decide;
mod gate;
mod record;
mod shown;

pub use agent::{desired, report};
pub use catalogue::{Catalogue, Offer};
pub use record::{
    BACKUP_NAMESPACE, BACKUP_TYPE, ExtensionIdentity, ExtensionRecord, ExtensionState, KIND, backup_extension,
};

use super::{At, Needs, Operation, operations::row};
use crate::{app::App, store::StoreError};
use arm::ResourceId;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::Method;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

const ALL: &str = "/{scope}/providers/Microsoft.KubernetesConfiguration/extensions";
const ONE: &str = "/{scope}/providers/Microsoft.KubernetesConfiguration/extensions/{extension}";
const READ: Needs = Needs::Action("Microsoft.KubernetesConfiguration/extensions/read");
const WRITE: Needs = Needs::Action("Microsoft.KubernetesConfiguration/extensions/write");
const DELETE: Needs = Needs::Action("Microsoft.KubernetesConfiguration/extensions/delete");

/// The calls.
pub const OPERATIONS: &[Operation] = &[
    row("Extensions_List", &Method::GET, ALL, READ, At::Scope, |call| Box::pin(act::list(call))),
    row("Extensions_Get", &Method::GET, ONE, READ, At::Path, |call| Box::pin(act::get(call))),
    row("Extensions_Create", &Method::PUT, ONE, WRITE, At::Path, |call| Box::pin(act::put(call))),
    row("Extensions_Update", &Method::PATCH, ONE, WRITE, At::Path, |call| Box::pin(act::patch(call))),
    row("Extensions_Delete", &Method::DELETE, ONE, DELETE, At::Path, |call| Box::pin(act::delete(call))),
];

fn sealed_name(id: &ResourceId) -> String {
    format!("protected settings {}", id.folded())
}

/// The protected settings of an extension, opened.
fn protected(
    app: &App,
    id: &ResourceId,
    extension: &ExtensionRecord,
) -> Result<BTreeMap<String, Zeroizing<String>>, StoreError> {
    let Some(sealed) = &extension.protected else { return Ok(BTreeMap::new()) };
    let damaged = |error: &dyn std::fmt::Display| StoreError::Damaged(format!("{id}: {error}"));
    let sealed = STANDARD.decode(sealed).map_err(|error| damaged(&error))?;
    let opened = app.wrapping.open_secret(&sealed_name(id), &sealed).map_err(|error| damaged(&error))?;
    let all: BTreeMap<String, String> = serde_json::from_slice(&opened).map_err(|error| damaged(&error))?;
    Ok(all.into_iter().map(|(key, value)| (key, Zeroizing::new(value))).collect())
}

/// What an extension that works with this vault is told besides its owner's settings: its repository's key comes by
/// grant, and a storage account of this vault is reached at this vault.
fn complete(app: &App, settings: &mut BTreeMap<String, String>) {
    let find = |settings: &BTreeMap<String, String>, name: &str| {
        settings.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    };
    if find(settings, "configuration.backupStorageLocation.bucket").is_none() {
        return;
    }
    settings.insert("repositoryKey".to_owned(), "vault".to_owned());
    let uri = "configuration.backupStorageLocation.config.storageAccountURI";
    let account = find(settings, "configuration.backupStorageLocation.config.storageAccount");
    if let (None, Some(account)) = (find(settings, uri), account) {
        settings.insert(uri.to_owned(), app.public.at(&format!("/{account}")));
    }
}
