//! `/metadata/endpoints`: all that a client must know of a cloud, in the shapes of the api-versions that clients send.

use crate::public_url::PublicUrl;
use arm::{ApiVersion, ArmError};
use serde_json::{Value, json};

/// The document for an api-version. One object, except where an older client wants a list of clouds.
pub fn cloud(public: &PublicUrl, api_version: Option<&str>) -> Result<Value, ArmError> {
    let text = api_version.ok_or_else(ArmError::missing_api_version)?;
    let wrong =
        |error: arm::VersionError| ArmError::new(400, "InvalidApiVersionParameter", error.to_string());
    let version: ApiVersion = text.parse().map_err(wrong)?;
    Ok(match version.to_string().as_str() {
        "2015-01-01" => oldest(public),
        "2019-05-01" => json!([newest(public)]),
        _ => newest(public),
    })
}

fn newest(public: &PublicUrl) -> Value {
    let origin = public.origin();
    let resource = format!("{origin}/");
    let host = public.host();
    json!({
        "name": "Cofferdam",
        "resourceManager": origin,
        "portal": origin,
        "authentication": authentication(public),
        "graphAudience": origin,
        "graph": origin,
        "microsoftGraphResourceId": resource,
        "gallery": origin,
        "batch": origin,
        "media": origin,
        "sqlManagement": origin,
        "activeDirectoryDataLake": origin,
        "suffixes": {
            "storage": public.authority(),
            "keyVaultDns": format!("vault.{host}"),
            "acrLoginServer": format!("azurecr.{host}"),
            "sqlServerHostname": format!("database.{host}"),
        },
    })
}

fn oldest(public: &PublicUrl) -> Value {
    let origin = public.origin();
    json!({
        "galleryEndpoint": origin,
        "graphEndpoint": origin,
        "portalEndpoint": origin,
        "authentication": authentication(public),
    })
}

fn authentication(public: &PublicUrl) -> Value {
    json!({
        "loginEndpoint": public.origin(),
        "audiences": [format!("{}/", public.origin())],
        "tenant": "common",
        "identityProvider": "AAD",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_api_version_gets_the_shape_that_its_clients_read() {
        let public = PublicUrl::localhost(8443);
        let cloud = |version| cloud(&public, Some(version)).unwrap();

        assert_eq!(cloud("2022-09-01")["authentication"]["audiences"][0], "https://localhost:8443/");
        assert_eq!(cloud("2022-09-01")["suffixes"]["storage"], "localhost:8443");
        assert!(cloud("2019-05-01").is_array());
        assert_eq!(cloud("2015-01-01")["galleryEndpoint"], "https://localhost:8443");
    }

    #[test]
    fn without_a_version_there_is_no_document() {
        let public = PublicUrl::localhost(8443);

        assert_eq!(cloud(&public, None).unwrap_err().code, "MissingApiVersionParameter");
        assert_eq!(cloud(&public, Some("latest")).unwrap_err().code, "InvalidApiVersionParameter");
    }
}
