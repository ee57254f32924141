//! The egress proxy that the agent was started with, in a third party's extension that asks for it.

use crate::{made::greeter, world::World};
use agent::Egress;
use packages::{
    Package,
    wire::{ExtensionReport, ExtensionState},
};
use serde_json::{Value, json};
use telemetry::Clock;

const NAME: &str = "proxied";

/// A greeter whose pods leave the cluster through the proxy.
fn package() -> Value {
    greeter(NAME, "1.0.0", |package| {
        let objects = package["objects"].as_array_mut().unwrap();
        let metadata = json!({"name": format!("{NAME}-proxy"), "namespace": {"$agent": "namespace"}});
        let deployment = objects.last_mut().unwrap();
        deployment["object"]["spec"]["template"]["metadata"]["annotations"] =
            json!({"since": {"$agent": "proxySince"}, "except": {"$agent": "noProxy"}});
        let secret = json!({
            "resource": "secrets", "when": {"known": "httpsProxy"},
            "object": {"apiVersion": "v1", "kind": "Secret", "metadata": metadata,
                "stringData": {"HTTPS_PROXY": {"$agent": "httpsProxy"}, "ca": {"$agent": "proxyAuthorities"}}},
        });
        objects.insert(1, secret);
    })
}

fn way_out(https: &str) -> Option<Egress> {
    let variable = |name: &str| match name {
        "HTTPS_PROXY" => Some(https.to_owned()),
        "NO_PROXY" => Some(".corp".to_owned()),
        _ => None,
    };
    Egress::from_env(variable, Some("PEM"))
}

/// What an agent leads to that was started with this proxy, or none.
async fn work(world: &World, egress: Option<Egress>) -> ExtensionReport {
    let mut agent = world.start().with_egress(egress);
    world.settle(&mut agent, 300).await;
    world.told(&mut agent, NAME).await
}

/// The proxy that stands in the Secret, and the annotations of the pods.
async fn seen(world: &World) -> (Option<Value>, Value) {
    let secret = world.find("v1/Secret", Some(NAME), &format!("{NAME}-proxy")).await;
    let deployment = world.find("apps/v1/Deployment", Some(NAME), NAME).await.unwrap();
    let annotations = deployment["spec"]["template"]["metadata"]["annotations"].clone();
    (secret.map(|secret| secret["data"].clone()), annotations)
}

#[tokio::test]
async fn an_extension_gets_the_proxy_and_another_one_and_none_with_nothing_said_by_the_vault() {
    let allowed = Package::parse(package().to_string().as_bytes()).unwrap();
    let mut world = World::allowing(vec![(allowed, NAME.to_owned())]).await;
    let published = world.publish(&package());
    world.wish(NAME, "1.0.0", &published, json!({}));
    // base64 of the two addresses and of PEM
    let (one, other, pem) = ("aHR0cHM6Ly9tZTp3QGE6MQ==", "aHR0cHM6Ly9tZTp4QGE6MQ==", "UEVN");

    let installed = work(&world, way_out("https://me:w@a:1")).await;
    let first = seen(&world).await;
    world.clock.set(world.clock.now() + jiff::SignedDuration::from_mins(1));
    let same = work(&world, way_out("https://me:w@a:1")).await;
    let unchanged = seen(&world).await;
    let changed = work(&world, way_out("https://me:x@a:1")).await;
    let second = seen(&world).await;
    let taken = work(&world, None).await;
    let last = seen(&world).await;

    for report in [&installed, &same, &changed, &taken] {
        assert_eq!((report.state, report.generation), (ExtensionState::Installed, 1), "{report:?}");
        assert!(!format!("{report:?}").contains("@a:1"), "{report:?}");
    }
    assert_eq!(first.0, Some(json!({"HTTPS_PROXY": one, "ca": pem})));
    assert_eq!(first.1["except"], ".corp");
    assert_eq!(unchanged, first);
    assert_eq!(second.0, Some(json!({"HTTPS_PROXY": other, "ca": pem})));
    assert_ne!(second.1["since"], first.1["since"], "the pods start anew");
    assert_eq!(last, (None, Value::Null));
    world.end().await;
}
