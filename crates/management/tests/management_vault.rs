//! The client against a vault that really runs.

use management::{
    Client, Cloud, Error, Folder, Profile, Request, Subscription, Tokens, Transport,
    sign_in::{Endpoints, Method, Secret},
    versions,
};
use serde_json::json;
use std::sync::Arc;
use telemetry::{Clock, FixedClock, SystemClock};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use vault::server::{Config, Vault};

/// A vault on a port of its own, and someone who is signed in to it.
struct World {
    url: String,
    authorities: String,
    transport: Transport,
    folder: Folder,
    profile: Profile,
    clock: Arc<FixedClock>,
    stop: CancellationToken,
    _data: TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl World {
    async fn start() -> Self {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let data = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::at(SystemClock.now()));
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = Config { listen, ..Config::at(data.path().join("vault")) };
        let mut vault = Vault::open(config, clock.clone()).await.unwrap();
        let first = vault.take_first().unwrap();
        let url = vault.public().origin().to_owned();
        let authorities = std::fs::read_to_string(vault.ca()).unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(vault.serve(stop.clone()));
        let transport = Transport::new(Some(&authorities)).unwrap();
        let cloud = Cloud::discover(&transport, &url).await.unwrap();
        let endpoints = Endpoints::discover(&transport, &cloud, &first.tenant).await.unwrap();
        let profile = Profile {
            cloud,
            endpoints,
            tenant: first.tenant.clone(),
            authorities: Some(authorities.clone()),
            method: Method::ServicePrincipal {
                client_id: first.client_id.clone(),
                secret: Secret::new(first.secret.as_str()),
            },
            subscriptions: vec![Subscription {
                id: first.subscription.clone(),
                name: "s".into(),
                state: "Enabled".into(),
            }],
            subscription: Some(first.subscription.clone()),
        };
        let folder = Folder::at(data.path().join("config"));
        folder.keep(&profile).unwrap();
        Self { url, authorities, transport, folder, profile, clock, stop, _data: data }
    }

    fn client(&self) -> Client {
        let tokens = Tokens::of(self.folder.clone(), self.folder.profile().unwrap());
        Client::new(&self.url, self.transport.clone(), tokens, self.clock.clone()).unwrap()
    }

    fn groups(&self) -> String {
        format!("/subscriptions/{}/resourcegroups", self.profile.subscription.as_deref().unwrap())
    }
}

#[tokio::test]
async fn a_group_is_made_found_listed_and_deleted() {
    let world = World::start().await;
    let (client, path) = (world.client(), format!("{}/demo", world.groups()));

    let put = Request::put(&path, versions::RESOURCES, json!({"location": "local"}));
    let made = client.run(&put, |_| ()).await.unwrap();
    let listed = client.list(&Request::get(world.groups(), versions::RESOURCES)).await.unwrap();
    client.run(&Request::delete(&path, versions::RESOURCES), |_| ()).await.unwrap();

    assert_eq!((made["name"].as_str(), listed.len()), (Some("demo"), 1));
    assert_eq!(client.find(&path, versions::RESOURCES).await.unwrap(), None);
}

#[tokio::test]
async fn a_token_is_kept_between_commands_and_replaced_before_it_ends() {
    let world = World::start().await;

    world.client().get(&world.groups(), versions::RESOURCES).await.unwrap();
    let first = world.folder.token().unwrap();
    world.client().get(&world.groups(), versions::RESOURCES).await.unwrap();
    let second = world.folder.token().unwrap();
    let almost = first.expires - jiff::SignedDuration::from_secs(60);
    world.clock.set(almost);
    world.client().get(&world.groups(), versions::RESOURCES).await.unwrap();
    let third = world.folder.token().unwrap();

    assert_eq!(first, second);
    assert!(third.expires > second.expires);
}

#[tokio::test]
async fn a_token_that_the_server_does_not_take_is_replaced_once() {
    let world = World::start().await;
    let mut forged = {
        world.client().get(&world.groups(), versions::RESOURCES).await.unwrap();
        world.folder.token().unwrap()
    };
    forged.secret = Secret::new("forged");
    world.folder.keep_token(&forged).unwrap();

    world.client().get(&world.groups(), versions::RESOURCES).await.unwrap();

    assert_ne!(world.folder.token().unwrap().secret, Secret::new("forged"));
    let given = Tokens::Given(Secret::new("forged"));
    let client = Client::new(&world.url, world.transport.clone(), given, world.clock.clone()).unwrap();
    let refused = client.get(&world.groups(), versions::RESOURCES).await.unwrap_err();
    assert_eq!(refused.service().map(|error| error.status), Some(401));
}

#[tokio::test]
async fn refusals_carry_the_code_and_the_correlation_of_the_server() {
    let world = World::start().await;

    let missing = world.client().get(&format!("{}/none", world.groups()), versions::RESOURCES).await;
    let error = missing.unwrap_err();

    let service = error.service().unwrap();
    assert_eq!((service.status, service.code.as_str()), (404, "ResourceGroupNotFound"));
    assert!(service.correlation.is_some() && error.is_not_found());
}

#[tokio::test]
async fn a_wrong_secret_is_told_and_a_wrong_tenant_too() {
    let world = World::start().await;
    let mut profile = world.profile.clone();
    if let Method::ServicePrincipal { secret, .. } = &mut profile.method {
        *secret = Secret::new("wrong");
    }
    world.folder.keep(&profile).unwrap();

    let wrong = world.client().get(&world.groups(), versions::RESOURCES).await.unwrap_err();
    let tenant = Endpoints::discover(&world.transport, &profile.cloud, "nobody").await.unwrap_err();

    assert!(matches!(&wrong, Error::SignIn { code, .. } if code == "invalid_client"), "{wrong}");
    assert!(tenant.to_string().contains("no tenant nobody"), "{tenant}");
    assert!(Transport::new(Some(&world.authorities)).is_ok());
}
