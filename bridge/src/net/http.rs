//! HTTP listeners: bound first, so that a port in use is an error of the start-up; served later.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum_server::tls_rustls::RustlsConfig;
use tokio::net::UnixListener;

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
        let socket = TcpListener::bind(at)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, tls })
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// The listener failed for good.
    pub async fn serve(self, router: Router) -> io::Result<()> {
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        match self.tls {
            Some(tls) => {
                axum_server::from_tcp_rustls(self.socket, RustlsConfig::from_config(tls))?.serve(service).await
            }
            None => axum_server::from_tcp(self.socket)?.serve(service).await,
        }
    }
}

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
