//! Which hook entries match which pods, and in which order they run. Pure.
//!
//! Order: the references as the backup lists them, their entries as they are written, the matching pods by
//! namespace and name, the commands as they are written.

use super::{InvalidDuration, PodFacts, parse_duration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt};
use protection::{Problem, code};
use resources::{
    BackupHookSpec, ExecHook, FrozenContainer, NamespacedName, OnError, RestoreExecHook, RestoreHookSpec,
};
use std::{collections::BTreeMap, time::Duration};

/// How long a command may run when the hook says nothing.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// A hook object and one entry of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HookRef {
    /// `<namespace>/<name>` of the hook object.
    pub hook: String,
    /// Name of the entry.
    pub entry: String,
}

/// One command in one container of one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// UID of the pod: a new pod of the same name is another.
    pub pod_uid: String,
    /// The container.
    pub container: String,
    /// Program and arguments, run without a shell.
    pub argv: Vec<String>,
    /// How long it may run.
    pub timeout: Duration,
    /// What a failure means.
    pub on_error: OnError,
}

/// One entry in one pod: what freezes it and what thaws it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupRun {
    /// The hook and its entry.
    pub hook: HookRef,
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// UID of the pod.
    pub pod_uid: String,
    /// Before the snapshots, in order.
    pub pre: Vec<Command>,
    /// After the snapshots are cut, in order.
    pub post: Vec<Command>,
}

impl BackupRun {
    /// The intent that is recorded before the pre-hook runs.
    pub fn frozen(&self) -> FrozenContainer {
        FrozenContainer {
            hook: self.hook.hook.clone(),
            entry: self.hook.entry.clone(),
            namespace: self.namespace.clone(),
            pod: self.pod.clone(),
            pod_uid: self.pod_uid.clone(),
        }
    }
}

/// One command after a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreRun {
    /// The hook and its entry.
    pub hook: HookRef,
    /// The command.
    pub command: Command,
    /// How long to wait for the container to be ready; absent means the restore's deadline.
    pub wait: Option<Duration>,
}

/// The runs of a backup's hooks in the given pods, which the caller limits to those that the backup selects;
/// and problems of hooks that cannot be read.
pub fn backup_targets(
    hooks: &[(NamespacedName, BackupHookSpec)],
    pods: &[PodFacts],
) -> (Vec<BackupRun>, Vec<Problem>) {
    let mut runs = Vec::new();
    let mut problems = Vec::new();
    for (name, spec) in hooks {
        for entry in spec.entries() {
            let hook =
                HookRef { hook: format!("{}/{}", name.namespace, name.name), entry: entry.name.clone() };
            let scope = Scope {
                included: &entry.included_namespaces,
                excluded: &entry.excluded_namespaces,
                labels: entry.label_selector.as_ref(),
            };
            let matching = match scope.pods(pods, None) {
                Ok(matching) => matching,
                Err(why) => {
                    problems.push(unreadable(&hook, "backuphooks", &why));
                    continue;
                }
            };
            for pod in matching {
                let commands = |hooks: &[ExecHook]| -> Result<Vec<Command>, InvalidDuration> {
                    hooks
                        .iter()
                        .map(|one| {
                            let exec = &one.exec;
                            let on_error = exec.on_error.unwrap_or(OnError::Fail);
                            let timeout = duration(exec.timeout.as_deref())?.unwrap_or(DEFAULT_TIMEOUT);
                            Ok(command(pod, exec.container.as_deref(), &exec.command, timeout, on_error))
                        })
                        .collect()
                };
                match (commands(&entry.pre_hooks), commands(&entry.post_hooks)) {
                    (Ok(pre), Ok(post)) => runs.push(BackupRun {
                        hook: hook.clone(),
                        namespace: pod.namespace.clone(),
                        pod: pod.name.clone(),
                        pod_uid: pod.uid.clone(),
                        pre,
                        post,
                    }),
                    (Err(why), _) | (_, Err(why)) => {
                        problems.push(unreadable(&hook, "backuphooks", &why.to_string()));
                        break;
                    }
                }
            }
        }
    }
    (runs, problems)
}

/// After a crash: the runs whose pod may still be frozen, newest freeze first.
pub fn frozen_targets<'a>(runs: &'a [BackupRun], frozen: &[FrozenContainer]) -> Vec<&'a BackupRun> {
    frozen.iter().rev().filter_map(|one| runs.iter().find(|run| run.frozen() == *one)).collect()
}

