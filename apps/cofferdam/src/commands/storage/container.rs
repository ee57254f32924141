//! `cofferdam storage container`: by the management API, so that no data is touched.

use super::ACCOUNTS;
use crate::{
    exit::{Failure, Outcome},
    managed::{Deletion, GroupArg, Kind, Name, Session},
};
use arm::ResourceId;
use clap::{Args, Subcommand};
use serde_json::json;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make one
    Create(Which),
    /// Show one
    Show(Which),
    /// List those of an account
    List(Place),
    /// Delete one with all that is in it
    Delete(Deletion<Which>),
}

#[derive(Debug, Args)]
pub struct Place {
    /// Storage account
    #[arg(long, visible_alias = "account-name", value_name = "NAME")]
    storage_account: String,
    #[command(flatten)]
    group: GroupArg,
}

#[derive(Debug, Args)]
pub struct Which {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    place: Place,
}

impl Place {
    fn service(&self, session: &Session) -> Result<ResourceId, Failure> {
        let account = session.resource(&self.group.group, ACCOUNTS, &self.storage_account)?;
        Ok(account.child("blobServices", "default")?)
    }
}

impl Which {
    fn path(&self, session: &Session) -> Result<String, Failure> {
        let name = session.name(self.name.name.as_deref())?;
        Ok(self.place.service(session)?.child("containers", &name)?.to_string())
    }
}

pub async fn run(verb: Verb, session: &Session) -> Outcome {
    match verb {
        Verb::Create(which) => {
            session.put(&Kind::CONTAINER, &which.path(session)?, json!({"properties": {}})).await
        }
        Verb::Show(which) => session.show(&Kind::CONTAINER, &which.path(session)?).await,
        Verb::List(place) => {
            session.list(&Kind::CONTAINER, &format!("{}/containers", place.service(session)?)).await
        }
        Verb::Delete(args) => {
            session.delete(&Kind::CONTAINER, &args.which.path(session)?, &args.confirm).await
        }
    }
}
