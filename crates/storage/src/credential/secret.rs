//! Reads a credential from the data of a Kubernetes Secret, in the spellings that people have already.

use super::{CredentialError, CredentialValue};
use crate::location::Provider;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;

/// The key names looked for, for documentation and errors; compared without case, `-` and `_`.
pub const SECRET_KEYS: &[(Provider, &[&str])] = &[
    (
        Provider::Azure,
        &[
            "AZURE_STORAGE_ACCOUNT_ACCESS_KEY",
            "AZURE_STORAGE_KEY",
            "accountKey",
            "AZURE_STORAGE_SAS_TOKEN",
            "sasToken",
            "AZURE_STORAGE_CONNECTION_STRING",
            "connectionString",
            "AZURE_STORAGE_TOKEN",
            "cloud",
        ],
    ),
    (Provider::Aws, &["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "cloud"]),
    (Provider::Gcp, &["serviceAccountKey", "key.json", "GOOGLE_OAUTH_TOKEN", "cloud"]),
];

/// Finds the one credential for `provider` in the data of a Secret; `account` is the Azure storage account
/// that a connection string must agree with. A Secret may hold other keys too.
pub fn from_secret(
    provider: Provider,
    account: Option<&str>,
    data: &BTreeMap<String, Vec<u8>>,
) -> Result<CredentialValue, CredentialError> {
    let values = values(data)?;
    let mut found = match provider {
        Provider::Local => vec![CredentialValue::None],
        Provider::Aws => aws(&values)?.into_iter().collect(),
        Provider::Gcp => gcp(&values),
        Provider::Azure => azure(&values, account)?,
    };
    match (found.pop(), found.pop()) {
        (Some(one), None) => Ok(one),
        (Some(one), Some(two)) => Err(bad(
            format!("it holds two credentials, a {} and a {}", two.kind(), one.kind()),
            "Keep the one that shall be used and remove the other.",
        )),
        (None, _) => Err(none_found(provider, data)),
    }
}

fn none_found(provider: Provider, data: &BTreeMap<String, Vec<u8>>) -> CredentialError {
    let names: Vec<&str> = data.keys().map(String::as_str).filter(|name| !name.starts_with("..")).collect();
    let expected = SECRET_KEYS
        .iter()
        .find(|(of, _)| *of == provider)
        .map(|(_, keys)| keys.join(", "))
        .unwrap_or_default();
    bad(
        format!("it holds no credential for provider {provider}; its keys are: {}", names.join(", ")),
        format!("Store the credential under one of these keys: {expected}."),
    )
}

/// The data of a Secret from which [`from_secret`] reads `value` again.
pub fn to_secret(value: &CredentialValue) -> BTreeMap<String, Vec<u8>> {
    let pairs: Vec<(&str, &str)> = match value {
        CredentialValue::None => Vec::new(),
        CredentialValue::Bearer(token) => vec![("AZURE_STORAGE_TOKEN", token.expose_secret())],
        CredentialValue::AzureAccountKey(key) => vec![("accountKey", key.expose_secret())],
        CredentialValue::AzureSas(sas) => vec![("sasToken", sas.expose_secret())],
        CredentialValue::GcpServiceAccountKey(key) => vec![("serviceAccountKey", key.expose_secret())],
        CredentialValue::AwsKeys { key_id, secret, session } => {
            let mut pairs = vec![
                ("aws_access_key_id", key_id.as_str()),
                ("aws_secret_access_key", secret.expose_secret()),
            ];
            pairs.extend(session.as_ref().map(|token| ("aws_session_token", token.expose_secret())));
            pairs
        }
    };
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec())).collect()
}

