//! `cofferdam completion`: a completion script for a shell.

use crate::{
    args::Arguments,
    exit::{Exit, Outcome},
    output,
};
use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// The shell, for example `source <(cofferdam completion bash)`
    #[arg(value_enum)]
    shell: Shell,
}

pub fn run(args: CompletionArgs) -> Outcome {
    let mut command = Arguments::command();
    let mut script = Vec::new();
    generate(args.shell, &mut command, "cofferdam", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Done)
}
