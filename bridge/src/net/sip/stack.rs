//! One SIP endpoint: its sockets, its transactions and its dialogs (RFC 3261, sections 17 and 12).

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rsipstack::EndpointBuilder;
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::sip::{Header, Request, Response, SipMessage, StatusCodeKind};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transaction::endpoint::{EndpointInnerRef, EndpointOption};
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::tcp_listener::TcpListenerConnection;
use rsipstack::transport::tls::{TlsConfig, TlsListenerConnection};
use rsipstack::transport::udp::UdpConnection;
use rsipstack::transport::{SipAddr, TransportLayer};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Where to listen.
#[derive(Debug, Clone, Default)]
pub struct Listen {
    /// UDP.
    pub udp: Option<SocketAddr>,
    /// TCP.
    pub tcp: Option<SocketAddr>,
    /// TLS.
    pub tls: Option<ListenTls>,
    /// The host part of the Call-IDs that are made here.
    pub domain: String,
}

/// Where to listen for TLS.
#[derive(Debug, Clone)]
pub struct ListenTls {
    /// The address.
    pub at: SocketAddr,
    /// PEM with the chain.
    pub certificate: Vec<u8>,
    /// PEM with the private key.
    pub key: Vec<u8>,
}

/// A SIP endpoint that runs until it is dropped.
pub struct Stack {
    /// Its dialogs.
    pub dialogs: Arc<DialogLayer>,
    /// Its transactions, for requests outside of dialogs.
    pub endpoint: EndpointInnerRef,
    _running: DropGuard,
}

/// Why an endpoint does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address.
    #[error("cannot listen for SIP on {at} ({what}): {source}; choose another address or end what uses this one")]
    Listen {
        /// The transport.
        what: &'static str,
        /// The address.
        at: String,
        /// Why.
        source: Box<rsipstack::Error>,
    },
    /// A connection.
    #[error("cannot connect to {at} by TLS: {why}")]
    Secure {
        /// The address.
        at: String,
        /// Why.
        why: String,
    },
    /// A file.
    #[error("{key}: cannot read {}: {source}; check the path and who may read it", path.display())]
    File {
        /// The configuration key.
        key: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing came back in time.
    #[error("no answer within {} s", ANSWER_LIMIT.as_secs())]
    Silent,
    /// It could not be made or sent.
    #[error("it cannot be sent: {0}")]
    Unsent(String),
}

impl Stack {
    /// Binds and serves; requests come out of the receiver.
    ///
    /// # Errors
    /// The address that can't be bound.
    pub async fn start(listen: Listen) -> Result<(Self, TransactionReceiver), Error> {
        let token = CancellationToken::new();
        let transport = TransportLayer::new(token.clone());
        bind(&transport, &listen, &token).await?;
        let option = EndpointOption { callid_suffix: Some(listen.domain), ..EndpointOption::default() };
        let endpoint = EndpointBuilder::new()
            .with_user_agent(concat!("hearing/", env!("CARGO_PKG_VERSION")))
            .with_cancel_token(token.clone())
            .with_transport_layer(transport)
            .with_option(option)
            .build();
        let requests = endpoint.incoming_transactions();
        let requests = requests.map_err(|source| Error::Listen {
            what: "requests",
            at: String::new(),
            source: Box::new(source),
        })?;
        let dialogs = Arc::new(DialogLayer::new(endpoint.inner.clone()));
        let inner = endpoint.inner.clone();
        let stack = Self { dialogs, endpoint: inner.clone(), _running: token.drop_guard() };
        tokio::spawn(async move {
            // It ends with the token; the endpoint has to live as long as it serves.
            let _ = inner.serve().await;
            drop(endpoint);
        });
        Ok((stack, requests))
    }
}

impl Stack {
    /// Sends a request that belongs to no dialog; its final answer, whatever it is.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn ask(&self, mut request: Request, at: &SipAddr) -> Result<Response, NoAnswer> {
        let unsent = |error: rsipstack::Error| NoAnswer::Unsent(error.to_string());
        request.headers.unique_push(Header::ContentLength((request.body.len() as u32).into()));
        let key = TransactionKey::from_request(&request, TransactionRole::Client).map_err(unsent)?;
        let mut tx = Transaction::new_client(key, request, self.endpoint.clone(), None);
        tx.destination = Some(at.clone());
        let answered = async {
            tx.send().await.map_err(unsent)?;
            while let Some(message) = tx.receive().await {
                if let SipMessage::Response(response) = message
                    && response.status_code.kind() != StatusCodeKind::Provisional
                {
                    return Ok(response);
                }
            }
            Err(NoAnswer::Silent)
        };
        tokio::time::timeout(ANSWER_LIMIT, answered).await.unwrap_or(Err(NoAnswer::Silent))
    }
}

/// A file that `key` of the configuration names.
///
/// # Errors
/// [`Error::File`] when it can't be read.
pub fn file(path: &Path, key: impl FnOnce() -> String) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::File { key: key(), path: path.to_owned(), source })
}

/// The password in such a file.
///
/// # Errors
/// As [`file()`].
pub fn secret(path: &Path, key: impl FnOnce() -> String) -> Result<String, Error> {
    Ok(String::from_utf8_lossy(&file(path, key)?).trim().to_owned())
}

/// How long an answer is waited for.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// The stack binds listeners later, and only notes in its log that an address is taken.
fn free(at: SocketAddr) -> io::Result<()> {
    std::net::TcpListener::bind(at).map(drop)
}

async fn bind(transport: &TransportLayer, listen: &Listen, token: &CancellationToken) -> Result<(), Error> {
    let failed =
        |what, at: SocketAddr| move |source| Error::Listen { what, at: at.to_string(), source: Box::new(source) };
    if let Some(at) = listen.udp {
        let udp = UdpConnection::create_connection(at, None, Some(token.child_token())).await;
        transport.add_transport(udp.map_err(failed("udp", at))?.into());
    }
    if let Some(at) = listen.tcp {
        free(at).map_err(|error| failed("tcp", at)(error.into()))?;
        let tcp = TcpListenerConnection::new(at, None).await.map_err(failed("tcp", at))?;
        transport.add_transport(tcp.into());
    }
    if let Some(tls) = &listen.tls {
        free(tls.at).map_err(|error| failed("tls", tls.at)(error.into()))?;
        let (cert, key) = (Some(tls.certificate.clone()), Some(tls.key.clone()));
        let config = TlsConfig { cert, key, ..TlsConfig::default() };
        let listener = TlsListenerConnection::new(tls.at, None, config).await.map_err(failed("tls", tls.at))?;
        transport.add_transport(listener.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_is_taken_is_named_before_anything_runs() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = taken.local_addr().unwrap();
        let tls = ListenTls { at, certificate: Vec::new(), key: Vec::new() };
        let listens = [Listen { tcp: Some(at), ..Listen::default() }, Listen { tls: Some(tls), ..Listen::default() }];
        for listen in listens {
            let Err(error) = Stack::start(listen).await else { panic!("{at} is taken") };
            assert!(error.to_string().contains(&at.to_string()), "{error}");
        }
    }
}
