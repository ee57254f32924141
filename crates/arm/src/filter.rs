//! `$filter` as the management API's lists take it: comparisons and named conditions, joined by `and`.

use std::{iter::Peekable, str::CharIndices, str::FromStr};

/// The longest filter that is taken, in bytes.
pub const LONGEST: usize = 4_096;

/// All of these must hold; an empty filter holds for everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter(Vec<Term>);

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// `field eq 'value'`
    Equals {
        /// The field, as written.
        field: String,
        /// The value, without quotes.
        value: String,
    },
    /// `name()` or `name('argument')`
    Named {
        /// The name, as written.
        name: String,
        /// What stands in the parentheses.
        argument: Option<String>,
    },
}

/// Why a text is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}; write conditions such as name eq 'value' or atScope(), joined by and")]
pub struct FilterError(String);

impl Filter {
    /// The conditions.
    pub fn terms(&self) -> &[Term] {
        &self.0
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        if text.len() > LONGEST {
            return Err(FilterError(format!("the filter is longer than {LONGEST} bytes")));
        }
        let mut tokens = tokens(text)?.into_iter().peekable();
        let mut terms = Vec::new();
        while tokens.peek().is_some() {
            if !terms.is_empty() {
                match tokens.next() {
                    Some(Token::Word(word)) if word.eq_ignore_ascii_case("and") => {}
                    other => return Err(unexpected("and", other.as_ref())),
                }
            }
            terms.push(term(&mut tokens)?);
        }
        Ok(Self(terms))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Open,
    Close,
}

fn term(tokens: &mut impl Iterator<Item = Token>) -> Result<Term, FilterError> {
    let name = match tokens.next() {
        Some(Token::Word(name)) => name,
        other => return Err(unexpected("a name", other.as_ref())),
    };
    match tokens.next() {
        Some(Token::Word(word)) if word.eq_ignore_ascii_case("eq") => match tokens.next() {
            Some(Token::Text(value)) => Ok(Term::Equals { field: name, value }),
            other => Err(unexpected("a text in quotes", other.as_ref())),
        },
        Some(Token::Open) => match tokens.next() {
            Some(Token::Close) => Ok(Term::Named { name, argument: None }),
            Some(Token::Text(argument)) => match tokens.next() {
                Some(Token::Close) => Ok(Term::Named { name, argument: Some(argument) }),
                other => Err(unexpected("a closing parenthesis", other.as_ref())),
            },
            other => Err(unexpected("a closing parenthesis", other.as_ref())),
        },
        other => Err(unexpected("eq or an opening parenthesis", other.as_ref())),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, FilterError> {
    let mut tokens = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        match c {
            ' ' | '\t' => {}
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            '\'' => tokens.push(Token::Text(quoted(&mut rest)?)),
            c if is_word(c) => {
                let mut end = at + c.len_utf8();
                while let Some((next, c)) = rest.next_if(|(_, c)| is_word(*c)) {
                    end = next + c.len_utf8();
                }
                tokens.push(Token::Word(text.get(at..end).unwrap_or_default().to_owned()));
            }
            c => return Err(FilterError(format!("{c:?} is unexpected"))),
        }
    }
    Ok(tokens)
}

/// What stands up to the closing quote; a doubled quote is one quote.
fn quoted(rest: &mut Peekable<CharIndices<'_>>) -> Result<String, FilterError> {
    let mut value = String::new();
    while let Some((_, c)) = rest.next() {
        match c {
            '\'' if rest.next_if(|(_, next)| *next == '\'').is_some() => value.push('\''),
            '\'' => return Ok(value),
            c => value.push(c),
        }
    }
    Err(FilterError("a quote is not closed".to_owned()))
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_./-".contains(c)
}

fn unexpected(wanted: &str, found: Option<&Token>) -> FilterError {
    FilterError(match found {
        None => format!("{wanted} is missing at the end"),
        Some(Token::Word(text) | Token::Text(text)) => format!("{wanted} is missing before {text:?}"),
        Some(Token::Open) => format!("{wanted} is missing before a parenthesis"),
        Some(Token::Close) => format!("{wanted} is missing before a closing parenthesis"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn filters_of_real_clients_are_read() {
        let equals = |field: &str, value: &str| Term::Equals { field: field.into(), value: value.into() };
        let named = |name: &str, argument: Option<&str>| Term::Named {
            name: name.into(),
            argument: argument.map(str::to_owned),
        };
        let table = [
            ("", vec![]),
            ("atScope()", vec![named("atScope", None)]),
            ("atScope() and assignedTo('p')", vec![named("atScope", None), named("assignedTo", Some("p"))]),
            ("roleName eq 'Storage Blob Data Reader'", vec![equals("roleName", "Storage Blob Data Reader")]),
            (
                "tagName eq 'it''s' AND tagValue EQ ''",
                vec![equals("tagName", "it's"), equals("tagValue", "")],
            ),
        ];

        for (text, expected) in table {
            assert_eq!(text.parse::<Filter>().unwrap().terms(), expected, "{text}");
        }
    }

    #[test]
    fn anything_else_says_what_is_missing() {
        for wrong in ["x", "x eq", "x eq y", "x eq 'y", "x('a' and", "and", "x() or y()", "x() y()", "x(y)"] {
            assert!(wrong.parse::<Filter>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z'() eqé]{0,40}") {
            drop(text.parse::<Filter>());
        }

        #[test]
        fn every_value_can_be_asked_for(value in ".{0,40}") {
            let text = format!("name eq '{}'", value.replace('\'', "''"));
            let expected = Term::Equals { field: "name".into(), value };
            let filter: Filter = text.parse().unwrap();
            prop_assert_eq!(filter.terms(), &[expected]);
        }
    }
}
