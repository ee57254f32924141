//! Bad days of a backup: what vanishes, what is too big, what is down, and hooks that misbehave.

use scenarios::checks::{left_behind, nothing};
use scenarios::{LONG, World, wait_until};
use serde_json::Value;

const GROUP: &str = "clusterbackup.dataprotection.microsoft.com/v1alpha1";

#[test]
fn an_object_of_1_4_mib_is_captured_whole() {
    let world = World::new("big", "standard");
    define_type(&world, "boulders", "Boulder");
    let text = "x".repeat(1_400 * 1024);
    let object = format!(
        r#"{{"apiVersion":"bad.example/v1","kind":"Boulder","metadata":{{"name":"rock","namespace":"big"}},"text":"{text}"}}"#
    );
    wait_until("the big object", LONG, || {
        let created = world.cluster.try_kubectl(&["create", "-f", "-"], &object);
        if created.code == 0 { Ok(()) } else { Err(created.stderr) }
    });

    let backup = backed_up(&world, "big", &[]);

    assert_eq!(backup["status"]["phase"], "Completed", "{}", backup["status"]);
    let id = backup["status"]["recoveryPoint"]["id"].as_str().expect("a recovery point");
    let path = "boulders.bad.example/big/rock";
    let stored = world.cluster.cofferdam(&["recovery-point", "browse", id, path, "-o", "json"]).json();
    assert_eq!(stored["text"].as_str().map(str::len), Some(text.len()));
    world.cluster.kubectl(&["delete", "crd", "boulders.bad.example", "--wait=false"]);
    world.down();
}

#[test]
fn what_vanishes_during_a_backup_is_a_named_warning_or_nothing_at_all() {
    let world = World::new("vanishing", "standard");
    define_type(&world, "ghosts", "Ghost");
    world.cluster.kubectl(&["wait", "--for=condition=established", "crd", "ghosts.bad.example"]);
    world.cluster.apply(
        "{apiVersion: bad.example/v1, kind: Ghost, metadata: {name: boo, namespace: vanishing}, spec: {}}",
    );
    world.cluster.delete_namespace("doomed");
    world.cluster.kubectl(&["create", "namespace", "doomed"]);
    world.cluster.kubectl(&["create", "configmap", "-n", "doomed", "a", "--from-literal=a=b"]);
    world.backup("vanishing", &["--include-namespaces", "doomed"]);
    let (start, hold) = world.extension().hold_at("backup/discovered/before");
    let running = start.run();
    hold.reached(LONG);

    world.cluster.delete_namespace("doomed");
    world.cluster.kubectl(&["delete", "crd", "ghosts.bad.example"]);
    hold.release();
    let backup = world.ended("backups", "vanishing");
    running.kill();

    assert_eq!(backup["status"]["phase"], "CompletedWithWarnings", "{}", backup["status"]);
    let problems = backup["status"]["problems"].to_string();
    assert!(problems.contains("doomed"), "{problems}");
    assert!(problems.contains("ghosts.bad.example"), "a type whose definition vanished is named: {problems}");
    assert_eq!(backup["status"]["volumes"]["snapshots"], 1, "{}", backup["status"]);
    nothing(&left_behind(&world, &backup));
    world.down();
}

#[test]
fn an_aggregated_api_that_is_down_is_a_named_warning() {
    let world = World::new("aggregated", "standard");
    world.cluster.apply(
        "{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v1.down.example}, spec: {group: \
         down.example, version: v1, groupPriorityMinimum: 10, versionPriority: 10, insecureSkipTLSVerify: true, \
         service: {name: nobody, namespace: aggregated}}}",
    );
    wait_until("the API that is down", LONG, || {
        let service = world.cluster.get(&["apiservice", "v1.down.example"]).unwrap_or_default();
        let conditions = service["status"]["conditions"].to_string();
        if conditions.contains("\"False\"") { Ok(()) } else { Err(conditions) }
    });

    let backup = backed_up(&world, "aggregated", &[]);
    world.cluster.kubectl(&["delete", "apiservice", "v1.down.example"]);

    assert_eq!(backup["status"]["phase"], "CompletedWithWarnings", "{}", backup["status"]);
    let problems = backup["status"]["problems"].to_string();
    assert!(problems.contains("down.example"), "{problems}");
    world.down();
}

