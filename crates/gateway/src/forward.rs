//! The gateway itself: takes the list of bindings, and carries each request under the rights of its binding.

use crate::{
    ApiServer, Granted, bindings,
    reconcile::{Cluster, ReconcileError},
    tokens::TokenCell,
};
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{self, HeaderName},
};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use kube::Client;
use parking_lot::RwLock;
use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use telemetry::Clock;
use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tunnel::{
    Body, BoxError, boxed, full,
    wire::{
        BINDING_HEADER, BINDINGS_PATH, Bindings, OWN_PATHS, REFUSED_API_SERVER, REFUSED_BINDING,
        REFUSED_HEADER,
    },
};

const LONGEST_LIST: usize = 64 * 1024;
/// Headers of an answer that concern one connection, or that only the gateway may say.
const KEPT_BACK: [HeaderName; 6] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TRAILER,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static(REFUSED_HEADER),
];

/// The gateway of one cluster. Clones share it.
#[derive(Clone)]
pub struct Gateway(Arc<Shared>);

struct Shared {
    cluster: Cluster,
    api: ApiServer,
    clock: Arc<dyn Clock>,
    /// One list at a time, and the one that was last asked for.
    wanted: Mutex<Option<BTreeMap<String, Granted>>>,
    admitted: RwLock<BTreeMap<String, Arc<Admitted>>>,
}

/// A binding whose ServiceAccount and rights are in place.
struct Admitted {
    granted: Granted,
    /// UID of the ServiceAccount.
    account: String,
    token: TokenCell,
    /// Fires when the binding goes.
    gone: CancellationToken,
}

