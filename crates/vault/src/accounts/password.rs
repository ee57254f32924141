//! Passwords of people. They choose them, so they are weaker than secrets that the vault makes.

use super::HashError;
use argon2::{Argon2, PasswordHasher};

/// Characters of the shortest password.
pub const SHORTEST: usize = 12;
/// Bytes of the longest one.
pub const LONGEST: usize = 1_024;

/// Why a password is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too short, too long, or nothing but one character.
    #[error(
        "the password {0}; use at least {SHORTEST} characters, such as four words that nobody expects together"
    )]
    Weak(&'static str),
    /// The library.
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// The argon2 hash of a password, if it is one that may be used.
pub fn hash_password(name: &str, password: &str) -> Result<String, PasswordError> {
    check(name, password)?;
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash.map_err(|error| HashError::new(&error))?.to_string())
}

fn check(name: &str, password: &str) -> Result<(), PasswordError> {
    let folded = password.to_lowercase();
    let mut distinct: Vec<char> = folded.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    match () {
        () if password.chars().count() < SHORTEST => Err(PasswordError::Weak("is too short")),
        () if password.len() > LONGEST => Err(PasswordError::Weak("is too long")),
        () if distinct.len() < 5 => Err(PasswordError::Weak("repeats a few characters")),
        () if folded.contains("password") => Err(PasswordError::Weak("holds the word password")),
        () if folded.contains(&name.to_lowercase()) => Err(PasswordError::Weak("holds the name")),
        () => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_that_are_guessed_first_are_refused() {
        for weak in
            ["", "short", "aaaaaaaaaaaaaaaa", "Password12345", "anna-2026-summer", &"long".repeat(300)]
        {
            assert!(check("Anna", weak).is_err(), "{weak}");
        }
        assert!(check("anna", "gravel lamp orbit tin").is_ok());
    }
}
