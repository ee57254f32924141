//! Feeds object_store with credentials that are read again at expiry or after a refusal.

use crate::credential::{Credential, CredentialError, CredentialSource, CredentialValue};
use async_trait::async_trait;
use jiff::SignedDuration;
use object_store::{
    CredentialProvider,
    aws::AwsCredential,
    azure::{AzureAccessKey, AzureCredential},
    gcp::{GcpCredential, GoogleCloudStorageBuilder},
};
use secrecy::ExposeSecret;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use telemetry::Clock;
use tokio::sync::Mutex;

/// A credential is renewed this long before it ends, so that a request in flight still carries a valid one.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_secs(60);

/// The credential of one store: held until it expires, forgotten when the store refuses it.
#[derive(Debug)]
pub(crate) struct Fresh {
    source: Arc<dyn CredentialSource>,
    clock: Arc<dyn Clock>,
    held: Mutex<Option<Credential>>,
    stale: AtomicBool,
}

impl Fresh {
    pub(crate) fn new(source: Arc<dyn CredentialSource>, clock: Arc<dyn Clock>) -> Self {
        Self { source, clock, held: Mutex::new(None), stale: AtomicBool::new(false) }
    }

    pub(crate) fn describe(&self) -> String {
        self.source.describe()
    }

    /// Makes the next request ask the source.
    pub(crate) fn forget(&self) {
        self.stale.store(true, Ordering::Relaxed);
    }

    async fn current(&self) -> Result<CredentialValue, CredentialError> {
        let mut held = self.held.lock().await;
        if self.stale.swap(false, Ordering::Relaxed) {
            *held = None;
        }
        let now = self.clock.now();
        let good_for = |credential: &Credential, margin: SignedDuration| match credential.expires {
            None => true,
            Some(expires) => expires.duration_since(now) > margin,
        };
        if let Some(credential) = held.as_ref().filter(|credential| good_for(credential, RENEW_BEFORE)) {
            return Ok(credential.value.clone());
        }
        match self.source.credential().await {
            Ok(credential) => Ok(held.insert(credential).value.clone()),
            // A short outage of the token service must not end a backup whose token is still good.
            Err(error) if error.temporary => match held.as_ref() {
                Some(old) if good_for(old, SignedDuration::ZERO) => Ok(old.value.clone()),
                _ => Err(error),
            },
            Err(error) => {
                *held = None;
                Err(error)
            }
        }
    }

    fn unsuitable(&self, value: &CredentialValue, wanted: &str) -> CredentialError {
        CredentialError {
            source_name: self.describe(),
            cause: format!("a {} cannot be used here; needed is {wanted}", value.kind()),
            temporary: false,
            remedy: "Change the credential or the settings of the backup storage location.".into(),
        }
    }
}

fn wrapped(store: &'static str) -> impl Fn(CredentialError) -> object_store::Error {
    move |error| object_store::Error::Generic { store, source: Box::new(error) }
}

/// For S3.
#[derive(Debug)]
pub(super) struct ForAws(pub(super) Arc<Fresh>);

#[async_trait]
impl CredentialProvider for ForAws {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        match self.0.current().await.map_err(wrapped("S3"))? {
            CredentialValue::AwsKeys { key_id, secret, session } => Ok(Arc::new(AwsCredential {
                key_id,
                secret_key: secret.expose_secret().to_owned(),
                token: session.map(|token| token.expose_secret().to_owned()),
            })),
            other => Err(wrapped("S3")(self.0.unsuitable(&other, "an S3 access key"))),
        }
    }
}

/// For Azure Blob; `only_tokens` when the settings demand Microsoft Entra ID.
#[derive(Debug)]
pub(super) struct ForAzure {
    pub(super) fresh: Arc<Fresh>,
    pub(super) only_tokens: bool,
}

impl ForAzure {
    /// The credential of this moment, if the settings allow its kind.
    pub(super) async fn current(&self) -> Result<CredentialValue, CredentialError> {
        match self.fresh.current().await? {
            value if self.only_tokens && !matches!(value, CredentialValue::Bearer(_)) => {
                Err(self.fresh.unsuitable(&value, "a token, because config.useAAD is true"))
            }
            value => Ok(value),
        }
    }

    pub(super) fn unsuitable(&self, value: &CredentialValue) -> CredentialError {
        self.fresh.unsuitable(value, "a token, an account key in base64 or a signature")
    }

    pub(super) fn now(&self) -> jiff::Timestamp {
        self.fresh.clock.now()
    }
}

