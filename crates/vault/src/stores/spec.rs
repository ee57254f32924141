//! `NAME=URL`: how the operator names a store and says where it is.

use percent_encoding::percent_decode_str;
use std::{collections::BTreeMap, path::PathBuf, str::FromStr};
use storage::{
    StorePath,
    location::{LocationSettings, Provider},
};
use url::Url;

const LONGEST_NAME: usize = 40;

/// A store as it is configured. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSpec {
    /// Its name.
    pub name: String,
    pub(super) place: Place,
}

impl StoreSpec {
    /// A directory.
    pub fn directory(name: &str, path: PathBuf) -> Self {
        Self { name: name.to_owned(), place: Place::Directory(path) }
    }
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Directory(PathBuf),
    /// With the directory that holds its credentials, where one is named.
    Objects(LocationSettings, Option<PathBuf>),
}

/// Why a text is no store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store {name:?} cannot be used: {why}")]
pub struct StoreSpecError {
    name: String,
    why: String,
}

impl FromStr for StoreSpec {
    type Err = StoreSpecError;

    fn from_str(text: &str) -> Result<Self, StoreSpecError> {
        // What is shown holds the name alone: a URL may hold a secret that does not belong there.
        let (name, url) = text.split_once('=').unwrap_or(("", text));
        let wrong = |why: &str| StoreSpecError {
            name: name.chars().take(LONGEST_NAME).collect(),
            why: why.to_owned(),
        };
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=LONGEST_NAME).contains(&name.len()) || !name.bytes().all(fits) {
            return Err(wrong("write NAME=URL with a name of up to 40 small letters, digits and hyphens"));
        }
        let url = Url::parse(url).map_err(|_| {
            wrong("its URL cannot be read; write file:///DIR, s3://BUCKET/PREFIX, az://ACCOUNT/CONTAINER/PREFIX or gs://BUCKET/PREFIX")
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "its URL holds a user name or a password; put credentials into a directory and name it with ?credentials=DIR, or into the environment",
            ));
        }
        if url.fragment().is_some() {
            return Err(wrong("its URL has a fragment"));
        }
        let place = place(&url).map_err(|why| wrong(&why))?;
        Ok(Self { name: name.to_owned(), place })
    }
}

fn place(url: &Url) -> Result<Place, String> {
    let mut query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    let host = url.host_str().unwrap_or_default().to_owned();
    let path =
        percent_decode_str(url.path()).decode_utf8().map_err(|_| "its path is not UTF-8".to_owned())?;
    let path = path.trim_matches('/');
    let (provider, bucket, prefix) = match url.scheme() {
        "file" => {
            if !host.is_empty() || path.is_empty() {
                return Err("write file:///DIR with an absolute directory".to_owned());
            }
            nothing_left(&query)?;
            return Ok(Place::Directory(PathBuf::from(format!("/{path}"))));
        }
        "s3" => (Provider::Aws, host, path),
        "gs" => (Provider::Gcp, host, path),
        "az" => {
            let (container, prefix) = path.split_once('/').unwrap_or((path, ""));
            query.insert("storageAccount".to_owned(), host);
            (Provider::Azure, container.to_owned(), prefix)
        }
        other => return Err(format!("{other}:// is not known; known are file, s3, az and gs")),
    };
    let credentials = query.remove("credentials").map(PathBuf::from);
    if credentials.as_ref().is_some_and(|at| !at.is_absolute()) {
        return Err("?credentials= must be an absolute directory".to_owned());
    }
    let mut config = BTreeMap::new();
    for (ours, theirs, of) in [
        ("storageAccount", "storageAccount", Provider::Azure),
        ("endpoint", "storageAccountURI", Provider::Azure),
        ("region", "region", Provider::Aws),
        ("endpoint", "s3Url", Provider::Aws),
        ("path-style", "s3ForcePathStyle", Provider::Aws),
    ] {
        if of == provider
            && let Some(value) = query.remove(ours)
        {
            config.insert(theirs.to_owned(), value);
        }
    }
    if let Some(file) = query.remove("ca") {
        let pem =
            std::fs::read_to_string(&file).map_err(|error| format!("could not read {file}: {error}"))?;
        config.insert("caCert".to_owned(), pem);
    }
    nothing_left(&query)?;
    let prefix = match prefix {
        "" => StorePath::root(),
        prefix => StorePath::parse(prefix).map_err(|bad| format!("its prefix {bad}"))?,
    };
    let location = LocationSettings { provider, bucket, prefix, config };
    match location.problems().first() {
        Some(problem) => Err(problem.to_string()),
        None => Ok(Place::Objects(location, credentials)),
    }
}

fn nothing_left(query: &BTreeMap<String, String>) -> Result<(), String> {
    match query.keys().next() {
        None => Ok(()),
        Some(name) => Err(format!(
            "the parameter {name:?} is not known here; known are credentials, ca, endpoint and, for s3, region and path-style"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(text: &str) -> (LocationSettings, Option<PathBuf>) {
        match text.parse::<StoreSpec>().unwrap().place {
            Place::Objects(location, credentials) => (location, credentials),
            Place::Directory(path) => panic!("{path:?}"),
        }
    }

    #[test]
    fn each_kind_of_store_is_read() {
        let disk: StoreSpec = "big=file:///srv/my%20blobs/".parse().unwrap();
        let (s3, credentials) = objects(
            "a=s3://bucket/some/prefix?region=eu-1&endpoint=https://s3.example&path-style=true&credentials=/run/s3",
        );
        let (azure, none) = objects("b=az://acct/box/p?endpoint=https://acct.example");
        let (google, _) = objects("c=gs://bucket");

        assert_eq!(disk.place, Place::Directory("/srv/my blobs".into()));
        assert_eq!((s3.bucket.as_str(), s3.prefix.to_string().as_str()), ("bucket", "some/prefix"));
        assert_eq!(
            (s3.config["s3Url"].as_str(), credentials),
            ("https://s3.example", Some("/run/s3".into()))
        );
        assert_eq!((azure.bucket.as_str(), azure.config["storageAccount"].as_str()), ("box", "acct"));
        assert_eq!((google.bucket.as_str(), none), ("bucket", None));
    }

    #[test]
    fn what_cannot_be_is_refused_and_no_secret_is_told_again() {
        for wrong in [
            "file:///srv",
            "A=file:///srv",
            "a=/srv",
            "a=file://host/srv",
            "a=file:///",
            "a=ftp://host/x",
            "a=s3://bucket",
            "a=s3://bucket?region=x&secret=hush",
            "a=s3://key:hush@bucket?region=x",
            "a=az://acct",
            "a=az://acct/box?sig=hush",
            "a=gs://bucket?credentials=relative",
            "a=gs://bucket/../x#hush",
        ] {
            let error = wrong.parse::<StoreSpec>().unwrap_err().to_string();
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
