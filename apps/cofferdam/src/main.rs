//! The one binary; the subcommand decides the part.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]
// They panic when the reader has gone: `output::line` and `note!` do not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod cluster;
mod commands;
mod exit;
mod operation;
mod output;
mod secret;
mod selection;
mod wait;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Two TLS providers in one process panic at first use: choose before anything else runs.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        note!("error: the TLS provider was installed twice; this is a defect, please report it");
        return ExitCode::from(exit::Exit::Failed.code());
    }
    let arguments = args::Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            note!("error: could not start the runtime: {error}\nnext: check the limits of this process");
            return ExitCode::from(exit::Exit::Failed.code());
        }
    };
    let ended = runtime.block_on(commands::run(arguments));
    // Blocking tasks that wait for nothing more must not hold up the exit.
    runtime.shutdown_background();
    match ended {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            note!("{}", failure.to_string().trim_end());
            ExitCode::from(failure.exit.code())
        }
    }
}
