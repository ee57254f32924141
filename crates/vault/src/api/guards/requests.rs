//! The request objects of a guard. Each type has one, `default`; it stands for the consent to one kind of operation and
//! is what roles are assigned on.

use super::{GuardRecord, KIND};
use crate::{
    api::{At, Call, Failure, Needs, Operation, operations::row, resource::load},
    reply::Reply,
};
use arm::{ArmError, ResourceId};
use http::Method;
use serde_json::{Value, json};

/// Path and right of a type of requests.
pub struct Requests {
    list: &'static str,
    get: &'static str,
    needs: Needs,
}

macro_rules! requests {
    ($($(#[$about:meta])* $name:ident = $word:literal;)*) => {$(
        $(#[$about])*
        pub const $name: Requests = Requests {
            list: concat!("/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/resourceGuards/{guard}/", $word),
            get: concat!("/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/resourceGuards/{guard}/", $word, "/{request}"),
            needs: Needs::Action(concat!("Microsoft.DataProtection/resourceGuards/", $word, "/read")),
        };
    )*};
}

requests! {
    /// Of Recovery Services vaults.
    DELETE_PROTECTED_ITEM = "deleteProtectedItemRequests";
    /// The mapping to the guard goes.
    DELETE_PROXY = "deleteResourceGuardProxyRequests";
    /// Soft delete ends or becomes shorter.
    DISABLE_SOFT_DELETE = "disableSoftDeleteRequests";
    /// Of Recovery Services vaults.
    SECURITY_PIN = "getBackupSecurityPINRequests";
    /// An instance gets a policy with shorter retention.
    UPDATE_PROTECTED_ITEM = "updateProtectedItemRequests";
    /// A policy's retention becomes shorter.
    UPDATE_PROTECTION_POLICY = "updateProtectionPolicyRequests";
}

/// Any other type that this vault asks for.
pub const ANY: Requests = Requests {
    list: "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/resourceGuards/{guard}/{requests}",
    get: "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/resourceGuards/{guard}/{requests}/{request}",
    needs: super::READ,
};

/// The row of a list.
pub const fn lists(name: &'static str, of: Requests) -> Operation {
    row(name, &Method::GET, of.list, of.needs, At::Above, |call| Box::pin(list(call)))
}

/// The row of one object.
pub const fn gets(name: &'static str, of: Requests) -> Operation {
    row(name, &Method::GET, of.get, of.needs, At::Path, |call| Box::pin(get(call)))
}

async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let (guard, kind) = asked(call).await?;
    Ok(Reply::json(200, json!({"value": [shown(&guard, &kind)]})))
}

async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    let (guard, kind) = asked(call).await?;
    let name = call.params.get("request");
    if name.eq_ignore_ascii_case("default") {
        return Ok(Reply::json(200, shown(&guard, &kind)));
    }
    let message = format!("There is no request '{name}' of type '{kind}'; each type has one, 'default'.");
    Err(ArmError::new(404, "ResourceNotFound", message).into())
}

/// The guard, and the type as it is known.
async fn asked(call: &Call<'_>) -> Result<(ResourceId, String), Failure> {
    let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
    let group =
        ResourceId::group(call.params.get("subscription"), call.params.get("group")).map_err(wrong)?;
    let id = group.with(KIND, call.params.get("guard")).map_err(wrong)?;
    let guard =
        load::<GuardRecord>(call.app.store.as_ref(), &id).await?.ok_or_else(|| ArmError::not_found(&id))?;
    // The tenth part of the path is the type.
    let given = call.address.parts().get(8).map(String::as_str).unwrap_or_default();
    let own = super::Critical::all().map(super::Critical::requests);
    let known = own.chain(["deleteProtectedItemRequests", "getBackupSecurityPINRequests"]);
    let found = known.into_iter().find(|known| known.eq_ignore_ascii_case(given));
    let kind = found.ok_or_else(|| {
        let message =
            format!("Resource Guards have no requests of type '{given}'. Read the guard for those it has.");
        ArmError::new(404, "InvalidResourceType", message)
    })?;
    Ok((guard.id, kind.to_owned()))
}

fn shown(guard: &ResourceId, kind: &str) -> Value {
    json!({"id": format!("{guard}/{kind}/default"), "name": "default", "type": format!("{KIND}/{kind}")})
}
