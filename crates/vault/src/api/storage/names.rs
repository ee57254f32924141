//! Names of accounts: what they may be, and who has them. They are unique in the whole vault, because they are the first
//! part of the data plane's paths.

use super::{ACCOUNT, NAMESPACE};
use crate::{
    api::{Call, Failure},
    reply::Reply,
};
use arm::{ArmError, Fields, IdError, ResourceId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The first parts of the vault's other paths, and those that it may want one day.
const RESERVED: [&str; 35] = [
    "adfs",
    "agent",
    "api",
    "apis",
    "assets",
    "cluster",
    "clusters",
    "common",
    "consumers",
    "device",
    "devicelogin",
    "docs",
    "favicon",
    "gateway",
    "graph",
    "health",
    "healthz",
    "livez",
    "login",
    "logout",
    "metadata",
    "metrics",
    "oauth2",
    "openapi",
    "organizations",
    "portal",
    "providers",
    "readyz",
    "restic",
    "robots",
    "static",
    "subscriptions",
    "tenants",
    "ui",
    "vault",
];
/// No subscription can have this id; names of all subscriptions are kept there.
const EVERYWHERE: &str = "/subscriptions/00000000-0000-0000-0000-000000000000";
const KIND: &str = "Cofferdam.Storage/accountNames";

/// Lives of accounts that are remembered of a name, the latest ones.
const MOST_EARLIER: usize = 100;

/// Who has a name, or had it last: whether there is such an account is the account's own to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NameRecord {
    /// The account.
    pub account: ResourceId,
    /// The accounts that had it and are gone, in the order in which they went. What lay in them is gone with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Life>,
}

/// From when to when there was an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Life {
    /// Which.
    pub account: ResourceId,
    /// When it was made.
    pub from: Timestamp,
    /// When it was deleted.
    pub until: Timestamp,
}

impl NameRecord {
    /// The same once its account is gone.
    pub fn ended(mut self, life: Life) -> Self {
        if self.earlier.len() >= MOST_EARLIER {
            self.earlier.remove(0);
        }
        self.earlier.push(life);
        self
    }
}

/// Under which id it is kept who has a name.
pub fn index(name: &str) -> Result<ResourceId, IdError> {
    EVERYWHERE.parse::<ResourceId>()?.with(KIND, name)
}

/// Whether an account can have this name.
pub fn is_account_name(name: &str) -> bool {
    blobs::check_account(name).is_ok() && !RESERVED.contains(&name)
}

/// The same, with the reason.
pub fn check(name: &str) -> Result<(), ArmError> {
    if is_account_name(name) {
        return Ok(());
    }
    let message = if RESERVED.contains(&name) {
        format!("The storage account name '{name}' is reserved by the vault. Choose another one.")
    } else {
        format!(
            "{name} is not a valid storage account name. Storage account name must be between 3 and 24 characters in \
             length and use numbers and lower-case letters only."
        )
    };
    Err(ArmError::new(400, "AccountNameInvalid", message))
}

/// Whether an account of a name can be made.
pub async fn available(call: &Call<'_>) -> Result<Reply, Failure> {
    let body = call.json()?;
    let fields = Fields::of(&body)?;
    let name = fields.required_text("name")?;
    if let Some(kind) =
        fields.text("type")?.filter(|kind| !kind.is_empty() && !kind.eq_ignore_ascii_case(ACCOUNT))
    {
        let shown: String = kind.chars().take(100).collect();
        return Err(fields.wrong("type", format!("is '{shown}'; names of {ACCOUNT} can be checked")).into());
    }
    let no = |reason: &str, message: String| {
        Reply::json(200, json!({"nameAvailable": false, "reason": reason, "message": message}))
    };
    if let Err(error) = check(name) {
        return Ok(no("AccountNameInvalid", error.message));
    }
    Ok(match holder(call, name).await? {
        Some(_) => no("AlreadyExists", taken(name).message),
        None => Reply::json(200, json!({"nameAvailable": true})),
    })
}

/// Which account has a name.
pub async fn holder(call: &Call<'_>, name: &str) -> Result<Option<ResourceId>, Failure> {
    Ok(call.app.stored.find(call.app.store.as_ref(), name).await?.map(|known| known.id.clone()))
}

/// The refusal of a name that another account has.
pub fn taken(name: &str) -> ArmError {
    let message = format!(
        "The storage account named {name} is already taken. Names are unique in this vault; choose another one."
    );
    ArmError::new(409, "StorageAccountAlreadyTaken", message).about(NAMESPACE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::operations;

    #[test]
    fn no_account_has_the_name_of_a_path() {
        for name in ["subscriptions", "healthz", "metadata", "common", "ab", "Abc", "a-b", &"a".repeat(25)] {
            assert_eq!(check(name).unwrap_err().code, "AccountNameInvalid", "{name}");
        }
        assert!(check("abc").is_ok() && check(&"a1".repeat(12)).is_ok());
    }

    #[test]
    fn every_first_part_of_an_operation_is_reserved() {
        let firsts = operations().filter_map(|operation| operation.path.split('/').nth(1));

        for first in firsts.filter(|first| !first.starts_with('{')) {
            assert!(!is_account_name(&first.to_lowercase()), "{first}");
        }
    }
}
