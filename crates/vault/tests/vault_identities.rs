//! Managed identities of a running vault: their life, the tokens that are exchanged for theirs, and their end.

mod chain;
mod world;

use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use serde_json::{Value, json};
use telemetry::Clock;
use vault::{
    api::{
        Loaded,
        clusters::{ClusterIdentity, ClusterRecord},
        extensions::ExtensionIdentity,
        identities::{ensure_extension_identity, going_with, remove_extension_identity},
    },
    store::{AuditEntry, AuditOutcome, Change, Expected, StoreError},
    tokens::SigningKey,
};
use world::{Answer, ROLES, World};

const NAMESPACE: &str = "dataprotection-microsoft";
const SUBJECT: &str = "system:serviceaccount:dataprotection-microsoft:cofferdam-extension";
const ISSUER: &str = "https://kubernetes.default.svc";
const AUDIENCE: &str = "api://AzureADTokenExchange";
const IDENTITIES: &str = "providers/Microsoft.ManagedIdentity/userAssignedIdentities";

async fn registered(world: &World) -> String {
    let register = format!("{}/providers/Microsoft.ManagedIdentity/register", world.root());
    world.call(&world.administrator, Method::POST, &register, None).await;
    world.make_group("g").await
}

fn audit(world: &World) -> AuditEntry {
    AuditEntry {
        at: world.clock.now(),
        principal: "test".into(),
        action: "test".into(),
        scope: "/".into(),
        outcome: AuditOutcome::Changed,
        correlation: "test".into(),
    }
}

/// A cluster that signs tokens, connected as its agent would connect it.
struct Cluster {
    loaded: Loaded<ClusterRecord>,
    signs: EncodingKey,
    kid: String,
}

impl Cluster {
    async fn connected(world: &World, name: &str) -> Self {
        let pem = SigningKey::make().unwrap();
        let key = SigningKey::from_pem(pem.as_bytes(), world.clock.now()).unwrap();
        let id: arm::ResourceId =
            format!("{}/providers/Microsoft.ContainerService/managedClusters/{name}", world.group("g"))
                .parse()
                .unwrap();
        let document = ClusterRecord {
            location: "local".into(),
            tags: Default::default(),
            identity: ClusterIdentity::SystemAssigned { principal_id: "p".into() },
            node_resource_group: format!("MC_g_{name}_local"),
            connection: Some("c".into()),
            given: json!({}),
            observed: Some(json!({"tokenIssuer": ISSUER, "tokenKeys": {"keys": [key.public()]}})),
            observed_at: None,
        };
        let put = Change::Put {
            id: id.clone(),
            document: serde_json::to_value(&document).unwrap(),
            expected: Expected::Absent,
        };
        world.app.store.commit(&[put], &audit(world)).await.unwrap();
        let loaded = Loaded { id, document, version: 1 };
        Self { loaded, signs: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(), kid: key.id }
    }

    async fn install(&self, world: &World) -> ExtensionIdentity {
        let store = world.app.store.as_ref();
        let now = world.clock.now();
        let (identity, changes) =
            ensure_extension_identity(store, &self.loaded, "backup", NAMESPACE, now).await.unwrap();
        store.commit(&changes, &audit(world)).await.unwrap();
        identity
    }

    fn claims(&self, world: &World) -> Value {
        let now = world.clock.now().as_second();
        json!({"iss": ISSUER, "sub": SUBJECT, "aud": [AUDIENCE], "iat": now, "nbf": now, "exp": now + 3_600})
    }

    fn token(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, claims, &self.signs).unwrap()
    }
}

async fn exchange(world: &World, client: &str, token: &str, scope: &str) -> Answer {
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", client),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", token),
        ("scope", scope),
    ];
    world.ask_token(&format!("{}/oauth2/v2.0/token", world.tenant), &fields).await
}

