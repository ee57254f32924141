//! Hooks in real containers: exit codes, timeouts, missing shells, replaced pods.

mod support;

use kube::{Api, api::PostParams};
use resources::OnError;
use serde_json::json;
use std::time::{Duration, Instant};
use support::World;
use volumes::hooks::{Command, HookFailure, HookRef, observe_pod, observe_pods, run, wait_for_container};

async fn command(world: &World, pod: &str, argv: &[&str]) -> Command {
    let facts = observe_pod(&world.client, &world.namespace, pod).await.unwrap().unwrap();
    Command {
        namespace: world.namespace.clone(),
        pod: pod.into(),
        pod_uid: facts.uid,
        container: facts.containers[0].clone(),
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        timeout: Duration::from_secs(10),
        on_error: OnError::Fail,
    }
}

#[tokio::test]
async fn a_hook_succeeds_with_exit_code_zero_and_reports_any_other() {
    let world = World::new("exit").await;
    world.shell("app", None).await;
    let good = command(&world, "app", &["/busybox", "sh", "-c", "echo much; echo more >&2"]).await;
    let bad = command(&world, "app", &["/busybox", "sh", "-c", "echo 'lock is held' >&2; exit 3"]).await;
    let loud = command(
        &world,
        "app",
        &["/busybox", "sh", "-c", "/busybox yes noise | /busybox head -c 3000000; exit 0"],
    )
    .await;

    let ran =
        (run(&world.client, &good).await, run(&world.client, &bad).await, run(&world.client, &loud).await);

    assert_eq!(ran.0, Ok(()));
    assert_eq!(ran.1, Err(HookFailure::Exit { code: 3, stderr: "lock is held".into() }));
    assert_eq!(ran.2, Ok(()), "output of any length does not block the process");
    world.end().await;
}

#[tokio::test]
async fn a_program_that_the_image_lacks_is_named() {
    let world = World::new("noshell").await;
    world.shell("app", None).await;
    let command = command(&world, "app", &["/opt/no-such-shell", "-c", "secret words"]).await;

    let failure = run(&world.client, &command).await.unwrap_err();

    assert_eq!(failure, HookFailure::NoProgram { program: "/opt/no-such-shell".into() });
    let hook = HookRef { hook: "ops/freeze".into(), entry: "db".into() };
    assert!(!failure.problem(&hook, &command).message.contains("secret words"));
    world.end().await;
}

#[tokio::test]
async fn a_hook_that_does_not_end_is_left_after_its_timeout() {
    let world = World::new("timeout").await;
    world.shell("app", None).await;
    let mut command =
        command(&world, "app", &["/busybox", "sh", "-c", "echo waiting >&2; /busybox sleep 600"]).await;
    command.timeout = Duration::from_secs(2);

    let begun = Instant::now();
    let failure = run(&world.client, &command).await.unwrap_err();

    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert!(matches!(&failure, HookFailure::TimedOut { stderr, .. } if stderr == "waiting"), "{failure:?}");
    world.end().await;
}

#[tokio::test]
async fn a_pod_that_was_replaced_or_lacks_the_container_is_not_touched() {
    let world = World::new("gone").await;
    world.shell("app", None).await;
    let there = command(&world, "app", &["/busybox", "true"]).await;
    let replaced = Command { pod_uid: "another".into(), ..there.clone() };
    let elsewhere = Command { container: "sidecar".into(), ..there.clone() };
    let absent = Command { pod: "nobody".into(), ..there };

    let mut failures = Vec::new();
    for command in [&replaced, &elsewhere, &absent] {
        failures.push(run(&world.client, command).await.unwrap_err());
    }

    assert_eq!(failures[0], HookFailure::PodGone);
    assert_eq!(failures[1], HookFailure::NoContainer { containers: vec!["shell".into()] });
    assert_eq!(failures[2], HookFailure::PodGone);
    world.end().await;
}

#[tokio::test]
async fn a_restore_hook_waits_for_its_container_and_gives_up_in_time() {
    let world = World::new("ready").await;
    world.shell("app", None).await;
    let pods = Api::<k8s_openapi::api::core::v1::Pod>::namespaced(world.client.clone(), &world.namespace);
    let stuck = json!({"metadata": {"name": "stuck"}, "spec": {"nodeName": "no-such-node",
        "containers": [{"name": "shell", "image": support::shell_image()}]}});
    pods.create(&PostParams::default(), &serde_json::from_value(stuck).unwrap()).await.unwrap();
    let ready = command(&world, "app", &["/busybox", "true"]).await;
    let never = command(&world, "stuck", &["/busybox", "true"]).await;

    let soon = wait_for_container(&world.client, &ready, Duration::from_secs(30)).await;
    let late = wait_for_container(&world.client, &never, Duration::from_secs(2)).await;

    assert_eq!(soon, Ok(()));
    assert!(matches!(late, Err(HookFailure::NeverReady { .. })), "{late:?}");
    let seen = observe_pods(&world.client, &world.namespace).await.unwrap();
    assert_eq!(seen.iter().filter(|pod| pod.running).count(), 1);
    world.end().await;
}
