//! What a token is good for.

use crate::public_url::PublicUrl;

/// Whom a token is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The management API, and the directory that some clients ask for names.
    Management,
    /// What storage accounts hold.
    Storage,
}

/// Names by which clients that know only the public cloud ask for the management API. A token is signed by this vault
/// and good for this vault alone, whatever it is called.
const MANAGEMENT: [&str; 2] = ["https://management.azure.com", "https://management.core.windows.net"];
const STORAGE: &str = "https://storage.azure.com";

impl Audience {
    /// Reads the `aud` of a token, or the resource that a client asks for; slashes at the end do not matter.
    pub fn of(resource: &str, public: &PublicUrl) -> Option<Self> {
        let resource = resource.trim_end_matches('/');
        let is = |name: &str| resource.eq_ignore_ascii_case(name);
        if is(public.origin()) || MANAGEMENT.iter().any(|name| is(name)) {
            return Some(Self::Management);
        }
        is(STORAGE).then_some(Self::Storage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_and_case_do_not_matter_and_nothing_else_is_granted() {
        let public: PublicUrl = "https://vault.example:8443".parse().unwrap();
        let table = [
            ("https://vault.example:8443", Some(Audience::Management)),
            ("https://Vault.example:8443//", Some(Audience::Management)),
            ("https://management.azure.com/", Some(Audience::Management)),
            ("https://storage.azure.com", Some(Audience::Storage)),
            ("https://vault.example", None),
            ("https://vault.example:8443.evil.example", None),
            ("", None),
        ];

        for (resource, expected) in table {
            assert_eq!(Audience::of(resource, &public), expected, "{resource}");
        }
    }
}
