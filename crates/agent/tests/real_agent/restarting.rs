//! An agent that is ended at any point, and the next one that goes on.

use crate::{
    made::{extra, greeter},
    world::World,
};
use agent::ActError;
use packages::wire::ExtensionState;
use serde_json::json;

/// Works with one agent after the other, each ended at the first point that none before it was ended at, until one comes
/// through. Answers the points.
async fn through_every_point(world: &World) -> Vec<String> {
    let mut ended = Vec::new();
    while ended.len() < 200 {
        let mut agent = world.start_ending_beyond(&ended);
        loop {
            match agent.turn(Some(&world.desired)).await {
                Err(ActError::Ended(point)) => {
                    ended.push(point);
                    break;
                }
                Err(error) => panic!("{error}"),
                Ok(turn) => {
                    let Some(next) = turn.next else { return ended };
                    world.pass_until(next).await;
                }
            }
        }
    }
    panic!("it never came through: {ended:?}");
}

#[tokio::test]
async fn an_agent_that_is_ended_at_any_point_is_continued_by_the_next_one() {
    let mut world = World::new(&["restarted"]).await;
    let first = world.publish(&greeter("restarted", "1.0.0", |package| {
        package["objects"].as_array_mut().unwrap().push(extra("restarted", "extra"));
    }));
    let second = world.publish(&greeter("restarted", "1.1.0", |_| {}));

    world.wish("restarted", "1.0.0", &first, json!({}));
    let mut points = through_every_point(&world).await;
    let installed = world.work("restarted").await;
    world.wish("restarted", "1.1.0", &second, json!({"greeting": "again"}));
    points.extend(through_every_point(&world).await);
    let upgraded = world.work("restarted").await;
    let greeting = world.greeting("restarted").await;
    let pruned = world.find("v1/ConfigMap", Some("restarted"), "restarted-extra").await;
    world.unwish("restarted").await;
    points.extend(through_every_point(&world).await);
    let removed = world.work("restarted").await;

    assert_eq!(installed.state, ExtensionState::Installed, "{installed:?}");
    assert_eq!((upgraded.state, upgraded.version.as_deref()), (ExtensionState::Installed, Some("1.1.0")));
    assert_eq!((greeting.as_deref(), pruned), (Some("again"), None));
    assert_eq!(removed.state, ExtensionState::Removed);
    assert!(world.find("v1/Namespace", None, "restarted").await.is_none());
    for step in [
        "record begin/before",
        "record begin/after",
        "record apply/before",
        "record finish/before",
        "record begin removal/after",
        "record remove/before",
    ] {
        assert!(points.iter().any(|point| point == step), "{step} was not among {points:?}");
    }
    for verb in ["apply Deployment", "remove Deployment", "remove Namespace"] {
        assert!(points.iter().any(|point| point.starts_with(verb)), "{verb} was not among {points:?}");
    }
    world.end().await;
}
