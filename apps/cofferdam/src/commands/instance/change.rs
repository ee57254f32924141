//! Changing an instance: it is read, changed and written back, as official clients do it.

use super::{Which, create::ConfigurationArgs};
use crate::{
    exit::{Exit, Failure, Outcome},
    managed::{Consent, Kind, Session, json_file},
    note,
};
use arm::ResourceId;
use clap::Args;
use management::{
    Request,
    build::{from_az, instance::writable},
    versions,
};
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct PolicyArgs {
    #[command(flatten)]
    which: Which,
    /// Id of the policy, or its name in the vault
    #[arg(long, visible_alias = "policy", value_name = "ID")]
    policy_id: String,
    #[command(flatten)]
    consent: Consent,
}

#[derive(Debug, Args)]
pub struct UpdateArgs {
    #[command(flatten)]
    which: Which,
    /// File with what of the cluster is protected, instead of the arguments below
    #[arg(long, value_name = "FILE")]
    backup_configuration: Option<PathBuf>,
    #[command(flatten)]
    configuration: ConfigurationArgs,
}

/// `update-policy`.
pub async fn policy(args: PolicyArgs, session: &Session) -> Outcome {
    let id = args.which.id(session).await?;
    let policy: ResourceId = match args.policy_id.starts_with('/') {
        true => args.policy_id.parse().map_err(Failure::from)?,
        false => args.which.vault.id(session)?.child("backupPolicies", &args.policy_id)?,
    };
    let with = |body: &mut Value| set(body, "/properties/policyInfo", "policyId", policy.as_str().into());
    change(session, &id, &args.consent, with).await
}

/// `update`.
pub async fn update(args: UpdateArgs, session: &Session) -> Outcome {
    let id = args.which.id(session).await?;
    let configuration = match &args.backup_configuration {
        Some(file) => from_az(json_file(file)?),
        None => args.configuration.configuration().json(),
    };
    let at = "/properties/policyInfo/policyParameters";
    let with = |body: &mut Value| set(body, at, "backupDatasourceParametersList", json!([configuration]));
    change(session, &id, &Consent::default(), with).await
}

async fn change(
    session: &Session,
    id: &ResourceId,
    consent: &Consent,
    with: impl FnOnce(&mut Value) -> bool,
) -> Outcome {
    let found = session.client.get(id.as_str(), versions::DATA_PROTECTION).await?;
    let mut body = writable(&found);
    if !with(&mut body) {
        return Err(Failure::failed("the instance that the server showed lacks what is to be changed")
            .next("Look at it: `cofferdam instance show -o json`."));
    }
    let ask = Request::post(format!("{id}/validateForModifyBackup"), versions::DATA_PROTECTION)
        .with(json!({"backupInstance": body.get("properties")}));
    session.follow("validating", &ask).await?;
    let body = consent.within(body, "/properties");
    let put = consent.behind(Request::put(id.as_str(), versions::DATA_PROTECTION, body))?;
    match session.run("changing the backup instance", &put).await? {
        Some(changed) => session.view.one(&Kind::INSTANCE, &changed)?,
        None => note!("accepted; it goes on at the server"),
    }
    Ok(Exit::Done)
}

fn set(body: &mut Value, at: &str, name: &str, value: Value) -> bool {
    let members = body.pointer_mut(at).and_then(Value::as_object_mut);
    members.map(|members| members.insert(name.to_owned(), value)).is_some()
}
