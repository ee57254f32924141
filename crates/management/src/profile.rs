//! Who is signed in where: a file in the person's configuration folder that nobody else can read.

use crate::{
    Cloud, Error,
    sign_in::{Endpoints, Method, Token},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

const PROFILE: &str = "profile.json";
const TOKEN: &str = "token.json";

/// One sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// The vault or cloud.
    pub cloud: Cloud,
    /// Its authority.
    pub endpoints: Endpoints,
    /// The tenant.
    pub tenant: String,
    /// Authorities of its certificate, in PEM; those of the system when absent.
    pub authorities: Option<String>,
    /// How tokens are had.
    pub method: Method,
    /// The subscriptions that were seen at sign-in.
    pub subscriptions: Vec<Subscription>,
    /// The one that commands mean that name none.
    pub subscription: Option<String>,
}

/// A subscription as far as a profile knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Its GUID.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// `Enabled`, as a rule.
    pub state: String,
}

impl Subscription {
    /// Whether a person means this one.
    pub fn is(&self, given: &str) -> bool {
        self.id.eq_ignore_ascii_case(given) || self.name == given
    }
}

/// The folder that profiles are kept in.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A folder; it is made when something is written.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The profile.
    pub fn profile(&self) -> Result<Profile, Error> {
        self.read(PROFILE)?.ok_or(Error::NotSignedIn)
    }

    /// Keeps a profile. A token of an earlier one goes.
    pub fn keep(&self, profile: &Profile) -> Result<(), Error> {
        self.remove(TOKEN)?;
        self.write(PROFILE, profile)
    }

    /// Keeps what has changed in a profile; its token stays good.
    pub fn update(&self, profile: &Profile) -> Result<(), Error> {
        self.write(PROFILE, profile)
    }

    /// The kept token. One that cannot be read is as good as none.
    pub fn token(&self) -> Option<Token> {
        self.read(TOKEN).ok().flatten()
    }

    /// Keeps a token.
    pub fn keep_token(&self, token: &Token) -> Result<(), Error> {
        self.write(TOKEN, token)
    }

    /// Forgets the token.
    pub fn forget_token(&self) -> Result<(), Error> {
        self.remove(TOKEN).map(drop)
    }

    /// Signs out; whether anyone was signed in.
    pub fn forget(&self) -> Result<bool, Error> {
        self.remove(TOKEN)?;
        self.remove(PROFILE)
    }

    /// Where the profile is.
    pub fn file(&self) -> PathBuf {
        self.path.join(PROFILE)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let path = self.path.join(name);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path, &error)),
        };
        // The message of the parser may show what it read: a secret.
        serde_json::from_str(&text).map(Some).map_err(|error| Error::Profile {
            path,
            reason: format!("line {} is not as it was written", error.line()),
        })
    }

    /// Beside the old file first, so that a reader sees one or the other whole.
    fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Error> {
        let path = self.path.join(name);
        let text = serde_json::to_string_pretty(value).map_err(|error| failed(&path, &error))?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .map_err(|error| failed(&self.path, &error))?;
        let beside = self.path.join(format!(".{name}.{}", uuid::Uuid::new_v4()));
        let written = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| fs::rename(&beside, &path));
        written.map_err(|error| {
            drop(fs::remove_file(&beside));
            failed(&path, &error)
        })
    }

    fn remove(&self, name: &str) -> Result<bool, Error> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(&path, &error)),
        }
    }
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Profile { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign_in::Secret;
    use std::os::unix::fs::PermissionsExt;

    fn profile() -> Profile {
        Profile {
            cloud: Cloud {
                name: "Cofferdam".into(),
                resource_manager: "https://v:1".into(),
                login: "https://v:1".into(),
                audience: "https://v:1/".into(),
            },
            endpoints: Endpoints { token: "https://v:1/t".into(), device: None },
            tenant: "t".into(),
            authorities: None,
            method: Method::ServicePrincipal { client_id: "c".into(), secret: Secret::new("s") },
            subscriptions: Vec::new(),
            subscription: None,
        }
    }

    #[test]
    fn a_profile_is_its_owners_alone_and_gone_after_signing_out() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::at(directory.path().join("config/cofferdam"));
        let token = Token { secret: Secret::new("t"), expires: jiff::Timestamp::UNIX_EPOCH };

        folder.keep(&profile()).unwrap();
        folder.keep_token(&token).unwrap();

        assert_eq!((folder.profile().unwrap(), folder.token()), (profile(), Some(token)));
        for file in [folder.file(), folder.path.join(TOKEN)] {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::metadata(&folder.path).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(folder.forget().unwrap() && !folder.forget().unwrap());
        assert!(matches!(folder.profile(), Err(Error::NotSignedIn)) && folder.token().is_none());
    }

    #[test]
    fn a_new_sign_in_does_not_inherit_a_token() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::at(directory.path());
        let token = Token { secret: Secret::new("t"), expires: jiff::Timestamp::UNIX_EPOCH };
        folder.keep_token(&token).unwrap();

        folder.keep(&profile()).unwrap();

        assert_eq!(folder.token(), None);
    }

    #[test]
    fn a_damaged_profile_is_told_without_showing_what_is_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::at(directory.path());
        fs::write(folder.file(), "{\"secret\": \"hidden\" oops").unwrap();

        let error = folder.profile().unwrap_err().to_string();

        assert!(error.contains("profile.json") && !error.contains("hidden"), "{error}");
    }
}
