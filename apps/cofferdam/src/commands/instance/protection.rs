//! Stopping and resuming protection, and waiting until it is configured.

use super::Which;
use crate::{
    exit::{Exit, Failure, Outcome},
    managed::{Consent, Session, follow},
    note, wait,
};
use arm::ResourceId;
use clap::Args;
use management::{Request, ServiceError, versions};
use serde_json::{Value, json};
use std::time::Duration;

const POLL: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub struct StopArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    consent: Consent,
}

/// `stop` and `suspend`.
pub async fn stop(args: StopArgs, action: &str, session: &Session) -> Outcome {
    let id = args.which.id(session).await?;
    let mut request = Request::post(format!("{id}/{action}"), versions::DATA_PROTECTION);
    if !args.consent.is_empty() {
        request = request.with(args.consent.within(json!({}), ""));
    }
    let request = args.consent.behind(request)?;
    session.act("stopping backups", &format!("stopped backups of {}", id.name()), request).await
}

#[derive(Debug, Args)]
pub struct SyncArgs {
    #[command(flatten)]
    which: Which,
    /// Default, or ForceResync: the cluster looks at all its prerequisites again too
    #[arg(long, value_parser = ["Default", "ForceResync"], default_value = "Default", value_name = "TYPE")]
    sync_type: String,
}

/// `sync`: what was found is in its job, whose exit code this has.
pub async fn sync(args: SyncArgs, session: &Session) -> Outcome {
    let id = args.which.id(session).await?;
    let body = json!({"syncType": args.sync_type});
    let request = Request::post(format!("{id}/sync"), versions::DATA_PROTECTION).with(body);
    match session.run(&format!("looking at {}", id.name()), &request).await? {
        Some(result) => follow::follow(session, &result, true).await,
        None => {
            note!("accepted; find its job with `cofferdam job list --operation SyncProtection`");
            Ok(Exit::Done)
        }
    }
}

/// `resume`: which way depends on how it was stopped.
pub async fn resume(which: Which, session: &Session) -> Outcome {
    let id = which.id(session).await?;
    let instance = session.client.get(id.as_str(), versions::DATA_PROTECTION).await?;
    let action = match state(&instance) {
        "BackupSchedulesSuspended" | "RetentionSchedulesSuspended" => "resumeBackups",
        "ProtectionConfigured" => {
            return Err(Failure::precondition(format!(
                "{} is protected; there is nothing to resume",
                id.name()
            ))
            .next("Make a backup: `cofferdam backup start`."));
        }
        _ => "resumeProtection",
    };
    let request = Request::post(format!("{id}/{action}"), versions::DATA_PROTECTION);
    session.act("resuming backups", &format!("backups of {} are made again", id.name()), request).await
}

/// Waits until an instance that was just made is protected, or failed to be.
pub async fn configured(session: &Session, id: &ResourceId) -> Result<Value, Failure> {
    let bar = wait::bar();
    loop {
        let instance = session.client.get(id.as_str(), versions::DATA_PROTECTION).await?;
        match state(&instance) {
            "ConfiguringProtection" | "UpdatingProtection" | "NotProtected" | "" => {
                bar.set_message(format!("configuring protection of {}", id.name()));
            }
            "ConfiguringProtectionFailed" | "ProtectionError" => {
                bar.finish_and_clear();
                return Err(failure(&instance));
            }
            _ => {
                bar.finish_and_clear();
                return Ok(instance);
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

fn failure(instance: &Value) -> Failure {
    let places = ["/properties/protectionErrorDetails", "/properties/protectionStatus/errorDetails"];
    let error = places.iter().find_map(|at| instance.pointer(at)).filter(|error| error.is_object());
    match error {
        Some(error) => management::Error::Operation(ServiceError::of(error)).into(),
        None => Failure::failed("the cluster could not be protected, and the vault does not say why")
            .next("Look at the instance: `cofferdam instance show -o json`."),
    }
}

fn state(instance: &Value) -> &str {
    instance.pointer("/properties/currentProtectionState").and_then(Value::as_str).unwrap_or_default()
}
