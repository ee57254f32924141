//! Roles of a running vault: listed, assigned, inherited and enforced.

mod world;

use blobs::DataAction;
use identity::Action;
use reqwest::Method;
use serde_json::json;
use vault::api::{At, operations, permitted};
use world::{ROLES, World, stored::StoredWorld};

const DEFINITIONS: &str = "/providers/Microsoft.Authorization/roleDefinitions";

#[tokio::test]
async fn a_role_is_looked_up_by_name_and_by_id() {
    let world = World::start().await;
    let admin = &world.administrator;

    let by_name =
        world.get(admin, &format!("{}{DEFINITIONS}?$filter=roleName%20eq%20'Reader'", world.root())).await;
    let id = by_name.body["value"][0]["id"].as_str().unwrap().to_owned();
    let by_id = world.get(admin, &id).await;
    let all = world.get(admin, &format!("{}{DEFINITIONS}", world.root())).await;
    let at_tenant = world.get(admin, &format!("{DEFINITIONS}/{}", world.role("Reader"))).await;

    assert_eq!(by_name.body["value"].as_array().unwrap().len(), 1);
    assert_eq!(by_id.body["properties"]["roleName"], "Reader");
    assert_eq!(by_id.body["properties"]["permissions"][0]["actions"], json!(["*/read"]));
    assert_eq!(all.body["value"].as_array().unwrap().len(), world.app.roles.len());
    assert_eq!(at_tenant.body["properties"]["roleName"], "Reader");
    let none = world.get(admin, &format!("{}{DEFINITIONS}/{}", world.root(), world.subscription)).await;
    assert_eq!((none.status, none.code()), (404, "RoleDefinitionDoesNotExist"));
}

#[tokio::test]
async fn a_role_holds_below_its_scope_and_ends_when_it_is_taken_away() {
    let world = World::start().await;
    let (group, beside) = (world.make_group("g").await, world.make_group("g2").await);
    let someone = world.person(None, "").await;

    let before = world.get(&someone, &group).await;
    let assigned = world.assign(&world.administrator, "Contributor", &someone, &group).await;
    let during = world.get(&someone, &group).await;
    let outside = world.get(&someone, &beside).await;
    let grab = world.assign(&someone, "Owner", &someone, &group).await;
    let id = assigned.body["id"].as_str().unwrap().to_owned();
    let taken = world.call(&world.administrator, Method::DELETE, &id, None).await;
    let again = world.call(&world.administrator, Method::DELETE, &id, None).await;
    let after = world.get(&someone, &group).await;

    assert_eq!((during.status, taken.status, again.status), (200, 200, 204));
    for denied in [&before, &outside, &grab, &after] {
        assert_eq!((denied.status, denied.code()), (403, "AuthorizationFailed"), "{denied:?}");
        let message = denied.body["error"]["message"].as_str().unwrap();
        assert!(message.contains(&someone.object_id) && message.contains("Microsoft."), "{message}");
    }
}

