//! `validateForBackup`, `validateForModifyBackup`, `validateRestore`: operations whose end says all that is wrong.

use super::{life, live, restores, shown::shown, vault_of_path};
use crate::{
    api::{Call, Failure, operation},
    protect::{
        checks, custom_resource,
        validate::{self, Question},
    },
    reply::Reply,
    store::Change,
};
use arm::{ArmError, Fields, ResourceId, instance::BackupInstance};
use serde_json::{Value, json};

pub async fn for_backup(call: &Call<'_>) -> Result<Reply, Failure> {
    let owner = crate::protect::vault::existing(call, call.scope()?).await?;
    let body = call.json()?;
    let given = Fields::of(&body)?.required_object("backupInstance")?;
    let instance = BackupInstance::read(&given)?;
    life::check_namespaces(call, &instance)?;
    call.may_linked(checks::READ_CLUSTER, &instance.source.resource).await?;
    if instance.policy.parent().as_ref() != Some(&owner.id)
        || call.app.store.resource(&instance.policy).await?.is_none()
    {
        return Err(ArmError::not_found(&instance.policy).into());
    }
    let begun = operation::begin(call, &call.operation.needs.action(""), &owner.id);
    ask(call, begun, |operation| question_of(call, operation, &owner.id, &instance, "validation", None)).await
}

/// The command line sends back a part of what it read: what is left out is as it was.
pub async fn for_modify(call: &Call<'_>) -> Result<Reply, Failure> {
    let found = live(call, call.scope()?).await?;
    let vault = vault_of_path(call)?;
    let body = call.json()?;
    let given = Fields::of(&body)?.required_object("backupInstance")?;
    let instance = match BackupInstance::read(&given) {
        Ok(instance) => instance,
        // A client cuts the body short: what it left out is as it was. What is wrong stays wrong.
        Err(_) => {
            let mut kept = shown(&found.id, &found.document);
            let properties = kept.get_mut("properties").map(Value::take);
            let mut whole = json!({"backupInstance": properties});
            overlay(&mut whole, &body);
            BackupInstance::read(&Fields::of(&whole)?.required_object("backupInstance")?)?
        }
    };
    life::check_namespaces(call, &instance)?;
    call.may_linked(checks::READ_CLUSTER, &instance.source.resource).await?;
    let begun = operation::begin(call, &call.operation.needs.action(""), &found.id);
    ask(call, begun, |operation| {
        question_of(call, operation, &vault, &instance, &found.document.label, Some(&found.id))
    })
    .await
}

/// Lays what was given over what is kept: objects by their fields, lists of objects one by one.
fn overlay(kept: &mut Value, given: &Value) {
    match (kept, given) {
        (Value::Object(kept), Value::Object(given)) => {
            for (name, value) in given {
                // Names match in any case, as everywhere in a body.
                let same = kept.keys().find(|key| key.eq_ignore_ascii_case(name));
                let name = same.unwrap_or(name).clone();
                overlay(kept.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(kept), Value::Array(given)) if given.iter().all(Value::is_object) => {
            kept.resize(given.len(), Value::Null);
            for (kept, given) in kept.iter_mut().zip(given) {
                overlay(kept, given);
            }
        }
        (kept, given) => *kept = given.clone(),
    }
}

pub async fn for_restore(call: &Call<'_>) -> Result<Reply, Failure> {
    let body = call.json()?;
    let given = Fields::of(&body)?.required_object("restoreRequestObject")?;
    let prepared = restores::prepare(call, &given).await?;
    // Snapshots that are gone with their group are missed where they are needed, by the restore itself.
    let group = &prepared.instance.document.instance.snapshot_group;
    let snapshot_group = call.app.store.resource(group).await?.map(|found| found.id);
    let begun = operation::begin(call, &call.operation.needs.action(""), &prepared.instance.id);
    ask(call, begun, |operation| Question {
        operation,
        vault: prepared.vault.clone(),
        cluster: prepared.request.target.resource.clone(),
        snapshot_group: snapshot_group.clone(),
        source_store: prepared.source_store.clone(),
        kind: "ValidateForRestore".to_owned(),
        spec: custom_resource::validation_of_restore(&prepared.request, &prepared.location),
        instance: None,
        identity: prepared.instance.document.instance.identity.clone(),
        job: None,
        shallow: false,
        policy: None,
        about: None,
        asked_at: call.now,
    })
    .await
}

fn question_of(
    call: &Call<'_>,
    operation: String,
    vault: &ResourceId,
    instance: &BackupInstance,
    label: &str,
    about: Option<&ResourceId>,
) -> Question {
    Question {
        operation,
        vault: vault.clone(),
        cluster: instance.source.resource.clone(),
        snapshot_group: Some(instance.snapshot_group.clone()),
        source_store: None,
        kind: "ValidateForBackup".to_owned(),
        spec: custom_resource::validation_of_backup(instance, label, call.app.quotas.namespaces),
        instance: None,
        identity: instance.identity.clone(),
        job: None,
        shallow: instance.is_shallow(),
        policy: Some(instance.policy.clone()),
        about: about.cloned(),
        asked_at: call.now,
    }
}

async fn ask(
    call: &Call<'_>,
    begun: crate::store::OperationRecord,
    question: impl FnOnce(String) -> Question,
) -> Result<Reply, Failure> {
    let question = question(begun.id.clone());
    let work = validate::work(&question, call.now)?;
    call.commit(&[Change::Begin(begun.clone()), Change::AddWork(work)]).await?;
    call.app.poke_work.notify_one();
    Ok(operation::accepted(call, &begun))
}
