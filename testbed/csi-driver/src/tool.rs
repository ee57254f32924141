//! Runs one system tool to its end and turns a failure into an error that shows the command line.

use crate::error::Error;
use std::ffi::OsStr;
use std::process::Command;

/// Runs `program` with `args` and returns what it wrote to standard output.
pub fn run<A: AsRef<OsStr>>(program: &str, args: &[A]) -> Result<String, Error> {
    let mut command = Command::new(program);
    command.args(args).env("LC_ALL", "C");
    let shown = || {
        let words = args.iter().map(|a| a.as_ref().to_string_lossy());
        std::iter::once(program.into()).chain(words).collect::<Vec<_>>().join(" ")
    };
    match command.output() {
        Err(source) => {
            Err(Error::Tool { command: shown(), message: format!("{source}; is {program} installed?") })
        }
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => Err(Error::Tool {
            command: shown(),
            message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }),
    }
}
