//! `cofferdam backup start`: an on-demand backup of an instance, by way of its vault.

use crate::{
    cluster::ClusterArgs,
    commands::instance::Which,
    exit::{Exit, Failure, Outcome},
    managed::{Session, SessionArgs, follow},
    note,
    output::Format,
};
use clap::Args;
use management::{Request, versions};
use serde_json::{Value, json};

#[derive(Debug, Args)]
pub struct StartArgs {
    #[command(flatten)]
    session: SessionArgs,
    #[command(flatten)]
    which: Which,
    /// Backup rule of the policy; its only one when absent
    #[arg(long, value_name = "NAME")]
    rule_name: Option<String>,
    /// Retention rule that the recovery point lives by, instead of the default one
    #[arg(long, value_name = "TAG")]
    retention_tag_override: Option<String>,
    /// Wait for the end and exit with its code
    #[arg(short, long)]
    wait: bool,
}

pub async fn run(args: StartArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = Session::open(&args.session, cluster, format)?;
    let id = args.which.id(&session).await?;
    let rule = match args.rule_name {
        Some(rule) => rule,
        None => only_rule(&session, id.as_str()).await?,
    };
    let mut trigger = json!({});
    if let (Some(tag), Some(members)) = (&args.retention_tag_override, trigger.as_object_mut()) {
        members.insert("retentionTagOverride".to_owned(), tag.clone().into());
    }
    let body = json!({"backupRuleOptions": {"ruleName": rule, "triggerOption": trigger}});
    let request = Request::post(format!("{id}/backup"), versions::DATA_PROTECTION).with(body);
    match session.run("starting the backup", &request).await? {
        Some(result) => follow::follow(&session, &result, args.wait).await,
        None => {
            note!("accepted; find its job with `cofferdam job list`");
            Ok(Exit::Done)
        }
    }
}

/// The only backup rule of the instance's policy.
async fn only_rule(session: &Session, instance: &str) -> Result<String, Failure> {
    let instance = session.client.get(instance, versions::DATA_PROTECTION).await?;
    let policy = instance.pointer("/properties/policyInfo/policyId").and_then(Value::as_str);
    let policy = session.client.get(policy.unwrap_or_default(), versions::DATA_PROTECTION).await?;
    let rules = policy.pointer("/properties/policyRules").and_then(Value::as_array);
    let names: Vec<&str> = rules
        .into_iter()
        .flatten()
        .filter(|rule| rule.get("trigger").is_some_and(|trigger| !trigger.is_null()))
        .filter_map(|rule| rule.get("name")?.as_str())
        .collect();
    match names.as_slice() {
        [name] => Ok((*name).to_owned()),
        names => {
            Err(Failure::usage(format!("the policy has {} backup rules: {}", names.len(), names.join(", ")))
                .next("Choose one with `--rule-name`."))
        }
    }
}
