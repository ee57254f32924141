//! An extension behind an egress proxy: grants, tokens and stored data go through it, its authority counts for it alone,
//! and what fails at the proxy is told as that. Processes of their own, since the proxy is one of the environment.

mod world;

use bytes::Bytes;
use extension::grants::{GrantPurpose, Vault, VaultSettings};
use resources::Backup;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use storage::{RetryPolicy, StorePath, Trust, location::LocationSettings};
use telemetry::SystemClock;
use world::{FakeVault, World, proxy::FakeProxy};

/// The test that a process of its own runs.
const CHILD: &str = "an_extension_asks_and_writes_as_its_environment_says";

/// What the environment of a process says about its way out.
#[derive(Default)]
struct Way<'a> {
    https: String,
    except: &'a str,
    authorities: Option<&'a str>,
}

impl World {
    /// What an extension says that asks for a grant, and then writes and reads a file.
    async fn extension_says(&self, url: &str, way: &Way<'_>) -> String {
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
        child.envs(self.environment(url)).env("HTTPS_PROXY", &way.https).env("NO_PROXY", way.except);
        if let Some(pem) = way.authorities {
            std::fs::write(self.file("proxy.crt"), pem).unwrap();
            child.env("COFFERDAM_PROXY_CA", self.file("proxy.crt"));
        }
        let done = child.args(["--exact", CHILD, "--nocapture"]).output().await.unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{said}");
        said
    }

    /// An address of the vault that nobody but the proxy knows.
    fn hidden(&self) -> String {
        format!("https://vault.invalid:{}", self.vault.port())
    }
}

#[tokio::test]
async fn an_extension_asks_and_writes_as_its_environment_says() {
    let Some(settings) = VaultSettings::from_env(|name| std::env::var(name).ok()).unwrap() else { return };
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let pause = Duration::from_millis(5);
    let once = RetryPolicy { attempts: 1, first_pause: pause, longest_pause: pause };
    let vault = Vault::new(settings, Arc::new(SystemClock)).with_retry(once);

    let granted = vault.grant(&GrantPurpose::job::<Backup>("job-1"), "default").await;

    match granted {
        Ok(_) => println!("granted; {}", stored(&vault).await),
        Err(error) => println!("refused: {error}; next: {:?}", error.problem().recommended_action),
    }
}

/// Writes and reads a file in the container of the vault, with the identity's token.
async fn stored(vault: &Vault) -> String {
    let uri = format!("{}/acct", vault.url());
    let settings = [
        ("provider", "azure"),
        ("bucket", "backups"),
        ("config.storageAccount", "acct"),
        ("config.storageAccountURI", uri.as_str()),
        ("config.useAAD", "true"),
    ];
    let settings: BTreeMap<String, String> = settings
        .into_iter()
        .map(|(key, value)| (format!("configuration.backupStorageLocation.{key}"), value.to_owned()))
        .collect();
    let settings = LocationSettings::from_settings(&settings).unwrap();
    let trust = Trust::Only(vault.authorities().await.unwrap());
    let identity = Arc::new(vault.identity(&trust).await.unwrap());
    let location = settings.open_trusting(&trust, identity, Arc::new(SystemClock)).await.unwrap();
    let path = StorePath::parse("file").unwrap();
    location.root.replace(&path, Bytes::from_static(b"content")).await.unwrap();
    let read = location.root.read(&path).await.unwrap();
    location.root.delete(&path).await.unwrap();
    format!("stored {}", String::from_utf8_lossy(&read))
}

#[tokio::test]
async fn grants_tokens_and_data_go_through_the_proxy_unless_the_vault_is_excepted() {
    let world = World::start().await;
    world.vault.role_to_write(true);
    let proxy = FakeProxy::start(world.vault.port()).await;
    let way = |except| Way { https: proxy.url(""), except, authorities: None };

    let through = world.extension_says(&world.hidden(), &way("")).await;
    let tunnels = proxy.tunnels();
    let directly = world.extension_says(&world.vault.url(), &way("localhost")).await;

    assert!(through.contains("granted; stored content"), "{through}");
    assert!(directly.contains("granted; stored content"), "{directly}");
    assert!(tunnels >= 3, "{tunnels} tunnels for a token, a grant and data");
    assert_eq!(proxy.tunnels(), tunnels);
    assert_eq!(world.vault.asked().len(), 2);
}

#[tokio::test]
async fn a_proxy_over_tls_with_a_private_authority_and_a_password_carries_everything() {
    let world = World::start().await;
    world.vault.role_to_write(true);
    let proxy = FakeProxy::secure(world.vault.port(), "me:s3cr3t").await;
    let way = Way { https: proxy.url("me:s3cr3t@"), authorities: Some(proxy.authority()), ..Way::default() };

    let said = world.extension_says(&world.hidden(), &way).await;

    assert!(said.contains("granted; stored content"), "{said}");
    assert!(proxy.tunnels() >= 3, "{} tunnels", proxy.tunnels());
}

#[tokio::test]
async fn what_fails_at_the_proxy_names_it_and_what_to_do_and_never_its_password() {
    let world = World::start().await;
    let proxy = FakeProxy::secure(world.vault.port(), "me:s3cr3t").await;
    let ours = Some(proxy.authority());
    let nobody = Way { https: "http://me:s3cr3t@127.0.0.1:1".to_owned(), ..Way::default() };
    let unknown = Way { https: proxy.url("me:wr0ng@"), authorities: ours, ..Way::default() };
    let untrusted = Way { https: proxy.url("me:s3cr3t@"), ..Way::default() };
    let named = proxy.url("");

    let table = [
        (&nobody, "http://127.0.0.1:1", "that it runs"),
        (&unknown, named.as_str(), "--https-proxy-file"),
        (&untrusted, named.as_str(), "--proxy-ca"),
    ];

    for (way, proxy, next) in table {
        let said = world.extension_says(&world.hidden(), way).await;
        assert!(said.contains("refused: ") && said.contains(proxy) && said.contains(next), "{next}: {said}");
        assert!(!said.contains("s3cr3t") && !said.contains("wr0ng"), "{said}");
    }
    assert!(world.vault.asked().is_empty());
}

#[tokio::test]
async fn a_proxy_that_looks_into_what_passes_is_not_taken_for_the_vault_though_its_authority_is_trusted() {
    let world = World::start().await;
    let pretender = FakeVault::start(world.clock.clone()).await;
    let proxy = FakeProxy::secure(pretender.port(), "me:s3cr3t").await;
    let both = format!("{}\n{}", proxy.authority(), pretender.authority());
    let way = Way { https: proxy.url("me:s3cr3t@"), authorities: Some(&both), ..Way::default() };

    let said = world.extension_says(&world.hidden(), &way).await;

    assert!(said.contains("certificate") && said.contains("looks into what passes"), "{said}");
    assert!(pretender.asked().is_empty() && pretender.token_scopes().is_empty());
    assert_eq!(proxy.tunnels(), 1);
}
