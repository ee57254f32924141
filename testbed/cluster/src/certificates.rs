//! The keys and certificates of one cluster: a certificate authority, what it
//! signs, and the key of the service account tokens.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize, SanType,
};

use crate::{AddressPlan, Error};

/// Someone who gets a certificate.
struct Subject {
    file: &'static str,
    name: String,
    groups: &'static [&'static str],
    authority: Authority,
    purpose: Purpose,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Authority {
    Cluster,
    Administrators,
    FrontProxy,
}

enum Purpose {
    Client,
    Server(Vec<SanType>),
}

/// Writes all keys and certificates of a cluster into `directory`, once: when
/// the last file is there, nothing is changed.
pub fn write(directory: &Path, addresses: AddressPlan, node: &str) -> Result<(), Error> {
    let complete = directory.join("complete");
    if complete.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(directory).map_err(Error::file("create", directory))?;
    let cluster = authority("cofferdam-testbed", directory, "ca")?;
    // Of its own, so that an API server can do without administrators' certificates.
    let administrators = authority("cofferdam-testbed-administrators", directory, "administrators-ca")?;
    let front_proxy = authority("cofferdam-testbed-front-proxy", directory, "front-proxy-ca")?;
    for subject in subjects(addresses, node)? {
        let issuer = match subject.authority {
            Authority::Cluster => &cluster,
            Authority::Administrators => &administrators,
            Authority::FrontProxy => &front_proxy,
        };
        sign(&subject, issuer, directory)?;
    }
    // RSA, because clients that check tokens (clouds among them) expect RS256.
    let tokens = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
        .map_err(failed("service account tokens"))?;
    save(directory, "tokens.key", &tokens.serialize_pem())?;
    save(directory, "tokens.pub", &tokens.public_key_pem())?;
    std::fs::write(&complete, "").map_err(Error::file("write", &complete))
}

fn subjects(addresses: AddressPlan, node: &str) -> Result<Vec<Subject>, Error> {
    let client = |file, name: &str, groups| Subject {
        file,
        name: name.to_owned(),
        groups,
        authority: Authority::Cluster,
        purpose: Purpose::Client,
    };
    let address = |ip: Ipv4Addr| SanType::IpAddress(IpAddr::V4(ip));
    let mut api_server = vec![
        address(addresses.node()),
        address(addresses.api_address()),
        address(addresses.kubernetes_service()),
        address(Ipv4Addr::LOCALHOST),
    ];
    for name in [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ] {
        api_server.push(dns_name(name)?);
    }
    let kubelet = vec![address(addresses.node()), dns_name(node)?];
    Ok(vec![
        Subject { purpose: Purpose::Server(api_server), ..client("apiserver", "kube-apiserver", &[]) },
        Subject {
            purpose: Purpose::Server(kubelet),
            ..client("kubelet-server", &format!("system:node:{node}"), &["system:nodes"])
        },
        Subject {
            authority: Authority::FrontProxy,
            ..client("front-proxy-client", "front-proxy-client", &[])
        },
        Subject {
            authority: Authority::Administrators,
            ..client("admin", "testbed-admin", &["system:masters"])
        },
        Subject {
            authority: Authority::Administrators,
            ..client("apiserver-kubelet", "kube-apiserver-kubelet", &["system:masters"])
        },
        client("components", "testbed-components", &[]),
        client("controller-manager", "system:kube-controller-manager", &[]),
        client("scheduler", "system:kube-scheduler", &[]),
        client("proxy", "system:kube-proxy", &[]),
        client("kubelet", &format!("system:node:{node}"), &["system:nodes"]),
    ])
}

fn authority(name: &str, directory: &Path, file: &str) -> Result<Issuer<'static, KeyPair>, Error> {
    let mut params = params(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate().map_err(failed(name))?;
    let certificate = params.self_signed(&key).map_err(failed(name))?;
    save(directory, &format!("{file}.crt"), &certificate.pem())?;
    save(directory, &format!("{file}.key"), &key.serialize_pem())?;
    Ok(Issuer::new(params, key))
}

fn sign(subject: &Subject, issuer: &Issuer<'_, KeyPair>, directory: &Path) -> Result<(), Error> {
    let mut params = params(&subject.name, subject.groups);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.use_authority_key_identifier_extension = true;
    match &subject.purpose {
        Purpose::Client => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
        Purpose::Server(names) => {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.subject_alt_names = names.clone();
        }
    }
    let key = KeyPair::generate().map_err(failed(&subject.name))?;
    let certificate = params.signed_by(&key, issuer).map_err(failed(&subject.name))?;
    save(directory, &format!("{}.crt", subject.file), &certificate.pem())?;
    save(directory, &format!("{}.key", subject.file), &key.serialize_pem())
}

fn params(name: &str, groups: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    for group in groups {
        subject.push(DnType::OrganizationName, *group);
    }
    subject.push(DnType::CommonName, name);
    params.distinguished_name = subject;
    // Fixed dates: a testbed must work on a machine whose clock a test has set.
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2099, 1, 1);
    params
}

fn dns_name(name: &str) -> Result<SanType, Error> {
    let name = name.try_into().map_err(failed(name))?;
    Ok(SanType::DnsName(name))
}

fn failed(subject: &str) -> impl FnOnce(rcgen::Error) -> Error {
    let subject = subject.to_owned();
    move |source| Error::Certificate { subject, source }
}

fn save(directory: &Path, name: &str, pem: &str) -> Result<(), Error> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let path = directory.join(name);
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(pem.as_bytes())).map_err(Error::file("write", &path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_write_keeps_the_keys_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let addresses = AddressPlan::new(1).unwrap();

        write(directory.path(), addresses, "node-one").unwrap();
        let first = std::fs::read(directory.path().join("ca.key")).unwrap();
        write(directory.path(), addresses, "node-one").unwrap();

        assert_eq!(std::fs::read(directory.path().join("ca.key")).unwrap(), first);
        for file in ["apiserver.crt", "kubelet.key", "front-proxy-client.crt", "tokens.pub"] {
            assert!(directory.path().join(file).exists(), "{file}");
        }
    }
}
