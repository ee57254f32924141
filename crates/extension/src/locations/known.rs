//! What the cluster keeps of a location that was initialised: the id of its repository, noted at its ConfigMap. A place
//! that once held recovery points is not made anew because nothing lies there any more.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use storage::location::{LocationSettings, Provider};

use super::record::{READY, STATE};

/// Annotation with the repository that the location was initialised with, and where.
pub const REPOSITORY: &str = "clusterbackup.dataprotection.microsoft.com/location-repository";
/// Stands for the id of a repository that was opened before ids were noted.
const UNNAMED: &str = "unknown";
const IN: &str = " in ";

/// What is known of a location's repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// There never was one, or a person said that it does not matter.
    Never,
    /// There was one, and nobody noted which.
    Unnamed,
    /// There was this one.
    Named(String),
}

impl Known {
    /// By the ConfigMap of a location with these settings. What was noted of another place says nothing of this one.
    pub(super) fn of(map: &ConfigMap, settings: &LocationSettings) -> Self {
        let annotation = |name: &str| map.annotations().get(name).map(String::as_str);
        match annotation(REPOSITORY) {
            // Whatever stands there was not noted for nothing.
            Some(noted) => match noted.split_once(IN) {
                Some((_, at)) if at != place(settings) => Self::Never,
                Some((id, _)) if id != UNNAMED => Self::Named(id.to_owned()),
                _ => Self::Unnamed,
            },
            // Noted before ids were: that it can be used meant that its repository was opened.
            None if annotation(STATE) == Some(READY) => Self::Unnamed,
            None => Self::Never,
        }
    }

    /// Whether there was a repository.
    pub(super) fn is_initialised(&self) -> bool {
        matches!(self, Self::Unnamed | Self::Named(_))
    }

    /// Whether a repository with this id is another one than was there.
    pub(super) fn is_another(&self, id: &str) -> bool {
        matches!(self, Self::Named(known) if known != id)
    }
}

/// Whether the extension noted at a ConfigMap that a location with these settings had a repository.
pub fn was_initialised(map: &ConfigMap, settings: &LocationSettings) -> bool {
    Known::of(map, settings).is_initialised()
}

/// The note of a location in whose place this repository lies.
pub(super) fn noted(id: &str, settings: &LocationSettings) -> String {
    format!("{id}{IN}{}", place(settings))
}

/// The note of a location that had a repository of which no id is known.
pub(super) fn noted_unnamed(settings: &LocationSettings) -> String {
    noted(UNNAMED, settings)
}

/// Where a location is, by what a person calls another place. The address of the same store may change, and a store that
/// came back empty under another address is not another place.
fn place(settings: &LocationSettings) -> String {
    let account = match settings.provider {
        Provider::Azure => settings.storage_account().unwrap_or_default(),
        Provider::Aws | Provider::Gcp | Provider::Local => "",
    };
    let parts = [account, settings.bucket.trim_matches('/'), settings.prefix.as_str()];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("{}:{}", settings.provider, parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn settings(bucket: &str) -> LocationSettings {
        let pairs = [
            ("configuration.backupStorageLocation.bucket", bucket),
            ("configuration.backupStorageLocation.config.storageAccount", "acct"),
        ];
        let pairs: BTreeMap<String, String> =
            pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        LocationSettings::from_settings(&pairs).unwrap()
    }

    fn of(annotations: &[(&str, String)]) -> Known {
        let mut map = ConfigMap::default();
        let pairs = annotations.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        map.metadata.annotations = Some(pairs.collect());
        Known::of(&map, &settings("one"))
    }

    #[test]
    fn what_was_noted_of_a_repository_holds_for_its_place_alone() {
        let here = settings("one");

        assert_eq!(of(&[]), Known::Never);
        assert_eq!(of(&[(REPOSITORY, noted("abc", &here))]), Known::Named("abc".to_owned()));
        assert_eq!(of(&[(REPOSITORY, noted_unnamed(&here))]), Known::Unnamed);
        assert_eq!(of(&[(REPOSITORY, noted("abc", &settings("two")))]), Known::Never);
        assert_eq!(noted("abc", &here), "abc in azure:acct/one");
    }

    #[test]
    fn a_location_that_an_earlier_version_could_use_was_initialised() {
        let unusable = "UserErrorBackupStorageLocationNotReady: away".to_owned();

        assert_eq!(of(&[(STATE, READY.to_owned())]), Known::Unnamed);
        assert_eq!(of(&[(STATE, unusable)]), Known::Never);
        assert_eq!(of(&[(REPOSITORY, "nobody knows".to_owned())]), Known::Unnamed, "not noted for nothing");
    }

    #[test]
    fn a_repository_with_another_id_is_another_one_where_the_id_is_known() {
        assert!(!Known::Never.is_initialised());
        assert!(Known::Unnamed.is_initialised() && Known::Named("abc".to_owned()).is_initialised());
        assert!(Known::Named("abc".to_owned()).is_another("def"));
        assert!(!Known::Unnamed.is_another("def") && !Known::Named("abc".to_owned()).is_another("abc"));
    }
}
