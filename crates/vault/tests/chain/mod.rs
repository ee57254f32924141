//! Follows the audit log's chain, as somebody does who keeps a copy of it.

use vault::store::{AuditRow, chained};

/// The number of the first record that does not follow from those before it.
pub fn first_broken(rows: &[AuditRow]) -> Option<i64> {
    let mut before: &[u8] = &[];
    for row in rows {
        if chained(before, &row.record) != row.hash {
            return Some(row.number);
        }
        before = &row.hash;
    }
    None
}
