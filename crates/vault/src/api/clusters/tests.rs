//! What clusters may be, and how they are shown.

use super::{
    ClusterIdentity, ClusterRecord,
    decide::{self, Wanted},
    shown::{Contact, shown},
};
use arm::ResourceId;
use serde_json::{Value, json};

const ONE: &str =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/one";
const CLUSTER: &str =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c";

const REACHED: Contact = Contact { is_connected: true, is_reachable: true };

fn system() -> ClusterIdentity {
    ClusterIdentity::SystemAssigned { principal_id: "p".into() }
}

fn user() -> ClusterIdentity {
    let resource = ONE.to_uppercase().replace("/SUBSCRIPTIONS/S", "/subscriptions/s").parse().unwrap();
    ClusterIdentity::UserAssigned { resource, principal_id: "p".into(), client_id: "c".into() }
}

fn service_principal() -> ClusterIdentity {
    ClusterIdentity::ServicePrincipal { client_id: "old".into() }
}

fn record() -> ClusterRecord {
    ClusterRecord {
        location: "local".into(),
        tags: Default::default(),
        identity: system(),
        node_resource_group: "nodes".into(),
        connection: Some("1".into()),
        given: json!({"disableLocalAccounts": true, "apiServerAccessProfile": {"enablePrivateCluster": true}}),
        observed: Some(
            json!({"kubernetesVersion": "v1.35.4", "tokenIssuer": "https://issuer", "tokenKeys": {"keys": [1]},
            "nodes": 3, "csiDrivers": ["disk.csi.azure.com"], "snapshotClasses": 1, "distribution": "k3s"}),
        ),
        observed_at: Some("2026-01-01T00:00:00Z".parse().unwrap()),
    }
}

fn id() -> ResourceId {
    CLUSTER.parse().unwrap()
}

/// What a body makes of an identity: what comes out, or the code of the refusal and its target.
fn asked(is: Option<&ClusterIdentity>, body: &Value) -> Result<Wanted, (String, String)> {
    decide::given(body)
        .and_then(|given| decide::identity(is, given.identity.as_ref(), given.client_id.as_deref()))
        .map_err(|error| (error.code, error.target.unwrap_or_default()))
}

#[test]
fn an_identity_stays_unless_another_one_is_asked_for() {
    let none = json!({});
    let own = json!({"identity": {"type": "SystemAssigned"}});
    let of_resource = json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {ONE: {}}}});
    let principal = json!({"properties": {"servicePrincipalProfile": {"clientId": "new", "secret": "x"}}});
    let healed = json!({"identity": {"type": "SystemAssigned"},
        "properties": {"servicePrincipalProfile": {"clientId": "old"}}});
    let (system, user, old) = (system(), user(), service_principal());
    let new = Wanted::ServicePrincipal("new".into());
    let table = [
        (None, &none, Wanted::System),
        (None, &own, Wanted::System),
        (None, &of_resource, Wanted::User(ONE.parse().unwrap())),
        (None, &principal, new.clone()),
        (Some(&system), &none, Wanted::Kept(system.clone())),
        (Some(&system), &own, Wanted::Kept(system.clone())),
        (Some(&system), &of_resource, Wanted::User(ONE.parse().unwrap())),
        (Some(&user), &of_resource, Wanted::Kept(user.clone())),
        (Some(&user), &own, Wanted::System),
        (Some(&old), &none, Wanted::Kept(old.clone())),
        (Some(&old), &principal, new),
        (Some(&old), &healed, Wanted::System),
    ];

    for (is, body, wanted) in table {
        assert_eq!(asked(is, body), Ok(wanted), "{is:?} {body}");
    }
}

#[test]
fn an_identity_that_cannot_be_is_refused() {
    let vault = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v";
    let user = |ids: Value| json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": ids}});
    let principal = json!({"properties": {"servicePrincipalProfile": {"clientId": "new"}}});
    let (invalid, fixed) = ("InvalidRequestContent", "PropertyChangeNotAllowed");
    let (kind, users) = ("identity.type", "identity.userAssignedIdentities");
    let table = [
        (None, json!({"identity": {"type": "SystemAssigned,UserAssigned"}}), invalid, kind),
        (None, json!({"identity": {"type": "None"}}), invalid, kind),
        (None, json!({"identity": {}}), invalid, kind),
        (None, user(json!({})), invalid, users),
        (None, user(json!({vault: {}})), invalid, users),
        (None, user(json!({"one": {}})), invalid, users),
        (None, user(json!({ONE: {}, format!("{ONE}2"): {}})), invalid, users),
        (
            None,
            json!({"identity": {"type": "SystemAssigned", "userAssignedIdentities": {ONE: {}}}}),
            invalid,
            users,
        ),
        (Some(system()), principal, fixed, "servicePrincipalProfile.clientId"),
        (Some(system()), json!({"identity": {"type": "None"}}), fixed, kind),
    ];

    for (is, body, code, target) in table {
        assert_eq!(asked(is.as_ref(), &body), Err((code.to_owned(), target.to_owned())), "{body}");
    }
}

#[test]
fn what_is_wrong_in_the_properties_is_named() {
    let target = |properties: Value| {
        decide::given(&json!({"properties": properties})).unwrap_err().target.unwrap_or_default()
    };

    assert_eq!(target(json!({"disableLocalAccounts": "yes"})), "properties.disableLocalAccounts");
    assert_eq!(target(json!({"storageProfile": []})), "properties.storageProfile");
    assert_eq!(target(json!({"agentPoolProfiles": [1]})), "properties.agentPoolProfiles[0]");
    assert_eq!(target(json!({"addonProfiles": {"a": "x".repeat(70_000)}})), "properties");
    assert_eq!(
        target(json!({"servicePrincipalProfile": {"clientId": "a b"}})),
        "properties.servicePrincipalProfile.clientId"
    );
}

