//! Ends everything of a tunnel at once: its connection, what is under way, and who waits.

use super::{
    error::{Cut, TunnelError},
    gate::Pass,
};
use crate::body::BoxError;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use parking_lot::Mutex;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The end of one tunnel, and why it came.
#[derive(Debug, Clone, Default)]
pub(super) struct End {
    token: CancellationToken,
    why: Arc<Mutex<Option<Cut>>>,
}

impl End {
    /// Ends it. The first reason stays.
    pub(super) fn come(&self, why: Cut) {
        self.why.lock().get_or_insert(why);
        self.token.cancel();
    }

    pub(super) async fn came(&self) -> Cut {
        self.token.cancelled().await;
        self.why()
    }

    pub(super) fn why(&self) -> Cut {
        self.why.lock().clone().unwrap_or(Cut::Dropped)
    }

    /// The reason, if it has come; else that this request alone ended.
    pub(super) fn error(&self, alone: Cut) -> TunnelError {
        TunnelError::Cut(self.why.lock().clone().unwrap_or(alone))
    }

    /// Whether it has not come yet.
    pub(super) fn is_pending(&self) -> bool {
        !self.token.is_cancelled()
    }

    fn wait(&self) -> Pin<Box<WaitForCancellationFutureOwned>> {
        Box::pin(self.token.clone().cancelled_owned())
    }
}

/// A connection that breaks when the end comes. HTTP/2 streams are driven by tasks of their own, which share it; this
/// reaches them all.
pub(super) struct CutStream<S> {
    stream: S,
    end: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<S> CutStream<S> {
    pub(super) fn new(stream: S, end: &End) -> Self {
        Self { stream, end: end.wait() }
    }

    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.end.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for CutStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for CutStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The body of an answer: holds its place under way until it is over, and ends with the tunnel.
pub(super) struct CarriedBody {
    body: Incoming,
    end: End,
    came: Pin<Box<WaitForCancellationFutureOwned>>,
    pass: Option<Pass>,
}

impl CarriedBody {
    pub(super) fn new(body: Incoming, end: &End, pass: Pass) -> Self {
        let pass = (!body.is_end_stream()).then_some(pass);
        Self { body, end: end.clone(), came: end.wait(), pass }
    }

    fn over(&mut self) {
        self.pass = None;
    }
}

impl HttpBody for CarriedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.pass.is_some() && self.came.as_mut().poll(context).is_ready() {
            self.over();
            return Poll::Ready(Some(Err(self.end.error(Cut::Dropped).into())));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match frame {
            Some(Ok(frame)) => {
                if self.body.is_end_stream() {
                    self.over();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                self.over();
                tracing::debug!(%error, "an answer broke off");
                Poll::Ready(Some(Err(self.end.error(Cut::Dropped).into())))
            }
            None => {
                self.over();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
