//! `cofferdam role assignment`.

use super::{DEFINITIONS, by_name};
use crate::{
    exit::{Exit, Failure, Outcome},
    managed::{Confirm, Kind, Session, resource_id},
    note,
};
use arm::ResourceId;
use clap::{Args, Subcommand};
use management::{Request, build::names, versions};
use serde_json::{Value, json};

const ASSIGNMENTS: &str = "Microsoft.Authorization/roleAssignments";

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
    let there = at(session, scope.as_str(), "atScope()").await?;
    let is_same = |one: &&Value| {
        is(one, "principalId", principal)
            && is(one, "roleDefinitionId", &definition)
            && is(one, "scope", scope.as_str())
    };
    if let Some(same) = there.iter().find(is_same) {
        return Ok((same.clone(), false));
    }
    let guid = definition.rsplit('/').next().unwrap_or_default();
    let id = scope.with(ASSIGNMENTS, &names::assignment(principal, guid, scope))?;
    let body = json!({"properties": {
        "roleDefinitionId": definition, "principalId": principal, "principalType": kind}});
    let put = Request::put(id.as_str(), versions::ROLES, body);
    match session.client.send(&put).await {
        Ok(answer) => Ok((answer.body, true)),
        // Somebody else gave it between the look and the call.
        Err(error) if error.service().is_some_and(|error| error.code == "RoleAssignmentExists") => {
            let there = at(session, scope.as_str(), "atScope()").await?;
            Ok((there.iter().find(is_same).cloned().unwrap_or_default(), false))
        }
        Err(error) => Err(error.into()),
    }
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
    let mut request = Request::get(format!("{scope}/providers/{ASSIGNMENTS}"), versions::ROLES);
    if !filter.is_empty() {
        request = request.ask("$filter", filter);
    }
    Ok(session.client.list(&request).await?)
}

/// The id of a role by its name, its GUID or its id, as the server writes it at that scope.
async fn definition(session: &Session, role: &str, scope: &ResourceId) -> Result<String, Failure> {
    if role.starts_with('/') {
        return Ok(role.to_owned());
    }
    let by_id = uuid::Uuid::try_parse(role).is_ok();
    let mut request = Request::get(format!("{scope}/{DEFINITIONS}"), versions::ROLES);
    if !by_id {
        request = request.ask("$filter", by_name(role));
    }
    let found = session.client.list(&request).await?;
    let ours = found.iter().find(|one| !by_id || is_named(one, role));
    let id = ours.and_then(|one| one.get("id")?.as_str());
    id.map(str::to_owned).ok_or_else(|| {
        Failure::precondition(format!("there is no role {role:?}"))
            .next("See which there are: `cofferdam role definition list`.")
    })
}

fn is_named(definition: &Value, name: &str) -> bool {
    definition.get("name").and_then(Value::as_str).is_some_and(|one| one.eq_ignore_ascii_case(name))
}

/// With the name of its role.
async fn named(session: &Session, mut assignment: Value) -> Result<Value, Failure> {
    let id = text(&assignment, "roleDefinitionId").to_owned();
    let name = match session.client.find(&id, versions::ROLES).await? {
        Some(role) => role.pointer("/properties/roleName").cloned().unwrap_or_default(),
        None => {
            note!("warning: the role {id} is not there any more");
            Value::Null
        }
    };
    if let Some(properties) = assignment.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("roleDefinitionName".to_owned(), name);
    }
    Ok(assignment)
}

fn text<'v>(assignment: &'v Value, name: &str) -> &'v str {
    assignment.pointer(&format!("/properties/{name}")).and_then(Value::as_str).unwrap_or_default()
}

fn is(assignment: &Value, name: &str, value: &str) -> bool {
    text(assignment, name).eq_ignore_ascii_case(value)
}
