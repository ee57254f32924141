//! What all resources with a place have in common: location and tags.

use arm::ArmError;
use std::collections::BTreeMap;

const MOST_TAGS: usize = 50;
const LONGEST_TAG_NAME: usize = 512;
const LONGEST_TAG_VALUE: usize = 256;
const LONGEST_LOCATION: usize = 90;

/// `West Europe` and `westeurope` are one place.
pub fn normal_location(location: &str) -> String {
    location.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

/// Whether a location in its normal form can be one.
pub fn check_location(location: &str) -> Result<(), ArmError> {
    if location.len() <= LONGEST_LOCATION && location.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(ArmError::invalid_field("location", "is no region; write letters and digits, such as westeurope"))
}

/// The location of a resource that is made, or that stays where it is.
pub fn location_of(name: &str, existing: Option<&str>, given: Option<&str>) -> Result<String, ArmError> {
    let given = given.map(normal_location).filter(|given| !given.is_empty());
    match (existing, given) {
        (Some(is), Some(given)) if *is != given => {
            let message = format!(
                "The resource '{name}' already exists in location '{is}' and cannot be in '{given}'. Use another name, or \
                 its own location."
            );
            Err(ArmError::new(409, "InvalidResourceLocation", message).about("location"))
        }
        (Some(is), _) => Ok(is.to_owned()),
        (None, Some(given)) => check_location(&given).map(|()| given),
        (None, None) => {
            let message = "The location property is required for this definition.";
            Err(ArmError::new(400, "LocationRequired", message).about("location"))
        }
    }
}

/// Whether tags are within bounds.
pub fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), ArmError> {
    if tags.len() > MOST_TAGS {
        let reason = format!("has {} entries; at most {MOST_TAGS} are taken", tags.len());
        return Err(ArmError::invalid_field("tags", reason));
    }
    let fits = |(name, value): (&String, &String)| {
        (1..=LONGEST_TAG_NAME).contains(&name.chars().count()) && value.chars().count() <= LONGEST_TAG_VALUE
    };
    if tags.iter().all(fits) {
        return Ok(());
    }
    let reason = format!("names need 1 to {LONGEST_TAG_NAME} characters, values at most {LONGEST_TAG_VALUE}");
    Err(ArmError::invalid_field("tags", reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_stays_where_it_is() {
        assert_eq!(location_of("v", None, Some("West Europe")).unwrap(), "westeurope");
        assert_eq!(location_of("v", Some("westeurope"), Some("West Europe")).unwrap(), "westeurope");
        assert_eq!(location_of("v", Some("westeurope"), None).unwrap(), "westeurope");
        assert_eq!(
            location_of("v", Some("westeurope"), Some("eastus")).unwrap_err().code,
            "InvalidResourceLocation"
        );
        assert_eq!(location_of("v", None, None).unwrap_err().code, "LocationRequired");
        assert_eq!(location_of("v", None, Some("a/b")).unwrap_err().target.as_deref(), Some("location"));
    }

    #[test]
    fn tags_are_bounded() {
        let tags = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);

        assert!(check_tags(&tags("a", "")).is_ok());
        assert!(check_tags(&tags("", "x")).is_err());
        assert!(check_tags(&tags("a", &"x".repeat(257))).is_err());
        let many = (0..51).map(|n| (n.to_string(), String::new())).collect();
        assert!(check_tags(&many).is_err());
    }
}
