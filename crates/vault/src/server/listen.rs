//! Takes connections, speaks TLS and HTTP/1.1 or 2 on them, and lets them end in order.

use super::{Limits, ServeError, certificate::Shown, dispatch, dispatch::Peer};
use crate::{
    app::App,
    data_plane,
    forwarded::Network,
    links::{self, Configs, Protocol},
};
use axum::{Extension, Router, extract::Request};
use http::StatusCode;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use rustls::{ServerConfig, version};
use std::{sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const LARGEST_HEAD: u32 = 64 * 1024;
const STREAMS: u32 = 128;
const PING: Duration = Duration::from_secs(30);
/// After the system refused a connection, most likely for want of file descriptors.
const REST: Duration = Duration::from_millis(100);
/// Another replica's connection takes no new calls after so long: it shows its certificate again on the next one.
const REPLICAS_AGE: Duration = Duration::from_secs(60 * 60);
/// Calls of another replica at a time; how many of them are carried is counted over all replicas.
const REPLICAS_STREAMS: u32 = 1_024;

/// Answers until it is told to stop.
pub async fn run(
    app: Arc<App>,
    listener: TcpListener,
    shown: Arc<Shown>,
    limits: Limits,
    trusted: Arc<[Network]>,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let configs = configs(&app, shown)?;
    let data = Arc::new(data_plane::service(&app));
    let answering = app.clone();
    let service = Router::new().fallback(move |request: Request| {
        dispatch::answer(answering.clone(), data.clone(), limits, trusted.clone(), request)
    });
    let connections = Arc::new(Semaphore::new(limits.connections));
    let tasks = TaskTracker::new();
    loop {
        // A place first: what cannot be served waits in the system's queue.
        let place = tokio::select! {
            () = stop.cancelled() => break,
            place = connections.clone().acquire_owned() => place,
        };
        let (stream, peer) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "could not take a connection");
                    sleep(REST).await;
                    continue;
                }
            },
        };
        let service = service.clone().layer(Extension(Peer(peer.ip())));
        let (configs, stop, app) = (configs.clone(), stop.clone(), app.clone());
        tasks.spawn(async move {
            app.metrics.connections.inc();
            connection(stream, configs, service, app.clone(), limits, stop).await;
            app.metrics.connections.dec();
            drop(place);
        });
    }
    drop(listener);
    tasks.close();
    if timeout(limits.drain, tasks.wait()).await.is_err() {
        tracing::warn!("calls that were still under way were cut off");
    }
    Ok(())
}

async fn connection(
    stream: TcpStream,
    configs: Configs,
    service: Router,
    app: Arc<App>,
    limits: Limits,
    stop: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection ended before it began");
        return;
    }
    let secured = tokio::select! {
        () = stop.cancelled() => return,
        secured = timeout(limits.head, secure(stream, &configs)) => secured,
    };
    let (protocol, stream) = match secured {
        Ok(Ok(secured)) => secured,
        Ok(Err(error)) => return tracing::debug!(%error, "no TLS connection came about"),
        Err(_) => return tracing::debug!("the TLS handshake took too long"),
    };
    match protocol {
        Protocol::Management => serve(stream, service, limits, STREAMS, stop).await,
        Protocol::Agent => match tunnel::tls::peer(stream.get_ref().1) {
            Ok(name) => {
                let ending = stop.child_token();
                let over = ending.clone();
                let service = Router::new().fallback(move |request: Request| {
                    let (app, over) = (app.clone(), over.clone());
                    async move {
                        let answer = links::agent(app, name, request).await;
                        // Who was told that the cluster is disconnected has nothing more to ask on this connection.
                        if answer.status() == StatusCode::UNAUTHORIZED {
                            over.cancel();
                        }
                        answer
                    }
                });
                serve(stream, service, limits, STREAMS, ending).await;
            }
            Err(error) => tracing::info!(%error, "a part of a cluster was refused"),
        },
        Protocol::Replica => match tunnel::replica::peer(stream.get_ref().1) {
            Ok(id) => {
                let service =
                    Router::new().fallback(move |request: Request| links::replica(app.clone(), id, request));
                let ending = stop.child_token();
                let age = async {
                    sleep(REPLICAS_AGE).await;
                    ending.cancel();
                    std::future::pending::<()>().await;
                };
                tokio::select! {
                    () = serve(stream, service, limits, REPLICAS_STREAMS, ending.clone()) => {}
                    () = age => {}
                }
            }
            Err(error) => tracing::info!(%error, "what is not a replica was refused"),
        },
        Protocol::Gateway => match tunnel::tls::peer(stream.get_ref().1) {
            Ok(name) => {
                let links = app.links.clone();
                tokio::select! {
                    () = links.gateway(app, name.connection, stream) => {}
                    () = stop.cancelled() => {}
                }
            }
            Err(error) => tracing::info!(%error, "a part of a cluster was refused"),
        },
    }
}

/// Finds out what the client means to speak, and ends the handshake accordingly.
async fn secure(stream: TcpStream, configs: &Configs) -> std::io::Result<(Protocol, TlsStream<TcpStream>)> {
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
    let (protocol, config) = configs.choose(&start.client_hello());
    Ok((protocol, start.into_stream(config).await?))
}

/// Speaks HTTP until the connection ends.
async fn serve(
    stream: TlsStream<TcpStream>,
    service: Router,
    limits: Limits,
    streams: u32,
    stop: CancellationToken,
) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(LARGEST_HEAD as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(streams)
        .max_header_list_size(LARGEST_HEAD)
        .keep_alive_interval(PING)
        .keep_alive_timeout(limits.head);
    let service = TowerToHyperService::new(service);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

fn configs(app: &App, shown: Arc<Shown>) -> Result<Configs, ServeError> {
    let management = tls(shown.clone())?;
    Ok(Configs::new(management, shown, app.links.clone(), app.clock.clone())?)
}

fn tls(shown: Arc<Shown>) -> Result<ServerConfig, ServeError> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let mut config = ServerConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(ServeError::Tls)?
        .with_no_client_auth()
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
