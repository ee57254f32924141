//! The one binary; the subcommand decides the part.

fn main() {}
