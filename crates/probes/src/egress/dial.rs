//! Opens connections: to the first of several addresses that answers.

use super::trouble;
use futures::{StreamExt, stream::FuturesUnordered};
use prerequisites::Trouble;
use std::{
    io,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// A connection, with or without TLS, perhaps TLS in TLS to a proxy.
pub(super) enum Dialled {
    Plain(TcpStream),
    Secure(Box<TlsStream<Dialled>>),
}

/// The connection to whichever address answers first; else the failure that says most.
pub(super) async fn first(addresses: &[IpAddr], port: u16) -> Result<TcpStream, Trouble> {
    let mut attempts: FuturesUnordered<_> =
        addresses.iter().map(|address| TcpStream::connect((*address, port))).collect();
    let mut failures = Vec::new();
    while let Some(attempt) = attempts.next().await {
        match attempt {
            Ok(stream) => return Ok(stream),
            Err(error) => failures.push(trouble(&error)),
        }
    }
    let rank = |trouble: &Trouble| match trouble {
        Trouble::Refused => 0,
        Trouble::Reset => 1,
        Trouble::NoRoute => 3,
        _ => 2,
    };
    failures.sort_by_key(rank);
    Err(failures.into_iter().next().unwrap_or(Trouble::NoRoute))
}

impl AsyncRead for Dialled {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Secure(stream) => Pin::new(stream.as_mut()).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Dialled {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Secure(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Secure(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Secure(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
