//! Fetches packages from the registries that the agent was started with, by digest.

use crate::error::{ActError, Failure, code};
use async_trait::async_trait;
use packages::{Asked, Digest, Package, Trust, limits, open, read_manifest, wire::PackagePlace};
use std::{fmt, time::Duration};
use url::Url;

const PATIENCE: Duration = Duration::from_secs(60);

/// Where bytes come from by digest.
#[async_trait]
pub trait Registry: Send + Sync + fmt::Debug {
    /// At most `most` bytes from `/v2/<repository>/<kind>/<digest>` of `host`; more is an error.
    async fn get(&self, host: &str, path: &str, most: usize) -> Result<Vec<u8>, RegistryError>;
}

/// Why bytes could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum RegistryError {
    NotAllowed(String),
    NotFound(String),
    TooLarge(String),
    Unreachable(String),
}

/// The registries that an owner of a cluster allows: their addresses by the host that references name.
#[derive(Debug, Clone, Default)]
pub struct Registries(Vec<Url>);

impl Registries {
    /// Reads addresses such as `https://registry.example`.
    pub fn parse(addresses: &[String]) -> Result<Self, String> {
        let mut all = Vec::new();
        for address in addresses {
            let url: Url =
                address.parse().map_err(|error| format!("{address:?} is not an address: {error}"))?;
            let plain =
                ["http", "https"].contains(&url.scheme()) && url.path() == "/" && url.query().is_none();
            if !plain || url.host_str().is_none() || !url.username().is_empty() {
                return Err(format!(
                    "{address:?} is not the address of a registry, such as https://registry.example"
                ));
            }
            all.push(url);
        }
        Ok(Self(all))
    }

    fn find(&self, host: &str) -> Option<&Url> {
        self.0.iter().find(|url| host_of(url) == host)
    }
}

fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Registries over HTTP.
#[derive(Debug)]
pub struct HttpRegistry {
    allowed: Registries,
    client: reqwest::Client,
}

impl HttpRegistry {
    /// Speaks to `allowed`; `authorities` in PEM form are trusted beside those of the system.
    pub fn new(allowed: Registries, authorities: Option<&[u8]>) -> Result<Self, String> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("cofferdam-agent/", env!("CARGO_PKG_VERSION")))
            .timeout(PATIENCE)
            .connect_timeout(Duration::from_secs(15))
            // Packages are fetched once in weeks: no connection is kept.
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::limited(3));
        if let Some(pem) = authorities {
            let certificates = reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|error| format!("the registry's certificate authorities cannot be read: {error}"))?;
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build().map_err(|error| format!("no client for registries: {error}"))?;
        Ok(Self { allowed, client })
    }
}

#[async_trait]
impl Registry for HttpRegistry {
    async fn get(&self, host: &str, path: &str, most: usize) -> Result<Vec<u8>, RegistryError> {
        let base = self.allowed.find(host).ok_or_else(|| RegistryError::NotAllowed(host.to_owned()))?;
        let url = base.join(path).map_err(|error| RegistryError::NotFound(error.to_string()))?;
        let unreachable = |error: reqwest::Error| RegistryError::Unreachable(chain(&error));
        let accepted = "application/vnd.oci.image.manifest.v1+json, application/octet-stream, */*;q=0.1";
        let mut answer =
            self.client.get(url.clone()).header("accept", accepted).send().await.map_err(unreachable)?;
        match answer.status().as_u16() {
            200 => {}
            404 | 410 => return Err(RegistryError::NotFound(format!("{url} answers {}", answer.status()))),
            _ => return Err(RegistryError::Unreachable(format!("{url} answers {}", answer.status()))),
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > most {
                return Err(RegistryError::TooLarge(format!("{url} has more than {most} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

/// An error with its causes: the outermost says little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

/// Fetches, verifies and opens a package.
pub(crate) async fn fetch(
    registry: &dyn Registry,
    place: &PackagePlace,
    trust: &Trust,
    asked: &Asked<'_>,
) -> Result<Package, ActError> {
    let (host, repository) = split(&place.reference)?;
    let path = |kind: &str, digest: &Digest| format!("/v2/{repository}/{kind}/{digest}");
    let told = |error| tell(&place.reference, error);
    let manifest =
        registry.get(&host, &path("manifests", &place.digest), limits::MANIFEST).await.map_err(told)?;
    let sealed = read_manifest(&place.digest, &manifest)?;
    let bytes = registry.get(&host, &path("blobs", &sealed.package), limits::PACKAGE).await.map_err(told)?;
    Ok(open(&sealed, &bytes, trust, asked)?)
}

fn tell(reference: &str, error: RegistryError) -> ActError {
    let permanent = |code, text: String| ActError::Permanent(Failure::new(code, text));
    match error {
        RegistryError::NotAllowed(host) => permanent(
            code::REGISTRY,
            format!(
                "The package {reference} lies in the registry {host}, which this cluster does not allow. Whoever owns the cluster allows it with `cofferdam cluster connect --registry`."
            ),
        ),
        RegistryError::NotFound(why) => permanent(
            code::NOT_FOUND,
            format!("There is no such package as {reference}: {why}. Correct its reference, or publish it."),
        ),
        RegistryError::TooLarge(why) => {
            permanent(packages::code::TOO_LARGE, format!("The package {reference} is too large: {why}."))
        }
        RegistryError::Unreachable(why) => ActError::Temporary {
            code: code::UNREACHABLE,
            message: format!(
                "The package {reference} cannot be fetched: {why}. Allow the agent to reach the registry; it tries again."
            ),
        },
    }
}

/// Host and repository of `registry.example:5000/cofferdam/backup:0.1.0`.
fn split(reference: &str) -> Result<(String, String), ActError> {
    let bad = || {
        ActError::Permanent(Failure::new(
            packages::code::REFERENCE,
            format!(
                "{reference:?} is not the reference of a package, such as registry.example/cofferdam/backup:0.1.0."
            ),
        ))
    };
    let (host, rest) = reference.split_once('/').ok_or_else(bad)?;
    let rest = rest.split_once('@').map_or(rest, |(rest, _)| rest);
    let repository = rest.rsplit_once(':').map_or(rest, |(repository, _)| repository);
    let part = |part: &str| {
        !part.is_empty()
            && part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
    };
    let host_fits =
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
    if host_fits && repository.len() <= 255 && repository.split('/').all(part) {
        return Ok((host.to_owned(), repository.to_owned()));
    }
    Err(bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_name_a_host_and_a_plain_repository() {
        let good = split("registry.example:5000/cofferdam/backup:0.1.0").unwrap();

        assert_eq!(good, ("registry.example:5000".to_owned(), "cofferdam/backup".to_owned()));
        for bad in [
            "",
            "backup",
            "host/",
            "host/../x",
            "host/a/../../b",
            "host/a?b",
            "host/a%2e",
            "ho st/a",
            "u@h/a",
            "host//a",
        ] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_listed_registries_are_spoken_to() {
        let allowed =
            Registries::parse(&["https://registry.example".into(), "http://127.0.0.1:5000".into()]).unwrap();

        assert!(allowed.find("registry.example").is_some());
        assert!(allowed.find("127.0.0.1:5000").is_some());
        assert!(allowed.find("registry.example:8443").is_none());
        assert!(allowed.find("evil.example").is_none());
        assert!(Registries::parse(&["https://user@registry.example".into()]).is_err());
        assert!(Registries::parse(&["file:///etc".into()]).is_err());
    }
}
