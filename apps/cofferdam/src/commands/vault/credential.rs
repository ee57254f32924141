//! How a new secret reaches its owner: on the terminal, or in a file that only the owner can read. Never through a pipe
//! that may end in a log.

use crate::{exit::Failure, note, output};
use std::{io::IsTerminal, path::PathBuf};
use vault::{
    bootstrap::Credential,
    directory::{DataDirectory, Readers},
};

/// Shows a credential once, or writes it into `file` in the data directory when there is no terminal.
pub fn hand_over(
    credential: &Credential,
    directory: &DataDirectory,
    file: &str,
    url: Option<&str>,
) -> Result<(), Failure> {
    let facts = serde_json::json!({
        "url": url,
        "tenantId": credential.tenant,
        "subscriptionId": credential.subscription,
        "clientId": credential.client_id,
        "objectId": credential.object_id,
        "clientSecret": credential.secret.as_str(),
    });
    if !std::io::stdout().is_terminal() {
        let path = write(directory, file, &format!("{facts:#}\n"))?;
        note!("the secret is in {}; store it in a safe place and delete that file", path.display());
        return Ok(());
    }
    let Credential { tenant, subscription, client_id, object_id, secret } = credential;
    output::line(&format!(
        "
  Tenant          {tenant}
  Subscription    {subscription}
  Client id       {client_id}
  Object id       {object_id}
  Client secret   {}

  The secret is shown this once; the vault keeps only its hash. Store it in a safe place now.
",
        secret.as_str()
    ))
}

fn write(directory: &DataDirectory, file: &str, text: &str) -> Result<PathBuf, Failure> {
    directory.write(file, text, Readers::Owner).map_err(Failure::failed)
}
