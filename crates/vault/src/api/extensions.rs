//! Extensions of clusters: what their owners want there, and what the agents report of it.

mod act;
mod agent;
mod catalogue;
mod decide;
mod gate;
mod offered;
mod protected;
mod record;
mod shown;
mod upgrade;
mod upgrading;

pub use agent::{desired, disconnected, report};
pub use catalogue::{Catalogue, Offer};
pub use offered::{PackageSource, Packages};
pub use record::{
    BACKUP_NAMESPACE, BACKUP_TYPE, ExtensionIdentity, ExtensionRecord, ExtensionState, KIND, backup_extension,
};
pub use shown::unenforced;
pub use upgrade::{UpgradeMode, Upgrades};
pub use upgrading::run as upgrade_by_itself;

use super::{At, Needs, Operation, operations::row};
use crate::app::App;
use http::Method;
use std::collections::BTreeMap;

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

/// What an extension that works with this vault is told besides its owner's settings: its repository's key comes by
/// grant, and a storage account of this vault is reached at this vault.
fn complete(app: &App, settings: &mut BTreeMap<String, String>) {
    if value(settings, "configuration.backupStorageLocation.bucket").is_none() {
        return;
    }
    settings.insert("repositoryKey".to_owned(), "vault".to_owned());
    reach_here(app, settings);
}

/// The address of a storage account of this vault, unless the settings of a location give one.
pub fn reach_here(app: &App, settings: &mut BTreeMap<String, String>) {
    let uri = "configuration.backupStorageLocation.config.storageAccountURI";
    let account = value(settings, "configuration.backupStorageLocation.config.storageAccount");
    if let (None, Some(account)) = (value(settings, uri), account) {
        let address = app.public.at(&format!("/{account}"));
        settings.insert(uri.to_owned(), address);
    }
}

fn value<'a>(settings: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    settings.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