#[test]
fn no_secret_is_kept_and_unknown_properties_are_ignored() {
    let body = json!({"properties": {"windowsProfile": {"adminPassword": "x"}, "linuxProfile": {"adminUsername": "a"},
        "aadProfile": {"serverAppSecret": "x", "managed": true},
        "addonProfiles": {"a": {"config": {"accessToken": "x", "b": "c"}}}, "cofferdam": {"connected": true}}});

    let kept = decide::given(&body).unwrap().kept.unwrap();

    assert_eq!(
        Value::Object(kept),
        json!({"linuxProfile": {"adminUsername": "a"}, "aadProfile": {"managed": true},
            "addonProfiles": {"a": {"config": {"b": "c"}}}})
    );
}

#[test]
fn the_node_resource_group_has_a_name_of_its_own_and_stays() {
    let group = |before: Option<&str>, given: Option<&str>| {
        decide::node_resource_group(&id(), "local", before, given).map_err(|error| error.code)
    };
    let long = format!("{CLUSTER}{}", "x".repeat(60)).replace("/g/", &format!("/{}/", "g".repeat(80)));
    let cut = decide::node_resource_group(&long.parse().unwrap(), "local", None, None).unwrap();

    assert_eq!(group(None, None).unwrap(), "MC_g_c_local");
    assert_eq!(group(None, Some("mine")).unwrap(), "mine");
    assert_eq!(group(Some("Mine"), Some("mine")).unwrap(), "Mine");
    assert_eq!(group(Some("mine"), None).unwrap(), "mine");
    assert_eq!(group(Some("mine"), Some("other")).unwrap_err(), "PropertyChangeNotAllowed");
    for wrong in ["a/b", "a.", &"x".repeat(81), "G"] {
        assert_eq!(group(None, Some(wrong)).unwrap_err(), "InvalidRequestContent", "{wrong}");
    }
    assert_eq!(cut.len(), 80);
}

#[test]
fn a_cluster_is_shown_as_it_was_given_and_as_it_was_observed() {
    let shown = shown(&id(), &record(), "t", REACHED);

    let properties = &shown["properties"];
    assert_eq!(shown["identity"], json!({"type": "SystemAssigned", "principalId": "p", "tenantId": "t"}));
    assert_eq!(properties["disableLocalAccounts"], true);
    assert_eq!(properties["apiServerAccessProfile"]["enablePrivateCluster"], true);
    assert_eq!(
        (&properties["kubernetesVersion"], &properties["currentKubernetesVersion"]),
        (&json!("1.35.4"), &json!("1.35.4"))
    );
    assert_eq!(properties["storageProfile"]["snapshotController"]["enabled"], true);
    assert_eq!(properties["storageProfile"]["fileCSIDriver"]["enabled"], false);
    assert_eq!(properties["oidcIssuerProfile"]["issuerURL"], "https://issuer");
    assert_eq!(properties["agentPoolProfiles"][0]["count"], 3);
    assert_eq!(properties["servicePrincipalProfile"]["clientId"], "msi");
    assert_eq!(
        properties["cofferdam"],
        json!({"connected": true, "reachable": true, "connection": "1", "lastSeen": "2026-01-01T00:00:00Z",
        "distribution": "k3s"})
    );
}

#[test]
fn what_was_observed_does_not_become_given_when_a_client_writes_it_back() {
    let before = record();
    let body = json!({"properties": shown(&id(), &before, "t", REACHED)["properties"]});
    let kept = decide::given(&body).unwrap().kept;

    let written = ClusterRecord { given: decide::settings(Some(&before), kept), ..before.clone() };

    assert_eq!(written.given, before.given);
    assert_eq!(written.revision(), before.revision());
    assert_eq!(decide::settings(Some(&before), None), before.given, "what is not spoken of stays");
}

#[test]
fn reports_do_not_change_the_etag_and_an_ended_connection_takes_the_keys_with_it() {
    let mut cluster = record();
    let before = cluster.revision();
    cluster.observed_at = None;
    assert_eq!(cluster.revision(), before);

    let former = cluster.cut();

    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(former.as_deref(), Some("1"));
    assert!(cluster.reported("tokenKeys").is_none() && cluster.reported("nodes").is_some());
    assert!(!cluster.is_connected(&["1".into()], now) && record().is_connected(&[], now));
    assert_ne!(cluster.revision(), before);
}

#[test]
fn a_cluster_that_reports_and_whose_tunnel_is_cut_is_connected_and_out_of_reach() {
    let reported = "2026-01-01T00:00:00Z".parse().unwrap();
    let long_ago = "2025-12-31T23:00:00Z".parse().unwrap();
    let at = |observed| ClusterRecord { observed_at: Some(observed), ..record() };
    let held = ["1".to_owned()];

    let both = at(reported).contact(&held, reported);
    let agent_alone = at(reported).contact(&[], reported);
    let gateway_alone = at(long_ago).contact(&held, reported);
    let neither = at(long_ago).contact(&[], reported);

    assert_eq!(both, REACHED);
    assert_eq!(agent_alone, Contact { is_reachable: false, ..REACHED });
    assert_eq!(gateway_alone, REACHED);
    assert_eq!(neither, Contact { is_connected: false, is_reachable: false });
    assert_eq!(shown(&id(), &record(), "t", agent_alone)["properties"]["cofferdam"]["reachable"], false);
}
