//! Times as Go writes them: RFC 3339 with as many digits of the second as needed, years 0 to 9999.

use jiff::{Timestamp, civil::date, tz::Offset};
use serde::{Deserialize, Deserializer, Serializer};

/// Serialises for `#[serde(with = "crate::time")]`.
pub(crate) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&clamp(*time))
}

/// Deserialises for `#[serde(with = "crate::time")]`; any offset from UTC is accepted.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// The nearest time whose year stock clients can write.
fn clamp(time: Timestamp) -> Timestamp {
    let floor = Offset::UTC.to_timestamp(date(0, 1, 1).at(0, 0, 0, 0)).unwrap_or(Timestamp::UNIX_EPOCH);
    time.max(floor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Wire(#[serde(with = "super")] Timestamp);

    fn text(time: Timestamp) -> String {
        serde_json::to_string(&Wire(time)).unwrap()
    }

    #[test]
    fn times_look_as_go_writes_them() {
        let time = Timestamp::new(1_700_000_000, 123_456_000).unwrap();

        assert_eq!(text(time), r#""2023-11-14T22:13:20.123456Z""#);
        assert_eq!(text(Timestamp::UNIX_EPOCH), r#""1970-01-01T00:00:00Z""#);
        assert_eq!(text(Timestamp::MIN), r#""0000-01-01T00:00:00Z""#);
    }

    #[test]
    fn offsets_and_the_zero_time_of_go_are_read() {
        let wire: Wire = serde_json::from_str(r#""2023-11-14T23:13:20.5+01:00""#).unwrap();
        let zero: Wire = serde_json::from_str(r#""0001-01-01T00:00:00Z""#).unwrap();

        assert_eq!(wire.0, Timestamp::new(1_700_000_000, 500_000_000).unwrap());
        assert_eq!(text(zero.0), r#""0001-01-01T00:00:00Z""#);
    }
}