#[tokio::test]
async fn an_identity_lives_its_life_and_its_principal_with_it() {
    let world = World::start().await;
    let admin = &world.administrator;
    let body = json!({"location": "local", "tags": {"a": "b"}});
    let group = world.make_group("g").await;
    let path = format!("{group}/{IDENTITIES}/My-Identity");

    let early = world.call(admin, Method::PUT, &path, Some(body.clone())).await;
    let register = format!("{}/providers/Microsoft.ManagedIdentity/register", world.root());
    world.call(admin, Method::POST, &register, None).await;
    let made = world.call(admin, Method::PUT, &path, Some(body.clone())).await;
    let again = world.call(admin, Method::PUT, &path.to_lowercase(), Some(body)).await;
    let patched = world.call(admin, Method::PATCH, &path, Some(json!({"tags": {"c": "d"}}))).await;
    let read = world.get(admin, &path).await;
    let principal = made.body["properties"]["principalId"].as_str().unwrap().to_owned();
    let mut person = admin.clone();
    person.object_id.clone_from(&principal);
    let assigned = world.assign(admin, "Reader", &person, &group).await;
    let lists = [
        world.get(admin, &format!("{}/{IDENTITIES}", world.root())).await,
        world.get(admin, &format!("{group}/{IDENTITIES}")).await,
    ];
    let gone = world.call(admin, Method::DELETE, &path, None).await;
    let twice = world.call(admin, Method::DELETE, &path, None).await;

    assert_eq!((early.status, early.code()), (409, "MissingSubscriptionRegistration"));
    assert_eq!((made.status, again.status, patched.status, read.status), (201, 200, 200, 200), "{made:?}");
    assert_eq!(made.body["id"], path.as_str());
    assert_eq!(again.body["properties"], made.body["properties"], "it stays who it is");
    assert_eq!(made.body["properties"]["tenantId"], world.tenant.as_str());
    assert_eq!(read.body["tags"], json!({"c": "d"}));
    assert_eq!(assigned.status, 201, "{assigned:?}");
    for list in &lists {
        assert_eq!(list.names(), ["My-Identity"]);
    }
    assert_eq!((gone.status, twice.status), (200, 204));
    assert!(world.app.store.principal(&principal).await.unwrap().is_none());
    assert!(world.app.store.assignments_of(&principal).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_group_takes_its_identities_principals_with_it() {
    let world = World::start().await;
    let group = registered(&world).await;
    let path = format!("{group}/{IDENTITIES}/one");
    let body = json!({"location": "local"});
    let made = world.call(&world.administrator, Method::PUT, &path, Some(body)).await;
    let principal = made.body["properties"]["principalId"].as_str().unwrap().to_owned();

    world.call(&world.administrator, Method::DELETE, &group, None).await;
    for _ in 0..100 {
        if world.app.store.principal(&principal).await.unwrap().is_none() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }

    assert!(world.app.store.principal(&principal).await.unwrap().is_none());
}

#[tokio::test]
async fn a_group_with_the_last_administrator_stays() {
    let world = World::start().await;
    let group = registered(&world).await;
    let path = format!("{group}/{IDENTITIES}/one");
    let made = world.call(&world.administrator, Method::PUT, &path, Some(json!({"location": "local"}))).await;
    let mut one = world.administrator.clone();
    made.body["properties"]["principalId"].as_str().unwrap().clone_into(&mut one.object_id);
    world.assign(&world.administrator, "Owner", &one, &world.root()).await;
    let mine = world.app.store.assignments_of(&world.administrator.object_id).await.unwrap();
    world.assign(&world.administrator, "Contributor", &world.administrator, &world.root()).await;
    let own = format!("{}{ROLES}/{}", world.root(), mine[0].name);
    assert_eq!(world.call(&world.administrator, Method::DELETE, &own, None).await.status, 200);

    let identity = world.call(&world.administrator, Method::DELETE, &path, None).await;
    let begun = world.call(&world.administrator, Method::DELETE, &group, None).await;
    let mut ended = world.get_url(&world.administrator, begun.header("location")).await;
    for _ in 0..100 {
        if ended.status != 202 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        ended = world.get_url(&world.administrator, begun.header("location")).await;
    }

    assert_eq!((identity.status, identity.code()), (400, "CannotDeleteLastRbacAdminAssignment"));
    assert_eq!((begun.status, ended.status), (202, 409));
    let read = world.get(&world.administrator, &group).await;
    assert_eq!(read.body["properties"]["provisioningState"], "Succeeded");
}

#[tokio::test]
async fn federated_credentials_live_below_their_identity() {
    let world = World::start().await;
    let admin = &world.administrator;
    let group = registered(&world).await;
    let identity = format!("{group}/{IDENTITIES}/one");
    let credential = |name: &str| format!("{identity}/federatedIdentityCredentials/{name}");
    let body = |subject: &str| json!({"properties": {"issuer": "https://issuer.example", "subject": subject, "audiences": [AUDIENCE]}});

    let orphan = world.call(admin, Method::PUT, &credential("abc"), Some(body("s"))).await;
    world.call(admin, Method::PUT, &identity, Some(json!({"location": "local"}))).await;
    let made = world.call(admin, Method::PUT, &credential("abc"), Some(body("s"))).await;
    let twin = world.call(admin, Method::PUT, &credential("def"), Some(body("s"))).await;
    let changed = world.call(admin, Method::PUT, &credential("ABC"), Some(body("t"))).await;
    for n in 1..20 {
        let one =
            world.call(admin, Method::PUT, &credential(&format!("n-{n}")), Some(body(&n.to_string()))).await;
        assert_eq!(one.status, 201, "{one:?}");
    }
    let too_many = world.call(admin, Method::PUT, &credential("last"), Some(body("last"))).await;
    let list = world.get(admin, &format!("{identity}/federatedIdentityCredentials")).await;
    let gone = world.call(admin, Method::DELETE, &credential("abc"), None).await;
    let twice = world.call(admin, Method::DELETE, &credential("abc"), None).await;

    assert_eq!((orphan.status, orphan.code()), (404, "ParentResourceNotFound"));
    assert_eq!((made.status, changed.status, gone.status, twice.status), (201, 200, 200, 204));
    assert_eq!(made.body["properties"], body("s")["properties"]);
    assert_eq!(changed.body["id"], made.body["id"], "as its creator wrote it");
    assert_eq!((twin.status, twin.code()), (409, "FederatedIdentityCredentialExists"));
    assert_eq!((too_many.status, too_many.code()), (400, "TooManyFederatedIdentityCredentials"));
    assert_eq!(list.names().len(), 20);
    assert_eq!(world.get(admin, &credential("abc")).await.code(), "ResourceNotFound");
}

#[tokio::test]
async fn the_extension_exchanges_its_token_for_one_of_its_identity() {
    let world = World::start().await;
    let group = registered(&world).await;
    let cluster = Cluster::connected(&world, "one").await;
    let identity = cluster.install(&world).await;
    let token = cluster.token(&cluster.claims(&world));
    let vault = format!("{}/.default", world.url);

    let management = exchange(&world, &identity.client_id, &token, &vault).await;
    let storage = exchange(&world, &identity.client_id, &token, "https://storage.azure.com/.default").await;
    let mut extension = world.administrator.clone();
    extension.object_id.clone_from(&identity.principal_id);
    world.assign(&world.administrator, "Reader", &extension, &group).await;
    extension.token = management.body["access_token"].as_str().unwrap_or_default().to_owned();
    let seen = world.get(&extension, &group).await;
    extension.token = storage.body["access_token"].as_str().unwrap_or_default().to_owned();
    let elsewhere = world.get(&extension, &group).await;

    assert_eq!((management.status, storage.status), (200, 200), "{management:?}");
    assert_eq!(seen.status, 200, "{seen:?}");
    assert_eq!((elsewhere.status, elsewhere.code()), (401, "InvalidAuthenticationTokenAudience"));
    let node_group = world.get(&world.administrator, &world.group("MC_g_one_local")).await;
    assert_eq!(node_group.body["managedBy"], cluster.loaded.id.as_str());
    let resource = world.get(&world.administrator, identity.resource.as_str()).await;
    assert_eq!((resource.status, resource.body["name"].as_str()), (200, Some("ext-backup-one")));
}

#[tokio::test]
async fn no_other_token_is_exchanged() {
    let world = World::start().await;
    registered(&world).await;
    let (cluster, other) = (Cluster::connected(&world, "one").await, Cluster::connected(&world, "two").await);
    let identity = cluster.install(&world).await;
    other.install(&world).await;
    let now = world.clock.now().as_second();
    let with = |name: &str, value: Value| {
        let mut claims = cluster.claims(&world);
        claims[name] = value;
        cluster.token(&claims)
    };
    let good = cluster.token(&cluster.claims(&world));
    let parts: Vec<&str> = good.split('.').collect();
    let hmac = jsonwebtoken::encode(
        &Header::new(Algorithm::HS256),
        &cluster.claims(&world),
        &EncodingKey::from_secret(b"the public key"),
    );

    let table = [
        ("none", format!("eyJhbGciOiJub25lIn0.{}.", parts[1]), 50_027),
        ("no signature", format!("{}.{}.", parts[0], parts[1]), 700_027),
        (
            "altered",
            format!("{}.{}.{}", parts[0], parts[1], parts[2].chars().rev().collect::<String>()),
            700_027,
        ),
        ("shared secret", hmac.unwrap(), 50_027),
        ("another cluster's key", other.token(&other.claims(&world)), 700_027),
        ("another issuer", with("iss", json!("https://evil.example")), 700_211),
        ("another namespace", with("sub", json!("system:serviceaccount:evil:cofferdam-extension")), 700_213),
        (
            "another account",
            with("sub", json!("system:serviceaccount:dataprotection-microsoft:default")),
            700_213,
        ),
        ("another audience", with("aud", json!(["https://kubernetes.default.svc"])), 700_212),
        ("ended", with("exp", json!(now - 61)), 700_024),
        ("not begun", with("nbf", json!(now + 61)), 700_024),
        ("no end", with("exp", json!(null)), 50_027),
        ("too long", with("x", json!("x".repeat(20_000))), 50_027),
        ("nothing", "x".to_owned(), 50_027),
    ];

    for (what, token, code) in table {
        let answer = exchange(&world, &identity.client_id, &token, &format!("{}/.default", world.url)).await;
        assert_eq!(
            (answer.status, &answer.body["error_codes"][0]),
            (401, &json!(code)),
            "{what}: {answer:?}"
        );
        assert!(answer.body.get("access_token").is_none());
    }
    let unknown =
        exchange(&world, &uuid::Uuid::new_v4().to_string(), &good, &format!("{}/.default", world.url)).await;
    assert_eq!(unknown.body["error_codes"][0], 700_016);
    // An application is no managed identity, whoever signed what for it.
    let client = &world.administrator.client_id;
    let application = exchange(&world, client, &good, &format!("{}/.default", world.url)).await;
    assert_eq!(application.body["error_codes"][0], 700_016);
}

#[tokio::test]
async fn a_disconnected_cluster_and_a_removed_extension_are_out_at_once() {
    let world = World::start().await;
    let group = registered(&world).await;
    let mut cluster = Cluster::connected(&world, "one").await;
    let identity = cluster.install(&world).await;
    let scope = format!("{}/.default", world.url);
    let token = cluster.token(&cluster.claims(&world));
    let signed_in = exchange(&world, &identity.client_id, &token, &scope).await;
    let mut extension = world.administrator.clone();
    extension.object_id.clone_from(&identity.principal_id);
    extension.token = signed_in.body["access_token"].as_str().unwrap().to_owned();
    world.assign(&world.administrator, "Reader", &extension, &group).await;
    let before = world.get(&extension, &group).await;

    cluster.loaded.document.connection = None;
    world.app.store.commit(&[cluster.loaded.write().unwrap()], &audit(&world)).await.unwrap();
    let disconnected = exchange(&world, &identity.client_id, &token, &scope).await;
    let changes =
        remove_extension_identity(world.app.store.as_ref(), &cluster.loaded, "backup").await.unwrap();
    world.app.store.commit(&changes, &audit(&world)).await.unwrap();
    let after = world.get(&extension, &group).await;
    let again = exchange(&world, &identity.client_id, &token, &scope).await;

    assert_eq!(before.status, 200);
    assert_eq!(disconnected.body["error_codes"][0], 700_211);
    assert_eq!((after.status, after.code()), (401, "InvalidAuthenticationToken"));
    assert_eq!(again.body["error_codes"][0], 700_016);
    assert!(world.app.store.assignments_of(&identity.principal_id).await.unwrap().is_empty());
    assert!(
        remove_extension_identity(world.app.store.as_ref(), &cluster.loaded, "backup")
            .await
            .unwrap()
            .is_empty()
    );
    let going = going_with(world.app.store.as_ref(), &cluster.loaded).await.unwrap().group.unwrap();
    let remove = Change::Remove(going.id, Expected::Version(going.version));
    world.app.store.commit(&[remove], &audit(&world)).await.unwrap();
    assert_eq!(world.get(&world.administrator, &world.group("MC_g_one_local")).await.status, 404);
}

#[tokio::test]
async fn what_belongs_to_an_extension_is_not_changed_by_hand() {
    let world = World::start().await;
    registered(&world).await;
    let cluster = Cluster::connected(&world, "one").await;
    let identity = cluster.install(&world).await;
    let credential = format!("{}/federatedIdentityCredentials/cofferdam-extension", identity.resource);
    let body = json!({"properties": {"issuer": "https://evil.example", "subject": "s", "audiences": ["a"]}});

    let admin = &world.administrator;
    let changed = world.call(admin, Method::PUT, &credential, Some(body)).await;
    let removed = world.call(admin, Method::DELETE, &credential, None).await;
    let gone = world.call(admin, Method::DELETE, identity.resource.as_str(), None).await;
    let again = cluster.install(&world).await;

    assert_eq!([changed.status, removed.status, gone.status], [409, 409, 409]);
    assert_eq!(again, identity, "a second install makes nothing new");
}

#[tokio::test]
async fn two_deletions_at_once_leave_one_administrator() {
    for _ in 0..5 {
        let world = World::start().await;
        world.person(Some("Owner"), &world.root()).await;
        let all = world.app.store.assignments_in(&world.root().parse().unwrap()).await.unwrap();
        let paths = all.iter().map(|one| format!("{}{ROLES}/{}", world.root(), one.name)).collect::<Vec<_>>();

        let answers = futures::future::join_all(
            paths.iter().map(|path| world.call(&world.administrator, Method::DELETE, path, None)),
        )
        .await;

        let left = world.app.store.assignments_in(&world.root().parse().unwrap()).await.unwrap();
        assert_eq!(left.len(), 1, "{answers:?}");
    }
}

#[tokio::test]
async fn the_store_itself_keeps_the_last_administrator() {
    let world = World::start().await;
    let subscription: arm::ResourceId = world.root().parse().unwrap();
    let all = world.app.store.assignments_in(&subscription).await.unwrap();
    let keep = Change::KeepAssigned(subscription, vec![identity::RoleId::new(&world.role("Owner"))]);

    let refused =
        world.app.store.commit(&[Change::Unassign(all[0].name.clone()), keep], &audit(&world)).await;

    assert!(matches!(refused, Err(StoreError::Conflict(_))));
    assert!(world.app.store.assignment(&all[0].name).await.unwrap().is_some(), "nothing of it happened");
}

#[tokio::test]
async fn guesses_from_elsewhere_lock_nobody_out() {
    use vault::accounts::{SignIn, Source};
    let world = World::start().await;
    let (client, secret) = (&world.administrator.client_id, &world.administrator.secret);
    let source = |n: u8| Source::of(Some([192, 0, 2, n].into()));
    let accounts = &world.app.accounts;
    for _ in 0..11 {
        accounts.sign_in(client, "wrong", &source(1)).await.unwrap();
    }

    let from_there = accounts.sign_in(client, secret, &source(1)).await.unwrap();
    let from_elsewhere = accounts.sign_in(client, secret, &source(2)).await.unwrap();

    assert!(matches!(from_there, SignIn::Locked(..)), "{from_there:?}");
    assert!(matches!(from_elsewhere, SignIn::Accepted(_)), "{from_elsewhere:?}");
}

#[tokio::test]
async fn a_flood_of_denied_calls_is_counted_and_nothing_of_it_is_lost() {
    let world = World::start().await;
    let nobody = world.person(None, "").await;
    let group = world.make_group("g").await;
    for _ in 0..100 {
        assert_eq!(world.get(&nobody, &group).await.status, 403);
    }

    world.clock.set(world.clock.now() + SignedDuration::from_secs(61));
    world.app.denials.flush(world.app.store.as_ref(), world.clock.now()).await.unwrap();
    let rows = world.app.store.audit(0, 1_000).await.unwrap();

    let records: Vec<Value> = rows.iter().map(|row| serde_json::from_str(&row.record).unwrap()).collect();
    let of_nobody = records.iter().filter(|record| record["principal"] == nobody.object_id.as_str());
    let counted: Vec<u64> =
        of_nobody.map(|record| record["outcome"]["DeniedAgain"]["times"].as_u64().unwrap_or(1)).collect();
    assert_eq!(counted.iter().sum::<u64>(), 100, "{counted:?}");
    assert!(counted.len() <= 32, "{}", counted.len());
    assert_eq!(chain::first_broken(&rows), None);
}

#[tokio::test]
async fn the_directory_answers_what_the_azure_cli_asks() {
    let world = World::start().await;
    let someone = world.person(None, "").await;
    let admin = &world.administrator;
    let get = async |path: &str| world.get(admin, &format!("/v1.0/{path}")).await;
    let ids =
        json!({"ids": [someone.object_id, uuid::Uuid::new_v4()], "types": ["user", "servicePrincipal"]});

    let found = world.call(admin, Method::POST, "/v1.0/directoryObjects/getByIds", Some(ids)).await;
    let filter = format!("servicePrincipalNames/any(c:c%20eq%20'{}')", someone.client_id);
    let by_name = get(&format!("servicePrincipals?$filter={filter}")).await;
    let nothing = get("servicePrincipals?$filter=servicePrincipalNames/any(c:c%20eq%20'x')").await;
    let unknown = get("servicePrincipals?$filter=startswith(displayName,'a')").await;
    let me = get("me").await;
    let elsewhere = get("groups").await;
    let anonymous = Answer::of(world.http.get(format!("{}/v1.0/me", world.url)).send().await.unwrap()).await;

    let object = &found.body["value"][0];
    assert_eq!(found.body["value"].as_array().unwrap().len(), 1, "{found:?}");
    assert_eq!(object["@odata.type"], "#microsoft.graph.servicePrincipal");
    assert_eq!((&object["id"], &object["appId"]), (&json!(someone.object_id), &json!(someone.client_id)));
    assert_eq!(by_name.body["value"][0]["id"], someone.object_id.as_str());
    assert_eq!((nothing.status, &nothing.body["value"]), (200, &json!([])));
    assert_eq!((unknown.status, unknown.code()), (400, "Request_UnsupportedQuery"));
    assert_eq!((me.status, me.code()), (404, "Request_ResourceNotFound"), "an application is nobody's me");
    assert_eq!(elsewhere.status, 404);
    assert_eq!((anonymous.status, anonymous.code()), (401, "InvalidAuthenticationToken"));
    assert!(anonymous.body["error"]["innerError"]["request-id"].is_string());
}

#[tokio::test]
async fn a_caller_learns_what_it_may_do() {
    let world = World::start().await;
    let group = world.make_group("g").await;
    let reader = world.person(Some("Reader"), &group).await;
    let path = "providers/Microsoft.Authorization/permissions";

    let here = world.get(&reader, &format!("{group}/{path}")).await;
    let above = world.get(&reader, &format!("{}/{path}", world.root())).await;
    let denials =
        world.get(&reader, &format!("{group}/providers/Microsoft.Authorization/denyAssignments")).await;

    assert_eq!(here.body["value"][0]["actions"], json!(["*/read"]));
    assert_eq!(above.body["value"], json!([]));
    assert_eq!((denials.status, &denials.body["value"]), (200, &json!([])));
}

#[tokio::test]
async fn access_to_data_is_decided_by_roles_and_ends_with_them() {
    let world = World::start().await;
    let group = world.make_group("g").await;
    let someone = world.person(Some("Storage Blob Data Reader"), &group).await;
    let blob = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs";
    let account = format!("{group}/providers/Microsoft.Storage/storageAccounts/a").parse().unwrap();
    let may = async |verb: &str| {
        let action = format!("{blob}/{verb}");
        world.app.access.data(&someone.object_id, &action, &account).await.unwrap()
            != identity::Decision::Denied
    };

    let (read, write) = (may("read").await, may("write").await);
    let roles = world.app.store.assignments_of(&someone.object_id).await.unwrap();
    world
        .call(&world.administrator, Method::DELETE, &format!("{group}{ROLES}/{}", roles[0].name), None)
        .await;
    tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;

    assert_eq!((read, write, may("read").await), (true, false, false));
}
