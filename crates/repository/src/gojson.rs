//! JSON with the escapes that Go's encoder uses, so that both sides arrive at the same bytes.

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};
use std::io;

/// `value` as Go's `json.Marshal` would write it.
pub(crate) fn to_vec<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(256);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, GoFormatter(CompactFormatter)))?;
    Ok(out)
}

struct GoFormatter(CompactFormatter);

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((before, found, after)) = next_special(rest) {
            writer.write_all(before.as_bytes())?;
            write!(writer, "\\u{:04x}", u32::from(found))?;
            rest = after;
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Splits at the first character that Go escapes although JSON does not demand it.
fn next_special(text: &str) -> Option<(&str, char, &str)> {
    let special = |c: char| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
    let at = text.find(special)?;
    let (before, rest) = text.split_at_checked(at)?;
    let found = rest.chars().next()?;
    Some((before, found, rest.get(found.len_utf8()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_go_does() {
        let escaped = to_vec("a<b>&\u{2028}\u{2029} \"\\\n\r\t\u{8}\u{c}\u{1}\u{7f}ü").unwrap();

        let expected = "\"a\\u003cb\\u003e\\u0026\\u2028\\u2029 \\\"\\\\\\n\\r\\t\\b\\f\\u0001\u{7f}ü\"";
        assert_eq!(String::from_utf8(escaped).unwrap(), expected);
    }
}
