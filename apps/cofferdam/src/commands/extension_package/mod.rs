//! `cofferdam extension-package`: makes, signs and checks packages of extensions, ours and those of others.

mod build;
pub mod files;
mod key;
mod verify;

use crate::{exit::Failure, exit::Outcome, output::Format};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum PackageCommand {
    /// Make a key to sign packages with
    Key(key::KeyArgs),
    /// Check and sign a package, and write it as a registry serves it
    Build(build::BuildArgs),
    /// Check a package as an agent does before it installs it
    Verify(verify::VerifyArgs),
}

pub fn run(command: PackageCommand, format: Format) -> Outcome {
    match command {
        PackageCommand::Key(args) => key::run(&args, format),
        PackageCommand::Build(args) => build::run(&args, format),
        PackageCommand::Verify(args) => verify::run(&args, format),
    }
}

/// A refused package: the sentence, and what to do.
fn refused(error: packages::PackageError) -> Failure {
    Failure::precondition(format!("{}: {}", error.code, error.what.trim_end_matches('.'))).next(error.next)
}
