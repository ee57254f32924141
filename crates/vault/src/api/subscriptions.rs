//! Tenants, subscriptions and locations.

use super::{At, Call, Failure, Needs, Operation, operations::row};
use crate::{reply::Reply, store::Subscription};
use http::Method;
use serde_json::{Value, json};

/// The calls.
pub const OPERATIONS: &[Operation] = &[
    row("Tenants_List", &Method::GET, "/tenants", Needs::SignIn, At::Tenant, |call| {
        Box::pin(async { tenants(call) })
    }),
    row("Subscriptions_List", &Method::GET, "/subscriptions", Needs::SignIn, At::Tenant, |call| {
        Box::pin(list(call))
    }),
    row(
        "Subscriptions_Get",
        &Method::GET,
        "/subscriptions/{subscription}",
        Needs::AnyRole,
        At::Subscription,
        |call| Box::pin(async { get(call) }),
    ),
    row(
        "Subscriptions_ListLocations",
        &Method::GET,
        "/subscriptions/{subscription}/locations",
        Needs::AnyRole,
        At::Subscription,
        |call| Box::pin(async { locations(call) }),
    ),
];

/// The only tenant.
pub fn tenants(call: &Call<'_>) -> Result<Reply, Failure> {
    let tenant = call.app.issuer.tenant();
    let one = json!({
        "id": format!("/tenants/{tenant}"),
        "tenantId": tenant,
        "displayName": "Cofferdam",
        "countryCode": null,
        "domains": [],
        "tenantCategory": "Home",
    });
    Ok(Reply::json(200, json!({"value": [one]})))
}

/// Those in which the caller has a role.
pub async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let all = call.app.store.subscriptions().await?;
    let mine =
        all.iter().filter(|one| call.assignments.iter().any(|assignment| one.id.covers(&assignment.scope)));
    let value: Vec<Value> = mine.map(|one| shown(call, one)).collect();
    Ok(Reply::json(200, json!({"value": value, "count": {"type": "Total", "value": value.len()}})))
}

/// One.
pub fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    Ok(Reply::json(200, shown(call, call.subscription()?)))
}

/// Where resources can be: this vault has one place.
pub fn locations(call: &Call<'_>) -> Result<Reply, Failure> {
    let (id, name) = (&call.subscription()?.id, &call.app.location);
    let one = json!({
        "id": format!("{id}/locations/{name}"),
        "name": name,
        "type": "Region",
        "displayName": name,
        "regionalDisplayName": name,
        "metadata": {"regionType": "Physical", "regionCategory": "Recommended"},
    });
    Ok(Reply::json(200, json!({"value": [one]})))
}

fn shown(call: &Call<'_>, one: &Subscription) -> Value {
    json!({
        "id": one.id,
        "subscriptionId": one.id.subscription_id(),
        "tenantId": call.app.issuer.tenant(),
        "displayName": one.name,
        "state": "Enabled",
        "authorizationSource": "RoleBased",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
        "managedByTenants": [],
    })
}
