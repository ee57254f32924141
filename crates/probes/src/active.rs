//! Probes that make something in the cluster: a pod that looks at the way out, a volume that is snapshot and restored.
//! They run only when somebody has agreed, have deadlines, and remove what they made. Each run shows by a Lease that it
//! lives: what belongs to none that does goes with the next one.

mod deep;
mod egress;
mod job;
mod lease;
mod namespace;
mod place;
mod run;
mod signs;
mod sweep;
mod volume;

pub use deep::{Candidate, Tried, candidates, deep};
pub use egress::{Answer, egress};
pub use lease::{Life, begin};
pub use place::{LABEL, NAMESPACE, Place};
pub use run::{RUN, RunId};
pub use sweep::{end, sweep};

/// What could not be done, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hindered(pub String);

impl Hindered {
    fn by(tried: &str) -> impl Fn(kube::Error) -> Self {
        move |error| {
            let is_refused = matches!(&error, kube::Error::Api(status) if status.code == 403);
            let next = if is_refused { "; docs/prerequisites.md lists the rights of probes" } else { "" };
            Self(format!("{tried}: {}{next}", crate::short(&error)))
        }
    }
}

impl std::fmt::Display for Hindered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
