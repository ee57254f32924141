//! Bodies as streams: what comes in is limited, timed and checked on the way; what goes out is read ahead a little.

use crate::BlobError;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use futures::{Stream, StreamExt, TryStreamExt, stream::BoxStream};
use http::StatusCode;
use http_body_util::{BodyDataStream, BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use md5::{Digest as _, Md5};
use std::time::Duration;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::{Instant, timeout, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// The body of an answer.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;
/// Bytes on their way.
pub type Content = BoxStream<'static, Result<Bytes, BlobError>>;

/// A client must bring or take at least so much in each period of its time.
const LEAST: usize = 16 * 1024;
/// Pieces that are read ahead of a client.
const AHEAD: usize = 2;

/// A body that is there.
pub(crate) fn full(data: impl Into<Bytes>) -> Body {
    Full::new(data.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The body of a request. One that brings next to nothing within `period` is cut off.
pub(crate) fn incoming<B>(body: B, period: Duration) -> Content
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    struct State<S> {
        data: S,
        end: Instant,
        got: usize,
    }
    let data = Box::pin(BodyDataStream::new(body));
    let state = State { data, end: Instant::now() + period, got: 0 };
    let next = move |mut state: State<std::pin::Pin<Box<BodyDataStream<B>>>>| async move {
        loop {
            match timeout_at(state.end, state.data.next()).await {
                Ok(None) => return None,
                Ok(Some(Ok(data))) => {
                    state.got += data.len();
                    return Some((Ok(data), state));
                }
                Ok(Some(Err(error))) => {
                    let error: BoxError = error.into();
                    tracing::debug!(%error, "a request body ended early");
                    return Some((Err(BlobError::incomplete()), state));
                }
                Err(_) if state.got >= LEAST => {
                    state.got = 0;
                    state.end = Instant::now() + period;
                }
                Err(_) => return Some((Err(BlobError::slow()), state)),
            }
        }
    };
    futures::stream::unfold(state, next).boxed()
}

/// What a body must be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) length: u64,
    pub(crate) md5: Option<[u8; 16]>,
    pub(crate) crc64: Option<u64>,
}

impl Expected {
    /// From the headers' base64.
    pub(crate) fn new(length: u64, md5: Option<&str>, crc64: Option<&str>) -> Result<Self, BlobError> {
        let md5 = md5.map(decode::<16>).transpose()?;
        let crc64 = crc64.map(decode::<8>).transpose()?.map(u64::from_le_bytes);
        Ok(Self { length, md5, crc64 })
    }
}

fn decode<const N: usize>(text: &str) -> Result<[u8; N], BlobError> {
    let bytes = STANDARD.decode(text).ok().and_then(|bytes| <[u8; N]>::try_from(bytes).ok());
    bytes.ok_or_else(|| {
        let message = format!("The checksum {text:?} is not the base64 of {N} bytes.");
        BlobError::new(StatusCode::BAD_REQUEST, if N == 16 { "InvalidMd5" } else { "InvalidCrc64" }, message)
    })
}

/// The same content; at its end comes an error when it is not what was announced.
pub(crate) fn checked(content: Content, expected: Expected) -> Content {
    struct State {
        content: Content,
        expected: Expected,
        got: u64,
        md5: Option<Md5>,
        crc64: Option<Digest>,
        ended: bool,
    }
    let state = State {
        content,
        got: 0,
        md5: expected.md5.map(|_| Md5::new()),
        crc64: expected.crc64.map(|_| Digest::new(CrcAlgorithm::Crc64Nvme)),
        expected,
        ended: false,
    };
    let next = |mut state: State| async move {
        if state.ended {
            return None;
        }
        match state.content.next().await {
            Some(Ok(data)) => {
                state.got += data.len() as u64;
                if state.got > state.expected.length {
                    state.ended = true;
                    return Some((Err(BlobError::incomplete()), state));
                }
                if let Some(md5) = &mut state.md5 {
                    md5.update(&data);
                }
                if let Some(crc64) = &mut state.crc64 {
                    crc64.update(&data);
                }
                Some((Ok(data), state))
            }
            Some(Err(error)) => {
                state.ended = true;
                Some((Err(error), state))
            }
            None => {
                state.ended = true;
                let md5 = state.md5.take().map(|md5| <[u8; 16]>::from(md5.finalize()));
                let crc64 = state.crc64.take().map(|crc64| crc64.finalize());
                let error = judge(&state.expected, state.got, md5, crc64)?;
                Some((Err(error), state))
            }
        }
    };
    futures::stream::unfold(state, next).boxed()
}

fn judge(expected: &Expected, got: u64, md5: Option<[u8; 16]>, crc64: Option<u64>) -> Option<BlobError> {
    let mismatch = |code, what, given: &[u8], seen: &[u8]| {
        let (given, seen) = (STANDARD.encode(given), STANDARD.encode(seen));
        let message = format!(
            "The {what} value specified in the request did not match with the {what} value calculated by the server \
             ({given} instead of {seen}). Send the data again."
        );
        BlobError::new(StatusCode::BAD_REQUEST, code, message)
    };
    if got != expected.length {
        return Some(BlobError::incomplete());
    }
    if let (Some(given), Some(seen)) = (expected.md5, md5)
        && given != seen
    {
        return Some(mismatch("Md5Mismatch", "MD5", &given, &seen));
    }
    if let (Some(given), Some(seen)) = (expected.crc64, crc64)
        && given != seen
    {
        return Some(mismatch("Crc64Mismatch", "CRC64", &given.to_le_bytes(), &seen.to_le_bytes()));
    }
    None
}

/// The MD5 of a text, as headers have it.
pub(crate) fn md5_of(data: &[u8]) -> String {
    STANDARD.encode(Md5::digest(data))
}

/// The whole of a small body.
pub(crate) async fn whole(
    mut content: impl Stream<Item = Result<Bytes, BlobError>> + Unpin,
    most: usize,
) -> Result<Bytes, BlobError> {
    let mut data = Vec::new();
    while let Some(piece) = content.try_next().await? {
        if data.len() + piece.len() > most {
            return Err(BlobError::too_large(most as u64));
        }
        data.extend_from_slice(&piece);
    }
    Ok(data.into())
}

/// Takes what a client has sent already, so that it hears the answer instead of a broken connection.
pub(crate) async fn drain(content: &mut Content, most: usize) {
    let mut left = most;
    while let Some(Ok(piece)) = content.next().await {
        match left.checked_sub(piece.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// The body of an answer. A client that takes nothing for `period` is given up, so that it holds no file open.
pub(crate) fn outgoing(mut content: Content, period: Duration, place: OwnedSemaphorePermit) -> Body {
    let (send, receive) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let _place = place;
        loop {
            let item = tokio::select! {
                () = send.closed() => return,
                item = content.next() => item,
            };
            let Some(item) = item else { return };
            let last = item.is_err();
            match timeout(period, send.send(item)).await {
                Ok(Ok(())) if !last => {}
                Ok(_) => return,
                Err(_) => return tracing::debug!("a client took nothing for too long"),
            }
        }
    });
    let frames = ReceiverStream::new(receive).map(|item| item.map(Frame::data).map_err(BoxError::from));
    StreamBody::new(frames).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(pieces: &[&'static [u8]]) -> Content {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece))).collect();
        futures::stream::iter(pieces).boxed()
    }

    #[tokio::test]
    async fn content_that_is_not_what_was_announced_ends_in_an_error() {
        let md5 = md5_of(b"123456789");
        let crc64 = STANDARD.encode(0xae8b_1486_0a79_9888_u64.to_le_bytes());
        let cases = [
            (9, Some(md5.as_str()), Some(crc64.as_str()), "ok"),
            (8, None, None, "InvalidInput"),
            (10, None, None, "InvalidInput"),
            (9, Some("AAAAAAAAAAAAAAAAAAAAAA=="), None, "Md5Mismatch"),
            (9, None, Some("AAAAAAAAAAA="), "Crc64Mismatch"),
        ];

        for (length, md5, crc64, told) in cases {
            let expected = Expected::new(length, md5, crc64).unwrap();
            let result = whole(checked(content(&[b"1234", b"56789"]), expected), 100).await;
            assert_eq!(result.map_or_else(|error| error.code, |_| "ok"), told, "{length} {md5:?} {crc64:?}");
        }
        assert_eq!(Expected::new(1, Some("zz"), None).unwrap_err().code, "InvalidMd5");
    }

    #[tokio::test]
    async fn a_client_that_brings_next_to_nothing_is_cut_off() {
        let drops = futures::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(40)).await;
            Some((Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"x"))), ()))
        });
        let body = StreamBody::new(drops);

        let error = whole(incoming(body, Duration::from_millis(200)), 1_000).await.unwrap_err();

        assert_eq!(error.code, "OperationTimedOut");
    }
}
