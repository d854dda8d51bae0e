//! The node itself: who it is, and where it listens.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::error::Fault;
use crate::raw;
use crate::read::{Base, address, ip, number, page, required};
use crate::value::NodeId;
use crate::zone::Zone;

/// Who the node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its id, as in its certificate.
    pub id: NodeId,
    /// The zone in which it stands, as in its certificate.
    pub zone: Zone,
    /// Where it keeps its journal and everything else that must survive a restart.
    pub data: PathBuf,
}

/// The page and its API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// TCP address to listen on.
    pub bind: SocketAddr,
    /// The page's address as participants type it, without a trailing slash.
    pub url: String,
    /// Its certificate; `None`: plain HTTP, and `bind` is loopback.
    pub tls: Option<WebTls>,
}

/// The page's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebTls {
    /// PEM file with the chain.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// Where media of this zone's participants arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// UDP address of the first worker; worker n listens on this port + n.
    pub bind: SocketAddr,
    /// The addresses that browsers are told; never empty.
    pub advertise: Vec<IpAddr>,
    /// True when media is served over TCP as well, on the page's own port.
    pub tcp: bool,
    /// Worker threads, 1 to 64.
    pub workers: u16,
}

/// Where the operator and the monitoring come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Unix socket of the command line.
    pub socket: PathBuf,
    /// TCP address of metrics and `/healthz`.
    pub listen: SocketAddr,
}

impl Node {
    pub(crate) fn parse(raw: raw::Node, base: Base<'_>) -> Result<Self, Fault> {
        Ok(Self {
            id: required(raw.id, "node.id", "name the node as in its certificate, such as \"court\"")?,
            zone: required(raw.zone, "node.zone", "name the zone in which the node stands, such as \"tripartite\"")?,
            data: base.path(raw.data, "node.data")?,
        })
    }
}

impl Web {
    pub(crate) fn parse(raw: raw::Web, base: Base<'_>) -> Result<Self, Fault> {
        let bind = address(raw.bind, "web.bind")?;
        let url = required(raw.url, "web.url", "write the page's address, such as \"https://court.example.cn\"")?;
        let tls = raw.tls.map(|raw| WebTls::parse(raw, base)).transpose()?;
        if tls.is_none() && !bind.ip().is_loopback() {
            return Err(Fault::new(
                "web.tls",
                format!("is missing, and {bind} is not loopback: tokens and pictures would travel in the clear"),
                "add tls = { certificate = \"..\", key = \"..\" }, or bind to 127.0.0.1 behind a proxy",
            ));
        }
        Ok(Self { bind, url: page(&url, "web.url")?, tls })
    }

    /// The TCP port at which participants reach the page: the one of `url`.
    #[must_use]
    pub fn port(&self) -> u16 {
        let (scheme, host) = self.url.split_once("://").unwrap_or(("https", &self.url));
        let named = host.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map(|(_, port)| port);
        named.and_then(|port| port.parse().ok()).unwrap_or(if scheme == "https" { 443 } else { 80 })
    }
}

impl WebTls {
    fn parse(raw: raw::WebTls, base: Base<'_>) -> Result<Self, Fault> {
        let certificate = base.path(raw.certificate, "web.tls.certificate")?;
        Ok(Self { certificate, key: base.path(raw.key, "web.tls.key")? })
    }
}

impl Media {
    pub(crate) fn parse(raw: raw::Media) -> Result<Self, Fault> {
        let bind = address(raw.bind, "media.bind")?;
        let workers = number(raw.workers.unwrap_or(1), (1, 64), "media.workers")? as u16;
        if bind.port().checked_add(workers - 1).is_none() {
            return Err(Fault::new(
                "media.workers",
                "the last worker's port is above 65535",
                "choose a lower media.bind port",
            ));
        }
        let advertise = match raw.advertise {
            Some(list) => list
                .iter()
                .enumerate()
                .map(|(n, text)| advertised(text, &format!("media.advertise[{n}]")))
                .collect::<Result<Vec<_>, _>>()?,
            None if bind.ip().is_unspecified() => Vec::new(),
            None => vec![bind.ip()],
        };
        if advertise.is_empty() {
            let remedy = "list the addresses at which participants reach this node, such as [\"203.0.113.7\"]";
            return Err(Fault::new("media.advertise", "names no address", remedy));
        }
        Ok(Self { bind, advertise, tcp: raw.tcp.unwrap_or(true), workers })
    }

    /// The UDP address of worker `n`, which must be below [`Media::workers`].
    #[must_use]
    pub fn worker(&self, n: u16) -> SocketAddr {
        SocketAddr::new(self.bind.ip(), self.bind.port().saturating_add(n))
    }
}

impl Admin {
    pub(crate) fn parse(raw: raw::Admin, node: &Node, base: Base<'_>) -> Result<Self, Fault> {
        let socket = match raw.socket {
            Some(socket) => base.path(Some(socket), "admin.socket")?,
            None => node.data.join("admin.sock"),
        };
        let length = socket.as_os_str().len();
        if length > SOCKET_PATH_LIMIT {
            let problem =
                format!("{} has {length} bytes, a socket's path may have {SOCKET_PATH_LIMIT}", socket.display());
            return Err(Fault::new(
                "admin.socket",
                problem,
                "name a shorter path, such as \"/run/hearing/admin.sock\"",
            ));
        }
        Ok(Self { socket, listen: address(raw.listen, "admin.listen")? })
    }
}

fn advertised(text: &str, key: &str) -> Result<IpAddr, Fault> {
    let address = ip(text, key)?;
    if address.is_unspecified() {
        return Err(Fault::new(
            key,
            format!("{text:?} is no address that anybody can reach"),
            "write the node's own address",
        ));
    }
    Ok(address)
}

/// `sun_path` of Linux, without its closing zero.
const SOCKET_PATH_LIMIT: usize = 107;
