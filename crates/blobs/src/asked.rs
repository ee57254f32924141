//! The headers and the query of one request, read strictly.

use crate::BlobError;
use http::{HeaderMap, Uri};
use percent_encoding::percent_decode_str;

/// The longest query that is looked at.
const LONGEST_QUERY: usize = 16 * 1024;

/// Headers, by name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Headers<'a>(pub(crate) &'a HeaderMap);

impl<'a> Headers<'a> {
    /// A header as text; empty is absent.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, BlobError> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        match value.to_str() {
            Ok(text) if text.trim().is_empty() => Ok(None),
            Ok(text) => Ok(Some(text.trim())),
            Err(_) => Err(BlobError::header(name, "holds more than ASCII")),
        }
    }

    /// A header that must be a number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, BlobError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse()) {
            Some(Ok(number)) => Ok(Some(number)),
            _ => Err(BlobError::header(name, "holds no number")),
        }
    }

    /// Whether a header says yes.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, BlobError> {
        Ok(self.text(name)?.is_some_and(|text| text.eq_ignore_ascii_case("true")))
    }

    /// Refuses headers that ask for something that is not offered, where ignoring them would do another thing.
    pub(crate) fn refuse(&self, beginnings: &[&str]) -> Result<(), BlobError> {
        let asked = self.0.keys().map(http::HeaderName::as_str);
        match asked.into_iter().find(|name| beginnings.iter().any(|begin| name.starts_with(begin))) {
            Some(name) => Err(BlobError::unsupported_header(name)),
            None => Ok(()),
        }
    }
}

/// The query's parameters, decoded, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn read(uri: &Uri) -> Result<Self, BlobError> {
        let text = uri.query().unwrap_or_default();
        if text.len() > LONGEST_QUERY {
            return Err(BlobError::parameter("string", "is longer than 16 KiB"));
        }
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(name)?, decode(value)?));
        }
        Ok(Self(pairs))
    }

    /// The first value of a parameter; empty is absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// `maxresults`, at most 5000.
    pub(crate) fn most(&self) -> Result<Option<usize>, BlobError> {
        let Some(text) = self.get("maxresults") else { return Ok(None) };
        match text.parse::<u32>() {
            Ok(0) | Err(_) => Err(BlobError::parameter("maxresults", "is no number above zero")),
            Ok(most) => Ok(Some(most.min(5_000) as usize)),
        }
    }
}

fn decode(text: &str) -> Result<String, BlobError> {
    let spaced = text.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(BlobError::parameter("string", "is no UTF-8")),
    }
}
