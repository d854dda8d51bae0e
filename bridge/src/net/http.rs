//! HTTP listeners: bound first, so that a port in use is an error of the start-up; served later.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Server;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UnixListener;

use super::door::Door;
pub use super::door::Media;

/// A TCP listener that serves HTTP, or HTTPS where it has a certificate.
pub struct Listener {
    socket: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl Listener {
    /// Binds `at`.
    ///
    /// # Errors
    /// The system's reason, such as an address in use.
    pub fn bind(at: SocketAddr, tls: Option<Arc<rustls::ServerConfig>>) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&at.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket: socket.into(), tls })
    }

    /// Serves until the process ends; connections that carry media go to `media`.
    ///
    /// # Errors
    /// The listener failed for good.
    pub async fn serve(self, router: Router, media: Option<Media>) -> io::Result<()> {
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let door = Door::new(self.tls.is_some(), media);
        let server = axum_server::from_tcp(self.socket)?;
        match self.tls {
            Some(tls) => {
                let tls = RustlsAcceptor::new(RustlsConfig::from_config(tls)).handshake_timeout(HANDSHAKE);
                patient(server.acceptor(tls.acceptor(door))).serve(service).await
            }
            None => patient(server.acceptor(door)).serve(service).await,
        }
    }
}

/// With limits to its patience: whoever sends a request's head slowly, or nothing, is let go.
fn patient<A>(mut server: Server<SocketAddr, A>) -> Server<SocketAddr, A> {
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    server
}

/// Connections that the kernel completes ahead of us; beyond them it answers with SYN cookies.
const BACKLOG: i32 = 1_024;
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long the head of a request may take, and how long a connection may wait for its next one.
const HEAD: Duration = Duration::from_secs(15);

/// Binds the operator's socket; only its owner may talk to it. One that a dead node left behind is replaced.
///
/// # Errors
/// `AddrInUse` when a node answers there; else the system's reason.
pub fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another node answers there"));
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}
