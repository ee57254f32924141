//! Trusted Access bindings: the consent of a cluster's owner that a Backup vault comes in.

use super::{BACKUP_OPERATOR, BINDING, BindingRecord, MOST_BINDINGS, act::of_path};
use crate::{
    api::{
        Call, Failure, finished,
        operation::{accepted, followed},
        resource::{self, Loaded, TRIES, check_conditions, check_group, etag, load, put as write, read},
        vaults,
    },
    links,
    reply::Reply,
    store::{Change, Expected, StoreError},
};
use arm::{ArmError, Fields, ResourceId};
use http::header;
use serde_json::{Value, json};

type Binding = Loaded<BindingRecord>;
const LONGEST_NAME: usize = 24;
const READ_VAULT: &str = "Microsoft.DataProtection/backupVaults/read";

/// Those of a cluster, in pages.
pub async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let cluster = of_path(call).await?;
    resource::page(call, BINDING, &cluster.id, |stored| {
        let binding: Binding = read(stored)?;
        Ok(Some(shown(&binding)))
    })
    .await
}

/// One.
pub async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    let id = call.scope()?;
    let binding = existing(call).await?.ok_or_else(|| ArmError::not_found(id))?;
    Ok(answer(200, &binding))
}

/// Creates or replaces.
pub async fn put(call: &Call<'_>) -> Result<Reply, Failure> {
    let name = call.params.get("binding");
    check_name(name)?;
    let wanted = wanted(&call.json()?)?;
    call.may_linked(READ_VAULT, &wanted.source_resource_id).await?;
    for _ in 0..TRIES {
        let cluster = of_path(call).await?;
        check_group(call, &cluster.id).await?;
        let store = call.app.store.as_ref();
        let found = existing(call).await?;
        check_conditions(call, found.as_ref().map(|found| found.version))?;
        let Some(vault) = store.resource(&wanted.source_resource_id).await? else {
            let message = format!(
                "The Backup vault '{}' does not exist in tenant '{}'. Create it, or correct sourceResourceId.",
                wanted.source_resource_id,
                call.app.issuer.tenant()
            );
            return Err(ArmError::new(400, "LinkedResourceNotFound", message)
                .about("properties.sourceResourceId")
                .into());
        };
        let record = BindingRecord { source_resource_id: vault.id, ..wanted.clone() };
        let all = store.count(BINDING, &cluster.id).await?;
        let (id, expected, version, status) = match &found {
            Some(found) => {
                check_source(&found.document, &record)?;
                (found.id.clone(), Expected::Version(found.version), found.version + 1, 200)
            }
            None if all >= MOST_BINDINGS => return Err(too_many(&cluster.id).into()),
            None => {
                let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
                let id = cluster.id.child("trustedAccessRoleBindings", name).map_err(wrong)?;
                (id, Expected::Absent, 1, 201)
            }
        };
        let operation =
            finished(call, "Microsoft.ContainerService/managedClusters/trustedAccessRoleBindings/write", &id);
        let changes = [
            write(&id, &record, expected)?,
            Change::AtMost { under: cluster.id.clone(), kind: BINDING, most: MOST_BINDINGS },
            Change::Begin(operation.clone()),
            links::changed(),
        ];
        match call.commit(&changes).await {
            Ok(()) => {
                call.app.clusters.bindings_changed(&cluster.id);
                let binding = Loaded { id, document: record, version };
                return Ok(followed(call, answer(status, &binding), &operation, false));
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// Ends the consent.
pub async fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    for _ in 0..TRIES {
        let found = existing(call).await?;
        check_conditions(call, found.as_ref().map(|found| found.version))?;
        let Some(found) = found else { return Ok(Reply::empty(204)) };
        let operation = finished(
            call,
            "Microsoft.ContainerService/managedClusters/trustedAccessRoleBindings/delete",
            &found.id,
        );
        let gone = Change::Remove(found.id.clone(), Expected::Version(found.version));
        match call.commit(&[gone, Change::Begin(operation.clone()), links::changed()]).await {
            Ok(()) => {
                if let Some(cluster) = found.id.parent() {
                    call.app.clusters.bindings_changed(&cluster);
                }
                return Ok(accepted(call, &operation));
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

async fn existing(call: &Call<'_>) -> Result<Option<Binding>, Failure> {
    Ok(load(call.app.store.as_ref(), call.scope()?).await?)
}

/// 1 to 24 letters, digits and hyphens, no hyphen first or last.
fn check_name(name: &str) -> Result<(), ArmError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let ends = !name.starts_with('-') && !name.ends_with('-');
    if (1..=LONGEST_NAME).contains(&name.len()) && ends && name.bytes().all(fits) {
        return Ok(());
    }
    let message = format!(
        "The name '{name}' of the Trusted Access role binding cannot be used: 1 to {LONGEST_NAME} letters, digits and \
         hyphens are needed, with no hyphen first or last."
    );
    Err(ArmError::new(400, "InvalidParameter", message).about("name"))
}

/// Reads the body.
fn wanted(body: &Value) -> Result<BindingRecord, ArmError> {
    let fields = Fields::of(body)?;
    let properties = fields.required_object("properties")?;
    let text = properties.required_text("sourceResourceId")?;
    let source: ResourceId =
        text.parse().map_err(|error: arm::IdError| properties.wrong("sourceResourceId", error))?;
    if !source.kind().is(vaults::KIND) {
        let reason = format!("names '{source}'; a resource of type {} is needed", vaults::KIND);
        return Err(properties.wrong("sourceResourceId", reason));
    }
    let roles = properties.listed("roles")?.unwrap_or_default();
    let known = !roles.is_empty() && roles.iter().all(|role| role.eq_ignore_ascii_case(BACKUP_OPERATOR));
    if !known {
        let reason =
            format!("must hold exactly '{BACKUP_OPERATOR}', the one role that a Backup vault can have");
        return Err(properties.wrong("roles", reason));
    }
    Ok(BindingRecord { source_resource_id: source, roles: vec![BACKUP_OPERATOR.to_owned()] })
}

fn check_source(is: &BindingRecord, wanted: &BindingRecord) -> Result<(), ArmError> {
    if is.source_resource_id == wanted.source_resource_id {
        return Ok(());
    }
    let message =
        "Changing property 'sourceResourceId' is not allowed. Delete the binding and create another one.";
    Err(ArmError::new(409, "PropertyChangeNotAllowed", message).about("properties.sourceResourceId"))
}

fn too_many(cluster: &ResourceId) -> ArmError {
    let message = format!(
        "The cluster has {MOST_BINDINGS} Trusted Access role bindings, which is the most. Delete one that is not needed."
    );
    ArmError::new(409, "TrustedAccessRoleBindingLimitExceeded", message).about(cluster.as_str())
}

fn answer(status: u16, binding: &Binding) -> Reply {
    Reply::json(status, shown(binding)).with(header::ETAG, etag(binding.version))
}

fn shown(binding: &Binding) -> Value {
    json!({
        "id": binding.id,
        "name": binding.id.name(),
        "type": BINDING,
        "properties": {
            "provisioningState": "Succeeded",
            "sourceResourceId": binding.document.source_resource_id,
            "roles": binding.document.roles,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VAULT: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v";

    #[test]
    fn names_are_those_that_the_original_takes() {
        for name in ["a", "backuprb", "A-1", "0", "a--b", &"x".repeat(24)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "-a", "a-", "-", "a_b", "a.b", "ä", "a b", &"x".repeat(25)] {
            assert_eq!(check_name(name).unwrap_err().code, "InvalidParameter", "{name}");
        }
    }

    #[test]
    fn one_vault_comes_in_as_one_thing() {
        let body =
            |source: &str, roles: Value| json!({"properties": {"sourceResourceId": source, "roles": roles}});
        let target = |body: &Value| wanted(body).unwrap_err().target.unwrap_or_default();

        assert!(wanted(&body(VAULT, json!([BACKUP_OPERATOR]))).is_ok());
        for roles in [json!([]), json!(["backup-operator"]), json!([BACKUP_OPERATOR, "x/y/z"]), Value::Null] {
            assert_eq!(target(&body(VAULT, roles)), "properties.roles");
        }
        let cluster =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c";
        for source in [cluster, "v", ""] {
            assert_eq!(target(&body(source, json!([BACKUP_OPERATOR]))), "properties.sourceResourceId");
        }
    }
}
