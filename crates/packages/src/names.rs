//! What names may look like. A name becomes part of a URL and of a role, so nothing but plain names passes.

/// A DNS subdomain: what most objects are called, and what an extension, a setting's type or a train is called.
pub(crate) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

/// A DNS label.
pub(crate) fn is_label(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    (1..=63).contains(&text.len()) && plain && !text.starts_with('-') && !text.ends_with('-')
}

/// The name of an object: a subdomain, or such with colons between its parts as roles have them.
pub(crate) fn is_object_name(text: &str) -> bool {
    text.len() <= 253 && text.split(':').all(is_subdomain)
}

/// The plural of a kind, as it stands in a URL.
pub(crate) fn is_resource(text: &str) -> bool {
    is_label(text)
}

/// `v1` or `apps/v1`: the group (empty for the core group) and the version.
pub(crate) fn group_and_version(text: &str) -> Option<(&str, &str)> {
    let (group, version) = text.split_once('/').unwrap_or(("", text));
    let fits = (group.is_empty() || is_subdomain(group)) && is_label(version);
    (fits && !(group.is_empty() && text.contains('/'))).then_some((group, version))
}

/// A kind: letters and digits, the first one upper case.
pub(crate) fn is_kind(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A type of extensions: `microsoft.dataprotection.kubernetes`.
pub(crate) fn is_type(text: &str) -> bool {
    text.len() <= 128 && text.contains('.') && is_subdomain(text)
}

/// A version: three numbers, and perhaps what comes after a dash.
pub(crate) fn is_version(text: &str) -> bool {
    let (numbers, rest) = text.split_once('-').map_or((text, None), |(numbers, rest)| (numbers, Some(rest)));
    let parts: Vec<&str> = numbers.split('.').collect();
    let number = |part: &&str| {
        (1..=9).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (*part == "0" || !part.starts_with('0'))
    };
    text.len() <= 64 && parts.len() == 3 && parts.iter().all(number) && rest.is_none_or(is_subdomain)
}

/// The key of a setting: words of letters, digits, dashes and underscores, joined by dots.
pub(crate) fn is_setting(text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    text.len() <= 253 && text.split('.').all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_their_place_in_a_url_are_none() {
        for bad in ["", "..", "a/../b", "a%2fb", "a/b", "A", "a b", "a\n", "a?x", "-a", "a.", "a::b", "ä"] {
            assert!(!is_object_name(bad), "{bad:?}");
            assert!(!is_resource(bad), "{bad:?}");
            assert!(group_and_version(&format!("{bad}/v1")).is_none(), "{bad:?}");
        }
        for good in ["a", "a.b-c", "system:auth-delegator", "cofferdam:trusted-access:backup-operator"] {
            assert!(is_object_name(good), "{good}");
        }
    }

    #[test]
    fn versions_have_three_numbers() {
        for good in ["0.1.0", "10.2.33", "1.0.0-rc.1"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["1", "1.2", "01.2.3", "1.2.3.4", "1.2.x", "1.2.3-", "v1.2.3", "1.2.3+x", ""] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}
