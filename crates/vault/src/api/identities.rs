//! User-assigned managed identities, and the tokens of others that are exchanged for theirs.

mod extension;
mod record;

pub use extension::{ensure_extension_identity, new, remove_extension_identity, remove_node_group};
pub use record::{EXCHANGE_AUDIENCE, FEDERATED, FederatedRecord, IdentityRecord, KIND, MOST_CREDENTIALS};