/// Normalised key to value; the lines of an environment or ini file under `cloud` count as keys.
fn values(data: &BTreeMap<String, Vec<u8>>) -> Result<BTreeMap<String, String>, CredentialError> {
    let mut values = BTreeMap::new();
    for (key, value) in data.iter().filter(|(key, _)| !key.starts_with("..")) {
        let Ok(text) = std::str::from_utf8(value) else { continue };
        let text = text.trim();
        if normalise(key) != "cloud" || text.starts_with('{') {
            values.insert(normalise(key), text.to_owned());
            continue;
        }
        let mut default_section = true;
        for line in
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
        {
            if line.starts_with('[') {
                default_section = line.eq_ignore_ascii_case("[default]");
            } else if let Some((name, value)) = line.split_once('=') {
                if default_section {
                    values.insert(normalise(name.trim()), value.trim().trim_matches('"').to_owned());
                }
            } else {
                return Err(bad(
                    "a line of its key `cloud` is not of the form name=value".into(),
                    "Correct the file under the key `cloud`.",
                ));
            }
        }
    }
    Ok(values)
}

fn normalise(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '-' | '_')).collect::<String>().to_ascii_lowercase()
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

fn first<'a>(values: &'a BTreeMap<String, String>, keys: &[&str]) -> Option<&'a String> {
    keys.iter().find_map(|key| values.get(*key)).filter(|value| !value.is_empty())
}

fn aws(values: &BTreeMap<String, String>) -> Result<Option<CredentialValue>, CredentialError> {
    match (first(values, &["awsaccesskeyid"]), first(values, &["awssecretaccesskey"])) {
        (Some(key_id), Some(key)) => Ok(Some(CredentialValue::AwsKeys {
            key_id: key_id.clone(),
            secret: secret(key),
            session: first(values, &["awssessiontoken"]).map(|token| secret(token)),
        })),
        (None, None) => Ok(None),
        _ => Err(bad(
            "it holds only half of an S3 access key".into(),
            "Store both aws_access_key_id and aws_secret_access_key.",
        )),
    }
}

fn gcp(values: &BTreeMap<String, String>) -> Vec<CredentialValue> {
    let key = first(values, &["serviceaccountkey", "key.json", "cloud"]);
    let token = first(values, &["googleoauthtoken"]);
    key.map(|key| CredentialValue::GcpServiceAccountKey(secret(key)))
        .into_iter()
        .chain(token.map(|token| CredentialValue::Bearer(secret(token))))
        .collect()
}

fn azure(
    values: &BTreeMap<String, String>,
    account: Option<&str>,
) -> Result<Vec<CredentialValue>, CredentialError> {
    let mut found = Vec::new();
    if let Some(key) = first(values, &["azurestorageaccountaccesskey", "azurestoragekey", "accountkey"]) {
        found.push(CredentialValue::AzureAccountKey(secret(key)));
    }
    if let Some(sas) = first(values, &["azurestoragesastoken", "sastoken"]) {
        found.push(CredentialValue::AzureSas(secret(sas.trim_start_matches('?'))));
    }
    if let Some(token) = first(values, &["azurestoragetoken"]) {
        found.push(CredentialValue::Bearer(secret(token)));
    }
    if let Some(text) = first(values, &["azurestorageconnectionstring", "connectionstring"]) {
        found.extend(connection_string(text, account)?);
    }
    if found.is_empty() && first(values, &["azureclientsecret"]).is_some() {
        return Err(bad(
            "it holds a client secret of a service principal, which is not supported for stores".into(),
            "Use workload identity, an account key or a shared access signature.",
        ));
    }
    Ok(found)
}

