//! What is in each image, and how it starts.

mod base;
mod gatekeeper;
mod nginx;
mod pause;
mod postgres;
mod product;
mod shell;
mod velero;

use crate::archive::Image;
use crate::debian::{Closure, Packages};
use crate::error::Error;

pub use gatekeeper::{REFERENCE as GATEKEEPER, gatekeeper};
pub use product::product;
pub use velero::{REFERENCE as VELERO, velero};

/// A program that the testbed's clusters run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// A shell with the usual small tools.
    Shell,
    /// A web server.
    Nginx,
    /// A PostgreSQL server with its clients and `pgbench`.
    Postgres,
    /// A program that does nothing, for pod sandboxes.
    Pause,
}

impl Workload {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Shell, Self::Nginx, Self::Postgres, Self::Pause];

    /// Its short name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Nginx => "nginx",
            Self::Postgres => "postgres",
            Self::Pause => "pause",
        }
    }

    /// The image's name.
    pub fn reference(self) -> &'static str {
        match self {
            Self::Shell => "cofferdam.test/shell:1",
            Self::Nginx => "cofferdam.test/nginx:1",
            Self::Postgres => "cofferdam.test/postgres:1",
            Self::Pause => "cofferdam.test/pause:1",
        }
    }
}

/// The packages that a workload's image is made of, resolved.
pub fn closure(workload: Workload, packages: &Packages) -> Result<Closure, Error> {
    packages.closure(&match workload {
        Workload::Shell => shell::INGREDIENTS,
        Workload::Nginx => nginx::INGREDIENTS,
        Workload::Postgres => postgres::INGREDIENTS,
        Workload::Pause => pause::INGREDIENTS,
    })
}

/// The image of a workload, from its [`closure`].
pub fn workload(workload: Workload, closure: &Closure) -> Result<Image, Error> {
    let packages = closure.unpack()?;
    let (files, settings) = match workload {
        Workload::Shell => shell::recipe(&packages)?,
        Workload::Nginx => nginx::recipe(&packages)?,
        Workload::Postgres => postgres::recipe(&packages)?,
        Workload::Pause => pause::recipe(&packages)?,
    };
    Ok(Image { reference: workload.reference().to_owned(), files, settings })
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
