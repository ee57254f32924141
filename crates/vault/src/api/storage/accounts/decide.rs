//! What an account may be, and what a call makes of it. Nothing that protects data ends by being left out of a request.

use super::{AccountRecord, NetworkRules};
use crate::{
    api::tracked::{check_tags, location_of},
    stores,
};
use arm::{ArmError, Fields};
use jiff::Timestamp;
use serde_json::Value;

const SKUS: [&str; 10] = [
    "Standard_LRS",
    "Standard_ZRS",
    "Standard_GRS",
    "Standard_RAGRS",
    "Standard_GZRS",
    "Standard_RAGZRS",
    "Premium_LRS",
    "Premium_ZRS",
    "StandardV2_LRS",
    "StandardV2_ZRS",
];
const KINDS: [&str; 4] = ["StorageV2", "Storage", "BlobStorage", "BlockBlobStorage"];
/// A tag with which clients that know no other property choose a store.
pub const STORE_TAG: &str = "cofferdam-store";
/// Properties that would promise what is not offered, with the only value that is taken.
const NOT_OFFERED: [(&str, bool); 4] = [
    ("isHnsEnabled", false),
    ("isNfsV3Enabled", false),
    ("isSftpEnabled", false),
    ("isLocalUserEnabled", false),
];

/// What is outside of the request.
pub struct Around<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// The name of a store is one that the operator configured.
    pub has_store: &'a dyn Fn(&str) -> bool,
    /// A folder for a new account.
    pub folder: String,
    /// Now.
    pub now: Timestamp,
}

/// What a PUT makes of what is there.
pub fn put(
    name: &str,
    existing: Option<&AccountRecord>,
    body: &Value,
    around: Around<'_>,
) -> Result<AccountRecord, ArmError> {
    let fields = Fields::of(body)?;
    let location = location_of(name, existing.map(|is| is.location.as_str()), fields.text("location")?)?;
    let fresh = AccountRecord {
        location,
        tags: Default::default(),
        sku: String::new(),
        kind: String::new(),
        encryption: None,
        access_tier: "Hot".to_owned(),
        network: NetworkRules::default(),
        store: stores::DEFAULT.to_owned(),
        folder: around.folder.clone(),
        created_at: around.now,
    };
    if existing.is_none() {
        let sku = fields.required_object("sku")?;
        sku.required_text("name")?;
        fields.required_text("kind")?;
    }
    let mut made = changed(name, existing.unwrap_or(&fresh), existing.is_none(), &fields, &around)?;
    made.tags = tags(&fields)?.unwrap_or_default();
    Ok(made)
}

/// What a PATCH makes of what is there.
pub fn patch(
    name: &str,
    existing: &AccountRecord,
    body: &Value,
    around: Around<'_>,
) -> Result<AccountRecord, ArmError> {
    let fields = Fields::of(body)?;
    let mut made = changed(name, existing, false, &fields, &around)?;
    if let Some(tags) = tags(&fields)? {
        made.tags = tags;
    }
    Ok(made)
}

fn changed(
    name: &str,
    is: &AccountRecord,
    new: bool,
    fields: &Fields<'_>,
    around: &Around<'_>,
) -> Result<AccountRecord, ArmError> {
    let mut made = is.clone();
    if let Some(sku) = fields.object("sku")?.map(|sku| sku.required_text("name")).transpose()? {
        made.sku = known(&SKUS, sku).ok_or_else(|| fields.wrong("sku.name", unknown(sku, &SKUS)))?;
    }
    if let Some(kind) = fields.text("kind")? {
        let kind = known(&KINDS, kind).ok_or_else(|| fields.wrong("kind", unknown(kind, &KINDS)))?;
        let upgrade = is.kind == "Storage" && kind == "StorageV2";
        if !new && kind != is.kind && !upgrade {
            let message =
                format!("The kind of the storage account '{name}' is {} and cannot become {kind}.", is.kind);
            return Err(ArmError::new(409, "PropertyChangeNotAllowed", message).about("kind"));
        }
        made.kind = kind;
    }
    let empty = Value::Object(Default::default());
    let properties = match fields.object("properties")? {
        Some(properties) => properties,
        None => Fields::of(&empty)?,
    };
    for (feature, only) in NOT_OFFERED {
        if properties.flag(feature)?.is_some_and(|given| given != only) {
            return Err(properties
                .wrong(feature, format!("is not offered by this vault; leave it out or send {only}")));
        }
    }
    if properties.flag("supportsHttpsTrafficOnly")? == Some(false) {
        return Err(
            properties.wrong("supportsHttpsTrafficOnly", "cannot be false: the vault speaks TLS alone")
        );
    }
    if properties.text("minimumTlsVersion")?.is_some_and(|version| version.eq_ignore_ascii_case("TLS1_3")) {
        return Err(properties.wrong(
            "minimumTlsVersion",
            "cannot be TLS1_3: the vault takes TLS 1.2 and 1.3 for all accounts",
        ));
    }
    if let Some(tier) = properties.text("accessTier")? {
        let tiers = ["Hot", "Cool", "Cold", "Premium"];
        made.access_tier =
            known(&tiers, tier).ok_or_else(|| properties.wrong("accessTier", unknown(tier, &tiers)))?;
    }
    if let Some(encryption) = properties.get("encryption") {
        made.encryption = Some(encryption.clone());
    }
    made.network = is.network.changed(&properties, around.tenant)?;
    made.store = store(name, is, new, fields, &properties, around)?;
    Ok(made)
}

