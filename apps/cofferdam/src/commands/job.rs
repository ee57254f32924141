//! `cofferdam job`: what a vault does and did.

mod export;

use crate::{
    cluster::ClusterArgs,
    exit::{Failure, Outcome},
    managed::{Ids, Kind, Session, SessionArgs, VaultName, follow},
    output::Format,
};
use arm::ResourceId;
use clap::{Args, Subcommand};
use management::Request;
use serde_json::Value;

#[derive(Debug, Args)]
pub struct JobArgs {
    #[command(flatten)]
    session: SessionArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the jobs of a vault
    List(ListArgs),
    /// Show one with its steps and problems
    Show(Which),
    /// Watch one to its end and exit with its code
    Watch(Which),
    /// Stop one
    Cancel(Which),
    /// Write all jobs of a vault into a file
    Export(export::ExportArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    vault: VaultName,
    /// Only those with this status, such as InProgress or Failed
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only those of this operation, such as Backup or Restore
    #[arg(long, value_name = "OPERATION")]
    operation: Option<String>,
}

#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    whole: Ids,
    /// The last part of the id; `-n` for short
    #[arg(long, visible_alias = "name", value_name = "GUID", conflicts_with = "ids")]
    job_id: Option<String>,
    /// Backup vault
    #[arg(short = 'v', long, visible_alias = "vault", value_name = "NAME", conflicts_with = "ids")]
    vault_name: Option<String>,
    /// Resource group of the vault
    #[arg(short = 'g', long = "resource-group", value_name = "NAME", conflicts_with = "ids")]
    group: Option<String>,
}

impl Which {
    fn id(&self, session: &Session) -> Result<ResourceId, Failure> {
        self.whole.or(|| {
            let (Some(vault_name), Some(group)) = (self.vault_name.clone(), self.group.clone()) else {
                return Err(Failure::usage("the job is not named whole")
                    .next("Write `--ids ID`, or `--job-id GUID --vault-name NAME -g GROUP`."));
            };
            let name = session.name(self.job_id.as_deref())?;
            Ok(VaultName { vault_name, group }.id(session)?.child("backupJobs", &name)?)
        })
    }
}

pub async fn run(args: JobArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = Session::open(&args.session, cluster, format)?;
    match args.verb {
        Verb::List(args) => list(args, &session).await,
        Verb::Show(which) => session.show(&Kind::JOB, which.id(&session)?.as_str()).await,
        Verb::Export(args) => export::run(args, &session).await,
        Verb::Watch(which) => follow::job(&session, which.id(&session)?.as_str()).await,
        Verb::Cancel(which) => {
            let id = which.id(&session)?;
            let request = Request::post(format!("{id}/cancel"), Kind::JOB.version);
            session.act("stopping the job", &format!("job {} stops", id.name()), request).await
        }
    }
}

async fn list(args: ListArgs, session: &Session) -> Outcome {
    let request = Request::get(format!("{}/backupJobs", args.vault.id(session)?), Kind::JOB.version);
    let mut jobs = session.client.list(&request).await?;
    let is = |job: &Value, name: &str, wanted: &Option<String>| {
        let said = job.pointer(&format!("/properties/{name}")).and_then(Value::as_str).unwrap_or_default();
        wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(said))
    };
    jobs.retain(|job| is(job, "status", &args.status) && is(job, "operation", &args.operation));
    session.view.many(&Kind::JOB, &jobs)?;
    Ok(crate::exit::Exit::Done)
}
