//! Who calls a node from the same machine, as a rehearsal has it: an account that is good for a while, a stack beside the node's, and a
//! connection to it where it listens for TLS alone.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::sip::transport::Transport;
use rsipstack::sip::{Header, Response};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transport::SipAddr;
use rsipstack::transport::stream::StreamConnection as _;
use rsipstack::transport::tls::{TlsConfig, TlsConnection};
use serde::{Deserialize, Serialize};
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

use super::{Error, Listen, Stack, digest};
use crate::net::pem::read_chain;
use crate::net::pinned::Pinned;

/// Who registers or calls.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The part before the `@`.
    pub user: String,
    /// The password; no log shows it.
    pub secret: String,
}

impl Account {
    /// What answers the challenge in a response; `None` when there is none, or none that is known here.
    #[must_use]
    pub fn proof(&self, response: &Response, method: &str, uri: &str) -> Option<String> {
        let challenged = response.headers.iter().find_map(|header| match header {
            Header::WwwAuthenticate(value) => Some(value.value().to_owned()),
            _ => None,
        });
        digest::respond(&challenged?, (&self.user, &self.secret), (method, uri))
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Where a node that listens at these addresses is reached from its own machine, and whether by TCP; `None` where it listens at neither.
#[must_use]
pub fn reach(udp: Option<SocketAddr>, tcp: Option<SocketAddr>, advertise: IpAddr) -> Option<(SocketAddr, bool)> {
    match (udp, tcp) {
        (Some(at), _) => Some((here(at, advertise), false)),
        (None, at) => Some((here(at?, advertise), true)),
    }
}

/// Where a node that listens at this address is reached from its own machine.
#[must_use]
pub const fn here(mut at: SocketAddr, advertise: IpAddr) -> SocketAddr {
    if at.ip().is_unspecified() {
        at.set_ip(advertise);
    }
    at
}

/// A stack at a port of `ip` that is free for both transports; where that is.
///
/// # Errors
/// None is free, or the address is not of this machine.
pub async fn beside(ip: IpAddr, domain: &str) -> Result<(SocketAddr, Stack, TransactionReceiver), Error> {
    let mut last = None;
    for _ in 0..TRIES {
        let free = TcpListener::bind((ip, 0)).and_then(|listener| listener.local_addr());
        let at = free.map_err(|error| refused(ip, error))?;
        let listen = Listen { udp: Some(at), tcp: Some(at), tls: None, domain: domain.to_owned() };
        match Stack::start(listen).await {
            Ok((stack, requests)) => return Ok((at, stack, requests)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| refused(ip, io::ErrorKind::AddrInUse.into())))
}

/// A connection over TLS, by which a stack sends and hears whatever is for its other end.
pub struct Secured(TlsConnection);

impl Secured {
    /// Connects `stack` to a node that shows the first certificate of the file that its configuration names.
    ///
    /// # Errors
    /// The file can't be read, nobody answers, or another certificate is shown.
    pub async fn connect(stack: &Stack, at: SocketAddr, certificate: &Path) -> Result<Self, Error> {
        let failed = |why: String| Error::Secure { at: at.to_string(), why };
        let mut chain = read_chain(certificate, "certificate").map_err(|error| failed(error.to_string()))?;
        let to = SipAddr { r#type: Some(Transport::Tls), ..SipAddr::from(at) };
        // Whom to trust is said by the verifier; without a list of its own the stack would warn.
        let config = TlsConfig { ca_certs: Some(Vec::new()), ..TlsConfig::default() };
        let verifier = Arc::new(Pinned::to(chain.swap_remove(0)));
        let token = Some(CancellationToken::new());
        let connected = timeout(CONNECT_LIMIT, TlsConnection::connect(&to, Some(&config), Some(verifier), token));
        let connected = connected.await.map_err(|_| failed("no answer".to_owned()))?;
        let connection = connected.map_err(|error| failed(error.to_string()))?;
        stack.endpoint.transport_layer.add_connection(connection.clone().into());
        Ok(Self(connection))
    }

    /// Shows the other end that it is in use (RFC 5626, section 3.5.1), until it breaks: both stacks end one that is silent for 300 s.
    pub async fn keep(&self) {
        let mut tick = interval(ALIVE);
        loop {
            tick.tick().await;
            if self.0.send_raw(b"\r\n\r\n").await.is_err() {
                return;
            }
        }
    }
}

fn refused(ip: IpAddr, error: io::Error) -> Error {
    Error::Listen { what: "beside the node", at: ip.to_string(), source: Box::new(error.into()) }
}

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const ALIVE: Duration = Duration::from_secs(60);
/// Ports that are tried before it is given up.
const TRIES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let account = Account { user: "room".to_owned(), secret: "SECRET".to_owned() };
        assert!(!format!("{account:?}").contains("SECRET"));
    }

    #[test]
    fn a_node_is_reached_by_udp_or_else_by_tcp_and_where_it_says_when_it_listens_everywhere() {
        let at = |text: &str| text.parse::<SocketAddr>().ok();
        let here = "10.1.0.2".parse().unwrap();
        assert_eq!(reach(at("0.0.0.0:5060"), at("10.1.0.2:5070"), here), Some((at("10.1.0.2:5060").unwrap(), false)));
        assert_eq!(reach(None, at("10.1.0.3:5070"), here), Some((at("10.1.0.3:5070").unwrap(), true)));
        assert_eq!(reach(None, None, here), None);
    }
}