#[test]
fn hooks_run_in_order_in_their_containers_and_the_application_is_thawed_whatever_happens() {
    let world = World::new("hooked", "standard");
    world.cluster.apply(
        "{apiVersion: v1, kind: Pod, metadata: {name: two, namespace: hooked, labels: {app: two}}, spec: {\
         terminationGracePeriodSeconds: 0, volumes: [{name: log, emptyDir: {}}], containers: [\
         {name: main, image: 'cofferdam.test/shell:1', imagePullPolicy: IfNotPresent, command: [sleep, '1000000'], \
         env: [{name: WHO, value: main}], volumeMounts: [{name: log, mountPath: /log}]}, \
         {name: side, image: 'cofferdam.test/shell:1', imagePullPolicy: IfNotPresent, command: [sleep, '1000000'], \
         env: [{name: WHO, value: side}], volumeMounts: [{name: log, mountPath: /log}]}]}}",
    );
    world.cluster.wait_ready("hooked", "app=two", LONG);
    let note = |what: &str, more: &str| {
        format!("{{exec: {{command: [sh, -c, 'echo $WHO {what} >> /log/log'], {more}}}}}")
    };
    let hook = |name: &str, pre: &str| {
        world.cluster.apply(&format!(
            "{{apiVersion: {GROUP}, kind: BackupHook, metadata: {{name: {name}, namespace: hooked}}, spec: {{backupHook: [\
             {{name: first, labelSelector: {{matchLabels: {{app: two}}}}, preHooks: [{}, {pre}], postHooks: [{}]}}]}}}}",
            note("pre", "container: side"),
            note("post", "timeout: 10s"),
        ));
    };
    hook("ordered", &note("pre", ""));
    hook("slow", "{exec: {command: [sleep, '60'], timeout: 1s, onError: Continue}}");
    hook("shell-less", "{exec: {command: [/no/such/shell, -c, x], onError: Fail}}");
    let cases = ["ordered", "slow", "shell-less"].map(|name| {
        world.cluster.exec("hooked", "two", &["rm", "-f", "/log/log"]);
        let backup = backed_up(&world, name, &["--hook", &format!("hooked/{name}")]);
        (backup, world.cluster.exec("hooked", "two", &["cat", "/log/log"]))
    });

    let [(ordered, in_order), (slow, after_slow), (shell_less, after_shell_less)] = cases;

    assert_eq!(ordered["status"]["phase"], "Completed", "{}", ordered["status"]);
    assert_eq!(in_order, "side pre\nmain pre\nmain post\n");
    assert_eq!(slow["status"]["phase"], "CompletedWithWarnings", "{}", slow["status"]);
    assert!(
        slow["status"]["problems"].to_string().contains("UserErrorHookExecutionFailed"),
        "{}",
        slow["status"]
    );
    assert_eq!(after_slow, "side pre\nmain post\n");
    assert_eq!(shell_less["status"]["phase"], "Failed", "{}", shell_less["status"]);
    assert!(
        shell_less["status"]["problems"].to_string().contains("/no/such/shell"),
        "{}",
        shell_less["status"]
    );
    assert_eq!(after_shell_less, "side pre\nmain post\n", "a failed pre-hook must not leave it frozen");
    for backup in [&ordered, &slow, &shell_less] {
        nothing(&left_behind(&world, backup));
    }
    world.down();
}

/// A backup of the application, from request to end.
/// The exclusive lock of a process that died: taken from stock restic at work, and put back when it has ended. On a
/// repository as small as this one restic holds it for a moment only, so it may take more than one go.
fn abandoned_lock(world: &World) -> String {
    let store = &world.installed.store;
    let seen = || {
        let name = store.objects("cofferdam/locks/").into_iter().next()?;
        Some((store.object_if_there(&name)?, name))
    };
    for _ in 0..20 {
        let taken = std::thread::scope(|scope| {
            let checking = scope.spawn(|| world.installed.restic(&["check", "--read-data"]).ok());
            let mut taken = None;
            while taken.is_none() && !checking.is_finished() {
                taken = seen();
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            checking.join().expect("restic checks");
            taken
        });
        if let Some((content, name)) = taken {
            store.put(&name, &content);
            return name;
        }
    }
    panic!("restic's lock was never seen");
}

#[test]
fn a_locked_repository_is_waited_for_before_the_application_is_frozen() {
    let world = World::new("locked", "standard");
    backed_up(&world, "first", &[]);
    let lock = abandoned_lock(&world);

    world.backup("second", &[]);
    let running = world.extension().run();
    wait_until("the backup meets the lock", LONG, || {
        let log = running.log();
        if log.contains("the repository is locked by") { Ok(()) } else { Err(log) }
    });
    let frozen = world.cluster.exec("locked", "app", &["ls", "/tmp"]).contains("frozen");
    let waiting = world.installed.resource("backups", "second");
    world.installed.store.remove(&lock);
    let ended = world.ended("backups", "second");
    running.kill();

    assert!(!frozen, "the application is frozen while others hold the repository");
    assert_eq!(waiting["status"]["stage"], "prepare", "{}", waiting["status"]);
    assert_eq!(ended["status"]["phase"], "Completed", "{}", ended["status"]);
    nothing(&left_behind(&world, &ended));
    world.down();
}

fn backed_up(world: &World, name: &str, more: &[&str]) -> Value {
    world.backup(name, more);
    let running = world.extension().run();
    let backup = world.ended("backups", name);
    running.kill();
    backup
}

fn define_type(world: &World, plural: &str, kind: &str) {
    world.cluster.apply(&format!(
        "{{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {{name: {plural}.bad.example}}, \
         spec: {{group: bad.example, scope: Namespaced, names: {{plural: {plural}, singular: {}, kind: {kind}}}, versions: [\
         {{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object, \
         x-kubernetes-preserve-unknown-fields: true}}}}}}]}}}}",
        kind.to_lowercase()
    ));
}
