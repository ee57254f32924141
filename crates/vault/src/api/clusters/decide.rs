//! What a cluster may be, and what a call makes of it.

use super::{ClusterIdentity, ClusterRecord, shown::derived};
use crate::api::{identities, tracked::check_tags};
use arm::{ArmError, Fields, ResourceId, dataprotection::IdentityGiven};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Bytes of `properties` that are kept of one cluster.
const MOST_KEPT: usize = 64 * 1024;
const LONGEST_CLIENT_ID: usize = 64;
const LONGEST_NODE_GROUP: usize = 80;

/// What a property is.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Flag,
    Object,
    List,
}

/// The properties that are kept as they are given. Whatever is not here is the vault's to say, or a secret.
const KEPT: &[(&str, Shape)] = &[
    ("kubernetesVersion", Shape::Text),
    ("dnsPrefix", Shape::Text),
    ("fqdnSubdomain", Shape::Text),
    ("supportPlan", Shape::Text),
    ("publicNetworkAccess", Shape::Text),
    ("enableRBAC", Shape::Flag),
    ("disableLocalAccounts", Shape::Flag),
    ("aadProfile", Shape::Object),
    ("addonProfiles", Shape::Object),
    ("apiServerAccessProfile", Shape::Object),
    ("autoScalerProfile", Shape::Object),
    ("autoUpgradeProfile", Shape::Object),
    ("linuxProfile", Shape::Object),
    ("networkProfile", Shape::Object),
    ("oidcIssuerProfile", Shape::Object),
    ("securityProfile", Shape::Object),
    ("storageProfile", Shape::Object),
    ("workloadAutoScalerProfile", Shape::Object),
    ("agentPoolProfiles", Shape::List),
];

/// What a PUT says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given {
    /// Where.
    pub location: Option<String>,
    /// Labels.
    pub tags: Option<BTreeMap<String, String>>,
    /// Which managed identity it is to have.
    pub identity: Option<IdentityGiven>,
    /// Client id of a service principal; `msi` names none.
    pub client_id: Option<String>,
    /// The group of what belongs to it.
    pub node_resource_group: Option<String>,
    /// The properties that are kept.
    pub kept: Option<Map<String, Value>>,
}

/// Which identity a cluster gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The one that it has.
    Kept(ClusterIdentity),
    /// One of its own.
    System,
    /// That of a resource.
    User(ResourceId),
    /// A service principal.
    ServicePrincipal(String),
}

/// 1 to 63 letters, digits, `-` and `_`, a letter or digit first and last.
pub fn check_name(name: &str) -> Result<(), ArmError> {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let ends = edge(name.bytes().next()) && edge(name.bytes().last());
    if ends && name.len() <= 63 && name.bytes().all(fits) {
        return Ok(());
    }
    let message = format!(
        "The cluster name '{name}' cannot be used: 1 to 63 letters, digits, '-' and '_' are needed, with a letter or digit \
         first and last."
    );
    Err(ArmError::new(400, "InvalidParameter", message).about("name"))
}

/// Reads the body of a PUT.
pub fn given(body: &Value) -> Result<Given, ArmError> {
    let fields = Fields::of(body)?;
    let tags = fields.texts("tags")?;
    tags.as_ref().map_or(Ok(()), check_tags)?;
    let identity = fields.object("identity")?.map(|identity| IdentityGiven::read(&identity)).transpose()?;
    let location = fields.text("location")?.map(str::to_owned);
    let mut given = Given { location, tags, identity, ..Given::default() };
    let Some(properties) = fields.object("properties")? else { return Ok(given) };
    if let Some(principal) = properties.object("servicePrincipalProfile")? {
        let id = principal.text("clientId")?.filter(|id| !id.is_empty() && !id.eq_ignore_ascii_case("msi"));
        if id
            .is_some_and(|id| id.len() > LONGEST_CLIENT_ID || !id.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(principal.wrong("clientId", "is no client id; a GUID or 'msi' is needed"));
        }
        given.client_id = id.map(str::to_owned);
    }
    given.node_resource_group =
        properties.text("nodeResourceGroup")?.filter(|name| !name.is_empty()).map(str::to_owned);
    given.kept = Some(kept(&properties)?);
    Ok(given)
}

fn kept(properties: &Fields<'_>) -> Result<Map<String, Value>, ArmError> {
    let mut kept = Map::new();
    for (name, shape) in KEPT {
        match shape {
            Shape::Text => drop(properties.text(name)?),
            Shape::Flag => drop(properties.flag(name)?),
            Shape::Object => drop(properties.object(name)?),
            Shape::List => drop(properties.items(name)?),
        }
        if let Some(value) = properties.get(name) {
            kept.insert((*name).to_owned(), without_secrets(value));
        }
    }
    let length = serde_json::to_string(&kept).map_or(usize::MAX, |text| text.len());
    if length > MOST_KEPT {
        let reason = format!("has {length} bytes of settings; at most {MOST_KEPT} are taken");
        return Err(ArmError::invalid_field("properties", reason));
    }
    Ok(kept)
}

/// The same without anything that is called a secret, a password or a token: what is not kept cannot leak.
fn without_secrets(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let is_secret = |name: &str| {
                let name = name.to_lowercase();
                ["secret", "password", "token"].iter().any(|word| name.contains(word))
            };
            let kept = object.iter().filter(|(name, _)| !is_secret(name));
            Value::Object(kept.map(|(name, value)| (name.clone(), without_secrets(value))).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(without_secrets).collect()),
        other => other.clone(),
    }
}

