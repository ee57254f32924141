//! Instances that are deleted and not gone yet.

use super::Which;
use crate::{
    exit::Outcome,
    managed::{Kind, Session, VaultName},
};
use clap::Subcommand;
use management::{Request, versions};

#[derive(Debug, Subcommand)]
pub enum DeletedVerb {
    /// List them
    List(VaultName),
    /// Show one
    Show(Which),
    /// Take back a deletion
    Undelete(Which),
}

const LIST: &str = "deletedBackupInstances";

pub async fn run(verb: DeletedVerb, session: &Session) -> Outcome {
    match verb {
        DeletedVerb::List(vault) => {
            session.list(&Kind::DELETED, &format!("{}/{LIST}", vault.id(session)?)).await
        }
        DeletedVerb::Show(which) => {
            session.show(&Kind::DELETED, which.find(session, LIST).await?.as_str()).await
        }
        DeletedVerb::Undelete(which) => undelete(which, session).await,
    }
}

/// `undelete`.
pub async fn undelete(which: Which, session: &Session) -> Outcome {
    let id = which.find(session, LIST).await?;
    let request = Request::post(format!("{id}/undelete"), versions::DATA_PROTECTION);
    let done = format!("{} is there again; resume its backups with `cofferdam instance resume`", id.name());
    session.act("taking back the deletion", &done, request).await
}
