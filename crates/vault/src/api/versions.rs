//! Which api-versions are taken: every one that clients have sent since the operation exists.

use arm::{ApiVersion, ArmError};

/// Namespaces and their oldest versions.
const OLDEST: [(&str, &str); 9] = [
    ("Microsoft.DataProtection", "2022-11-01-preview"),
    ("Microsoft.KubernetesConfiguration", "2021-09-01"),
    ("Microsoft.ContainerService", "2022-04-02-preview"),
    ("Microsoft.Storage", "2019-06-01"),
    ("Microsoft.AlertsManagement", "2018-05-05"),
    ("Microsoft.ManagedIdentity", "2018-11-30"),
    ("Microsoft.Authorization", "2015-07-01"),
    ("Microsoft.Resources", "2014-04-01"),
    ("Microsoft.Compute", "2020-01-01"),
];

/// The oldest version of a namespace.
pub fn oldest(namespace: &str) -> Option<&'static str> {
    OLDEST.iter().find(|(name, _)| name.eq_ignore_ascii_case(namespace)).map(|(_, version)| *version)
}

/// The version that a request names, if its namespace takes it.
pub fn check(given: Option<&str>, namespace: &str) -> Result<ApiVersion, ArmError> {
    let given = given.filter(|given| !given.is_empty()).ok_or_else(ArmError::missing_api_version)?;
    let version: ApiVersion = given.parse().map_err(|error: arm::VersionError| {
        ArmError::new(400, "InvalidApiVersionParameter", error.to_string())
    })?;
    match oldest(namespace).and_then(|oldest| oldest.parse::<ApiVersion>().ok()) {
        Some(oldest) if version < oldest => {
            let message = format!(
                "The api-version '{version}' is not offered for '{namespace}' here; every version from '{oldest}' on is."
            );
            Err(ArmError::new(400, "NoRegisteredProviderFound", message))
        }
        _ => Ok(version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_that_clients_send_is_taken() {
        let sent = [
            ("Microsoft.Resources", "2016-06-01"),
            ("Microsoft.Resources", "2025-04-01"),
            ("Microsoft.Authorization", "2022-05-01-preview"),
            ("Microsoft.DataProtection", "2022-11-01-preview"),
            ("Microsoft.DataProtection", "2026-08-31-preview"),
            ("Microsoft.ContainerService", "2024-10-02-preview"),
            ("Microsoft.KubernetesConfiguration", "2023-05-01"),
            ("Microsoft.Storage", "2026-09-01"),
            ("Microsoft.AlertsManagement", "2019-05-05-preview"),
            ("Microsoft.AlertsManagement", "2023-07-12-preview"),
            ("Microsoft.ManagedIdentity", "2025-05-31-preview"),
        ];

        for (namespace, version) in sent {
            assert!(check(Some(version), namespace).is_ok(), "{namespace} {version}");
        }
    }

    #[test]
    fn missing_wrong_and_ancient_versions_have_codes_of_their_own() {
        let code = |given| check(given, "Microsoft.DataProtection").unwrap_err().code;

        assert_eq!(code(None), "MissingApiVersionParameter");
        assert_eq!(code(Some("")), "MissingApiVersionParameter");
        assert_eq!(code(Some("2026-13-01")), "InvalidApiVersionParameter");
        assert_eq!(code(Some("2022-10-01")), "NoRegisteredProviderFound");
    }
}
