//! What Debian's restic is too old for is compared with `rustic_core`: see `tests/`.
