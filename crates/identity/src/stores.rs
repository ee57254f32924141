//! Stores where roles do not count.

/// The code under which that is told.
pub const NOT_ENFORCED: &str = "RolesNotEnforced";

/// What people are told where backups go to a store outside that is reached with the fixed credential of this Secret.
pub fn not_enforced(secret: &str) -> String {
    format!(
        "Backups are written to a store outside with the fixed credential of the Secret '{secret}'. Roles that are given or \
         taken here do not count there: whoever has that credential can read, change and delete every backup in it. To \
         have roles count, use a storage account of this vault; or limit and renew the credential at the store."
    )
}
