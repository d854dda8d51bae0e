//! A participant's way into a hearing: the same API that the page uses.

use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt as _, StreamExt as _};
use hearing_config::SeatId;
use hearing_signaling::hearing::{Entry, HearingView, SeatView};
use hearing_signaling::http::Offer;
use rustls::ClientConfig;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use crate::net::pinned::Pinned;
use crate::net::tls;

/// One seat's link, taken apart.
#[derive(Clone)]
pub(super) struct Link {
    /// Such as `http://127.0.0.1:8443`.
    web: String,
    hearing: String,
    token: String,
}

/// The API at the link's node.
pub(super) struct Client {
    link: Link,
    http: reqwest::Client,
    tls: Arc<ClientConfig>,
}

/// A session on a seat.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Joined {
    pub(super) session: String,
    pub(super) seat: SeatView,
}

/// The socket by which a hearing is followed.
pub(super) struct Follower(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What the node says on it.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Said {
    /// The hearing as this seat may see it.
    View { you: SeatId, view: Box<HearingView> },
    /// What changed.
    Entry { entry: Entry },
    /// It is over for this session.
    Ended { code: String, message: String },
    /// Nothing that a headless participant needs.
    #[serde(other)]
    Other,
}

/// What went wrong between a participant and its node.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The link is none.
    #[error("a link looks like https://court.example/h/<hearing>#t=<token>")]
    Link,
    /// The node can't be reached, or answers in another language.
    #[error("{what}: {reason}")]
    Transport {
        /// What was tried.
        what: &'static str,
        /// What happened.
        reason: String,
    },
    /// The node says no.
    #[error("{what}: {message} ({code})")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// The code of docs/ref/api.md.
        code: String,
        /// The node's words.
        message: String,
    },
}

impl Link {
    /// Reads a link as it is given to people.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let (page, token) = text.split_once("#t=").ok_or(Error::Link)?;
        let (web, hearing) = page.rsplit_once("/h/").ok_or(Error::Link)?;
        let known = web.starts_with("http://") || web.starts_with("https://");
        if !known || hearing.parse::<uuid::Uuid>().is_err() || token.is_empty() {
            return Err(Error::Link);
        }
        Ok(Self { web: web.to_owned(), hearing: hearing.to_owned(), token: token.to_owned() })
    }

    /// The address of this machine by which it reaches the link's node.
    pub(super) fn local_address(&self) -> Result<IpAddr, Error> {
        let (scheme, host) = self.web.split_once("://").ok_or(Error::Link)?;
        let host = host.split('/').next().unwrap_or(host);
        let named_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let target =
            if named_port { host.to_owned() } else { format!("{host}:{}", if scheme == "https" { 443 } else { 80 }) };
        let reach = || -> std::io::Result<IpAddr> {
            let v6 = target.starts_with('[');
            let socket = UdpSocket::bind(if v6 { "[::]:0" } else { "0.0.0.0:0" })?;
            socket.connect(&target)?;
            Ok(socket.local_addr()?.ip())
        };
        reach().map_err(transport("find the way to the node"))
    }

    fn api(&self, rest: &str) -> String {
        format!("{}/api/hearings/{}/{rest}", self.web, self.hearing)
    }
}

impl Client {
    /// Certificates are not checked: a rehearsal talks to the node that it was started by, at an address of this machine,
    /// where the page's certificate need not name it.
    pub(super) fn new(link: Link) -> Result<Self, Error> {
        let tls = ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(transport("set up TLS"))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned::any()))
            .with_no_client_auth();
        let http = reqwest::Client::builder().tls_backend_preconfigured(tls.clone()).no_proxy().build();
        Ok(Self { link, http: http.map_err(transport("set up HTTP"))?, tls: Arc::new(tls) })
    }

    pub(super) async fn join(&self) -> Result<Joined, Error> {
        let device = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
        let body = json!({ "token": self.link.token, "device": device });
        self.post("join", None, &body).await
    }

    pub(super) async fn offer(&self, joined: &Joined, offer: &Offer) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Answer {
            sdp: String,
        }
        let answer: Answer = self.post("media", Some(&joined.session), offer).await?;
        Ok(answer.sdp)
    }

    pub(super) async fn follow(&self, joined: &Joined) -> Result<Follower, Error> {
        let what = "follow the hearing";
        let url = self.link.api("ws").replacen("http", "ws", 1);
        let connector = Connector::Rustls(self.tls.clone());
        let (mut socket, _) =
            connect_async_tls_with_config(url, None, true, Some(connector)).await.map_err(transport(what))?;
        let hello = json!({ "type": "hello", "session": joined.session, "after": null }).to_string();
        socket.send(Message::text(hello)).await.map_err(transport(what))?;
        Ok(Follower(socket))
    }

    async fn post<T: for<'de> Deserialize<'de>>(
        &self,
        what: &'static str,
        bearer: Option<&str>,
        body: &impl serde::Serialize,
    ) -> Result<T, Error> {
        #[derive(Deserialize)]
        struct Problem {
            code: String,
            message: String,
        }
        let request = self.http.post(self.link.api(what)).json(body);
        let request = bearer.into_iter().fold(request, |request, token| request.bearer_auth(token));
        let answer = request.send().await.map_err(transport(what))?;
        if answer.status().is_success() {
            return answer.json().await.map_err(transport(what));
        }
        let Problem { code, message } = answer.json().await.map_err(transport(what))?;
        Err(Error::Refused { what, code, message })
    }
}

impl Follower {
    /// What the node says next; `None` when it has closed the socket.
    pub(super) async fn next(&mut self) -> Result<Option<Said>, Error> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).map(Some).map_err(transport("read the socket"));
                }
                Some(Ok(Message::Close(_))) | None => return Ok(None),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(transport("read the socket")(error)),
            }
        }
    }
}

fn transport<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Error {
    move |error| Error::Transport { what, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "http://127.0.0.1:8080/h/0193d6a8-5c1e-7f00-8000-000000000000#t=abc";

    #[test]
    fn a_link_is_taken_apart() {
        let link = Link::parse(LINK).unwrap();
        assert_eq!(link.api("ws"), "http://127.0.0.1:8080/api/hearings/0193d6a8-5c1e-7f00-8000-000000000000/ws");
        assert!(link.local_address().unwrap().is_loopback());
    }

    #[test]
    fn what_is_no_link_is_refused() {
        for text in ["", "http://a/h/x#t=abc", &LINK.replace("#t=abc", ""), &LINK.replace("http", "ftp")] {
            assert!(Link::parse(text).is_err(), "{text}");
        }
    }
}
