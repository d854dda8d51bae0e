//! The demo's directory: keys of three nodes, their configuration, their data.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::net::tls::Pki;

/// One node of the demo.
#[derive(Debug, Clone)]
pub(super) struct NodeFiles {
    pub(super) name: &'static str,
    pub(super) config: PathBuf,
    pub(super) socket: PathBuf,
    pub(super) log: PathBuf,
}

/// The demo's three nodes.
#[derive(Debug)]
pub(super) struct Files {
    nodes: Vec<NodeFiles>,
}

impl Files {
    /// The node that is home to the demo's hearings.
    pub(super) fn home(&self) -> &NodeFiles {
        &self.nodes[HOME]
    }

    /// The edges.
    pub(super) fn others(&self) -> impl Iterator<Item = &NodeFiles> {
        self.nodes.iter().enumerate().filter(|(n, _)| *n != HOME).map(|(_, node)| node)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &NodeFiles> {
        self.nodes.iter()
    }
}

/// Makes keys and configuration in `directory`, or takes those that are there.
pub(super) fn prepare(directory: &Path) -> anyhow::Result<Files> {
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let directory = directory.canonicalize()?;
    let nodes = NODES.iter().map(|spec| files_of(&directory, spec)).collect::<Vec<_>>();
    if !nodes.iter().all(|node| node.config.exists()) {
        write_all(&directory, &nodes)?;
    }
    Ok(Files { nodes })
}

struct Spec {
    name: &'static str,
    zone: &'static str,
    address: Ipv4Addr,
}

/// The ports of one node.
struct Ports {
    web: SocketAddr,
    media: SocketAddr,
    metrics: SocketAddr,
    trunk: SocketAddr,
}

fn files_of(directory: &Path, spec: &Spec) -> NodeFiles {
    let own = directory.join(spec.name);
    NodeFiles {
        name: spec.name,
        config: directory.join(format!("{}.toml", spec.name)),
        socket: own.join("admin.sock"),
        log: directory.join(format!("{}.log", spec.name)),
    }
}

fn write_all(directory: &Path, nodes: &[NodeFiles]) -> anyhow::Result<()> {
    let pki = Pki::init(&directory.join("pki"), "hearing demo").context("cannot make development certificates")?;
    let ports = NODES.iter().map(free_ports).collect::<anyhow::Result<Vec<_>>>()?;
    for (n, spec) in NODES.iter().enumerate() {
        fs::create_dir_all(directory.join(spec.name))?;
        pki.issue(&spec.zone.parse()?, &spec.name.parse()?, &[IpAddr::V4(spec.address)], &[])?;
        fs::write(&nodes[n].config, configuration(directory, n, &ports)?)?;
    }
    Ok(())
}

/// Asks the system for ports that are free now on the node's loopback address.
fn free_ports(spec: &Spec) -> anyhow::Result<Ports> {
    let any = (spec.address, 0);
    let (web, metrics) = (TcpListener::bind(any)?, TcpListener::bind(any)?);
    let (media, trunk) = (UdpSocket::bind(any)?, UdpSocket::bind(any)?);
    Ok(Ports {
        web: web.local_addr()?,
        media: media.local_addr()?,
        metrics: metrics.local_addr()?,
        trunk: trunk.local_addr()?,
    })
}

fn configuration(directory: &Path, n: usize, ports: &[Ports]) -> anyhow::Result<String> {
    let (spec, own) = (&NODES[n], &ports[n]);
    let root = directory.display();
    let name = spec.name;
    let mut text = format!(
        "# Written by `hearing demo`; edit it and start again with --keep.\n\
         [node]\nid = \"{name}\"\nzone = \"{zone}\"\ndata = \"{root}/{name}\"\n\n\
         [web]\nbind = \"{web}\"\nurl = \"http://{web}\"\n\n\
         [media]\nbind = \"{media}\"\nadvertise = [\"{address}\"]\nworkers = 1\n\n\
         [admin]\nsocket = \"{root}/{name}/admin.sock\"\nlisten = \"{metrics}\"\n\n\
         [pki]\nroot = \"{root}/pki/root.pem\"\ncertificate = \"{root}/pki/{name}.pem\"\nkey = \"{root}/pki/{name}.key\"\nrevoked = \"{root}/pki/revoked.crl\"\n\n",
        zone = spec.zone,
        web = own.web,
        media = own.media,
        address = spec.address,
        metrics = own.metrics,
    );
    if n == HOME {
        write!(text, "[trunks]\nlisten = \"{}\"\n\n", own.trunk)?;
        for (peer, peer_ports) in NODES.iter().zip(ports).filter(|(peer, _)| peer.name != name) {
            text += &trunk(peer, &[peer.zone], peer_ports, None)?;
        }
    } else {
        let vouches: Vec<_> = NODES.iter().map(|other| other.zone).filter(|zone| *zone != spec.zone).collect();
        text += &trunk(&NODES[HOME], &vouches, &ports[HOME], Some(ports[HOME].trunk))?;
    }
    let templates = if n == HOME { TEMPLATES } else { "" };
    Ok(text + CROSSINGS + "\n" + templates)
}

fn trunk(peer: &Spec, vouches: &[&str], ports: &Ports, dial: Option<SocketAddr>) -> anyhow::Result<String> {
    let mut text = format!("[[trunk]]\npeer = \"{}\"\nzone = \"{}\"\nvouches = {vouches:?}\n", peer.name, peer.zone);
    if let Some(address) = dial {
        writeln!(text, "dial = \"{address}\"")?;
    }
    write!(text, "web = \"http://{}\"\nkbps = 50000\n\n", ports.web)?;
    Ok(text)
}

const HOME: usize = 2;
const NODES: [Spec; 3] = [
    Spec { name: "internet-edge", zone: "internet", address: Ipv4Addr::new(127, 0, 0, 1) },
    Spec { name: "gov-edge", zone: "gov", address: Ipv4Addr::new(127, 0, 0, 2) },
    Spec { name: "court", zone: "tripartite", address: Ipv4Addr::new(127, 0, 0, 3) },
];
/// What may pass; all three nodes ask it.
const CROSSINGS: &str = include_str!("crossings.toml");
/// The seats; the home's business.
const TEMPLATES: &str = include_str!("templates.toml");