/// The store that is asked for, by property or by tag; it stays what it is.
fn store(
    name: &str,
    is: &AccountRecord,
    new: bool,
    fields: &Fields<'_>,
    properties: &Fields<'_>,
    around: &Around<'_>,
) -> Result<String, ArmError> {
    let by_tag = tags(fields)?.and_then(|tags| tags.get(STORE_TAG).cloned());
    let given =
        properties.text("cofferdamStore")?.map(str::to_owned).or(by_tag).filter(|given| !given.is_empty());
    let Some(given) = given else { return Ok(is.store.clone()) };
    if !new && given != is.store {
        let message = format!(
            "The storage account '{name}' lies in the store '{}' and cannot move to another one.",
            is.store
        );
        return Err(
            ArmError::new(409, "PropertyChangeNotAllowed", message).about("properties.cofferdamStore")
        );
    }
    if new && !(around.has_store)(&given) {
        let reason = format!(
            "is '{given}', and the vault has no such store; its operator configures them with --store"
        );
        return Err(properties.wrong("cofferdamStore", reason));
    }
    Ok(given)
}

fn known(words: &[&str], given: &str) -> Option<String> {
    words.iter().find(|word| word.eq_ignore_ascii_case(given)).map(|word| (*word).to_owned())
}

fn unknown(given: &str, words: &[&str]) -> String {
    let shown: String = given.chars().take(60).collect();
    format!("is '{shown}'; known are {}", words.join(", "))
}

fn tags(fields: &Fields<'_>) -> Result<Option<std::collections::BTreeMap<String, String>>, ArmError> {
    let Some(tags) = fields.texts("tags")? else { return Ok(None) };
    check_tags(&tags)?;
    Ok(Some(tags))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn around(has: &dyn Fn(&str) -> bool) -> Around<'_> {
        Around { tenant: "t", has_store: has, folder: "acct-1".into(), now: Timestamp::UNIX_EPOCH }
    }

    fn has(name: &str) -> bool {
        name == "default" || name == "cold"
    }

    fn made(body: Value) -> Result<AccountRecord, ArmError> {
        put("acct", None, &body, around(&has))
    }

    fn plain() -> Value {
        json!({"location": "local", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}})
    }

    #[test]
    fn an_account_as_clients_make_it() {
        let body = json!({"location": "Local", "kind": "storagev2", "sku": {"name": "standard_lrs"}, "tags": {"a": "b"},
            "properties": {"encryption": {"keySource": "Microsoft.Storage"}, "allowSharedKeyAccess": true, "accessTier": "Hot"}});

        let made = made(body).unwrap();

        assert_eq!(
            (made.location.as_str(), made.kind.as_str(), made.sku.as_str()),
            ("local", "StorageV2", "Standard_LRS")
        );
        assert_eq!((made.store.as_str(), made.folder.as_str()), ("default", "acct-1"));
    }

    #[test]
    fn a_store_is_chosen_by_property_or_tag_and_stays() {
        let mut by_property = plain();
        by_property["properties"] = json!({"cofferdamStore": "cold"});
        let mut by_tag = plain();
        by_tag["tags"] = json!({"cofferdam-store": "cold"});
        let mut unknown = plain();
        unknown["properties"] = json!({"cofferdamStore": "lost"});

        let one = made(by_property).unwrap();
        let moved = patch("acct", &one, &json!({"properties": {"cofferdamStore": "default"}}), around(&has));

        assert_eq!((one.store.as_str(), made(by_tag).unwrap().store.as_str()), ("cold", "cold"));
        assert_eq!(made(unknown).unwrap_err().code, "InvalidRequestContent");
        assert_eq!(moved.unwrap_err().code, "PropertyChangeNotAllowed");
    }

    #[test]
    fn what_is_left_out_stays_except_for_the_tags_of_a_put() {
        let mut closed = plain();
        closed["properties"] = json!({"networkAcls": {"defaultAction": "Deny"}});
        closed["tags"] = json!({"a": "b"});
        let closed = made(closed).unwrap();

        let again = put("acct", Some(&closed), &plain(), around(&has)).unwrap();
        let patched = patch("acct", &closed, &json!({}), around(&has)).unwrap();

        assert!(again.network.deny && again.tags.is_empty());
        assert_eq!(patched, closed);
    }

    #[test]
    fn what_would_promise_too_much_is_refused() {
        let with = |properties: Value| {
            let mut body = plain();
            body["properties"] = properties;
            made(body).unwrap_err().code
        };

        for properties in [
            json!({"isHnsEnabled": true}),
            json!({"isSftpEnabled": true}),
            json!({"supportsHttpsTrafficOnly": false}),
            json!({"minimumTlsVersion": "TLS1_3"}),
            json!({"accessTier": "Lukewarm"}),
            json!({"publicNetworkAccess": "Perhaps"}),
        ] {
            assert_eq!(with(properties.clone()), "InvalidRequestContent", "{properties}");
        }
        assert_eq!(
            made(json!({"location": "here", "kind": "FileStorage", "sku": {"name": "Premium_LRS"}}))
                .unwrap_err()
                .target
                .as_deref(),
            Some("kind")
        );
        assert_eq!(
            made(json!({"location": "here", "kind": "StorageV2"})).unwrap_err().target.as_deref(),
            Some("sku")
        );
        assert_eq!(
            made(json!({"kind": "StorageV2", "sku": {"name": "Standard_LRS"}})).unwrap_err().code,
            "LocationRequired"
        );
    }

    proptest! {
        #[test]
        fn whatever_put_takes_patch_takes_too(tier in "Hot|Cool|x", deny in any::<bool>()) {
            let mut body = plain();
            body["properties"] = json!({"accessTier": tier, "networkAcls": {"defaultAction": if deny { "Deny" } else { "Allow" }}});
            if let Ok(record) = made(body.clone()) {
                prop_assert_eq!(patch("acct", &record, &body, around(&has)).unwrap(), record);
            }
        }
    }
}
