//! `cofferdam completion`: a completion script for a shell.

use crate::{
    args::Arguments,
    exit::{Exit, Outcome},
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
    generate(args.shell, &mut command, "cofferdam", &mut std::io::stdout());
    Ok(Exit::Done)
}