/// The commands of a restore's hooks. `original` gives the original namespace of a target namespace; hooks
/// name original ones.
pub fn restore_targets(
    hooks: &[(NamespacedName, RestoreHookSpec)],
    pods: &[PodFacts],
    original: &BTreeMap<String, String>,
) -> (Vec<RestoreRun>, Vec<Problem>) {
    let mut runs = Vec::new();
    let mut problems = Vec::new();
    for (name, spec) in hooks {
        for entry in spec.entries() {
            let hook =
                HookRef { hook: format!("{}/{}", name.namespace, name.name), entry: entry.name.clone() };
            let scope = Scope {
                included: &entry.included_namespaces,
                excluded: &entry.excluded_namespaces,
                labels: entry.label_selector.as_ref(),
            };
            let found = scope.pods(pods, Some(original)).and_then(|matching| {
                let each =
                    matching.into_iter().flat_map(|pod| entry.post_hooks.iter().map(move |one| (pod, one)));
                each.map(|(pod, one)| restore_run(&hook, pod, one).map_err(|why| why.to_string())).collect()
            });
            match found {
                Ok(found) => runs.extend::<Vec<RestoreRun>>(found),
                Err(why) => problems.push(unreadable(&hook, "restorehooks", &why)),
            }
        }
    }
    (runs, problems)
}

/// Whether some entry of a restore's hooks looks into this target namespace.
pub fn look_into(
    hooks: &[(NamespacedName, RestoreHookSpec)],
    namespace: &str,
    original: &BTreeMap<String, String>,
) -> bool {
    let mut entries = hooks.iter().flat_map(|(_, spec)| spec.entries());
    entries.any(|entry| {
        let scope = Scope {
            included: &entry.included_namespaces,
            excluded: &entry.excluded_namespaces,
            labels: None,
        };
        scope.holds(namespace, Some(original))
    })
}

fn restore_run(hook: &HookRef, pod: &PodFacts, one: &RestoreExecHook) -> Result<RestoreRun, InvalidDuration> {
    let exec = &one.exec;
    let on_error = exec.on_error.unwrap_or(OnError::Continue);
    let timeout = duration(exec.exec_timeout.as_deref())?.unwrap_or(DEFAULT_TIMEOUT);
    Ok(RestoreRun {
        hook: hook.clone(),
        command: command(pod, exec.container.as_deref(), &exec.command, timeout, on_error),
        wait: duration(exec.wait_timeout.as_deref())?,
    })
}

fn command(
    pod: &PodFacts,
    container: Option<&str>,
    argv: &[String],
    timeout: Duration,
    on_error: OnError,
) -> Command {
    let container = container.filter(|name| !name.is_empty()).map(str::to_owned);
    Command {
        namespace: pod.namespace.clone(),
        pod: pod.name.clone(),
        pod_uid: pod.uid.clone(),
        container: container.or_else(|| pod.containers.first().cloned()).unwrap_or_default(),
        argv: argv.to_vec(),
        timeout,
        on_error,
    }
}

fn duration(text: Option<&str>) -> Result<Option<Duration>, InvalidDuration> {
    text.filter(|text| !text.is_empty()).map(parse_duration).transpose()
}

struct Scope<'a> {
    included: &'a [String],
    excluded: &'a [String],
    labels: Option<&'a LabelSelector>,
}

impl Scope<'_> {
    /// Whether a namespace is in it, by its original name.
    fn holds(&self, namespace: &str, original: Option<&BTreeMap<String, String>>) -> bool {
        let mapped = original.and_then(|map| map.get(namespace)).map_or(namespace, String::as_str);
        let has = |list: &[String]| list.iter().any(|one| one == mapped);
        (self.included.is_empty() || has(self.included)) && !has(self.excluded)
    }

    /// The matching pods that run, by namespace and name.
    fn pods<'p>(
        &self,
        pods: &'p [PodFacts],
        original: Option<&BTreeMap<String, String>>,
    ) -> Result<Vec<&'p PodFacts>, String> {
        let selector = match self.labels {
            Some(labels) => Selector::try_from(labels.clone()).map_err(|why| why.to_string())?,
            None => Selector::default(),
        };
        let mut matching: Vec<&PodFacts> = pods
            .iter()
            .filter(|pod| {
                self.holds(&pod.namespace, original)
                    && selector.matches(&pod.labels)
                    && (pod.running || original.is_some())
            })
            .collect();
        matching.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        Ok(matching)
    }
}

