//! The conditions under which a request is to be carried out, decided from what is there.

use crate::{BlobError, Found, asked::Headers};
use jiff::{Timestamp, fmt::rfc2822, tz::TimeZone};

/// The conditional headers of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// `If-Match`.
    pub matches: Option<String>,
    /// `If-None-Match`.
    pub none_matches: Option<String>,
    /// `If-Modified-Since`.
    pub modified_since: Option<Timestamp>,
    /// `If-Unmodified-Since`.
    pub unmodified_since: Option<Timestamp>,
}

impl Conditions {
    /// None at all.
    pub const NONE: Self =
        Self { matches: None, none_matches: None, modified_since: None, unmodified_since: None };

    pub(crate) fn read(headers: &Headers<'_>) -> Result<Self, BlobError> {
        let time = |name: &str| -> Result<Option<Timestamp>, BlobError> {
            let Some(text) = headers.text(name)? else { return Ok(None) };
            match rfc2822::parse(text) {
                Ok(time) => Ok(Some(time.timestamp())),
                Err(_) => Err(BlobError::header(name, "holds no date")),
            }
        };
        let found = Self {
            matches: headers.text("if-match")?.map(str::to_owned),
            none_matches: headers.text("if-none-match")?.map(str::to_owned),
            modified_since: time("if-modified-since")?,
            unmodified_since: time("if-unmodified-since")?,
        };
        Ok(found)
    }

    /// Whether nothing is asked.
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    /// Whether the blob must not be there yet.
    pub fn creates(&self) -> bool {
        self.none_matches.as_deref() == Some("*")
    }

    /// The only tag under which the blob may be changed.
    pub fn only_tag(&self) -> Option<&str> {
        self.matches.as_deref().filter(|tag| *tag != "*")
    }

    /// Whether a blob may be written (or deleted) over what is there.
    pub fn check_write(&self, found: Option<&Found>) -> Result<(), BlobError> {
        match found {
            None if self.matches.is_some() => Err(BlobError::condition()),
            None => Ok(()),
            Some(_) if self.creates() => Err(BlobError::blob_exists()),
            Some(found) if self.hold_for(found) => Ok(()),
            Some(_) => Err(BlobError::condition()),
        }
    }

    /// Whether what is there may be read.
    pub fn check_read(&self, found: &Found) -> Result<(), BlobError> {
        if self.hold_for(found) {
            return Ok(());
        }
        let known = self.none_matches.as_deref().is_some_and(|tag| names(tag, &found.etag));
        let old = self.none_matches.is_none() && !later(found.modified, self.modified_since);
        let others = Self { none_matches: None, modified_since: None, ..self.clone() };
        if others.hold_for(found) && (known || old) {
            return Err(BlobError::not_modified().with("etag", format!("\"{}\"", found.etag)));
        }
        Err(BlobError::condition())
    }

    fn hold_for(&self, found: &Found) -> bool {
        self.matches.as_deref().is_none_or(|tag| names(tag, &found.etag))
            && !self.none_matches.as_deref().is_some_and(|tag| names(tag, &found.etag))
            && (self.none_matches.is_some() || later(found.modified, self.modified_since))
            && (self.matches.is_some()
                || !self.unmodified_since.is_some_and(|since| later(found.modified, Some(since))))
    }
}

/// Whether `given`, a tag or a star, stands for `etag`. A weak tag never does.
fn names(given: &str, etag: &str) -> bool {
    given == "*" || given.split(',').any(|one| one.trim().trim_matches('"') == etag)
}

/// Compares whole seconds: a date in a header has no more.
fn later(modified: Timestamp, since: Option<Timestamp>) -> bool {
    since.is_none_or(|since| modified.as_second() > since.as_second())
}

/// A time as headers have it.
pub(crate) fn http_date(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Properties;

    fn found() -> Found {
        Found {
            size: 1,
            etag: "one".into(),
            modified: Timestamp::from_second(1_000).unwrap(),
            properties: Properties::default(),
            version: None,
        }
    }

    fn when(change: impl FnOnce(&mut Conditions)) -> Conditions {
        let mut conditions = Conditions::default();
        change(&mut conditions);
        conditions
    }

    #[test]
    fn a_write_is_refused_with_azures_code() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let cases = [
            (Conditions::NONE, "ok", "ok"),
            (when(|c| c.none_matches = Some("*".into())), "ok", "BlobAlreadyExists"),
            (when(|c| c.matches = Some("\"one\"".into())), "ConditionNotMet", "ok"),
            (when(|c| c.matches = Some("one".into())), "ConditionNotMet", "ok"),
            (when(|c| c.matches = Some("\"two\"".into())), "ConditionNotMet", "ConditionNotMet"),
            (when(|c| c.matches = Some("W/\"one\"".into())), "ConditionNotMet", "ConditionNotMet"),
            (when(|c| c.matches = Some("*".into())), "ConditionNotMet", "ok"),
            (when(|c| c.none_matches = Some("\"one\"".into())), "ok", "ConditionNotMet"),
            (when(|c| c.none_matches = Some("\"two\"".into())), "ok", "ok"),
            (when(|c| c.unmodified_since = Some(at(999))), "ok", "ConditionNotMet"),
            (when(|c| c.unmodified_since = Some(at(1_000))), "ok", "ok"),
            (when(|c| c.modified_since = Some(at(1_000))), "ok", "ConditionNotMet"),
            (when(|c| c.modified_since = Some(at(999))), "ok", "ok"),
        ];

        for (conditions, absent, there) in cases {
            let code = |result: Result<(), BlobError>| result.map_or_else(|error| error.code, |()| "ok");
            assert_eq!(code(conditions.check_write(None)), absent, "{conditions:?}");
            assert_eq!(code(conditions.check_write(Some(&found()))), there, "{conditions:?}");
        }
    }

    #[test]
    fn a_reader_with_the_current_tag_is_told_that_nothing_changed() {
        let known = when(|c| c.none_matches = Some("\"one\"".into()));
        let old = when(|c| c.modified_since = Some(Timestamp::from_second(2_000).unwrap()));
        let other = when(|c| c.matches = Some("\"two\"".into()));

        assert_eq!(known.check_read(&found()).unwrap_err().status, 304);
        assert_eq!(old.check_read(&found()).unwrap_err().status, 304);
        assert_eq!(other.check_read(&found()).unwrap_err().status, 412);
        Conditions::NONE.check_read(&found()).unwrap();
    }

    #[test]
    fn dates_are_written_as_http_wants_them() {
        assert_eq!(http_date(Timestamp::from_second(784_111_777).unwrap()), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
