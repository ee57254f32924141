//! `--yes`.

use clap::Args;

/// Nothing is deleted without it.
#[derive(Debug, Clone, Default, Args)]
pub struct Confirm {
    /// Delete, instead of showing what would be deleted
    #[arg(short = 'y', long)]
    pub yes: bool,
}
