//! What identities and their credentials may be, and how clients read them.

use super::{FEDERATED, FederatedRecord, IdentityRecord, KIND};
use crate::api::groups::{location, tags};
use arm::{ArmError, Fields, ResourceId};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use url::Url;

const LONGEST_TEXT: usize = 600;
const MOST_AUDIENCES: usize = 10;

/// What a PUT wants: the location where one is given, and the tags.
pub fn wanted(name: &str, body: &Value) -> Result<(String, BTreeMap<String, String>), ArmError> {
    check_name("identity", name, 3, 128)?;
    let fields = Fields::of(body)?;
    Ok((location(&fields)?, tags(&fields)?.unwrap_or_default()))
}

/// What a PUT makes of an identity that is there.
pub fn again(
    existing: &IdentityRecord,
    location: &str,
    tags: BTreeMap<String, String>,
) -> Result<IdentityRecord, ArmError> {
    if existing.location != location {
        let message = format!(
            "The identity is in location '{}' and cannot move to '{location}'. Use another name, or its own location.",
            existing.location
        );
        return Err(ArmError::new(409, "InvalidResourceLocation", message).about("location"));
    }
    Ok(IdentityRecord { tags, ..existing.clone() })
}

/// What a PATCH makes of an identity: tags are replaced as a whole, where they are given.
pub fn patched(existing: &IdentityRecord, body: &Value) -> Result<IdentityRecord, ArmError> {
    let tags = tags(&Fields::of(body)?)?.unwrap_or_else(|| existing.tags.clone());
    Ok(IdentityRecord { tags, ..existing.clone() })
}

/// Reads a PUT of a credential.
pub fn credential(name: &str, body: &Value) -> Result<FederatedRecord, ArmError> {
    check_name("federated identity credential", name, 3, 120)?;
    let fields = Fields::of(body)?.required_object("properties")?;
    let issuer = fields.required_text("issuer")?;
    let is_https = Url::parse(issuer).is_ok_and(|url| {
        url.scheme() == "https" && url.host().is_some() && url.query().is_none() && url.fragment().is_none()
    });
    if !is_https || issuer.len() > LONGEST_TEXT {
        return Err(fields.wrong("issuer", format!("must be an https URL of at most {LONGEST_TEXT} bytes")));
    }
    let subject = fields.required_text("subject")?;
    if subject.len() > LONGEST_TEXT {
        return Err(fields.wrong("subject", format!("has more than {LONGEST_TEXT} bytes")));
    }
    let given = fields.get("audiences").and_then(Value::as_array);
    let audiences: Option<Vec<String>> = given.and_then(|all| {
        let text = |one: &Value| {
            one.as_str().filter(|text| (1..=LONGEST_TEXT).contains(&text.len())).map(str::to_owned)
        };
        all.iter().map(text).collect()
    });
    match audiences {
        Some(audiences) if (1..=MOST_AUDIENCES).contains(&audiences.len()) => Ok(FederatedRecord {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            audiences,
            cluster: None,
        }),
        _ => {
            let reason =
                format!("must be a list of 1 to {MOST_AUDIENCES} texts, such as api://AzureADTokenExchange");
            Err(fields.wrong("audiences", reason))
        }
    }
}

/// An identity as clients read it.
pub fn shown(tenant: &str, id: &ResourceId, record: &IdentityRecord) -> Value {
    json!({
        "id": id,
        "name": id.name(),
        "type": KIND,
        "location": record.location,
        "tags": record.tags,
        "properties": {
            "tenantId": tenant,
            "principalId": record.principal_id,
            "clientId": record.client_id,
        },
    })
}

/// A credential as clients read it.
pub fn shown_credential(id: &ResourceId, record: &FederatedRecord) -> Value {
    json!({
        "id": id,
        "name": id.name(),
        "type": FEDERATED,
        "properties": {
            "issuer": record.issuer,
            "subject": record.subject,
            "audiences": record.audiences,
        },
    })
}

fn check_name(what: &str, name: &str, shortest: usize, longest: usize) -> Result<(), ArmError> {
    let fits = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && (shortest..=longest).contains(&name.len());
    if fits {
        return Ok(());
    }
    let message = format!(
        "The name '{name}' of the {what} cannot be used: {shortest} to {longest} letters, digits, '-' and '_', and a \
         letter or a digit at the beginning."
    );
    Err(ArmError::new(400, "InvalidResourceName", message).about("name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_of_a_credential_is_named() {
        let properties = |issuer: &str, subject: &str, audiences: Value| json!({"properties": {"issuer": issuer, "subject": subject, "audiences": audiences}});
        let target = |name: &str, body: Value| {
            let error = credential(name, &body).unwrap_err();
            error.target.unwrap_or(error.code)
        };
        let good = "https://issuer.example";

        assert!(credential("abc", &properties(good, "s", json!(["a"]))).is_ok());
        assert_eq!(target("a/b", properties(good, "s", json!(["a"]))), "name");
        assert_eq!(target("abc", json!({})), "properties");
        for issuer in ["", "http://issuer.example", "issuer", "https://i.example?x", "https://"] {
            assert_eq!(target("abc", properties(issuer, "s", json!(["a"]))), "properties.issuer");
        }
        assert_eq!(target("abc", properties(good, "", json!(["a"]))), "properties.subject");
        for audiences in [json!([]), json!("a"), json!([5]), json!([""]), json!(vec!["a"; 11]), json!(null)] {
            assert_eq!(target("abc", properties(good, "s", audiences)), "properties.audiences");
        }
    }

    #[test]
    fn an_identity_stays_where_it_is_and_who_it_is() {
        let record = IdentityRecord {
            location: "local".into(),
            tags: BTreeMap::new(),
            principal_id: "p".into(),
            client_id: "c".into(),
        };

        let same = again(&record, "local", BTreeMap::from([("a".to_owned(), "b".to_owned())])).unwrap();

        assert_eq!((same.principal_id.as_str(), same.tags.len()), ("p", 1));
        assert_eq!(again(&record, "elsewhere", BTreeMap::new()).unwrap_err().status, 409);
        assert_eq!(patched(&same, &json!({})).unwrap().tags.len(), 1);
        assert_eq!(patched(&same, &json!({"tags": {}})).unwrap().tags.len(), 0);
    }
}
