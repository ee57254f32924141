//! `cofferdam vault deleted` and `vault undelete`: Backup vaults that can still come back.

use super::manage::Which;
use crate::{
    cluster::ClusterArgs,
    exit::{Failure, Outcome},
    managed::{Kind, Name, Session, SessionArgs},
    output::Format,
};
use arm::ResourceId;
use clap::{Args, Subcommand};
use management::Request;
use serde_json::{Value, json};

#[derive(Debug, Args)]
pub struct DeletedArgs {
    #[command(flatten)]
    session: SessionArgs,
    #[command(subcommand)]
    verb: DeletedVerb,
}

#[derive(Debug, Subcommand)]
enum DeletedVerb {
    /// List them, with when each was deleted and will be gone
    List(Region),
    /// Show one
    Show(ShowArgs),
}

#[derive(Debug, Args)]
struct Region {
    /// Region of the vaults
    #[arg(short = 'l', long, default_value = "local", value_name = "NAME")]
    location: String,
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    region: Region,
    #[command(flatten)]
    name: Name,
}

#[derive(Debug, Args)]
pub struct UndeleteArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    region: Region,
    /// Id of the deleted vault, when several of this name are
    #[arg(long, value_name = "ID")]
    deleted_vault_id: Option<String>,
}

pub async fn run(args: DeletedArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = Session::open(&args.session, cluster, format)?;
    match args.verb {
        DeletedVerb::List(region) => session.list(&Kind::DELETED_VAULT, &region.path(&session)).await,
        DeletedVerb::Show(args) => {
            let name = session.name(args.name.name.as_deref())?;
            let path = format!("{}/{name}", args.region.path(&session));
            session.show(&Kind::DELETED_VAULT, &path).await
        }
    }
}

/// A PUT that names the deleted vault. Its identity is gone; roles have to be given to the new one.
pub async fn undelete(args: UndeleteArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = Session::open(&args.which.session, cluster, format)?;
    let id = args.which.vault.id(&session)?;
    let deleted = match args.deleted_vault_id {
        Some(given) => given,
        None => {
            let request = Request::get(args.region.path(&session), Kind::DELETED_VAULT.version);
            only(&session.client.list(&request).await?, &id)?
        }
    };
    let body = json!({"location": args.region.location, "identity": {"type": "SystemAssigned"}});
    let request = Request::put(id.as_str(), Kind::VAULT.version, body);
    session.change(&Kind::VAULT, request.header("x-ms-deleted-vault-id", deleted)).await
}

/// The id of the one deleted vault that was called so.
fn only(deleted: &[Value], id: &ResourceId) -> Result<String, Failure> {
    let was = |one: &Value| {
        let original = one.pointer("/properties/originalBackupVaultId").and_then(Value::as_str);
        original.is_some_and(|original| original.eq_ignore_ascii_case(id.as_str()))
    };
    let found: Vec<&str> =
        deleted.iter().filter(|one| was(one)).filter_map(|one| one.get("id")?.as_str()).collect();
    match found.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err(Failure::precondition(format!("there is no deleted vault {} in this group", id.name()))
            .next("See which there are: `cofferdam vault deleted list`; another region with `--location`.")),
        several => {
            let message = format!("{} vaults of the name {} were deleted", several.len(), id.name());
            let failure = Failure::precondition(message);
            let ids = several.join(", ");
            Err(failure.next(format!("Choose one with `--deleted-vault-id`: {ids}.")))
        }
    }
}

impl Region {
    fn path(&self, session: &Session) -> String {
        let root = session.root();
        format!("{root}/providers/Microsoft.DataProtection/locations/{}/deletedVaults", self.location)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_was_called_so_is_found_and_several_are_named() {
        let vault = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v";
        let id: ResourceId = vault.parse().unwrap();
        let gone = |at: &str, was: &str| json!({"id": at, "properties": {"originalBackupVaultId": was}});
        let other = vault.replace("/g/", "/h/");

        let found = only(&[gone("1", &vault.to_uppercase()), gone("2", &other)], &id);
        let none = only(&[gone("2", &other)], &id).unwrap_err().to_string();
        let several = only(&[gone("1", vault), gone("3", vault)], &id).unwrap_err().to_string();

        assert_eq!(found.unwrap(), "1");
        assert!(none.contains("no deleted vault v"), "{none}");
        assert!(several.contains("--deleted-vault-id") && several.contains("1, 3"), "{several}");
    }
}