fn unreadable(hook: &HookRef, resource: &str, why: &str) -> Problem {
    Problem::warning(
        code::HOOK_FAILED,
        format!("The entry {} of the hook {} cannot be used: {why}.", hook.entry, hook.hook),
    )
    .about(format!("{resource}.{}/{}", resources::GROUP, hook.hook))
    .fix("Correct the hook and try again.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(namespace: &str, name: &str, labels: &[(&str, &str)]) -> PodFacts {
        PodFacts {
            namespace: namespace.into(),
            name: name.into(),
            uid: format!("uid-{name}"),
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            containers: vec!["first".into(), "second".into()],
            running: true,
            deleting: false,
            ready_containers: vec!["first".into()],
        }
    }

    fn hook(spec: serde_json::Value) -> (NamespacedName, BackupHookSpec) {
        let name = NamespacedName { name: "hook".into(), namespace: "ops".into() };
        (name, serde_json::from_value(spec).unwrap())
    }

    fn names(runs: &[BackupRun]) -> Vec<String> {
        runs.iter().map(|run| format!("{}:{}/{}", run.hook.entry, run.namespace, run.pod)).collect()
    }

    #[test]
    fn entries_match_pods_by_namespace_and_labels_in_a_fixed_order() {
        let pods = [
            pod("b", "two", &[("app", "db")]),
            pod("a", "zoo", &[("app", "db")]),
            pod("a", "ape", &[("app", "web")]),
            PodFacts { running: false, ..pod("a", "done", &[("app", "db")]) },
        ];
        let exec = json!([{"exec": {"command": ["sync"]}}]);
        let rows = [
            (json!({"name": "all", "preHooks": exec}), vec!["all:a/ape", "all:a/zoo", "all:b/two"]),
            (json!({"name": "in", "includedNamespaces": ["b"], "preHooks": exec}), vec!["in:b/two"]),
            (json!({"name": "out", "excludedNamespaces": ["a"], "preHooks": exec}), vec!["out:b/two"]),
            (
                json!({"name": "app", "labelSelector": {"matchLabels": {"app": "db"}}, "preHooks": exec}),
                vec!["app:a/zoo", "app:b/two"],
            ),
            (
                json!({"name": "not", "labelSelector": {"matchExpressions":
                    [{"key": "app", "operator": "NotIn", "values": ["db"]}]}, "preHooks": exec}),
                vec!["not:a/ape"],
            ),
        ];

        for (entry, expected) in rows {
            let (flat, _) = backup_targets(&[hook(entry.clone())], &pods);
            let (list, _) = backup_targets(&[hook(json!({"backupHook": [entry]}))], &pods);

            assert_eq!(names(&flat), expected);
            assert_eq!(flat, list, "both shapes mean the same");
        }
    }

    #[test]
    fn commands_have_the_documented_defaults() {
        let spec = json!({"name": "h",
            "preHooks": [{"exec": {"command": ["a"]}},
                         {"exec": {"container": "second", "command": ["b"], "timeout": "1m", "onError": "Continue"}}],
            "postHooks": [{"exec": {"command": ["c"]}}]});

        let (runs, problems) = backup_targets(&[hook(spec)], &[pod("a", "p", &[])]);

        assert_eq!(problems, []);
        let [run] = runs.as_slice() else { panic!("{runs:?}") };
        let defaults = &run.pre[0];
        assert_eq!(
            (defaults.container.as_str(), defaults.timeout, defaults.on_error),
            ("first", Duration::from_secs(30), OnError::Fail)
        );
        let set = &run.pre[1];
        assert_eq!(
            (set.container.as_str(), set.timeout, set.on_error),
            ("second", Duration::from_secs(60), OnError::Continue)
        );
        assert_eq!(run.post[0].argv, ["c"]);
    }

    #[test]
    fn a_hook_that_cannot_be_read_is_named_and_not_run() {
        let bad_timeout =
            json!({"name": "slow", "preHooks": [{"exec": {"command": ["a"], "timeout": "ten"}}]});
        let bad_selector = json!({"name": "who", "labelSelector": {"matchExpressions":
            [{"key": "app", "operator": "Like", "values": ["db"]}]}, "preHooks": [{"exec": {"command": ["a"]}}]});

        for spec in [bad_timeout, bad_selector] {
            let (runs, problems) = backup_targets(&[hook(spec)], &[pod("a", "p", &[]), pod("a", "q", &[])]);

            assert_eq!(runs, []);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].message.contains("ops/hook"));
        }
    }

    #[test]
    fn only_the_pod_that_was_frozen_is_thawed_after_a_crash() {
        let spec = json!({"name": "h", "preHooks": [{"exec": {"command": ["a"]}}]});
        let (runs, _) = backup_targets(&[hook(spec)], &[pod("a", "p", &[]), pod("a", "q", &[])]);
        let replaced = FrozenContainer { pod_uid: "older".into(), ..runs[1].frozen() };

        let thaw = frozen_targets(&runs, &[runs[0].frozen(), replaced]);

        assert_eq!(thaw, [&runs[0]]);
    }

    #[test]
    fn restore_hooks_name_original_namespaces_and_wait_for_pods_that_do_not_run_yet() {
        let spec: RestoreHookSpec = serde_json::from_value(json!({"restoreHook": [{"name": "h",
            "includedNamespaces": ["shop"],
            "postHooks": [{"exec": {"command": ["a"], "waitTimeout": "5m", "execTimeout": "10s"}}]}]}))
        .unwrap();
        let hooks = [(NamespacedName { name: "r".into(), namespace: "ops".into() }, spec)];
        let pods = [PodFacts { running: false, ..pod("shop-copy", "p", &[]) }, pod("other", "q", &[])];
        let original = BTreeMap::from([("shop-copy".to_owned(), "shop".to_owned())]);

        let (runs, problems) = restore_targets(&hooks, &pods, &original);

        assert_eq!(problems, []);
        let [run] = runs.as_slice() else { panic!("{runs:?}") };
        assert_eq!((run.command.namespace.as_str(), run.command.pod.as_str()), ("shop-copy", "p"));
        assert_eq!(run.wait, Some(Duration::from_secs(300)));
        assert_eq!((run.command.timeout, run.command.on_error), (Duration::from_secs(10), OnError::Continue));
    }
}