#[async_trait]
impl CredentialProvider for ForAzure {
    type Credential = AzureCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AzureCredential>> {
        let fail = wrapped("Azure");
        let value = self.current().await.map_err(&fail)?;
        let credential = match &value {
            CredentialValue::Bearer(token) => AzureCredential::BearerToken(token.expose_secret().to_owned()),
            CredentialValue::AzureAccountKey(key) => AzureCredential::AccessKey(
                AzureAccessKey::try_new(key.expose_secret()).map_err(|_| fail(self.unsuitable(&value)))?,
            ),
            CredentialValue::AzureSas(sas) => {
                let pairs = url::form_urlencoded::parse(sas.expose_secret().as_bytes());
                AzureCredential::SASToken(pairs.map(|(k, v)| (k.into_owned(), v.into_owned())).collect())
            }
            other => {
                return Err(fail(self.fresh.unsuitable(other, "a token, an account key or a signature")));
            }
        };
        Ok(Arc::new(credential))
    }
}

/// For Google Cloud Storage. Tokens of a service account key are cached by the client made for that key.
#[derive(Debug)]
pub(super) struct ForGcp {
    pub(super) fresh: Arc<Fresh>,
    signer: Mutex<Option<(String, object_store::gcp::GcpCredentialProvider)>>,
}

impl ForGcp {
    pub(super) fn new(fresh: Arc<Fresh>) -> Self {
        Self { fresh, signer: Mutex::new(None) }
    }
}

#[async_trait]
impl CredentialProvider for ForGcp {
    type Credential = GcpCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<GcpCredential>> {
        let fail = wrapped("GCS");
        let value = self.fresh.current().await.map_err(&fail)?;
        let key = match &value {
            CredentialValue::Bearer(token) => {
                return Ok(Arc::new(GcpCredential { bearer: token.expose_secret().to_owned() }));
            }
            CredentialValue::GcpServiceAccountKey(key) => key.expose_secret().to_owned(),
            other => return Err(fail(self.fresh.unsuitable(other, "a service account key or a token"))),
        };
        let provider = {
            let mut signer = self.signer.lock().await;
            match signer.as_ref().filter(|(of, _)| *of == key) {
                Some((_, provider)) => provider.clone(),
                None => {
                    let builder = GoogleCloudStorageBuilder::new().with_bucket_name("any");
                    let client = builder.with_service_account_key(&key).build();
                    // The builder's error could repeat parts of the key.
                    let client =
                        client.map_err(|_| fail(self.fresh.unsuitable(&value, "a valid key file")))?;
                    let provider = client.credentials().clone();
                    *signer = Some((key, provider.clone()));
                    provider
                }
            }
        };
        provider.get_credential().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use secrecy::SecretString;
    use telemetry::FixedClock;

    /// Hands out numbered tokens that live for an hour, until told to fail.
    #[derive(Debug)]
    struct Numbered {
        clock: Arc<FixedClock>,
        asked: std::sync::Mutex<(u32, Option<bool>)>,
    }

    #[async_trait]
    impl CredentialSource for Numbered {
        fn describe(&self) -> String {
            "numbered tokens".into()
        }

        async fn credential(&self) -> Result<Credential, CredentialError> {
            let mut asked = self.asked.lock().unwrap();
            asked.0 += 1;
            if let Some(temporary) = asked.1 {
                return Err(CredentialError {
                    source_name: self.describe(),
                    cause: "revoked".into(),
                    temporary,
                    remedy: String::new(),
                });
            }
            Ok(Credential {
                value: CredentialValue::Bearer(SecretString::from(asked.0.to_string())),
                expires: Some(self.clock.now() + SignedDuration::from_hours(1)),
            })
        }
    }

    fn world() -> (Arc<FixedClock>, Arc<Numbered>, Fresh) {
        let clock = Arc::new(FixedClock::at(Timestamp::UNIX_EPOCH));
        let source = Arc::new(Numbered { clock: clock.clone(), asked: std::sync::Mutex::new((0, None)) });
        let fresh = Fresh::new(source.clone(), clock.clone());
        (clock, source, fresh)
    }

    async fn number(fresh: &Fresh) -> String {
        match fresh.current().await.unwrap() {
            CredentialValue::Bearer(token) => token.expose_secret().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_credential_is_read_again_at_expiry_and_after_a_refusal() {
        let (clock, _source, fresh) = world();

        let first = [number(&fresh).await, number(&fresh).await];
        clock.set(Timestamp::UNIX_EPOCH + SignedDuration::from_mins(59) + SignedDuration::from_secs(1));
        let renewed = number(&fresh).await;
        fresh.forget();
        let after_refusal = number(&fresh).await;

        assert_eq!(first, ["1", "1"]);
        assert_eq!((renewed.as_str(), after_refusal.as_str()), ("2", "3"));
    }

    #[tokio::test]
    async fn a_revoked_right_stops_the_next_use_but_a_short_outage_does_not() {
        let (clock, source, fresh) = world();
        number(&fresh).await;
        clock.set(Timestamp::UNIX_EPOCH + SignedDuration::from_mins(59) + SignedDuration::from_secs(30));

        source.asked.lock().unwrap().1 = Some(true);
        let during_outage = number(&fresh).await;
        source.asked.lock().unwrap().1 = Some(false);
        let after_revocation = fresh.current().await;

        assert_eq!(during_outage, "1");
        assert_eq!(after_revocation.unwrap_err().cause, "revoked");
    }
}
