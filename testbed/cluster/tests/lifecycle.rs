//! A cluster that is interrupted, asked for again and taken down leaves nothing behind. Needs root, like every
//! cluster.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

const NAME: &str = "lifecycle";
const UP: [&str; 4] = ["up", "--name", NAME, "--control-plane-only"];

fn testbed(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_testbed")).args(arguments).output().unwrap()
}

fn succeeds(arguments: &[&str]) -> String {
    let output = testbed(arguments);
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}");
    text
}

/// Starts `up` and kills it after this time; what it started lives on.
fn killed_after(time: Duration) {
    let mut up = Command::new(env!("CARGO_BIN_EXE_testbed")).args(UP).spawn().unwrap();
    std::thread::sleep(time);
    up.kill().unwrap();
    up.wait().unwrap();
}

/// Whatever in the machine has the cluster's name.
fn left() -> Vec<String> {
    let of_cluster = format!("cofferdam-testbed/{NAME}");
    let mut left = Vec::new();
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if command.contains(&of_cluster) {
            left.push(format!("process {command}"));
        }
    }
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    left.extend(mounts.lines().filter(|line| line.contains(&of_cluster)).map(|line| format!("mount {line}")));
    let namespaces = Command::new("ip").args(["netns", "list"]).output().unwrap().stdout;
    let namespaces = String::from_utf8_lossy(&namespaces).into_owned();
    left.extend(
        namespaces.lines().filter(|line| line.contains(NAME)).map(|line| format!("namespace {line}")),
    );
    for root in ["/run", "/var/lib"] {
        let directory = Path::new(root).join(&of_cluster);
        if directory.exists() {
            left.push(directory.display().to_string());
        }
    }
    let mut groups = vec![Path::new("/sys/fs/cgroup").to_owned()];
    while let Some(group) = groups.pop() {
        for entry in std::fs::read_dir(group).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().ends_with(&format!("cofferdam-{NAME}")) {
                left.push(entry.path().display().to_string());
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                groups.push(entry.path());
            }
        }
    }
    left
}

#[test]
fn a_cluster_that_was_interrupted_is_completed_and_goes_without_a_trace() {
    succeeds(&["down", "--name", NAME]);
    for milliseconds in [100, 700, 2_500] {
        killed_after(Duration::from_millis(milliseconds));
    }

    succeeds(&UP);
    let there = left();
    succeeds(&UP);
    let namespaces = succeeds(&["kubectl", "--name", NAME, "--", "get", "namespaces", "-o", "name"]);
    succeeds(&["down", "--name", NAME]);
    let after = left();
    succeeds(&["down", "--name", NAME]);
    killed_after(Duration::from_millis(1_500));
    succeeds(&["down", "--name", NAME]);
    let after_a_kill = left();

    assert!(there.iter().any(|one| one.contains("kube-apiserver")), "the inventory sees nothing: {there:?}");
    assert!(namespaces.contains("namespace/kube-system"), "{namespaces}");
    assert_eq!((after, after_a_kill), (vec![], vec![]));
}

/// Kills every process of the cluster's control groups, as a crash of the machine would, and waits until they are gone.
fn crash(name: &str) {
    let mut groups = vec![Path::new("/sys/fs/cgroup").to_owned()];
    let mut members = Vec::new();
    while let Some(group) = groups.pop() {
        for entry in std::fs::read_dir(&group).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                groups.push(entry.path());
            }
        }
        if group.components().any(|part| part.as_os_str() == format!("cofferdam-{name}").as_str()) {
            let text = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
            members.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
        }
    }
    assert!(!members.is_empty(), "no process of {name} was found");
    for pid in &members {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), nix::sys::signal::Signal::SIGKILL).ok();
    }
    let alive = || members.iter().any(|pid| Path::new("/proc").join(pid.to_string()).exists());
    for _ in 0..100 {
        if !alive() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("processes of {name} outlive SIGKILL");
}

/// What the snapshotter has logged once it has begun so often, or after half a minute; and how often it has.
fn snapshotter(name: &str, wanted: usize) -> (String, usize) {
    let log = Path::new("/var/lib/cofferdam-testbed").join(name).join("logs/csi-snapshotter.log");
    // It begins once its driver answers, which `up` does not wait for.
    let mut seen = String::new();
    let mut starts = 0;
    for _ in 0..300 {
        seen = std::fs::read_to_string(&log).unwrap_or_default();
        starts = seen.matches("Starting CSI snapshotter").count();
        if starts >= wanted {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    (seen, starts)
}

#[test]
fn a_cluster_whose_processes_died_comes_back_whole() {
    const NAME: &str = "crashed";
    succeeds(&["down", "--name", NAME]);
    succeeds(&["up", "--name", NAME]);
    succeeds(&["kubectl", "--name", NAME, "--", "create", "namespace", "kept"]);
    snapshotter(NAME, 1);
    crash(NAME);
    succeeds(&["up", "--name", NAME]);
    let namespaces = succeeds(&["kubectl", "--name", NAME, "--", "get", "namespaces", "-o", "name"]);
    let (seen, starts) = snapshotter(NAME, 2);
    let without_groups = seen.matches("disabling the VolumeGroupSnapshot feature").count();
    succeeds(&["down", "--name", NAME]);

    assert!(namespaces.contains("namespace/kept"), "{namespaces}");
    assert_eq!((starts, without_groups), (2, 0), "{seen}");
}
