//! Signing in to a running vault.

mod world;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, ToSpan};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::Method;
use serde_json::Value;
use telemetry::Clock;
use world::{Answer, World};

#[tokio::test]
async fn discovery_leads_to_the_token_endpoint_under_every_name_of_the_tenant() {
    let world = World::start().await;

    for tenant in [world.tenant.as_str(), "organizations", "common"] {
        let page = format!("{}/{tenant}/v2.0/.well-known/openid-configuration", world.url);
        let document = Answer::of(world.http.get(page).send().await.unwrap()).await;
        let expected = format!("{}/{}/oauth2/v2.0/token", world.url, world.tenant);
        assert_eq!(document.body["token_endpoint"], expected.as_str(), "{document:?}");
    }
    let unknown =
        format!("{}/11111111-1111-4111-8111-111111111111/v2.0/.well-known/openid-configuration", world.url);
    assert_eq!(
        Answer::of(world.http.get(unknown).send().await.unwrap()).await.body["error"],
        "invalid_tenant"
    );
}

#[tokio::test]
async fn a_token_of_either_endpoint_opens_the_management_api() {
    let world = World::start().await;
    let (client, secret) = (world.administrator.client_id.clone(), world.administrator.secret.clone());
    let v1 = [
        ("grant_type", "client_credentials"),
        ("client_id", &client),
        ("client_secret", &secret),
        ("resource", &world.url),
    ];

    for path in [format!("{}/oauth2/token", world.tenant), "adfs/oauth2/token".to_owned()] {
        let answer = world.ask_token(&path, &v1).await;
        assert_eq!((answer.status, answer.body["expires_in"].as_str()), (200, Some("3599")), "{answer:?}");
        let mut person = world.administrator.clone();
        person.token = answer.body["access_token"].as_str().unwrap().to_owned();
        assert_eq!(world.get(&person, "/subscriptions").await.status, 200);
    }
}

#[tokio::test]
async fn a_wrong_secret_is_refused_as_clients_expect() {
    let world = World::start().await;
    let scope = format!("{}/.default", world.url);

    let wrong = world.ask_with(&world.administrator.client_id, "wrong", &scope).await;
    let unknown = world.ask_with("22222222-2222-4222-8222-222222222222", "wrong", &scope).await;

    assert_eq!((wrong.status, &wrong.body["error_codes"][0]), (401, &7_000_215.into()));
    assert_eq!((unknown.status, &unknown.body["error_codes"][0]), (400, &700_016.into()));
}

#[tokio::test]
async fn repeated_failures_lock_a_client_out_for_a_while_even_across_a_restart() {
    let world = World::start().await;
    let scope = format!("{}/.default", world.url);
    let (client, secret) = (world.administrator.client_id.clone(), world.administrator.secret.clone());
    for _ in 0..10 {
        assert_eq!(world.ask_with(&client, "wrong", &scope).await.body["error_codes"][0], 7_000_215);
    }

    let locked = world.ask_with(&client, &secret, &scope).await;
    let world = world.restart().await;
    let scope = format!("{}/.default", world.url);
    let still = world.ask_with(&client, &secret, &scope).await;
    world.clock.set(world.clock.now() + SignedDuration::from_secs(61));
    let open = world.ask_with(&client, &secret, &scope).await;

    assert_eq!((locked.status, &locked.body["error_codes"][0]), (401, &50_053.into()));
    assert_eq!(still.body["error_codes"][0], 50_053);
    assert_eq!(open.status, 200, "{open:?}");
}

#[tokio::test]
async fn a_token_survives_a_restart_and_ends_after_its_hour() {
    let world = World::start().await;
    let administrator = world.administrator.clone();
    let before = world.url.clone();

    let mut world = world.restart().await;
    // The port is another one, and with it the public name: the old token names another issuer.
    let other = world.get(&administrator, "/subscriptions").await;
    world.administrator.token = world.sign_in(&world.administrator).await;
    let fresh = world.get(&world.administrator, "/subscriptions").await;
    world.clock.set(world.clock.now() + SignedDuration::from_secs(3_700));
    let late = world.get(&world.administrator, "/subscriptions").await;

    assert_ne!(before, world.url);
    assert_eq!((other.status, other.code()), (401, "InvalidAuthenticationTokenTenant"));
    assert_eq!(fresh.status, 200);
    assert_eq!((late.status, late.code()), (401, "ExpiredAuthenticationToken"));
    assert!(late.header("www-authenticate").starts_with("Bearer "));
}

