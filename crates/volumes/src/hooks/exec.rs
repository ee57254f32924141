//! Runs one command in a container over the API server's exec, without a shell, with a timeout.

use super::Command;
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Status};
use kube::{
    Api, Client,
    api::{AttachParams, AttachedProcess},
};
use protection::{Problem, code};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of standard error that a problem repeats.
const STDERR: usize = 1024;
/// How long output may still arrive after the exit code did.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why a hook failed. Neither the arguments nor the output on standard output are repeated anywhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookFailure {
    /// The command ended with another exit code than 0.
    #[error("it ended with exit code {code}{}", said(stderr))]
    Exit {
        /// The exit code.
        code: i32,
        /// The first KiB of standard error.
        stderr: String,
    },
    /// The program is not in the container's image.
    #[error("the container has no program `{program}`; hooks run without a shell")]
    NoProgram {
        /// The first word of the command.
        program: String,
    },
    /// The pod has no such container.
    #[error("the pod has no such container, only {}", containers.join(", "))]
    NoContainer {
        /// What it has.
        containers: Vec<String>,
    },
    /// The container does not run.
    #[error("the container does not run: {why}")]
    NotRunning {
        /// What the API server said.
        why: String,
    },
    /// The pod is gone, or another of the same name has taken its place.
    #[error("the pod is gone")]
    PodGone,
    /// The time was up; the connection was closed.
    #[error("it did not end within {} s; the process may still run in the container{}", waited.as_secs_f32(), said(stderr))]
    TimedOut {
        /// How long it was given.
        waited: Duration,
        /// The first KiB of standard error.
        stderr: String,
    },
    /// The container never became ready.
    #[error("the container was not ready within {} s: {last}", waited.as_secs())]
    NeverReady {
        /// How long it was given.
        waited: Duration,
        /// What was seen last.
        last: String,
    },
    /// The API server could not run it, or the connection broke off; the process may still run.
    #[error("it could not be run to its end: {why}")]
    Lost {
        /// What was said.
        why: String,
    },
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(" and said: {stderr}") }
}

impl HookFailure {
    /// The failure as the user sees it: a warning with `UserErrorHookExecutionFailed`.
    pub fn problem(&self, hook: &super::HookRef, command: &Command) -> Problem {
        let program = command.argv.first().map(String::as_str).unwrap_or_default();
        let message = format!(
            "The hook {} (entry {}) ran `{program}` in the container {} of the pod {}/{}: {self}.",
            hook.hook, hook.entry, command.container, command.namespace, command.pod
        );
        let problem = Problem::warning(code::HOOK_FAILED, message)
            .about(format!("pods/{}/{}", command.namespace, command.pod));
        match self {
            Self::NoProgram { .. } => problem
                .fix("Name a program that the image has; add a shell to the image if the hook needs one."),
            Self::NoContainer { .. } => problem.fix("Correct exec.container in the hook."),
            Self::TimedOut { .. } => problem
                .fix("Raise the hook's timeout, and check in the container that nothing is left frozen."),
            Self::NeverReady { .. } => {
                problem.fix("Raise waitTimeout, or find out why the container is not ready.")
            }
            _ => problem.fix("Run the command by hand with `kubectl exec` and correct the hook."),
        }
    }
}

/// Runs the command to its end. Exit code 0 is success.
///
/// When the time is up, the connection is closed; Kubernetes has no way to end the process.
pub async fn run(client: &Client, command: &Command) -> Result<(), HookFailure> {
    let pods = Api::<Pod>::namespaced(client.clone(), &command.namespace);
    let pod = pods.get_opt(&command.pod).await.map_err(|error| lost(&error))?.ok_or(HookFailure::PodGone)?;
    if pod.metadata.uid.as_ref() != Some(&command.pod_uid) {
        return Err(HookFailure::PodGone);
    }
    let facts = super::PodFacts::of(&pod);
    if !facts.containers.contains(&command.container) {
        return Err(HookFailure::NoContainer { containers: facts.containers });
    }
    let params = AttachParams::default()
        .container(&command.container)
        .stdin(false)
        .stdout(true)
        .stderr(true)
        .tty(false);
    let mut stderr = String::new();
    let ran = async {
        let process =
            pods.exec(&command.pod, &command.argv, &params).await.map_err(|error| refused(&error))?;
        attend(process, &mut stderr).await
    };
    let ended = tokio::time::timeout(command.timeout, ran).await;
    match ended {
        Err(_) => Err(HookFailure::TimedOut { waited: command.timeout, stderr }),
        Ok(Err(failure)) => Err(failure),
        Ok(Ok(status)) => verdict(&status, stderr, command),
    }
}

/// Reads the output while the process runs, keeps the beginning of standard error, and waits for the status.
async fn attend(mut process: AttachedProcess, stderr: &mut String) -> Result<Status, HookFailure> {
    let out = process.stdout();
    let err = process.stderr();
    let status = process.take_status();
    let mut kept = Kept { text: stderr, bytes: Vec::new() };
    let output = async {
        tokio::join!(drain(out, None), drain(err, Some(&mut kept)));
    };
    let status = async {
        match status {
            Some(status) => status.await,
            None => None,
        }
    };
    let mut output = std::pin::pin!(output);
    let mut status = std::pin::pin!(status);
    let status = tokio::select! {
        status = &mut status => {
            // The status may overtake the last lines of output.
            if tokio::time::timeout(LAST_WORDS, &mut output).await.is_err() {
                tracing::debug!("output of a hook did not end with its process");
            }
            status
        }
        () = &mut output => status.await,
    };
    status
        .ok_or_else(|| HookFailure::Lost { why: "the connection broke off before the exit code came".into() })
}

