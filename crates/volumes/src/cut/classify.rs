//! Reads a driver's or controller's failure text: will it pass, and which documented code names it? Pure.

use protection::code;

/// What a failure text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// Trying again is pointless; the documented code.
    Final(&'static str),
    /// The controllers try again by themselves.
    MayPass,
}

/// Storage systems that are out of snapshots for this volume or account.
const LIMIT: [&str; 8] = [
    "snapshotlimit",
    "snapshot limit",
    "maximum number of snapshots",
    "snapshotcountexceeded",
    "too many snapshots",
    "quotaexceeded",
    "exceeded quota",
    "quota_exceeded",
];
/// Policies and permissions that refuse the snapshot.
const REFUSED: [&str; 6] = [
    "disallowedbypolicy",
    "denied by policy",
    "denied the request",
    "authorizationfailed",
    "code = permissiondenied",
    "code = unauthenticated",
];
/// The driver will never be able to.
const IMPOSSIBLE: [&str; 4] =
    ["code = unimplemented", "code = invalidargument", "code = notfound", "is not supported"];

/// Classifies one failure text.
pub(super) fn classify(message: &str) -> Failure {
    let text = message.to_ascii_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    if says(&LIMIT) {
        Failure::Final(code::SNAPSHOT_LIMIT_REACHED)
    } else if says(&REFUSED) {
        Failure::Final(code::SNAPSHOT_DISALLOWED)
    } else if says(&IMPOSSIBLE) {
        Failure::Final(code::SNAPSHOT_FAILED)
    } else {
        Failure::MayPass
    }
}

/// Whether a group failed because the driver or a controller cannot cut groups at all.
pub(super) fn is_groupless(message: &str) -> bool {
    let text = message.to_ascii_lowercase();
    ["unimplemented", "not supported", "does not support", "groupcontroller"]
        .iter()
        .any(|one| text.contains(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts_are_recognised() {
        let rows = [
            (
                "rpc error: code = ResourceExhausted desc = SnapshotLimitExceeded",
                Failure::Final(code::SNAPSHOT_LIMIT_REACHED),
            ),
            (
                "The maximum number of snapshots per disk (500) was reached",
                Failure::Final(code::SNAPSHOT_LIMIT_REACHED),
            ),
            (
                "volumesnapshots is forbidden: exceeded quota: snaps",
                Failure::Final(code::SNAPSHOT_LIMIT_REACHED),
            ),
            ("Code=\"RequestDisallowedByPolicy\"", Failure::Final(code::SNAPSHOT_DISALLOWED)),
            ("admission webhook \"x\" denied the request: no", Failure::Final(code::SNAPSHOT_DISALLOWED)),
            ("rpc error: code = Unimplemented desc =", Failure::Final(code::SNAPSHOT_FAILED)),
            ("rpc error: code = Aborted desc = operation pending", Failure::MayPass),
            ("rpc error: code = Internal desc = disk busy", Failure::MayPass),
            ("context deadline exceeded", Failure::MayPass),
        ];

        for (text, expected) in rows {
            assert_eq!(classify(text), expected, "{text}");
        }
    }
}
