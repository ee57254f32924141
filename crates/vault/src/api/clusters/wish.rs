//! What the body of `POST …/connect` may say, pure: the way out of the cluster, and that no manifest is wanted.

use arm::{ArmError, Fields};
use serde_json::Value;
use tunnel::{EgressPart, EgressProxy};

/// The fields.
const URL: &str = "httpsProxy";
const EXCEPT: &str = "noProxy";
const AUTHORITIES: &str = "proxyCa";
const MANIFEST: &str = "manifest";
const DRY_RUN: &str = "dryRun";

/// What the caller wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The egress proxy of agent and gateway.
    pub proxy: Option<EgressProxy>,
    /// Whether the vault shall write the manifest; else the caller has one.
    pub manifest: bool,
    /// Whether only to show what would be answered: nothing changes, and the token opens nothing.
    pub dry_run: bool,
}

impl Wish {
    /// Reads a body, which may be left out.
    pub fn of(body: Option<&Value>) -> Result<Self, ArmError> {
        let Some(body) = body else { return Ok(Self { proxy: None, manifest: true, dry_run: false }) };
        let fields = Fields::of(body)?;
        Ok(Self {
            proxy: proxy(&fields)?,
            manifest: switch(&fields, MANIFEST)?.unwrap_or(true),
            dry_run: switch(&fields, DRY_RUN)?.unwrap_or_default(),
        })
    }
}

fn switch(fields: &Fields<'_>, name: &str) -> Result<Option<bool>, ArmError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(on)) => Ok(Some(*on)),
        Some(_) => Err(fields.wrong(name, "is neither true nor false")),
    }
}

fn proxy(fields: &Fields<'_>) -> Result<Option<EgressProxy>, ArmError> {
    let (except, authorities) = (fields.text(EXCEPT)?, fields.text(AUTHORITIES)?);
    let Some(url) = fields.text(URL)? else {
        let alone =
            [(EXCEPT, except), (AUTHORITIES, authorities)].into_iter().find(|(_, value)| value.is_some());
        return match alone {
            Some((field, _)) => {
                Err(fields.wrong(field, format!("means nothing without {URL}; give that too")))
            }
            None => Ok(None),
        };
    };
    EgressProxy::new(url, except, authorities).map(Some).map_err(|problem| {
        let field = match problem.part {
            EgressPart::Url => URL,
            EgressPart::Except => EXCEPT,
            EgressPart::Authorities => AUTHORITIES,
        };
        fields.wrong(field, problem.reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_field_that_cannot_be_taken_is_named() {
        let table = [
            (json!({"httpsProxy": "proxy"}), URL),
            (json!({"httpsProxy": 3128}), URL),
            (json!({"httpsProxy": "http://proxy:3128", "noProxy": "a b"}), EXCEPT),
            (json!({"noProxy": ".corp"}), EXCEPT),
            (json!({"httpsProxy": "https://proxy:3128", "proxyCa": "x"}), AUTHORITIES),
            (json!({"proxyCa": "x"}), AUTHORITIES),
            (json!({"manifest": "no"}), MANIFEST),
            (json!({"dryRun": 1}), DRY_RUN),
        ];

        for (body, field) in table {
            let refused = Wish::of(Some(&body)).unwrap_err().body();
            assert_eq!(refused["error"]["target"], field, "{body}: {refused}");
        }
    }

    #[test]
    fn without_a_word_a_manifest_without_a_proxy_is_wanted() {
        let plain = Wish { proxy: None, manifest: true, dry_run: false };

        assert_eq!(Wish::of(None).unwrap(), plain);
        assert_eq!(Wish::of(Some(&json!({}))).unwrap(), plain);
    }
}
