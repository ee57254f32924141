//! `cofferdam alert`: what went wrong in vaults or weakens them.

use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    managed::{Ids, Kind, Session, SessionArgs, VAULT},
    output::Format,
};
use arm::ResourceId;
use clap::{Args, Subcommand};
use management::Request;
use serde_json::json;

const ALERTS: &str = "Microsoft.AlertsManagement/alerts";

#[derive(Debug, Args)]
pub struct AlertArgs {
    #[command(flatten)]
    session: SessionArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List those of a vault, of a resource group, or of the subscription, the newest first
    List(ListArgs),
    /// Show one
    Show(Which),
    /// Say that somebody is at it
    Acknowledge(Change),
    /// Say that nobody needs it any more; when it happens again, that is a new alert
    Close(Change),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only those of this vault
    #[arg(short = 'v', long, visible_alias = "vault", value_name = "NAME", requires = "group")]
    vault_name: Option<String>,
    /// Only those of this resource group
    #[arg(short = 'g', long = "resource-group", value_name = "NAME")]
    group: Option<String>,
    /// Only those in this state: New, Acknowledged or Closed
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Only those that are Fired, or Resolved
    #[arg(long, value_name = "CONDITION")]
    condition: Option<String>,
    /// Only those of this severity, such as Sev0
    #[arg(long, value_name = "SEVERITY")]
    severity: Option<String>,
    /// Only those of this name, such as "Backup Failure"
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
    /// Only those that fired within 1h, 1d, 7d or 30d
    #[arg(long, value_name = "RANGE")]
    time_range: Option<String>,
}

#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    whole: Ids,
    /// Its name, in the subscription; `-n` for short
    #[arg(long, value_name = "GUID", conflicts_with = "ids")]
    name: Option<String>,
}

#[derive(Debug, Args)]
struct Change {
    #[command(flatten)]
    which: Which,
    /// What is kept with the change
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

impl Which {
    fn id(&self, session: &Session) -> Result<ResourceId, Failure> {
        self.whole.or(|| {
            let name = session.name(self.name.as_deref())?;
            Ok(ResourceId::subscription(&session.subscription)?.with(ALERTS, &name)?)
        })
    }
}

pub async fn run(args: AlertArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = Session::open(&args.session, cluster, format)?;
    match args.verb {
        Verb::List(args) => list(args, &session).await,
        Verb::Show(which) => session.show(&Kind::ALERT, which.id(&session)?.as_str()).await,
        Verb::Acknowledge(change) => change_state(change, "Acknowledged", &session).await,
        Verb::Close(change) => change_state(change, "Closed", &session).await,
    }
}

async fn list(args: ListArgs, session: &Session) -> Outcome {
    let scope = match (&args.group, &args.vault_name) {
        (Some(group), Some(vault)) => session.resource(group, VAULT, vault)?.to_string(),
        (Some(group), None) => session.group(group)?.to_string(),
        _ => session.root(),
    };
    let mut request = Request::get(format!("{scope}/providers/{ALERTS}"), Kind::ALERT.version);
    for (name, value) in [
        ("alertState", args.state),
        ("monitorCondition", args.condition),
        ("severity", args.severity),
        ("alertRule", args.rule),
        ("timeRange", args.time_range),
    ] {
        if let Some(value) = value {
            request = request.ask(name, value);
        }
    }
    let found = session.client.list(&request).await?;
    session.view.many(&Kind::ALERT, &found)?;
    Ok(Exit::Done)
}

async fn change_state(change: Change, state: &str, session: &Session) -> Outcome {
    let path = format!("{}/changestate", change.which.id(session)?);
    let mut request = Request::post(path, Kind::ALERT.version).ask("newState", state);
    if let Some(comment) = change.comment {
        request = request.with(json!({"comments": comment}));
    }
    let changed = session.client.send(&request).await?;
    session.view.one(&Kind::ALERT, &changed.body)?;
    Ok(Exit::Done)
}
