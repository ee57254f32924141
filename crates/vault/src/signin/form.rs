//! A form as clients and browsers send it.

use super::SignInError;
use std::fmt;
use url::form_urlencoded;
use zeroize::Zeroizing;

/// Its fields; a name that is there twice counts once, the first time.
pub struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    /// Reads a form; fields that nobody asks for are ignored.
    pub fn read(form: &[u8]) -> Result<Self, SignInError> {
        std::str::from_utf8(form).map_err(|_| SignInError::Form)?;
        let fields = form_urlencoded::parse(form);
        Ok(Self(
            fields.map(|(name, value)| (name.into_owned(), Zeroizing::new(value.into_owned()))).collect(),
        ))
    }

    /// A field that is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        value.filter(|value| !value.is_empty())
    }

    /// A field that must be there.
    pub fn need(&self, name: &'static str) -> Result<&str, SignInError> {
        self.get(name).ok_or(SignInError::Missing(name))
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// The beginning of what someone sent, for messages.
pub fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}