fn connection_string(text: &str, account: Option<&str>) -> Result<Option<CredentialValue>, CredentialError> {
    let part = |name: &str| {
        text.split(';').find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    if let (Some(named), Some(account)) = (part("AccountName"), account)
        && named != account
    {
        return Err(bad(
            format!("its connection string is for storage account {named}, the settings name {account}"),
            "Use the connection string of the storage account that the settings name.",
        ));
    }
    match (part("AccountKey"), part("SharedAccessSignature")) {
        (Some(key), _) => Ok(Some(CredentialValue::AzureAccountKey(secret(key)))),
        (None, Some(sas)) => Ok(Some(CredentialValue::AzureSas(secret(sas.trim_start_matches('?'))))),
        (None, None) => Err(bad(
            "its connection string has neither AccountKey nor SharedAccessSignature".into(),
            "Copy the whole connection string of the storage account.",
        )),
    }
}

fn bad(cause: String, remedy: impl Into<String>) -> CredentialError {
    CredentialError { source_name: "the Secret".into(), cause, temporary: false, remedy: remedy.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn a_credential_survives_its_secret() {
        let secret = |text: &str| SecretString::from(text.to_owned());
        let keys =
            CredentialValue::AwsKeys { key_id: "A".into(), secret: secret("B"), session: Some(secret("C")) };
        let cases = [
            (Provider::Azure, CredentialValue::Bearer(secret("token"))),
            (Provider::Azure, CredentialValue::AzureAccountKey(secret("a2V5"))),
            (Provider::Aws, keys),
        ];

        for (provider, value) in cases {
            let read = from_secret(provider, Some("acct"), &to_secret(&value)).unwrap();
            assert_eq!(read.kind(), value.kind());
            assert_eq!(to_secret(&read), to_secret(&value));
        }
    }

    #[test]
    fn every_documented_spelling_is_understood() {
        let connection =
            "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=a2V5PQ==;EndpointSuffix=x";
        let cases = [
            (
                Provider::Aws,
                data(&[("aws_access_key_id", "A"), ("aws_secret_access_key", "B")]),
                "S3 access key",
            ),
            (
                Provider::Aws,
                data(&[(
                    "cloud",
                    "[default]\naws_access_key_id = A\naws_secret_access_key=B\n[other]\naws_access_key_id=C\n",
                )]),
                "S3 access key",
            ),
            (
                Provider::Aws,
                data(&[
                    ("AWS_ACCESS_KEY_ID", "A"),
                    ("AWS_SECRET_ACCESS_KEY", "B"),
                    ("AWS_SESSION_TOKEN", "C"),
                ]),
                "temporary S3 access key",
            ),
            (
                Provider::Azure,
                data(&[(
                    "cloud",
                    "AZURE_STORAGE_ACCOUNT_ACCESS_KEY=a2V5\nAZURE_CLOUD_NAME=AzurePublicCloud",
                )]),
                "storage account key",
            ),
            (
                Provider::Azure,
                data(&[("accountKey", "a2V5\n"), ("repository-key", "unrelated")]),
                "storage account key",
            ),
            (Provider::Azure, data(&[("sas-token", "?sv=1&sig=x")]), "shared access signature"),
            (Provider::Azure, data(&[("connectionString", connection)]), "storage account key"),
            (
                Provider::Gcp,
                data(&[("cloud", "{\"type\":\"service_account\"}")]),
                "Google service account key",
            ),
        ];

        for (provider, data, kind) in cases {
            assert_eq!(from_secret(provider, Some("acct"), &data).unwrap().kind(), kind, "{:?}", data.keys());
        }
        let keys = from_secret(
            Provider::Aws,
            None,
            &data(&[("cloud", "aws_access_key_id=A\naws_secret_access_key=B")]),
        );
        assert!(
            matches!(keys, Ok(CredentialValue::AwsKeys { key_id, secret, .. }) if key_id == "A" && secret.expose_secret() == "B")
        );
    }

    #[test]
    fn a_doubtful_secret_is_refused_and_no_value_is_repeated() {
        let cases = [
            (data(&[("accountKey", "s3cr3t"), ("sasToken", "s3cr3t")]), "two credentials"),
            (data(&[("password", "s3cr3t")]), "its keys are: password"),
            (data(&[("connectionString", "AccountName=other;AccountKey=s3cr3t")]), "other"),
            (data(&[("connectionString", "AccountName=acct")]), "neither"),
            (data(&[("AZURE_CLIENT_SECRET", "s3cr3t")]), "not supported"),
            (data(&[("cloud", "s3cr3t")]), "name=value"),
        ];

        for (data, expected) in cases {
            let error = from_secret(Provider::Azure, Some("acct"), &data).unwrap_err();
            assert!(error.cause.contains(expected), "{error}");
            assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
        }
    }
}
