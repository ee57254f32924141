//! What connects a cluster, as this program writes it. Pure: what the vault answered goes in, documents come out.

use super::compare::differences;
use crate::{commands::vault::packages::IMAGE, exit::Failure};
use agent::{
    NAME,
    manifests::{ConnectSettings, connect_manifests},
};
use gateway::EgressProxy;
use packages::{Package, Trust};
use serde_json::Value;

/// What the owner of the cluster chose.
#[derive(Debug)]
pub struct Own {
    /// The image of agent and gateway.
    pub image: Option<String>,
    /// Whose packages are installed. When absent, the vault's manifest is taken, as far as this program would write it.
    pub trust: Option<Trust>,
    /// Where packages may come from; the vault when empty.
    pub registries: Vec<String>,
    /// Authorities of those registries, beside the vault's.
    pub registry_authorities: Option<String>,
    /// The packages that the agent may get rights for.
    pub packages: Vec<Package>,
    /// The way out of the cluster. The vault does not hear of it.
    pub proxy: Option<EgressProxy>,
}

/// What the vault chose in its own manifest.
#[derive(Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The image of agent and gateway.
    pub image: String,
    /// Whose packages are installed.
    pub trust: Trust,
    /// Where packages may come from.
    pub registries: Vec<String>,
    authorities: Option<String>,
}

impl Own {
    /// What is applied, and what of it the vault chose, when the owner did not.
    pub fn documents(&self, answer: &Value) -> Result<(Vec<Value>, Option<Chosen>), Failure> {
        match &self.trust {
            Some(trust) => Ok((self.write(answer, self.own(answer, trust)?, self.packages.clone())?, None)),
            None => {
                let sent = answer.get("manifest").and_then(Value::as_array).map(Vec::as_slice);
                let sent = sent.filter(|sent| !sent.is_empty()).ok_or_else(|| lacks("manifest"))?;
                let (documents, chosen) = self.checked(answer, sent)?;
                Ok((documents, Some(chosen)))
            }
        }
    }

    /// The owner's choice alone.
    fn own(&self, answer: &Value, trust: &Trust) -> Result<Chosen, Failure> {
        let vault = field(answer, "vault")?.trim_end_matches('/').to_owned();
        Ok(Chosen {
            image: self.image.clone().unwrap_or_else(|| IMAGE.to_owned()),
            trust: trust.clone(),
            registries: if self.registries.is_empty() { vec![vault] } else { self.registries.clone() },
            authorities: Some(match &self.registry_authorities {
                Some(more) => format!("{}\n{more}\n", field(answer, "authorities")?.trim_end()),
                None => field(answer, "authorities")?.to_owned(),
            }),
        })
    }

    /// The vault's choice, where everything around it is what this program writes.
    fn checked(&self, answer: &Value, sent: &[Value]) -> Result<(Vec<Value>, Chosen), Failure> {
        let offered = |package: &&Package| {
            let role = format!("{NAME}:{}", package.kind);
            sent.iter().any(|one| text(one, "/kind") == "ClusterRole" && text(one, "/metadata/name") == role)
        };
        let packages: Vec<Package> = self.packages.iter().filter(offered).cloned().collect();
        let plain = Self { proxy: None, ..self.copy() };
        let expected = plain.write(answer, Chosen::of(sent)?, packages.clone())?;
        let found = differences(sent, &expected);
        if !found.is_empty() {
            return Err(refused(&found));
        }
        Ok((self.write(answer, Chosen::of(sent)?, packages)?, Chosen::of(sent)?))
    }

    fn write(&self, answer: &Value, chosen: Chosen, packages: Vec<Package>) -> Result<Vec<Value>, Failure> {
        let named = |package: Package| {
            let namespace = package.namespace.clone();
            (package, namespace)
        };
        let settings = ConnectSettings {
            image: chosen.image,
            vault: field(answer, "vault")?.to_owned(),
            authorities: field(answer, "authorities")?.to_owned(),
            token: Some(field(answer, "token")?.to_owned()),
            proxy: self.proxy.clone(),
            trust: chosen.trust,
            registries: chosen.registries,
            registry_authorities: chosen.authorities,
            packages: packages.into_iter().map(named).collect(),
        };
        connect_manifests(&settings).map_err(Failure::failed)
    }

    fn copy(&self) -> Self {
        Self {
            image: self.image.clone(),
            trust: self.trust.clone(),
            registries: self.registries.clone(),
            registry_authorities: self.registry_authorities.clone(),
            packages: self.packages.clone(),
            proxy: self.proxy.clone(),
        }
    }
}

impl Chosen {
    /// Reads the fields that are the vault's to choose out of its manifest.
    fn of(sent: &[Value]) -> Result<Self, Failure> {
        let find = |kind: &str| {
            let is = |one: &&Value| text(one, "/kind") == kind && text(one, "/metadata/name") == NAME;
            sent.iter().find(is).ok_or_else(|| lacks(&format!("{kind} {NAME}")))
        };
        let (deployment, config) = (find("Deployment")?, find("ConfigMap")?);
        let container = deployment.pointer("/spec/template/spec/containers/0");
        let container = container.ok_or_else(|| lacks("container of the agent"))?;
        let arguments = container.get("args").and_then(Value::as_array).into_iter().flatten();
        let registries =
            arguments.filter_map(Value::as_str).filter_map(|one| one.strip_prefix("--registry="));
        let registries: Vec<String> = registries.map(str::to_owned).collect();
        agent::Registries::parse(&registries).map_err(|error| refused(&[error]))?;
        let trust = Trust::parse(text(config, "/data/trust.json").as_bytes())
            .map_err(|error| refused(&[format!("ConfigMap {NAME}: {}", error.what)]))?;
        Ok(Self {
            image: text(container, "/image").to_owned(),
            trust,
            registries,
            authorities: config.pointer("/data/registry-ca.crt").and_then(Value::as_str).map(str::to_owned),
        })
    }
}

fn field<'a>(answer: &'a Value, name: &str) -> Result<&'a str, Failure> {
    answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).ok_or_else(|| lacks(name))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn lacks(what: &str) -> Failure {
    Failure::failed(format!("the server's answer lacks the {what} that connects the cluster"))
        .next("Use the command line of the vault's version, or connect with `--trust FILE`.")
}

fn refused(found: &[String]) -> Failure {
    Failure::failed(format!(
        "the vault's manifest is not what this program would write; nothing was applied\n       {}",
        found.join("\n       ")
    ))
    .next("Use the command line of the vault's own version: `cofferdam --version`.")
    .next("A package of others? Have its rights written here: `--package FILE`, the document it was built from.")
    .next("To take nothing but the token from the vault: `--trust FILE`, the keys of packages that you trust.")
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
