//! `cofferdam role assignment`.

use crate::{
    exit::{Exit, Failure, Outcome},
    managed::{Confirm, Kind, Session, resource_id},
    note,
};
use arm::ResourceId;
use clap::{Args, Subcommand};
use management::{
    roles::{self, is, text},
    versions,
};
use serde_json::Value;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Give a role
    Create(CreateArgs),
    /// List assignments at a scope and above it
    List(ListArgs),
    /// Take roles away
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Object id of who gets it
    #[arg(long, visible_alias = "assignee-object-id", value_name = "ID")]
    assignee: String,
    /// Kind of principal
    #[arg(long, default_value = "ServicePrincipal", value_name = "TYPE")]
    assignee_principal_type: String,
    /// Role, by name or id
    #[arg(long, value_name = "ROLE")]
    role: String,
    /// Where: id of a subscription, a resource group or a resource
    #[arg(long, value_parser = resource_id, value_name = "ID")]
    scope: ResourceId,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those of this object id
    #[arg(long, visible_alias = "assignee-object-id", value_name = "ID")]
    assignee: Option<String>,
    /// Only those of this role
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// At this scope and above it; the subscription when absent
    #[arg(long, value_parser = resource_id, value_name = "ID")]
    scope: Option<ResourceId>,
    /// Everywhere in the subscription
    #[arg(long, conflicts_with = "scope")]
    all: bool,
}

#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Ids of assignments, instead of the arguments below
    #[arg(long, num_args = 1.., value_parser = resource_id, value_name = "ID")]
    ids: Vec<ResourceId>,
    /// Object id of whose
    #[arg(long, visible_alias = "assignee-object-id", required_unless_present = "ids", value_name = "ID")]
    assignee: Option<String>,
    /// Role, by name or id
    #[arg(long, required_unless_present = "ids", value_name = "ROLE")]
    role: Option<String>,
    /// Where exactly; what is inherited from above stays
    #[arg(long, value_parser = resource_id, required_unless_present = "ids", value_name = "ID")]
    scope: Option<ResourceId>,
    #[command(flatten)]
    confirm: Confirm,
}

pub async fn run(verb: Verb, session: &Session) -> Outcome {
    match verb {
        Verb::Create(args) => {
            let kind = &args.assignee_principal_type;
            let (made, _) = grant(session, &args.assignee, kind, &args.role, &args.scope).await?;
            session.view.one(&Kind::ASSIGNMENT, &named(session, made).await?)?;
            Ok(Exit::Done)
        }
        Verb::List(args) => {
            let scope = args.scope.as_ref().map_or_else(|| session.root(), ToString::to_string);
            let filter = match (&args.assignee, args.all) {
                (Some(assignee), true) => format!("principalId eq '{assignee}'"),
                (None, true) => String::new(),
                (_, false) => "atScope()".to_owned(),
            };
            let mut found = at(session, &scope, &filter).await?;
            if let Some(assignee) = &args.assignee {
                found.retain(|one| is(one, "principalId", assignee));
            }
            let mut shown = Vec::new();
            for one in found {
                shown.push(named(session, one).await?);
            }
            if let Some(role) = &args.role {
                shown.retain(|one| {
                    is(one, "roleDefinitionName", role)
                        || text(one, "roleDefinitionId").ends_with(role.as_str())
                });
            }
            session.view.many(&Kind::ASSIGNMENT, &shown)?;
            Ok(Exit::Done)
        }
        Verb::Delete(args) => delete(args, session).await,
    }
}

/// Gives a role; the assignment, and whether it is new.
pub async fn grant(
    session: &Session,
    principal: &str,
    kind: &str,
    role: &str,
    scope: &ResourceId,
) -> Result<(Value, bool), Failure> {
    let definition = definition(session, role, scope).await?;
    Ok(roles::grant(&session.client, principal, kind, &definition, scope).await?)
}

async fn delete(args: DeleteArgs, session: &Session) -> Outcome {
    let ids = match (&args.assignee, &args.role, &args.scope) {
        _ if !args.ids.is_empty() => args.ids.clone(),
        (Some(assignee), Some(role), Some(scope)) => {
            let definition = definition(session, role, scope).await?;
            let found = at(session, scope.as_str(), "atScope()").await?;
            let wanted = found.iter().filter(|one| {
                is(one, "principalId", assignee)
                    && is(one, "roleDefinitionId", &definition)
                    && is(one, "scope", scope.as_str())
            });
            wanted.filter_map(|one| one.get("id")?.as_str()?.parse().ok()).collect()
        }
        _ => Vec::new(),
    };
    if ids.is_empty() {
        return Err(Failure::precondition("there is no such assignment at exactly that scope")
            .next("See which there are: `cofferdam role assignment list --scope … --assignee …`."));
    }
    for id in &ids {
        session.delete(&Kind::ASSIGNMENT, id.as_str(), &args.confirm).await?;
    }
    Ok(Exit::Done)
}

async fn at(session: &Session, scope: &str, filter: &str) -> Result<Vec<Value>, Failure> {
    Ok(roles::assignments(&session.client, scope, filter).await?)
}

/// The id of a role by its name, its GUID or its id, as the server writes it at that scope.
async fn definition(session: &Session, role: &str, scope: &ResourceId) -> Result<String, Failure> {
    let found = match roles::definition(&session.client, role, scope).await {
        // Built-in roles have one id everywhere: what is then refused is the thing itself, with the role that it takes.
        Err(error) if roles::is_refused(&error) => Some(built_in(role, scope).ok_or(error)?),
        found => found?,
    };
    found.ok_or_else(|| {
        Failure::precondition(format!("there is no role {role:?}"))
            .next("See which there are: `cofferdam role definition list`.")
    })
}

/// The name of a built-in role by its id.
fn name_of(id: &str) -> Option<String> {
    let guid = id.rsplit('/').next()?;
    let all = ::identity::builtin::roles();
    all.into_iter().find(|one| one.id.as_str().eq_ignore_ascii_case(guid)).map(|one| one.name)
}

/// The id of a built-in role by its name or GUID.
fn built_in(role: &str, scope: &ResourceId) -> Option<String> {
    let all = ::identity::builtin::roles();
    let is_it = |one: &&::identity::RoleDefinition| {
        one.name.eq_ignore_ascii_case(role) || one.id.as_str().eq_ignore_ascii_case(role)
    };
    let found = all.iter().find(is_it)?;
    let subscription = scope.subscription_id();
    Some(format!(
        "/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{}",
        found.id.as_str()
    ))
}

/// With the name of its role.
async fn named(session: &Session, mut assignment: Value) -> Result<Value, Failure> {
    let id = text(&assignment, "roleDefinitionId").to_owned();
    let name = match session.client.find(&id, versions::ROLES).await {
        // What was done is done, also for whoever may not look its name up.
        Err(error) if roles::is_refused(&error) => name_of(&id).into(),
        Err(error) => return Err(error.into()),
        Ok(Some(role)) => role.pointer("/properties/roleName").cloned().unwrap_or_default(),
        Ok(None) => {
            note!("warning: the role {id} is not there any more");
            Value::Null
        }
    };
    if let Some(properties) = assignment.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("roleDefinitionName".to_owned(), name);
    }
    Ok(assignment)
}
