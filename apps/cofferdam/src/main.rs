//! The one binary; the subcommand decides the part.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]
// They panic when the reader has gone: `output::line` and `note!` do not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod ask;
mod cluster;
mod commands;
mod exit;
mod managed;
mod operation;
mod output;
mod secret;
mod selection;
mod wait;

use clap::{Parser, error::ErrorKind};
use std::process::ExitCode;

fn main() -> ExitCode {
    // Two TLS providers in one process panic at first use: choose before anything else runs.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        note!("error: the TLS provider was installed twice; this is a defect, please report it");
        return ExitCode::from(exit::Exit::Failed.code());
    }
    let arguments = match args::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if is_help(&error) => error.exit(),
        Err(error) => return end(Err(args::refusal(&error, std::env::args_os()))),
    };
    let runtime = match runtime(&arguments.command) {
        Ok(runtime) => runtime,
        Err(error) => {
            note!("error: could not start the runtime: {error}\nnext: check the limits of this process");
            return ExitCode::from(exit::Exit::Failed.code());
        }
    };
    let ended = runtime.block_on(commands::run(arguments));
    // Blocking tasks that wait for nothing more must not hold up the exit.
    runtime.shutdown_background();
    end(ended)
}

/// The agent has 0.5 % of a core and 64 MiB: one thread, and few beside it for what blocks.
fn runtime(command: &args::Command) -> std::io::Result<tokio::runtime::Runtime> {
    match command {
        args::Command::Agent(_) => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(2)
            .thread_keep_alive(std::time::Duration::from_secs(1))
            .build(),
        _ => tokio::runtime::Builder::new_multi_thread().enable_all().build(),
    }
}

/// Help, asked for or shown because the line stops at a noun, and the version.
fn is_help(error: &clap::Error) -> bool {
    !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

/// Says why a command failed; the exit code of the process.
fn end(ended: exit::Outcome) -> ExitCode {
    match ended {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            note!("{}", failure.to_string().trim_end());
            ExitCode::from(failure.exit.code())
        }
    }
}