impl Gateway {
    /// `own` speaks by the gateway's rights; what goes through `api` brings its binding's.
    pub fn new(own: Client, api: ApiServer, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared {
            cluster: Cluster::new(own),
            api,
            clock,
            wanted: Mutex::new(None),
            admitted: RwLock::default(),
        }))
    }

    /// One request of the vault.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        if path == BINDINGS_PATH {
            return if request.method() == Method::PUT {
                self.take_list(request).await
            } else {
                said(StatusCode::METHOD_NOT_ALLOWED, "only PUT is understood here")
            };
        }
        if path.starts_with(OWN_PATHS) {
            return said(StatusCode::NOT_FOUND, "the gateway knows no such path");
        }
        let binding = request.headers().get(BINDING_HEADER).and_then(|name| name.to_str().ok());
        let admitted = binding.and_then(|name| self.0.admitted.read().get(&bindings::key(name)).cloned());
        match admitted {
            Some(admitted) => self.carry(&admitted, request).await,
            None => {
                refused(StatusCode::FORBIDDEN, REFUSED_BINDING, "there is no such Trusted Access binding")
            }
        }
    }

    /// Repairs what was tampered with. Nothing happens before the first list came: what an earlier run of the gateway
    /// made is right until the vault says otherwise.
    pub async fn repair(&self) -> Result<(), ReconcileError> {
        let wanted = self.0.wanted.lock().await;
        match wanted.as_ref() {
            Some(list) => self.settle(list).await,
            None => Ok(()),
        }
    }

    async fn take_list(&self, request: Request<Incoming>) -> Response<Body> {
        let Ok(body) = Limited::new(request.into_body(), LONGEST_LIST).collect().await else {
            return said(
                StatusCode::BAD_REQUEST,
                "the list of bindings did not arrive in full, or is too long",
            );
        };
        let list = match serde_json::from_slice::<Bindings>(&body.to_bytes()) {
            Ok(list) => list.bindings,
            Err(error) => return said(StatusCode::BAD_REQUEST, &format!("not a list of bindings: {error}")),
        };
        let list = match bindings::check(&list) {
            Ok(list) => list,
            Err(error) => return said(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        let mut wanted = self.0.wanted.lock().await;
        // Who is not in the list is out from this moment, whatever the API server says.
        self.retain(|name, admitted| list.get(name) == Some(&admitted.granted));
        let settled = self.settle(wanted.insert(list)).await;
        match settled {
            Ok(()) => tunnel_status(StatusCode::NO_CONTENT),
            Err(error) => {
                tracing::warn!(%error, "the bindings could not be applied");
                let status = if error.is_unreachable() {
                    StatusCode::BAD_GATEWAY
                } else {
                    StatusCode::INTERNAL_SERVER_ERROR
                };
                said(status, &error.to_string())
            }
        }
    }

    /// Makes the cluster as the list says and admits exactly its bindings.
    async fn settle(&self, wanted: &BTreeMap<String, Granted>) -> Result<(), ReconcileError> {
        let settled = match self.0.cluster.reconcile(wanted).await {
            Ok(settled) => settled,
            // A server that is unwell for a moment is no reason to cut anybody; a role that grants something else is.
            Err(error) => {
                if error.is_about_rights() {
                    self.retain(|_, _| false);
                }
                return Err(error);
            }
        };
        let uid = |granted: &Granted| settled.accounts.get(&granted.account);
        self.retain(|name, admitted| {
            wanted.get(name).is_some_and(|granted| uid(granted) == Some(&admitted.account))
        });
        let mut admitted = self.0.admitted.write();
        for (name, granted) in wanted {
            if let (false, Some(account)) = (admitted.contains_key(name), uid(granted)) {
                let fresh = Admitted {
                    granted: granted.clone(),
                    account: account.clone(),
                    token: TokenCell::default(),
                    gone: CancellationToken::new(),
                };
                admitted.insert(name.clone(), Arc::new(fresh));
            }
        }
        Ok(())
    }

    /// Cuts everybody whom `keep` does not keep.
    fn retain(&self, keep: impl Fn(&str, &Admitted) -> bool) {
        self.0.admitted.write().retain(|name, admitted| {
            let stays = keep(name, admitted);
            if !stays {
                tracing::info!(binding = %admitted.granted.name, "a Trusted Access binding is gone");
                admitted.gone.cancel();
            }
            stays
        });
    }

    async fn carry(&self, admitted: &Arc<Admitted>, request: Request<Incoming>) -> Response<Body> {
        let work = async {
            let token = admitted.token.token(
                &self.0.cluster,
                &self.0.clock,
                &admitted.granted.account,
                &admitted.account,
            );
            let token = match token.await {
                Ok(token) => token,
                Err(kube::Error::Api(status)) => {
                    // Somebody deleted the ServiceAccount, or took our rights. The next repair tells which.
                    tracing::warn!(binding = %admitted.granted.name, error = %status, "no token for a binding");
                    self.repair_soon();
                    return api_server(&format!("no token for the binding: {status}"));
                }
                Err(error) => return api_server(&error.to_string()),
            };
            match self.0.api.send(request, &token).await {
                Ok(response) => {
                    if response.status() == StatusCode::UNAUTHORIZED {
                        // The account was made anew behind our back, or the server's keys were.
                        admitted.token.forget().await;
                        self.repair_soon();
                    }
                    back(response, admitted)
                }
                Err(error) => api_server(&error.to_string()),
            }
        };
        tokio::select! {
            biased;
            () = admitted.gone.cancelled() => {
                refused(StatusCode::FORBIDDEN, REFUSED_BINDING, "the Trusted Access binding was removed")
            }
            response = work => response,
        }
    }

    /// Beside the request that found something out.
    fn repair_soon(&self) {
        let gateway = self.clone();
        tokio::spawn(async move {
            if let Err(error) = gateway.repair().await {
                tracing::warn!(%error, "Trusted Access could not be repaired");
            }
        });
    }
}

/// The API server's answer as the vault gets it.
fn back(response: Response<Incoming>, admitted: &Arc<Admitted>) -> Response<Body> {
    let (mut given, body) = response.into_parts();
    for name in KEPT_BACK {
        given.headers.remove(name);
    }
    let gone = Box::pin(admitted.gone.clone().cancelled_owned());
    let mut response = Response::new(boxed(CutBody { body, gone }));
    *response.status_mut() = given.status;
    *response.headers_mut() = given.headers;
    response
}

/// An answer that breaks off when its binding goes.
struct CutBody {
    body: Incoming,
    gone: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl HttpBody for CutBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.gone.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err("the Trusted Access binding was removed".into())));
        }
        Pin::new(&mut self.body).poll_frame(context).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn api_server(text: &str) -> Response<Body> {
    refused(StatusCode::BAD_GATEWAY, REFUSED_API_SERVER, text)
}

fn refused(status: StatusCode, why: &'static str, text: &str) -> Response<Body> {
    let mut response = said(status, text);
    response.headers_mut().insert(REFUSED_HEADER, HeaderValue::from_static(why));
    response
}

fn said(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(full(text.to_owned()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

fn tunnel_status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(tunnel::empty());
    *response.status_mut() = status;
    response
}
