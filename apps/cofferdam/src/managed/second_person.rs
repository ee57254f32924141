//! The consent of somebody else: their token goes along with a call.

use crate::{exit::Failure, secret::read_file_or_input};
use clap::Args;
use management::Request;
use std::path::PathBuf;

/// The header in which a call carries it.
const HEADER: &str = "x-ms-authorization-auxiliary";

/// Somebody who may approve what the caller may not, such as one whose resource guard lies in another tenant.
#[derive(Debug, Clone, Default, Args)]
pub struct SecondPerson {
    /// File with the token of somebody who may approve; - reads it from standard input
    #[arg(long, value_name = "FILE")]
    auxiliary_token_file: Option<PathBuf>,
}

impl SecondPerson {
    /// The request with their token; as it is when nobody was named.
    pub fn behind(&self, request: Request) -> Result<Request, Failure> {
        let Some(file) = &self.auxiliary_token_file else { return Ok(request) };
        let text = read_file_or_input(file, "the token of the second person")?;
        Ok(request.header(HEADER, format!("Bearer {}", token(&text)?)))
    }
}

/// One token, perhaps with the word before it that headers have.
fn token(text: &str) -> Result<&str, Failure> {
    let text = text.trim();
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => text,
    };
    let is_plain = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    // Nothing of it is repeated: it may be a secret all the same.
    if !is_plain || token.split('.').count() != 3 {
        return Err(Failure::usage("what was given as the token of the second person is no token").next(
            "Have them write it: `cofferdam account get-access-token --query accessToken -o tsv >FILE`.",
        ));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_and_nothing_else_of_a_file_is_sent() {
        for (text, expected) in [
            ("a.b-c_d.e\n", Some("a.b-c_d.e")),
            ("secret", None),
            (" Bearer a.b.c ", Some("a.b.c")),
            ("", None),
            ("Bearer ", None),
            ("{\"accessToken\": \"a.b.c\"}", None),
            ("a.b.c\r\nx-other: y", None),
            ("a.b.c, d.e.f", None),
        ] {
            assert_eq!(token(text).ok(), expected, "{text}");
        }
    }
}
