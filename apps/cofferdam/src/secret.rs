//! Secrets that the command line writes: the store's credential and the repository's password.

use crate::exit::Failure;
use crate::note;
use extension::{
    locations::{LocationRecord, REPOSITORY_KEY, Role},
    manifests::{INSTALLER, repository_secret},
};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use rand::Rng;
use std::{collections::BTreeMap, path::Path};

/// The content of a file, without a trailing line feed. Secrets come from files, never from arguments, which
/// every user of the machine can see.
pub fn read_file(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::precondition(format!("could not read {}: {error}", path.display()))
            .next("Check the path and its permissions.")
    })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// The same; `-` is standard input. `what` is missing when that holds nothing.
pub fn read_file_or_input(path: &Path, what: &str) -> Result<String, Failure> {
    let text = match path.as_os_str() == "-" {
        true => std::io::read_to_string(std::io::stdin()).map_err(|error| {
            Failure::failed(format!("could not read {what} from standard input: {error}"))
        })?,
        false => read_file(path)?,
    };
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(Failure::usage(format!("{what} is empty"))
            .next("Look at the file, or at what is piped to this command.")),
        text => Ok(text.to_owned()),
    }
}

/// A Secret from `key=file` arguments.
pub fn credential_secret(name: &str, namespace: &str, files: &[(String, String)]) -> Result<Secret, Failure> {
    let mut data = BTreeMap::new();
    for (key, file) in files {
        data.insert(key.clone(), ByteString(read_file(Path::new(file))?.into_bytes()));
    }
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some([("app.kubernetes.io/managed-by".to_owned(), INSTALLER.to_owned())].into()),
            ..ObjectMeta::default()
        },
        data: Some(data),
        ..Secret::default()
    })
}

/// Makes sure that the Secret with the repository's password exists. One that exists is never changed, unless it
/// equals what was given. Says loudly that a copy must be kept. There is none where the vault keeps the key.
pub async fn ensure_repository_secret(
    secrets: &Api<Secret>,
    record: &LocationRecord,
    namespace: &str,
    given: Option<String>,
) -> Result<(), Failure> {
    let Some(name) = record.repository_secret() else {
        return match given {
            None => Ok(()),
            Some(_) => Err(Failure::usage(format!(
                "the vault keeps the repository password of location {}; none can be given",
                record.name
            ))
            .next("Leave out `--repository-password-file`, or the setting `repositoryKey=vault`.")),
        };
    };
    let existing =
        secrets.get_opt(name).await.map_err(|error| Failure::api(format!("read Secret {name}"), &error))?;
    if let Some(existing) = existing {
        let stored = existing.data.as_ref().and_then(|data| data.get(REPOSITORY_KEY));
        return match (stored, given) {
            (Some(stored), Some(given)) if stored.0 != given.as_bytes() => Err(Failure::precondition(format!(
                "Secret {name} holds another repository password than the file; it was left alone"
            ))
            .next("A repository cannot be opened with another password. Use another location, or restore the right file.")),
            (None, _) => Err(Failure::precondition(format!("Secret {name} has no key {REPOSITORY_KEY}"))
                .next(format!("Add the password under {REPOSITORY_KEY}, or delete the Secret and repeat."))),
            _ => Ok(()),
        };
    }
    let password = match (given, record.role) {
        (Some(given), _) => given,
        (None, Role::Own) => made_up(),
        (None, Role::Source) => {
            return Err(Failure::precondition(format!(
                "location {} was written by another cluster; its repository password is needed to read it",
                record.name
            ))
            .next("Pass it with `--repository-password-file`."));
        }
    };
    let Some(secret) = repository_secret(record, namespace, &password) else { return Ok(()) };
    secrets
        .create(&PostParams::default(), &secret)
        .await
        .map_err(|error| Failure::api(format!("create Secret {name}"), &error))?;
    if record.role == Role::Own {
        keep_a_copy(namespace, name);
    }
    Ok(())
}

/// 256 random bits as text.
fn made_up() -> String {
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

fn keep_a_copy(namespace: &str, name: &str) {
    note!(
        "
  *** KEEP A COPY OF THE REPOSITORY PASSWORD OUTSIDE THIS CLUSTER ***
  Every recovery point is encrypted with it. When the cluster is lost, nothing can be restored without it,
  and nobody can recover it. Store the output of this command in a safe place now:

      kubectl get secret {name} -n {namespace} -o jsonpath='{{.data.{REPOSITORY_KEY}}}' | base64 -d
"
    );
}
