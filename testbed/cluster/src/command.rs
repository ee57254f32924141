//! Runs the operating system's own tools and turns their failures into sentences.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Output, Stdio};

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::Error;

/// A program with its arguments, perhaps inside a network namespace.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Invocation {
    /// The program, found through `PATH` when it is no path.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables added to the environment.
    pub environment: Vec<(OsString, OsString)>,
}

impl Invocation {
    /// `program` without arguments.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self { program: program.as_ref().to_owned(), arguments: Vec::new(), environment: Vec::new() }
    }

    /// Appends one argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Appends arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        let more = arguments.into_iter().map(|a| a.as_ref().to_owned());
        self.arguments.extend(more);
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The same program inside a network namespace. It is entered with
    /// `nsenter`, because `ip netns exec` would hide the control groups.
    pub fn inside(self, namespace: &Path) -> Self {
        let mut net = OsString::from("--net=");
        net.push(namespace);
        let mut outer = Self::new("nsenter").arg(net).arg("--").arg(&self.program);
        outer.arguments.extend(self.arguments);
        outer.environment = self.environment;
        outer
    }

    /// The command line for a person to read.
    pub fn display(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.arguments);
        words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }

    /// The command, ready to be started.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command.envs(self.environment.iter().map(|(k, v)| (k, v)));
        command
    }

    /// Runs it to its end and returns what it wrote; a failure is an error.
    pub async fn output(&self) -> Result<Output, Error> {
        self.output_with_input(b"").await
    }

    /// Runs it and returns its standard output as text, without the last line end.
    pub async fn text(&self) -> Result<String, Error> {
        let output = self.output().await?;
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Runs it with `input` on standard input.
    pub async fn output_with_input(&self, input: &[u8]) -> Result<Output, Error> {
        let output = self.run(input).await.map_err(|source| Error::Program {
            program: self.display(),
            outcome: "not started".to_owned(),
            detail: source.to_string(),
        })?;
        if output.status.success() {
            return Ok(output);
        }
        Err(Error::Program {
            program: self.display(),
            outcome: output.status.to_string(),
            detail: last_lines(&output),
        })
    }

    /// Runs it and only says whether it succeeded; for questions whose "no" is an exit code.
    pub async fn succeeds(&self) -> bool {
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        matches!(command.status().await, Ok(status) if status.success())
    }

    /// Runs it with the terminal of the caller; returns its exit code.
    pub async fn attached(&self) -> Result<i32, Error> {
        let status = self.command().status().await;
        let status = status.map_err(|source| Error::Program {
            program: self.display(),
            outcome: "not started".to_owned(),
            detail: source.to_string(),
        })?;
        Ok(status.code().unwrap_or(1))
    }

    async fn run(&self, input: &[u8]) -> std::io::Result<Output> {
        let mut child =
            self.command().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            match stdin.write_all(input).await {
                // A program that fails early does not read its input; its exit code says why.
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error),
                _ => {}
            }
        }
        child.wait_with_output().await
    }
}

fn last_lines(output: &Output) -> String {
    let text = match output.stderr.is_empty() {
        true => String::from_utf8_lossy(&output.stdout),
        false => String::from_utf8_lossy(&output.stderr),
    };
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let from = lines.len().saturating_sub(8);
    lines.get(from..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_inside_a_namespace_keeps_its_arguments_and_environment() {
        let plain = Invocation::new("etcd").arg("--version").env("A", "b");

        let inside = plain.inside(Path::new("/run/netns/x"));

        assert_eq!(inside.display(), "nsenter --net=/run/netns/x -- etcd --version");
        assert_eq!(inside.environment, [("A".into(), "b".into())]);
    }

    #[tokio::test]
    async fn a_failure_quotes_what_the_program_said() {
        let failing = Invocation::new("sh").args(["-c", "echo no such thing >&2; exit 3"]);

        let error = failing.output().await.unwrap_err().to_string();

        assert!(error.contains("no such thing") && error.contains('3'), "{error}");
    }
}
