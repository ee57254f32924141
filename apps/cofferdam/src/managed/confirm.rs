//! `--yes`.

use clap::Args;

/// Nothing is deleted without it.
#[derive(Debug, Clone, Default, Args)]
pub struct Confirm {
    /// Delete, instead of showing what would be deleted
    #[arg(short = 'y', long)]
    pub yes: bool,
}

/// What is to be deleted, and that it really is.
#[derive(Debug, Clone, Args)]
pub struct Deletion<Which: Args> {
    /// What.
    #[command(flatten)]
    pub which: Which,
    /// Really.
    #[command(flatten)]
    pub confirm: Confirm,
}
