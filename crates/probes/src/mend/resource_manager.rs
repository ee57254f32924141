//! Acts at a resource manager: documented calls alone, and what is so already is not written again.

use super::{Done, Trouble};
use arm::ResourceId;
use management::{
    Client, Error, Request,
    build::{
        cluster::{Managed, enable, update},
        names,
    },
    roles, versions,
};
use prerequisites::Action;
use serde_json::{Value, json};
use std::time::Duration;

const OPERATOR: &str = "Microsoft.DataProtection/backupVaults/backup-operator";
/// How often a registration is looked at, and how often before it is given up.
const POLL: Duration = Duration::from_secs(2);
const LOOKS: u32 = 150;

pub(super) async fn act(client: &Client, action: &Action) -> Result<Done, Trouble> {
    let lines = match action {
        Action::RegisterProvider { subscription, provider, .. } => {
            register(client, &format!("/subscriptions/{subscription}/providers/{provider}")).await?
        }
        Action::AssignRole { role, principal, scope, .. } => assign(client, role, principal, scope).await?,
        Action::LetVaultIn { cluster, vault, binding, .. } => {
            let_in(client, cluster, vault, binding.as_deref()).await?
        }
        Action::TrustVault { account, vault, tenant, .. } => {
            trust(client, account, vault, tenant.as_deref()).await?
        }
        Action::CreateContainer { account, container } => create(client, account, container).await?,
        Action::UseManagedIdentity { cluster, .. } => identity(client, cluster).await?,
        Action::EnableStorage { cluster, parts } => storage(client, cluster, parts).await?,
        _ => return Err(Trouble::NoHands("resource manager that does this")),
    };
    Ok(Done { lines: lines.into_iter().collect() })
}

async fn register(client: &Client, path: &str) -> Result<Option<String>, Trouble> {
    let is_registered = |found: &Value| {
        let state = found.get("registrationState").and_then(Value::as_str);
        state.is_some_and(|state| state.eq_ignore_ascii_case("Registered"))
    };
    if is_registered(&client.get(path, versions::RESOURCES).await?) {
        return Ok(None);
    }
    let mut found = client.send(&Request::post(format!("{path}/register"), versions::RESOURCES)).await?.body;
    for _ in 0..LOOKS {
        if is_registered(&found) {
            return Ok(Some(format!("registered {path}")));
        }
        tokio::time::sleep(POLL).await;
        found = client.get(path, versions::RESOURCES).await?;
    }
    Err(Trouble::Otherwise(format!(
        "{path} is still being registered after five minutes; it goes on by itself"
    )))
}

async fn assign(
    client: &Client,
    role: &str,
    principal: &str,
    scope: &str,
) -> Result<Option<String>, Trouble> {
    let scope = id(scope)?;
    let Some(definition) = roles::definition(client, role, &scope).await? else {
        return Err(Trouble::Otherwise(format!("there is no role {role} at {scope}")));
    };
    let (_, is_new) = roles::grant(client, principal, "ServicePrincipal", &definition, &scope).await?;
    Ok(is_new.then(|| format!("assigned {role} to {principal} on {scope}")))
}

async fn let_in(
    client: &Client,
    cluster: &str,
    vault: &str,
    binding: Option<&str>,
) -> Result<Option<String>, Trouble> {
    let name = match binding {
        Some(name) => name.to_owned(),
        None => names::binding(&id(vault)?),
    };
    let path = format!("{cluster}/trustedAccessRoleBindings/{name}");
    let there = client.find(&path, versions::CLUSTERS).await?;
    let text = |found: &Value, path: &str| found.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let mut granted: Vec<String> = Vec::new();
    if let Some(found) = &there {
        let source = text(found, "/properties/sourceResourceId").unwrap_or_default();
        if !source.eq_ignore_ascii_case(vault) {
            return Err(Trouble::Otherwise(format!("{path} lets {source} in, and stays as it is")));
        }
        let had = found.pointer("/properties/roles").and_then(Value::as_array);
        granted.extend(had.into_iter().flatten().filter_map(|role| role.as_str().map(str::to_owned)));
        let is_operator = granted.iter().any(|role| role.eq_ignore_ascii_case(OPERATOR));
        if is_operator && text(found, "/properties/provisioningState").as_deref() == Some("Succeeded") {
            return Ok(None);
        }
    }
    if !granted.iter().any(|role| role.eq_ignore_ascii_case(OPERATOR)) {
        granted.push(OPERATOR.to_owned());
    }
    let body = json!({"properties": {"sourceResourceId": vault, "roles": granted}});
    client.run(&Request::put(&path, versions::CLUSTERS, body), |_| {}).await?;
    Ok(Some(format!("wrote {path}")))
}

