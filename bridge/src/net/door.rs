//! One TCP port for everything: the first bytes of a connection tell whether it is TLS, plain HTTP, or media over ICE-TCP.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum_server::accept::Accept;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::tcp::{self, Accepted};
use super::visitors::{Visit, Visitors};

/// Takes a connection that carries media; its first frame was looked at and is still to be read. False when nobody awaits it.
pub type Media = Arc<dyn Fn(Accepted, &[u8]) -> bool + Send + Sync>;

/// What stands before the web server: lets in, listens for the first bytes, and leads media to its worker.
#[derive(Clone)]
pub(super) struct Door {
    visitors: Visitors,
    media: Option<Media>,
    tls: bool,
}

impl Door {
    /// A door to a server that speaks TLS or plain HTTP; without `media`, framed STUN is turned away.
    pub(super) fn new(tls: bool, media: Option<Media>) -> Self {
        Self { visitors: Visitors::default(), media, tls }
    }

    async fn admit(self, stream: TcpStream) -> Result<Guarded, &'static str> {
        let peer = stream.peer_addr().map_err(|_| "gone")?;
        let mut visit = self.visitors.enter(Instant::now(), peer.ip()).map_err(|refused| refused.as_str())?;
        tcp::prepare(&stream).map_err(|_| "gone")?;
        let mut buffer = [0; LOOK];
        let seen = timeout(GREETING, self.greeting(&stream, &mut buffer)).await.map_err(|_| "greeting_timeout")??;
        visit.greet();
        match seen {
            Greeting::Web => Ok(Guarded { stream, _visit: visit }),
            Greeting::Media(len) => {
                let stream = stream.into_std().map_err(|_| "gone")?;
                let accepted = Accepted { stream, remote: peer, visit };
                let taken = self.media.is_some_and(|media| media(accepted, &buffer[FRAME..FRAME + len]));
                Err(if taken { HANDED_ON } else { "media_unknown" })
            }
        }
    }

    /// Looks at the first bytes without taking them, until they tell what comes.
    async fn greeting(&self, stream: &TcpStream, buffer: &mut [u8; LOOK]) -> Result<Greeting, &'static str> {
        let mut pause = FIRST_PAUSE;
        loop {
            let len = stream.peek(buffer).await.map_err(|_| "gone")?;
            match judge(&buffer[..len], self.tls) {
                Judgement::Is(greeting) => return Ok(greeting),
                Judgement::Rubbish => return Err("greeting_unknown"),
                Judgement::More if len == 0 => return Err("gone"),
                // What is there already makes the socket readable, so waiting for more needs a clock.
                Judgement::More => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for Door {
    type Stream = Guarded;
    type Service = S;
    type Future = BoxFuture<'static, io::Result<(Guarded, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let door = self.clone();
        Box::pin(async move {
            match door.admit(stream).await {
                Ok(guarded) => Ok((guarded, service)),
                Err(HANDED_ON) => Err(io::Error::other(HANDED_ON)),
                Err(reason) => {
                    metrics::counter!("hearing_door_refused_total", "reason" => reason).increment(1);
                    Err(io::Error::other(reason))
                }
            }
        })
    }
}

/// What a connection turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Greeting {
    /// TLS, or HTTP at a door without TLS.
    Web,
    /// A STUN request of so many bytes in an RFC 4571 frame.
    Media(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    Is(Greeting),
    More,
    Rubbish,
}

/// A TLS record of a handshake begins 0x16 0x03; a framed STUN request has a length and the magic cookie (RFC 8489); a method
/// of HTTP is in capital letters. No two of them share their first two bytes: a STUN frame of 0x16xx bytes is longer than any.
fn judge(seen: &[u8], tls: bool) -> Judgement {
    match seen {
        [] | [0x16] if tls => Judgement::More,
        [0x16, 3, ..] if tls => Judgement::Is(Greeting::Web),
        [letter, ..] if !tls && letter.is_ascii_uppercase() => Judgement::Is(Greeting::Web),
        [high, low, frame @ ..] => framed_stun(usize::from(u16::from_be_bytes([*high, *low])), frame),
        [0..=7] | [] => Judgement::More,
        [_] => Judgement::Rubbish,
    }
}

fn framed_stun(len: usize, frame: &[u8]) -> Judgement {
    let possible = (STUN_HEADER..=LOOK - FRAME).contains(&len)
        && frame.iter().zip([0, 1]).all(|(byte, wanted)| *byte == wanted)
        && frame.iter().skip(4).zip(MAGIC_COOKIE).all(|(byte, wanted)| *byte == wanted);
    if !possible {
        Judgement::Rubbish
    } else if frame.len() < len {
        Judgement::More
    } else {
        Judgement::Is(Greeting::Media(len))
    }
}

/// A connection that counts for its address as long as it is open.
#[derive(Debug)]
pub(super) struct Guarded {
    stream: TcpStream,
    _visit: Visit,
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// How long a connection may take to say what it wants.
const GREETING: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
const HANDED_ON: &str = "handed on to media";
const FRAME: usize = 2;
const STUN_HEADER: usize = 20;
/// More than any first check of ICE: its attributes have some 100 bytes.
const LOOK: usize = FRAME + 1_024;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stun(len: u16) -> Vec<u8> {
        let mut bytes = len.to_be_bytes().to_vec();
        bytes.extend([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
        bytes.resize(usize::from(len) + 2, 7);
        bytes
    }

    #[test]
    fn tls_media_and_plain_http_are_told_apart_by_their_first_bytes() {
        assert_eq!(judge(&[0x16, 3, 1, 2], true), Judgement::Is(Greeting::Web));
        assert_eq!(judge(&stun(100), true), Judgement::Is(Greeting::Media(100)));
        assert_eq!(judge(&stun(100), false), Judgement::Is(Greeting::Media(100)));
        assert_eq!(judge(b"GET / HTTP/1.1", false), Judgement::Is(Greeting::Web));
        assert_eq!(judge(b"GET / HTTP/1.1", true), Judgement::Rubbish);
        assert_eq!(judge(&[0x16, 3, 1, 2], false), Judgement::Rubbish);
        assert_eq!(judge(&stun(19), true), Judgement::Rubbish);
        assert_eq!(judge(&[0, 100, 0, 1, 0, 0, 1, 2, 3, 4], true), Judgement::Rubbish);
        assert_eq!(judge(&[0x80, 1, 2, 3], true), Judgement::Rubbish);
    }

    #[test]
    fn a_greeting_in_pieces_is_waited_for() {
        let whole = stun(100);
        for len in 0..whole.len() {
            assert_eq!(judge(&whole[..len], true), Judgement::More, "{len}");
        }
        assert_eq!(judge(&[0x16], true), Judgement::More);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_judged_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..1_100), tls: bool) {
            if let Judgement::Is(Greeting::Media(len)) = judge(&bytes, tls) {
                prop_assert!(bytes.len() >= FRAME + len);
            }
        }
    }
}