struct Kept<'a> {
    text: &'a mut String,
    bytes: Vec<u8>,
}

impl Kept<'_> {
    fn take(&mut self, bytes: &[u8]) {
        let room = STDERR.saturating_sub(self.bytes.len());
        if room == 0 {
            return;
        }
        self.bytes.extend(bytes.iter().take(room));
        let text = String::from_utf8_lossy(&self.bytes);
        *self.text = text.trim().chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    }
}

async fn drain(stream: Option<impl AsyncRead + Unpin>, mut kept: Option<&mut Kept<'_>>) {
    let Some(mut stream) = stream else { return };
    let mut buffer = [0u8; 4096];
    while let Ok(length) = stream.read(&mut buffer).await {
        if length == 0 {
            return;
        }
        if let (Some(kept), Some(bytes)) = (kept.as_deref_mut(), buffer.get(..length)) {
            kept.take(bytes);
        }
    }
}

/// Reads the status that ends an exec. Pure.
fn verdict(status: &Status, stderr: String, command: &Command) -> Result<(), HookFailure> {
    if status.status.as_deref() == Some("Success") {
        return Ok(());
    }
    let causes = status.details.as_ref().and_then(|details| details.causes.as_ref());
    let exit = causes
        .into_iter()
        .flatten()
        .find(|cause| cause.reason.as_deref() == Some("ExitCode"))
        .and_then(|cause| cause.message.as_ref()?.parse::<i32>().ok());
    let message = status.message.clone().unwrap_or_default();
    if is_no_program(&message) || (matches!(exit, Some(126..=128)) && is_no_program(&stderr)) {
        return Err(HookFailure::NoProgram { program: command.argv.first().cloned().unwrap_or_default() });
    }
    Err(match exit {
        Some(code) => HookFailure::Exit { code, stderr },
        None => HookFailure::Lost { why: message },
    })
}

/// The container runtime's ways to say that the program is not there.
fn is_no_program(message: &str) -> bool {
    let start_failed = message.contains("exec failed") || message.contains("OCI runtime");
    start_failed
        && ["no such file or directory", "executable file not found", "permission denied"]
            .iter()
            .any(|phrase| message.contains(phrase))
}

fn refused(error: &kube::Error) -> HookFailure {
    let why = crate::error::readable(error);
    let not_running = ["container not found", "not running", "is not created or running", "current phase is"];
    if crate::error::is_absent(error) {
        HookFailure::PodGone
    } else if not_running.iter().any(|phrase| why.contains(phrase)) {
        HookFailure::NotRunning { why }
    } else {
        HookFailure::Lost { why }
    }
}

fn lost(error: &kube::Error) -> HookFailure {
    HookFailure::Lost { why: crate::error::readable(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resources::OnError;
    use serde_json::json;

    fn command() -> Command {
        Command {
            namespace: "shop".into(),
            pod: "db-0".into(),
            pod_uid: "uid".into(),
            container: "db".into(),
            argv: vec!["/bin/sh".into(), "-c".into(), "echo password".into()],
            timeout: Duration::from_secs(1),
            on_error: OnError::Fail,
        }
    }

    fn status(value: serde_json::Value) -> Status {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_status_of_an_exec_is_read() {
        let exit = json!({"status": "Failure", "reason": "NonZeroExitCode", "message": "command terminated",
            "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}});
        let no_shell = json!({"status": "Failure", "message": "Internal error occurred: error executing command in \
            container: failed to exec in container: OCI runtime exec failed: exec failed: unable to start container \
            process: exec: \"/bin/sh\": stat /bin/sh: no such file or directory: unknown"});
        let other = json!({"status": "Failure", "message": "error dialing backend"});

        let verdicts = [json!({"status": "Success"}), exit, no_shell, other]
            .map(|value| verdict(&status(value), "lock held".into(), &command()));

        assert_eq!(verdicts[0], Ok(()));
        assert_eq!(verdicts[1], Err(HookFailure::Exit { code: 3, stderr: "lock held".into() }));
        assert_eq!(verdicts[2], Err(HookFailure::NoProgram { program: "/bin/sh".into() }));
        assert_eq!(verdicts[3], Err(HookFailure::Lost { why: "error dialing backend".into() }));
    }

    #[test]
    fn a_problem_names_the_hook_and_the_program_but_never_its_arguments() {
        let hook = super::super::HookRef { hook: "ops/freeze".into(), entry: "db".into() };
        let failure = HookFailure::TimedOut { waited: Duration::from_secs(1), stderr: String::new() };

        let problem = failure.problem(&hook, &command());

        assert_eq!(problem.code, code::HOOK_FAILED);
        assert_eq!(problem.target.as_deref(), Some("pods/shop/db-0"));
        assert!(problem.message.contains("ops/freeze") && problem.message.contains("may still run"));
        assert!(!problem.message.contains("password"), "{}", problem.message);
    }

    #[test]
    fn at_most_one_kibibyte_of_standard_error_is_kept() {
        let mut text = String::new();
        let mut kept = Kept { text: &mut text, bytes: Vec::new() };

        kept.take(&[b'x'; 700]);
        kept.take(&[b'y'; 700]);

        assert_eq!(text.len(), STDERR);
    }
}