#[tokio::test]
async fn keys_rotate_and_tokens_of_the_key_before_still_count() {
    let world = World::start().await;
    let keys = format!("{}/{}/discovery/v2.0/keys", world.url, world.tenant);
    let count = async || {
        let answer = Answer::of(world.http.get(&keys).send().await.unwrap()).await;
        answer.body["keys"].as_array().unwrap().len()
    };
    let month = world.clock.now() + 720.hours() - 10.minutes();
    world.clock.set(month);
    let token = world.sign_in(&world.administrator).await;
    let before = count().await;

    world.clock.set(month + 11.minutes());
    world.app.issuer.rotate().await.unwrap();
    let mut person = world.administrator.clone();
    person.token = token;
    let with_the_old_key = world.get(&person, "/subscriptions").await;
    let during = count().await;
    world.clock.set(month + 72.hours());
    world.app.issuer.rotate().await.unwrap();

    assert_eq!(with_the_old_key.status, 200);
    assert_eq!((before, during, count().await), (1, 2, 1));
}

#[tokio::test]
async fn forged_tokens_and_those_for_something_else_are_refused() {
    let world = World::start().await;
    let good = world.administrator.token.clone();
    let parts: Vec<&str> = good.split('.').collect();
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", parts[1]);
    let altered = format!("{}.{}x.{}", parts[0], parts[1], parts[2]);
    let storage = world
        .ask_with(
            &world.administrator.client_id,
            &world.administrator.secret,
            "https://storage.azure.com/.default",
        )
        .await;
    let storage = storage.body["access_token"].as_str().unwrap();
    // A token that another vault signed for the same names.
    let stranger = World::start().await;
    // The public key of the vault, taken for a secret that is shared.
    let keys = format!("{}/{}/discovery/v2.0/keys", world.url, world.tenant);
    let key = Answer::of(world.http.get(keys).send().await.unwrap()).await.body["keys"][0].clone();
    let header = Header { kid: key["kid"].as_str().map(str::to_owned), ..Header::new(Algorithm::HS256) };
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    let confused = |secret: &[u8]| encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap();
    let modulus = key["n"].as_str().unwrap();
    let (as_text, as_bytes) =
        (confused(modulus.as_bytes()), confused(&URL_SAFE_NO_PAD.decode(modulus).unwrap()));

    let table = [
        (none.as_str(), "InvalidAuthenticationToken"),
        (&altered, "InvalidAuthenticationToken"),
        (&as_text, "InvalidAuthenticationToken"),
        (&as_bytes, "InvalidAuthenticationToken"),
        ("x", "InvalidAuthenticationToken"),
        ("", "InvalidAuthenticationToken"),
        (&stranger.administrator.token, "InvalidAuthenticationToken"),
        (storage, "InvalidAuthenticationTokenAudience"),
    ];

    for (token, code) in table {
        let mut person = world.administrator.clone();
        person.token = token.to_owned();
        let answer = world.get(&person, "/subscriptions").await;
        assert_eq!((answer.status, answer.code()), (401, code), "{token}");
        assert!(answer.header("www-authenticate").contains("authorization_uri="), "{answer:?}");
    }
    let none = world.http.request(Method::GET, format!("{}/subscriptions", world.url)).send().await.unwrap();
    assert_eq!(Answer::of(none).await.code(), "AuthenticationFailed");
}

#[tokio::test]
async fn a_secret_is_nowhere_in_the_data_directory() {
    let world = World::start().await;
    let secret = world.administrator.secret.clone();

    let folder = world.ca.parent().unwrap().parent().unwrap().to_path_buf();
    let mut files = vec![folder];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        let key = bytes.windows(11).any(|part| part == b"PRIVATE KEY")
            && path.extension().is_none_or(|e| e != "key");
        assert!(!found && !key, "{}", path.display());
    }
}
