//! The address of a request, taken apart once and for all: decoded parts of the path, and the query.

use arm::ArmError;
use percent_encoding::percent_decode_str;
use url::form_urlencoded;

/// The longest path and query, in bytes.
const LONGEST: usize = 8_192;

/// Path and query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    parts: Vec<String>,
    query: Vec<(String, String)>,
}

impl Address {
    /// Takes a path and a query apart. Slashes at the beginning and at the end do not count: clients whose URL of the
    /// vault ends in one send two.
    pub fn read(path: &str, query: Option<&str>) -> Result<Self, ArmError> {
        let query = query.unwrap_or_default();
        if path.len() + query.len() > LONGEST {
            return Err(ArmError::new(
                414,
                "RequestUriTooLong",
                format!("The URL is longer than {LONGEST} bytes."),
            ));
        }
        let parts = match path.trim_matches('/') {
            "" => Vec::new(),
            path => path.split('/').map(part).collect::<Result<_, _>>()?,
        };
        Ok(Self { parts, query: form_urlencoded::parse(query.as_bytes()).into_owned().collect() })
    }

    /// The parts of the path, decoded, in the case of the request.
    pub fn parts(&self) -> &[String] {
        &self.parts
    }

    /// A parameter of the query; names match in any case, the first one counts.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All parameters of the query, as they were written.
    pub fn query(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The path, decoded.
    pub fn path(&self) -> String {
        format!("/{}", self.parts.join("/"))
    }
}

fn part(text: &str) -> Result<String, ArmError> {
    let wrong = |reason: &str| {
        let shown: String = text.chars().take(100).collect();
        let message = format!("The part '{shown}' of the path {reason}.");
        Err(ArmError::new(400, "InvalidRequestUri", message))
    };
    let Ok(part) = percent_decode_str(text).decode_utf8() else { return wrong("is not UTF-8") };
    if part.is_empty() {
        return wrong("is empty");
    }
    if part == "." || part == ".." || part.contains(|c: char| c == '/' || c == '\\' || c.is_control()) {
        return wrong("is a dot or two, or holds a slash or a control character");
    }
    Ok(part.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_are_decoded_and_outer_slashes_do_not_count() {
        let address = Address::read(
            "//subscriptions/a%20b/",
            Some("Api-Version=2022&$filter=x%20eq%20%27y%27&api-version=z"),
        );

        let address = address.unwrap();
        assert_eq!(address.parts(), ["subscriptions", "a b"]);
        assert_eq!(address.parameter("api-version"), Some("2022"));
        assert_eq!(address.parameter("$filter"), Some("x eq 'y'"));
        assert_eq!(Address::read("/", None).unwrap().parts(), Vec::<String>::new());
    }

    #[test]
    fn nothing_climbs_out_of_a_path() {
        for wrong in ["/a/../b", "/a/%2e%2e/b", "/a/b%2fc", "/a/%5c", "/a//b", "/a/%00", "/a/%ff"] {
            assert_eq!(Address::read(wrong, None).unwrap_err().status, 400, "{wrong}");
        }
        assert_eq!(Address::read(&"/a".repeat(5_000), None).unwrap_err().status, 414);
    }

    proptest! {
        #[test]
        fn no_address_panics(path in "(/[a-z%.0-9é]{0,9}){0,6}", query in ".{0,30}") {
            drop(Address::read(&path, Some(&query)));
        }
    }
}
