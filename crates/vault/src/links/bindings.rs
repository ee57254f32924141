//! The Trusted Access bindings of a cluster, as its gateway is told.

use crate::{
    api::{
        Loaded,
        clusters::{BINDING, BindingRecord},
        read,
    },
    store::{Store, StoreError},
};
use arm::ResourceId;
use tunnel::wire::{Binding, MAX_BINDINGS};

/// The complete list.
pub async fn of(store: &dyn Store, cluster: &ResourceId) -> Result<Vec<Binding>, StoreError> {
    let most = u32::try_from(MAX_BINDINGS).unwrap_or(u32::MAX);
    let mut bindings = Vec::new();
    for stored in store.resources(BINDING, cluster, None, most).await? {
        let binding: Loaded<BindingRecord> = read(stored)?;
        bindings.push(Binding {
            name: binding.id.name().to_owned(),
            source: binding.document.source_resource_id.to_string(),
            roles: binding.document.roles,
        });
    }
    Ok(bindings)
}
