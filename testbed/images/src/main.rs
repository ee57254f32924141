//! The command line that builds container images without a container engine.

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use images::recipes::{self, Workload};
use images::{Packages, archive, built};
use std::path::PathBuf;

/// Builds container images without a container engine. Same input, same digest.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Where downloaded packages are kept [default: ~/.cache/cofferdam/images].
    #[arg(long, global = true, env = "COFFERDAM_IMAGE_CACHE")]
    cache: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Builds the image of a workload of the testbed.
    Workload {
        /// Which one.
        workload: Name,
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
    },
    /// Builds the image of Velero and its plugin for S3.
    Velero {
        /// The directory with both, as `testbed build --velero` names it.
        #[arg(long)]
        programs: PathBuf,
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
    },
    /// Builds the image of Gatekeeper.
    Gatekeeper {
        /// The directory with its program, as `testbed build --gatekeeper` names it.
        #[arg(long)]
        programs: PathBuf,
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
    },
    /// Builds the product's image.
    Product {
        /// The program to put in it.
        #[arg(long)]
        binary: PathBuf,
        /// The image's name.
        #[arg(long, default_value = "cofferdam.test/cofferdam:dev")]
        reference: String,
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Name {
    Shell,
    Nginx,
    Postgres,
    Pause,
}

impl From<Name> for Workload {
    fn from(name: Name) -> Self {
        match name {
            Name::Shell => Self::Shell,
            Name::Nginx => Self::Nginx,
            Name::Postgres => Self::Postgres,
            Name::Pause => Self::Pause,
        }
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let cache = match args.cache {
        Some(cache) => cache,
        None => std::env::home_dir()
            .context("set --cache: there is no home directory")?
            .join(".cache/cofferdam/images"),
    };
    let packages = Packages::cached_in(cache.join("packages"));
    match args.command {
        Command::Workload { workload, out } => {
            let workload = Workload::from(workload);
            built::workload(workload, &packages, &cache.join("built"), &out)?;
            println!("{}", workload.reference());
        }
        Command::Velero { programs, out } => {
            let image = recipes::velero(&programs, &packages)?;
            println!("{}@{}", recipes::VELERO, archive::write(&image, &out)?);
        }
        Command::Gatekeeper { programs, out } => {
            let image = recipes::gatekeeper(&programs)?;
            println!("{}@{}", recipes::GATEKEEPER, archive::write(&image, &out)?);
        }
        Command::Product { binary, reference, out } => {
            let image = recipes::product(&reference, &binary, &packages)?;
            println!("{reference}@{}", archive::write(&image, &out)?);
        }
    }
    Ok(())
}
