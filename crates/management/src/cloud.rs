//! What a client must know of a vault or a cloud before it can sign in: `/metadata/endpoints`.

use crate::{Error, Transport, versions};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Addresses of one vault or cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cloud {
    /// Its name.
    pub name: String,
    /// Where the management API is, without a slash at the end.
    pub resource_manager: String,
    /// Where people and programs sign in, without a slash at the end.
    pub login: String,
    /// Whom tokens for the management API are meant for, as the cloud writes it.
    pub audience: String,
}

impl Cloud {
    /// Asks a management API for its addresses.
    pub async fn discover(transport: &Transport, url: &str) -> Result<Self, Error> {
        let url = url.trim_end_matches('/');
        let asked = format!("{url}/metadata/endpoints?api-version={}", versions::METADATA);
        let answer = transport.get(&asked).await?;
        if answer.status != 200 {
            let reason = format!("HTTP {} instead of the addresses of a vault", answer.status);
            return Err(Error::Answer { url: asked, reason });
        }
        Self::read(url, &answer.body).map_err(|reason| Error::Answer { url: asked, reason })
    }

    fn read(url: &str, document: &Value) -> Result<Self, String> {
        // Some versions answer with a list of clouds.
        let document = document.as_array().and_then(|list| list.first()).unwrap_or(document);
        let text = |pointer: &str| {
            let found = document.pointer(pointer).and_then(Value::as_str);
            found.map(str::to_owned).ok_or_else(|| format!("{pointer} is missing"))
        };
        let login = text("/authentication/loginEndpoint")?.trim_end_matches('/').to_owned();
        if !login.starts_with("https://") {
            return Err(format!("the address for sign-in, {login}, does not begin with https://"));
        }
        Ok(Self {
            name: text("/name").unwrap_or_else(|_| url.to_owned()),
            resource_manager: url.to_owned(),
            login,
            audience: text("/authentication/audiences/0")?,
        })
    }

    /// The scope to ask tokens for.
    pub fn scope(&self) -> String {
        format!("{}/.default", self.audience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cloud_is_read_from_an_object_or_a_list() {
        let document = json!({"name": "Cofferdam", "authentication": {
            "loginEndpoint": "https://v:1/", "audiences": ["https://v:1/"]}});

        let one = Cloud::read("https://v:1", &document).unwrap();

        assert_eq!(Cloud::read("https://v:1", &json!([document])).unwrap(), one);
        assert_eq!((one.login.as_str(), one.scope().as_str()), ("https://v:1", "https://v:1//.default"));
    }

    #[test]
    fn no_secret_goes_to_an_address_without_tls() {
        let document =
            json!({"authentication": {"loginEndpoint": "http://v:1", "audiences": ["https://v:1/"]}});

        assert!(Cloud::read("https://v:1", &document).unwrap_err().contains("https://"));
    }
}
