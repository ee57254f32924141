//! What the owner of a cluster chooses about its manifest: whom to trust, and the way out of the cluster.

use super::manifest::Own;
use crate::{commands::extension_package::files, exit::Failure, secret::read_file};
use clap::Args;
use gateway::{EgressPart, EgressProxy};
use packages::{Package, Trust, limits};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct WishArgs {
    /// The keys that packages must be signed with, and for which types; with it the manifest is written by this program,
    /// and only the token, the address and the authorities come from the vault
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// A registry that packages may come from; may be repeated; the vault itself when absent
    #[arg(long = "registry", value_name = "URL", requires = "trust")]
    registries: Vec<String>,
    /// Certificate authorities of those registries, PEM, beside those of the system and of the vault
    #[arg(long, value_name = "FILE", requires = "registries")]
    registry_ca: Option<PathBuf>,
    /// A package beside the Backup Extension that the agent may install, as it was built from; may be repeated
    #[arg(long = "package", value_name = "FILE")]
    packages: Vec<PathBuf>,
    /// Image of agent and gateway; the program's own when absent
    #[arg(long, value_name = "REFERENCE", requires = "trust")]
    image: Option<String>,
    /// Proxy through which agent, gateway and extensions leave the cluster, http://HOST:PORT or https://HOST:PORT
    #[arg(long, value_name = "URL", conflicts_with = "https_proxy_file")]
    https_proxy: Option<String>,
    /// File with that URL, where it holds a name and a password
    #[arg(long, value_name = "FILE")]
    https_proxy_file: Option<PathBuf>,
    /// What they reach without the proxy: names, domains and networks with commas between them
    #[arg(long, value_name = "LIST")]
    no_proxy: Option<String>,
    /// Certificate authorities of a proxy that is reached over TLS, PEM; they count for the proxy alone
    #[arg(long, value_name = "FILE")]
    proxy_ca: Option<PathBuf>,
}

impl WishArgs {
    /// Reads and judges everything, before the vault hears of it.
    pub fn resolve(&self) -> Result<Own, Failure> {
        agent::Registries::parse(&self.registries)
            .map_err(|error| Failure::usage(format!("--registry: {error}")).next("Correct the address."))?;
        let trust = self.trust.as_deref().map(trusted).transpose()?;
        let mut packages = vec![built_in()?];
        for path in &self.packages {
            let package = Package::parse(&files::read(path, limits::PACKAGE)?);
            let package = package.map_err(|error| wrong(path, &error.what).next(error.next))?;
            packages.retain(|known| known.kind != package.kind);
            packages.push(package);
        }
        Ok(Own {
            image: self.image.clone(),
            trust,
            registries: self.registries.clone(),
            registry_authorities: self.registry_ca.as_deref().map(authorities).transpose()?,
            packages,
            proxy: self.proxy()?,
        })
    }

    fn proxy(&self) -> Result<Option<EgressProxy>, Failure> {
        let url = match (&self.https_proxy, &self.https_proxy_file) {
            (Some(url), _) => Some((url.clone(), "--https-proxy")),
            (None, Some(path)) => Some((read_file(path)?, "--https-proxy-file")),
            (None, None) => None,
        };
        let Some((url, flag)) = url else {
            let alone = self.no_proxy.as_ref().map(|_| "--no-proxy");
            return match alone.or(self.proxy_ca.as_ref().map(|_| "--proxy-ca")) {
                Some(flag) => Err(Failure::usage(format!("{flag} means nothing without a proxy"))
                    .next("Name the proxy with `--https-proxy` or `--https-proxy-file`.")),
                None => Ok(None),
            };
        };
        let authorities = self.proxy_ca.as_deref().map(read_file).transpose()?;
        let proxy = EgressProxy::new(&url, self.no_proxy.as_deref(), authorities.as_deref());
        let proxy = proxy.map_err(|problem| {
            let flag = match problem.part {
                EgressPart::Url => flag,
                EgressPart::Except => "--no-proxy",
                EgressPart::Authorities => "--proxy-ca",
            };
            Failure::usage(format!("{flag}: {problem}")).next("Correct it; nothing was done.")
        })?;
        if self.https_proxy.is_some() && proxy.has_credential() {
            return Err(Failure::usage("--https-proxy: every user of this machine can read a command line")
                .next(
                    "Write the URL with its password into a file and name that with `--https-proxy-file`.",
                ));
        }
        Ok(Some(proxy))
    }
}

/// The Backup Extension of this version. Its image is not asked for: rights are by the names of objects.
fn built_in() -> Result<Package, Failure> {
    let package = extension::manifests::package(env!("CARGO_PKG_VERSION"), "any").map_err(Failure::failed)?;
    Package::parse(package.to_string().as_bytes()).map_err(|error| Failure::failed(error.what))
}

/// Those of registries; the agent would not start with something else.
fn authorities(path: &Path) -> Result<String, Failure> {
    let pem = read_file(path)?;
    let judged = agent::HttpRegistry::new(agent::Registries::default(), Some(pem.as_bytes()));
    match judged {
        Ok(_) if pem.contains("-----BEGIN CERTIFICATE-----") => Ok(pem),
        _ => Err(wrong(path, "it holds no certificates in PEM form")
            .next("Name the right file with `--registry-ca`.")),
    }
}

fn trusted(path: &Path) -> Result<Trust, Failure> {
    let trust = Trust::parse(&files::read(path, limits::PACKAGE)?);
    let trust = trust.map_err(|error| wrong(path, &error.what).next(error.next))?;
    if trust.keys.is_empty() {
        return Err(wrong(path, "it names no key, so that no package would be installed")
            .next("Write the public key of whoever signs the packages that you trust."));
    }
    Ok(trust)
}

fn wrong(path: &Path, what: &str) -> Failure {
    Failure::precondition(format!("{}: {}", path.display(), what.trim_end_matches('.')))
}
