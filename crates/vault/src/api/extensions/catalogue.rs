//! Which extension packages a vault offers: a file that the operator writes beside the packages. The vault names a
//! package by reference and digest; what is in it is the agent's matter.

use arm::ArmError;
use serde::Deserialize;
use std::cmp::Ordering;

/// All packages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Catalogue {
    /// In any order.
    pub packages: Vec<Offer>,
}

/// One version of one type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// The extension's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Three numbers.
    pub version: String,
    /// `stable` or another one.
    pub release_train: String,
    /// Where it is fetched from, registry included.
    pub reference: String,
    /// `sha256:…` of its manifest.
    pub digest: String,
}

impl Catalogue {
    /// The newest version of a train, or the one that is asked for.
    pub fn choose(&self, kind: &str, train: &str, pinned: Option<&str>) -> Result<&Offer, ArmError> {
        let of_type = || self.packages.iter().filter(|one| one.kind.eq_ignore_ascii_case(kind));
        let mut types: Vec<&str> = self.packages.iter().map(|one| one.kind.as_str()).collect();
        types.dedup();
        if of_type().next().is_none() {
            let known = if types.is_empty() { "none".to_owned() } else { types.join(", ") };
            let message = format!("There is no extension type '{kind}' here; offered are: {known}.");
            return Err(
                ArmError::new(400, "ExtensionTypeNotFound", message).about("properties.extensionType")
            );
        }
        if let Some(version) = pinned {
            return of_type().find(|one| one.version == version).ok_or_else(|| {
                let known = of_type().map(|one| one.version.as_str()).collect::<Vec<_>>().join(", ");
                let message =
                    format!("The extension type '{kind}' has no version '{version}'; offered are: {known}.");
                ArmError::new(400, "ExtensionVersionNotFound", message).about("properties.version")
            });
        }
        let of_train = of_type().filter(|one| one.release_train.eq_ignore_ascii_case(train));
        of_train.max_by(|a, b| order(&a.version, &b.version)).ok_or_else(|| {
            let message = format!("The extension type '{kind}' has no release train '{train}'.");
            ArmError::new(400, "ReleaseTrainNotFound", message).about("properties.releaseTrain")
        })
    }

    /// One version, if it is still offered.
    pub fn find(&self, kind: &str, version: &str) -> Option<&Offer> {
        self.packages.iter().find(|one| one.kind.eq_ignore_ascii_case(kind) && one.version == version)
    }
}

/// Versions are numbers, not texts; a suffix comes before none.
pub fn order(one: &str, other: &str) -> Ordering {
    let parts = |text: &str| {
        let (numbers, suffix) =
            text.split_once('-').map_or((text, None), |(numbers, suffix)| (numbers, Some(suffix)));
        let numbers: Vec<u64> = numbers.split('.').map(|part| part.parse().unwrap_or(0)).collect();
        (numbers, suffix.is_none(), suffix.unwrap_or_default().to_owned())
    };
    parts(one).cmp(&parts(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        let offer = |version: &str, train: &str| Offer {
            kind: "example.greeter".into(),
            version: version.into(),
            release_train: train.into(),
            reference: "r".into(),
            digest: "d".into(),
        };
        Catalogue {
            packages: vec![offer("1.9.0", "stable"), offer("1.10.0", "stable"), offer("2.0.0", "preview")],
        }
    }

    #[test]
    fn the_newest_of_a_train_is_chosen_unless_one_is_pinned() {
        let all = catalogue();
        let version =
            |train, pinned| all.choose("Example.Greeter", train, pinned).map(|one| one.version.as_str());

        assert_eq!(version("stable", None).unwrap(), "1.10.0");
        assert_eq!(version("stable", Some("1.9.0")).unwrap(), "1.9.0");
        assert_eq!(version("stable", Some("3.0.0")).unwrap_err().code, "ExtensionVersionNotFound");
        assert_eq!(version("night", None).unwrap_err().code, "ReleaseTrainNotFound");
        assert_eq!(all.choose("x.y", "stable", None).unwrap_err().code, "ExtensionTypeNotFound");
        assert_eq!(order("1.0.0-rc1", "1.0.0"), Ordering::Less);
    }
}
