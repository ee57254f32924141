//! Names of directory entries in the notation of Go's string literals, which holds any bytes.

use crate::FormatError;

const WHAT: &str = "the name of a directory entry";

/// `bytes` in Go's notation, without the surrounding quotes: printable text as it is, the rest escaped,
/// bytes that are not UTF-8 as `\xNN`.
pub fn quote(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            quote_character(character, &mut out);
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

fn quote_character(character: char, out: &mut String) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        ' '..='~' => out.push(character),
        '\0'..' ' | '\u{7f}' => out.push_str(&format!("\\x{:02x}", u32::from(character))),
        _ if is_printable(character) => out.push(character),
        '\u{80}'..='\u{ffff}' => out.push_str(&format!("\\u{:04x}", u32::from(character))),
        _ => out.push_str(&format!("\\U{:08x}", u32::from(character))),
    }
}

/// Whether Go prints the character: letters, marks, numbers, punctuation and symbols. The standard library
/// escapes exactly the others, and combining marks only at the start of a text.
fn is_printable(character: char) -> bool {
    let mut text = [b'a'; 5];
    let Some(rest) = text.get_mut(1..) else { return false };
    let length = 1 + character.encode_utf8(rest).len();
    let Some(Ok(text)) = text.get(..length).map(std::str::from_utf8) else { return false };
    text.escape_debug().nth(1) == Some(character)
}

/// The bytes that `text`, in Go's notation without the surrounding quotes, stands for.
pub fn unquote(text: &str) -> Result<Vec<u8>, FormatError> {
    if !text.contains(['\\', '"', '\n']) {
        return Ok(text.as_bytes().to_vec());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => unquote_escape(&mut characters, &mut out)?,
            '"' | '\n' => return Err(FormatError::inconsistent(WHAT, "a quote or line feed is not escaped")),
            plain => push(plain, &mut out),
        }
    }
    Ok(out)
}

fn unquote_escape(characters: &mut std::str::Chars<'_>, out: &mut Vec<u8>) -> Result<(), FormatError> {
    let unknown = || FormatError::inconsistent(WHAT, "an escape is not valid");
    match characters.next().ok_or_else(unknown)? {
        'a' => out.push(0x07),
        'b' => out.push(0x08),
        'f' => out.push(0x0c),
        'n' => out.push(b'\n'),
        'r' => out.push(b'\r'),
        't' => out.push(b'\t'),
        'v' => out.push(0x0b),
        '\\' => out.push(b'\\'),
        '"' => out.push(b'"'),
        'x' => out.push(number(characters, 2, 16)? as u8),
        'u' => push(char::from_u32(number(characters, 4, 16)?).ok_or_else(unknown)?, out),
        'U' => push(char::from_u32(number(characters, 8, 16)?).ok_or_else(unknown)?, out),
        first @ '0'..='7' => {
            let high = first.to_digit(8).ok_or_else(unknown)? * 64;
            out.push(u8::try_from(high + number(characters, 2, 8)?).map_err(|_| unknown())?);
        }
        _ => return Err(unknown()),
    }
    Ok(())
}

fn number(characters: &mut std::str::Chars<'_>, digits: usize, radix: u32) -> Result<u32, FormatError> {
    let mut value: u32 = 0;
    for _ in 0..digits {
        let digit = characters.next().and_then(|c| c.to_digit(radix));
        let digit = digit.ok_or_else(|| FormatError::inconsistent(WHAT, "an escape is cut off"))?;
        value = value.wrapping_mul(radix).wrapping_add(digit);
    }
    Ok(value)
}

fn push(character: char, out: &mut Vec<u8>) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The right sides are what Go's `strconv.Quote` prints.
    #[test]
    fn names_are_quoted_as_go_does() {
        let cases: [(&[u8], &str); 9] = [
            (b"plain name.txt", "plain name.txt"),
            (b"tab\tquote\"back\\slash'", "tab\\tquote\\\"back\\\\slash'"),
            (b"\x00\x07\x1b\x7f", "\\x00\\a\\x1b\\x7f"),
            ("grüße 日本".as_bytes(), "grüße 日本"),
            (b"latin\xe9", "latin\\xe9"),
            ("e\u{301}".as_bytes(), "e\u{301}"),
            ("\u{301}".as_bytes(), "\u{301}"),
            ("\u{a0}\u{ad}\u{200b}\u{feff}".as_bytes(), "\\u00a0\\u00ad\\u200b\\ufeff"),
            ("\u{e0001}😀".as_bytes(), "\\U000e0001😀"),
        ];
        for (bytes, expected) in cases {
            let quoted = quote(bytes);

            assert_eq!(quoted, expected);
            assert_eq!(unquote(&quoted).unwrap(), bytes);
        }
    }

    #[test]
    fn broken_escapes_are_refused() {
        for text in ["\\", "\\x1", "\\q", "\\ud800", "\\U00110000", "\\400", "a\"b", "\\'"] {
            let refused = unquote(text);

            assert!(refused.is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_survive(bytes: Vec<u8>) {
            prop_assert_eq!(unquote(&quote(&bytes)).unwrap(), bytes);
        }

        #[test]
        fn any_text_is_answered(text: String) {
            let answer = unquote(&text);
            prop_assert!(answer.is_ok() || text.contains(['\\', '"', '\n']));
        }
    }
}
