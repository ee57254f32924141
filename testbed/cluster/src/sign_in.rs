//! Turns the administrators' certificates away once a cluster is made, and leaves a token in their place.

use std::time::{Duration, Instant};

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};

use crate::doors::{ADMINISTRATOR, Doors};
use crate::layout::Places;
use crate::{AddressPlan, Error, api, configs, state};

const YEAR: i64 = 365 * 24 * 3600;
const POLL: Duration = Duration::from_millis(200);

/// After this the administrator's kubeconfig holds a token, and `client`, which has a certificate, is refused. With
/// an issuer the token is a person's own and the file is empty until somebody puts one in.
pub async fn refuse_certificates(
    client: &Client,
    places: &Places,
    addresses: AddressPlan,
    doors: &Doors,
    patience: Duration,
) -> Result<(), Error> {
    if places.certificates_refused().exists() {
        return Ok(());
    }
    api::apply(client, &doors.administrator(), patience).await?;
    let token = match doors.issuer {
        Some(_) => String::new(),
        None => token(client).await?,
    };
    configs::write_token(places, &token)?;
    configs::write_token_kubeconfig(places, addresses)?;
    configs::write_client_authorities(places, false)?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "kube-system");
    let begun = Instant::now();
    // The API server notices the file by itself.
    while !matches!(accounts.get("default").await, Err(kube::Error::Api(status)) if status.code == 401) {
        if begun.elapsed() > patience {
            return Err(Error::NotReady {
                what: "the refusal of certificates".to_owned(),
                seconds: patience.as_secs(),
                logs: places.logs(),
            });
        }
        tokio::time::sleep(POLL).await;
    }
    state::write(&places.certificates_refused(), b"")
}

async fn token(client: &Client) -> Result<String, Error> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "kube-system");
    let spec = TokenRequestSpec { expiration_seconds: Some(YEAR), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let made = accounts.create_token_request(ADMINISTRATOR, &PostParams::default(), &request).await;
    let made = made.map_err(Error::api("make a token of the administrator"))?;
    Ok(made.status.map(|status| status.token).unwrap_or_default())
}
