//! The rules behind the catalogue, one file per subject.

pub(crate) mod cluster;
pub(crate) mod location;
pub(crate) mod policies;
pub(crate) mod velero;
pub(crate) mod volumes;

/// At most five names, and how many there are.
pub(crate) fn some(names: &[String]) -> String {
    let shown = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(5) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