/// All rules are sent back as they were read, with one more: what a PATCH leaves out of them is lost.
async fn trust(
    client: &Client,
    account: &str,
    vault: &str,
    tenant: Option<&str>,
) -> Result<Option<String>, Trouble> {
    let found = client.get(account, versions::STORAGE).await?;
    let mut rules = found.pointer("/properties/networkAcls").cloned().unwrap_or_else(|| json!({}));
    let Some(members) = rules.as_object_mut() else {
        return Err(Trouble::Otherwise(format!("the network rules of {account} cannot be read")));
    };
    let trusted = members.entry("resourceAccessRules").or_insert_with(|| json!([]));
    if trusted.is_null() {
        *trusted = json!([]);
    }
    let Some(trusted) = trusted.as_array_mut() else {
        return Err(Trouble::Otherwise(format!("the network rules of {account} cannot be read")));
    };
    let is_vault = |rule: &Value| {
        rule.get("resourceId").and_then(Value::as_str).is_some_and(|id| id.eq_ignore_ascii_case(vault))
    };
    if trusted.iter().any(is_vault) {
        return Ok(None);
    }
    trusted.push(match tenant {
        Some(tenant) => json!({"tenantId": tenant, "resourceId": vault}),
        None => json!({"resourceId": vault}),
    });
    let body = json!({"properties": {"networkAcls": rules}});
    client.run(&Request::patch(account, versions::STORAGE, body), |_| {}).await?;
    Ok(Some(format!("{account} trusts {vault}")))
}

async fn create(client: &Client, account: &str, container: &str) -> Result<Option<String>, Trouble> {
    let path = format!("{account}/blobServices/default/containers/{container}");
    if client.find(&path, versions::STORAGE).await?.is_some() {
        return Ok(None);
    }
    client.run(&Request::put(&path, versions::STORAGE, json!({"properties": {}})), |_| {}).await?;
    Ok(Some(format!("made {path}")))
}

async fn identity(client: &Client, cluster: &str) -> Result<Option<String>, Trouble> {
    let found = client.get(cluster, versions::CLUSTERS).await?;
    let text = |path: &str| found.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let is_managed = text("/identity/type").contains("Assigned");
    if is_managed && ["", "msi"].contains(&text("/properties/servicePrincipalProfile/clientId")) {
        return Ok(None);
    }
    client.run(&update(cluster, &found, Some(Managed::System), None), |_| {}).await?;
    Ok(Some(format!("{cluster} acts with an identity of its own")))
}

async fn storage(client: &Client, cluster: &str, parts: &[String]) -> Result<Option<String>, Trouble> {
    let found = client.get(cluster, versions::CLUSTERS).await?;
    let is_on = |part: &String| {
        let path = format!("/properties/storageProfile/{part}/enabled");
        found.pointer(&path).and_then(Value::as_bool) == Some(true)
    };
    if parts.iter().all(is_on) {
        return Ok(None);
    }
    client.run(&enable(cluster, &found, parts), |_| {}).await?;
    Ok(Some(format!("{cluster}: {} switched on", parts.join(" and "))))
}

fn id(text: &str) -> Result<ResourceId, Trouble> {
    text.parse().map_err(|error: arm::IdError| Trouble::Arm(Error::Invalid(error.to_string())))
}