#[tokio::test]
async fn an_assignment_is_made_once() {
    let world = World::start().await;
    let admin = &world.administrator;
    let group = world.make_group("g").await;
    let someone = world.person(None, "").await;
    let body = world.assignment("Reader", &someone);
    let path = format!("{group}{ROLES}/{}", uuid::Uuid::new_v4());

    let made = world.call(admin, Method::PUT, &path, Some(body.clone())).await;
    let same = world.call(admin, Method::PUT, &path, Some(body.clone())).await;
    let changed = world.call(admin, Method::PUT, &path, Some(world.assignment("Owner", &someone))).await;
    let twin = world
        .assign(admin, "Reader", &someone, &group.to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions"))
        .await;
    let read = world.get(admin, &path).await;

    assert_eq!((made.status, same.status, read.status), (201, 200, 200));
    assert_eq!((changed.status, changed.code()), (409, "RoleAssignmentUpdateNotPermitted"));
    assert_eq!((twin.status, twin.code()), (409, "RoleAssignmentExists"));
    let wanted = body["properties"]["roleDefinitionId"].as_str().unwrap();
    assert_eq!(read.body["properties"]["roleDefinitionId"], wanted, "letter by letter");
    assert_eq!(read.body["properties"]["scope"], group.as_str());
    assert_eq!(read.body["properties"]["createdBy"], admin.object_id.as_str());
}

#[tokio::test]
async fn what_does_not_exist_cannot_be_assigned() {
    let world = World::start().await;
    let admin = &world.administrator;
    let someone = world.person(None, "").await;
    let nobody = world::Person { object_id: uuid::Uuid::new_v4().to_string(), ..someone.clone() };
    let vault = format!("{}/providers/Microsoft.DataProtection/backupVaults/v", world.make_group("g").await);

    let codes = [
        world.assign(admin, "Reader", &nobody, &world.root()).await,
        world.assign(admin, "Reader", &someone, &world.group("absent")).await,
        world.assign(admin, "Reader", &someone, &vault).await,
        world.assign(admin, "Reader", &someone, "/subscriptions/11111111-1111-4111-8111-111111111111").await,
    ]
    .map(|answer| answer.code().to_owned());

    assert_eq!(
        codes,
        ["PrincipalNotFound", "ResourceGroupNotFound", "ResourceNotFound", "SubscriptionNotFound"]
    );
}

#[tokio::test]
async fn lists_show_what_their_filter_says() {
    let world = World::start().await;
    let admin = &world.administrator;
    let group = world.make_group("g").await;
    let someone = world.person(Some("Reader"), &group).await;
    let principals = |answer: world::Answer| -> Vec<String> {
        let all = answer.body["value"].as_array().unwrap().clone();
        all.iter().map(|one| one["properties"]["principalId"].as_str().unwrap().to_owned()).collect()
    };
    let list = async |scope: &str, filter: &str| {
        let answer = world.get(admin, &format!("{scope}{ROLES}?$filter={filter}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        principals(answer)
    };

    let (owner, reader) = (admin.object_id.as_str(), someone.object_id.as_str());
    assert_eq!(list(&world.root(), "").await, [owner, reader]);
    assert_eq!(list(&world.root(), "atScope()").await, [owner]);
    assert_eq!(list(&group, "atScope%28%29").await, [owner, reader]);
    assert_eq!(list(&world.root(), &format!("principalId%20eq%20'{}'", someone.object_id)).await, [reader]);
    assert_eq!(list(&group, &format!("assignedTo('{}')", someone.object_id)).await, [reader]);
}

#[tokio::test]
async fn the_last_administrator_of_a_subscription_stays() {
    let world = World::start().await;
    let admin = &world.administrator;
    let own = world.get(admin, &format!("{}{ROLES}", world.root())).await;
    let id = own.body["value"][0]["id"].as_str().unwrap().to_owned();

    let refused = world.call(admin, Method::DELETE, &id, None).await;
    world.person(Some("User Access Administrator"), &world.root()).await;
    let allowed = world.call(admin, Method::DELETE, &id, None).await;

    assert_eq!((refused.status, refused.code()), (400, "CannotDeleteLastRbacAdminAssignment"));
    assert_eq!(allowed.status, 200);
}

/// Every operation × every built-in role, as the server answers. What each role should be allowed stands in the test of
/// `api::authorize`; here the server must ask it, for every operation.
#[tokio::test]
async fn the_server_denies_exactly_what_the_role_does_not_grant() {
    let world = World::start().await;
    let roles = world.app.roles.clone();
    let mut wrong = Vec::new();

    for role in roles.iter().map(|role| role.name.as_str()) {
        let someone = world.person(Some(role), &world.root()).await;
        let stored = world.app.store.assignments_of(&someone.object_id).await.unwrap();
        let assignments: Vec<_> = stored.into_iter().map(|record| record.assignment).collect();
        for operation in operations() {
            let path = operation
                .path
                .replace("{subscription}", &world.subscription)
                .replace("/{scope}", &world.root())
                .replace("{namespace}", "Microsoft.DataProtection")
                .replace("{name}", "3f3f3f3f-3f3f-4f3f-8f3f-3f3f3f3f3f3f")
                .replace("{group}", "absent")
                .replace("{operation}", "none")
                .replace(['{', '}'], "");
            let scope = match operation.at {
                At::Tenant => None,
                _ => Some(world.root().parse().unwrap()),
            };
            let who = &someone.object_id;
            let may = permitted(
                operation.needs,
                "Microsoft.DataProtection",
                scope.as_ref(),
                who,
                &assignments,
                &roles,
            );
            let answer = world.call(&someone, operation.method.clone(), &path, Some(json!({}))).await;
            if (answer.status != 403) != may || answer.status >= 500 {
                wrong.push(format!("{role}: {} {path}: {}", operation.method, answer.status));
            }
        }
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What is done with stored data: the actions of which one is enough, and the request.
const WITH_DATA: [(&[DataAction], &str, &str); 10] = [
    (&[DataAction::ContainerRead], "GET", "?comp=list"),
    (&[DataAction::ContainerRead], "GET", "backups?restype=container"),
    (&[DataAction::ContainerWrite], "PUT", "NEW?restype=container"),
    (&[DataAction::ContainerDelete], "DELETE", "NEW?restype=container"),
    (&[DataAction::BlobWrite], "PUT", "backups/NEW"),
    (&[DataAction::BlobWrite, DataAction::BlobAdd], "PUT", "backups/NEW?comp=block&blockid=YQ%3D%3D"),
    (&[DataAction::BlobRead], "GET", "backups/NEW"),
    (&[DataAction::BlobRead], "GET", "backups?restype=container&comp=list"),
    (&[DataAction::BlobDelete], "DELETE", "backups/NEW"),
    (
        &[DataAction::AccountInfo, DataAction::ContainerRead, DataAction::BlobRead],
        "GET",
        "?restype=account&comp=properties",
    ),
];

/// The same for stored data. What each role should be allowed stands in the test of `data_plane::rights`.
#[tokio::test]
async fn the_data_plane_denies_exactly_what_the_role_does_not_grant() {
    let stored = StoredWorld::start().await;
    let roles = stored.world.app.roles.clone();
    let mut wrong = Vec::new();

    for (number, role) in roles.iter().enumerate() {
        let someone = stored.identity(&stored.account).await;
        stored.assign(&role.name, &someone, &stored.world.root()).await;
        let token = stored.token(&someone);
        for (any_of, method, path) in WITH_DATA {
            let may = any_of.iter().any(|action| {
                let name = action.as_str();
                role.grants(&if action.is_data() { Action::data(name) } else { Action::control(name) })
            });
            let path = path.replace("NEW", &format!("new-{number}"));
            let body = if method == "PUT" { "x" } else { "" };
            let (status, code) = stored.data(method.parse().unwrap(), &path, &token, body).await;
            let is_denied = status == 403 && code == "AuthorizationPermissionMismatch";
            if is_denied == may || (is_denied != (status == 403)) || status >= 500 {
                wrong.push(format!("{}: {method} {path}: {status} {code}", role.name));
            }
        }
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
}