/// What is kept of the properties after a PUT. Clients write back what they read: what was only observed stays observed,
/// or it would be shown for good once the cluster has changed.
pub fn settings(before: Option<&ClusterRecord>, kept: Option<Map<String, Value>>) -> Value {
    let Some(mut kept) = kept else {
        return before.map_or(Value::Null, |before| before.given.clone());
    };
    if let Some(before) = before {
        let was_given = |name: &str| before.given.get(name).is_some();
        let observed = derived(before);
        kept.retain(|name, value| was_given(name) || observed.get(name) != Some(value));
    }
    Value::Object(kept)
}

/// Which identity a PUT asks for. One that is there and is not spoken of stays: it bears the cluster's roles.
pub fn identity(
    is: Option<&ClusterIdentity>,
    given: Option<&IdentityGiven>,
    client_id: Option<&str>,
) -> Result<Wanted, ArmError> {
    let kind = given.map(|given| given.kind).unwrap_or_default();
    let wrong = |reason: &str| ArmError::invalid_field("identity.userAssignedIdentities", reason);
    let named: Vec<&String> = given
        .and_then(|given| given.user.as_ref())
        .map(|user| user.iter().filter(|(_, wanted)| **wanted).map(|(id, _)| id).collect())
        .unwrap_or_default();
    match (kind.system, kind.user, named.as_slice()) {
        (true, true, _) => {
            let reason =
                "is 'SystemAssigned,UserAssigned'; a cluster acts with one identity, so write one of both";
            Err(ArmError::invalid_field("identity.type", reason))
        }
        (false, false, []) => without_managed(is, given.is_some(), client_id),
        (_, false, [_, ..]) => Err(wrong("must be absent unless the type names UserAssigned")),
        (true, false, []) => Ok(match is {
            Some(is @ ClusterIdentity::SystemAssigned { .. }) => Wanted::Kept(is.clone()),
            _ => Wanted::System,
        }),
        (false, true, []) => match is {
            Some(is @ ClusterIdentity::UserAssigned { .. }) => Ok(Wanted::Kept(is.clone())),
            _ => Err(wrong("needs one identity, since the type names UserAssigned")),
        },
        (false, true, [one]) => {
            let id: ResourceId = one.parse().map_err(|error: arm::IdError| wrong(&error.to_string()))?;
            if !id.kind().is(identities::KIND) {
                return Err(wrong(&format!("names '{id}', which is no user-assigned identity")));
            }
            Ok(match is {
                Some(is @ ClusterIdentity::UserAssigned { resource, .. }) if *resource == id => {
                    Wanted::Kept(is.clone())
                }
                _ => Wanted::User(id),
            })
        }
        (false, true, _) => Err(wrong("names several identities; a cluster acts with one")),
    }
}

fn without_managed(
    is: Option<&ClusterIdentity>,
    says_none: bool,
    client_id: Option<&str>,
) -> Result<Wanted, ArmError> {
    match (is, client_id) {
        (Some(ClusterIdentity::ServicePrincipal { .. }) | None, Some(client_id)) => {
            Ok(Wanted::ServicePrincipal(client_id.to_owned()))
        }
        (None, None) if says_none => {
            let reason = "is 'None', so that servicePrincipalProfile.clientId must name a service principal";
            Err(ArmError::invalid_field("identity.type", reason))
        }
        (None, None) => Ok(Wanted::System),
        (Some(is @ ClusterIdentity::ServicePrincipal { .. }), None) => Ok(Wanted::Kept(is.clone())),
        (Some(_), None) if says_none => Err(fixed("identity.type")),
        (Some(_), Some(_)) => Err(fixed("servicePrincipalProfile.clientId")),
        (Some(is), None) => Ok(Wanted::Kept(is.clone())),
    }
}

/// The group of what belongs to a cluster.
pub fn node_resource_group(
    id: &ResourceId,
    location: &str,
    before: Option<&str>,
    given: Option<&str>,
) -> Result<String, ArmError> {
    match (before, given) {
        (Some(before), Some(given)) if !before.eq_ignore_ascii_case(given) => Err(fixed("nodeResourceGroup")),
        (Some(before), _) => Ok(before.to_owned()),
        (None, Some(given)) if id.resource_group().is_some_and(|own| own.eq_ignore_ascii_case(given)) => {
            let reason = "is the group of the cluster itself; name one that the vault may make and delete";
            Err(ArmError::invalid_field("properties.nodeResourceGroup", reason))
        }
        (None, Some(given)) if given.len() <= LONGEST_NODE_GROUP && !given.ends_with('.') => {
            let group = ResourceId::group(id.subscription_id(), given);
            group
                .map(|_| given.to_owned())
                .map_err(|error| ArmError::invalid_field("properties.nodeResourceGroup", error.to_string()))
        }
        (None, Some(_)) => {
            let reason = format!("has more than {LONGEST_NODE_GROUP} bytes, or ends in a dot");
            Err(ArmError::invalid_field("properties.nodeResourceGroup", reason))
        }
        (None, None) => {
            let group = id.resource_group().unwrap_or_default();
            let whole = format!("MC_{group}_{}_{location}", id.name());
            let cut: String = whole.chars().take(LONGEST_NODE_GROUP).collect();
            Ok(cut.trim_end_matches('.').to_owned())
        }
    }
}

fn fixed(property: &str) -> ArmError {
    let message = format!("Changing property '{property}' is not allowed. Leave it out, or as it is.");
    ArmError::new(409, "PropertyChangeNotAllowed", message).about(property)
}
