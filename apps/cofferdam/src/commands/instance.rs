//! `cofferdam instance`: what of which cluster a vault protects, by which policy.

mod change;
pub mod create;
mod deleted;
pub mod protection;

use crate::{
    cluster::ClusterArgs,
    exit::{Failure, Outcome},
    managed::{Deletion, Kind, Session, SessionArgs, VaultName},
    output::Format,
};
use arm::ResourceId;
use clap::{Args, Subcommand};
use management::Request;
use serde_json::Value;

#[derive(Debug, Args)]
pub struct InstanceArgs {
    #[command(flatten)]
    session: SessionArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print the body of an instance, to be changed and passed to `create --backup-instance`
    Initialize(create::InitializeArgs),
    /// Ask the vault whether an instance could be protected; every fault at once
    #[command(visible_alias = "validate-for-backup")]
    Validate(create::MakeArgs),
    /// Protect a cluster: validate, then make the instance
    Create(create::CreateArgs),
    /// List the instances of a vault
    List(VaultName),
    /// Show one
    Show(Which),
    /// Change what of the cluster is protected
    Update(change::UpdateArgs),
    /// Protect by another policy; recovery points that are there keep theirs
    UpdatePolicy(change::PolicyArgs),
    /// Stop backups and keep all recovery points for ever
    #[command(visible_alias = "stop-protection")]
    Stop(protection::StopArgs),
    /// Stop backups; recovery points end as their policy says
    #[command(visible_alias = "suspend-backup")]
    Suspend(protection::StopArgs),
    /// Look at cluster, extension and repository, and correct the state of the instance
    Sync(protection::SyncArgs),
    /// Make backups again
    #[command(visible_alias = "resume-protection")]
    Resume(Which),
    /// Stop and delete the recovery points too
    Delete(Deletion<Which>),
    /// Take back a deletion, while it is soft
    Undelete(Which),
    /// Instances that are deleted and not gone yet
    #[command(subcommand, visible_alias = "deleted-backup-instance")]
    Deleted(deleted::DeletedVerb),
}

/// One instance.
#[derive(Debug, Args)]
pub struct Which {
    /// Name of the instance, or the friendly name; `-n` for short
    #[arg(long, visible_aliases = ["instance", "name"], value_name = "NAME")]
    backup_instance_name: Option<String>,
    #[command(flatten)]
    vault: VaultName,
}

impl Which {
    /// An instance by its name and its vault.
    pub fn new(name: Option<String>, vault_name: String, group: String) -> Self {
        Self { backup_instance_name: name, vault: VaultName { vault_name, group } }
    }

    /// The id of the instance. A friendly name is looked up.
    pub async fn id(&self, session: &Session) -> Result<ResourceId, Failure> {
        self.find(session, "backupInstances").await
    }

    /// The id in the list of this name.
    pub async fn find(&self, session: &Session, list: &str) -> Result<ResourceId, Failure> {
        let name = session.any_name(self.backup_instance_name.as_deref())?;
        let vault = self.vault.id(session)?;
        // Friendly names have a slash; real ones never do.
        if !name.contains('/') {
            return Ok(vault.child(list, &name)?);
        }
        let request = Request::get(format!("{vault}/{list}"), Kind::INSTANCE.version);
        let found = session.client.list(&request).await?;
        let mut named = found
            .iter()
            .filter(|one| {
                one.pointer("/properties/friendlyName").and_then(Value::as_str) == Some(name.as_str())
            })
            .filter_map(|one| one.get("name")?.as_str());
        match (named.next(), named.next()) {
            (Some(name), None) => Ok(vault.child(list, name)?),
            (Some(_), Some(_)) => {
                Err(Failure::precondition(format!("several instances are called {name:?}"))
                    .next("Use the name of the one you mean: `cofferdam instance list`."))
            }
            (None, _) => Err(Failure::precondition(format!("there is no instance {name:?}"))
                .next("See which there are: `cofferdam instance list`.")),
        }
    }
}

pub async fn run(args: InstanceArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = Session::open(&args.session, cluster, format)?;
    let session = &session;
    match args.verb {
        Verb::Initialize(args) => create::initialize(args, session).await,
        Verb::Validate(args) => create::validate(args, session).await,
        Verb::Create(args) => create::create(args, session).await,
        Verb::List(vault) => {
            session.list(&Kind::INSTANCE, &format!("{}/backupInstances", vault.id(session)?)).await
        }
        Verb::Show(which) => session.show(&Kind::INSTANCE, which.id(session).await?.as_str()).await,
        Verb::Update(args) => change::update(args, session).await,
        Verb::UpdatePolicy(args) => change::policy(args, session).await,
        Verb::Stop(args) => protection::stop(args, "stopProtection", session).await,
        Verb::Suspend(args) => protection::stop(args, "suspendBackups", session).await,
        Verb::Sync(args) => protection::sync(args, session).await,
        Verb::Resume(which) => protection::resume(which, session).await,
        Verb::Delete(args) => {
            session.delete(&Kind::INSTANCE, args.which.id(session).await?.as_str(), &args.confirm).await
        }
        Verb::Undelete(which) => deleted::undelete(which, session).await,
        Verb::Deleted(verb) => deleted::run(verb, session).await,
    }
}
