//! SIP terminals of the node's zone: where the node listens for them, whom it knows, and what it asks of their media.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use crate::error::Fault;
use crate::raw;
use crate::read::{Base, address, ip, ports, repeated, required, word};

/// The node as a SIP user agent and registrar (RFC 3261) of its zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sip {
    /// UDP address to listen on.
    pub udp: Option<SocketAddr>,
    /// TCP address to listen on.
    pub tcp: Option<SocketAddr>,
    /// TLS.
    pub tls: Option<SipTls>,
    /// The address that terminals are told, for signalling and media.
    pub advertise: IpAddr,
    /// The realm and the host part of the devices' addresses.
    pub domain: String,
    /// The first and the last UDP port for RTP and RTCP; the first is even.
    pub rtp: (u16, u16),
    /// Whether media may travel in the clear.
    pub srtp: Srtp,
    /// The algorithms that devices are asked to prove themselves with, the preferred one first.
    pub digest: Vec<Digest>,
    /// The terminals that may register and call.
    pub devices: Vec<SipDevice>,
}

/// A listener for SIP over TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipTls {
    /// TCP address to listen on.
    pub listen: SocketAddr,
    /// PEM file with the chain.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// What is asked of the media of SIP terminals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Srtp {
    /// Keyed by SDES (RFC 4568), or the call is refused.
    Required,
    /// As the terminal offers; offered by the node where signalling is TLS.
    #[default]
    Allowed,
}

/// An algorithm of digest authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Digest {
    /// RFC 2617; old, and known to every terminal.
    #[serde(rename = "MD5")]
    Md5,
    /// RFC 8760.
    #[serde(rename = "SHA-256")]
    Sha256,
}

/// A terminal that the node knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipDevice {
    /// Its user, the part before the `@` of its address.
    pub user: String,
    /// File with its password.
    pub secret: PathBuf,
}

impl Sip {
    pub(crate) fn parse(raw: raw::Sip, base: Base<'_>) -> Result<Self, Fault> {
        let udp = raw.udp.map(|text| address(Some(text), "sip.udp")).transpose()?;
        let tcp = raw.tcp.map(|text| address(Some(text), "sip.tcp")).transpose()?;
        let tls = raw.tls.map(|raw| SipTls::parse(raw, base)).transpose()?;
        let listens = udp.or(tcp).or(tls.as_ref().map(|tls| tls.listen));
        let listens = required(listens, "sip", "add sip.udp, sip.tcp or sip.tls")?;
        let advertise = match raw.advertise {
            Some(text) => ip(&text, "sip.advertise")?,
            None => listens.ip(),
        };
        if advertise.is_unspecified() {
            let problem = format!("{advertise} is no address that a terminal can reach");
            return Err(Fault::new("sip.advertise", problem, "write the node's own address in its zone"));
        }
        let domain = raw.domain.unwrap_or_else(|| advertise.to_string());
        let devices = raw.device.into_iter().enumerate().map(|(n, raw)| SipDevice::parse(raw, n, base));
        let devices: Vec<_> = devices.collect::<Result<_, _>>()?;
        distinct(&devices)?;
        let (rtp, srtp) = (ports(raw.rtp.unwrap_or(DEFAULT_PORTS), "sip.rtp")?, raw.srtp.unwrap_or_default());
        let digest = algorithms(raw.digest)?;
        Ok(Self { udp, tcp, tls, advertise, domain: word(domain, "sip.domain")?, rtp, srtp, digest, devices })
    }
}

impl SipTls {
    fn parse(raw: raw::SipTls, base: Base<'_>) -> Result<Self, Fault> {
        Ok(Self {
            listen: address(raw.listen, "sip.tls.listen")?,
            certificate: base.path(raw.certificate, "sip.tls.certificate")?,
            key: base.path(raw.key, "sip.tls.key")?,
        })
    }
}

impl SipDevice {
    fn parse(raw: raw::SipDevice, n: usize, base: Base<'_>) -> Result<Self, Fault> {
        let key = format!("sip.device[{n}].user");
        let user = required(raw.user, &key, "name the terminal as in its address, such as \"room3\"")?;
        Ok(Self { user: word(user, &key)?, secret: base.path(raw.secret, &format!("sip.device[{n}].secret"))? })
    }
}

fn algorithms(asked: Option<Vec<Digest>>) -> Result<Vec<Digest>, Fault> {
    let asked = asked.unwrap_or_else(|| vec![Digest::Md5]);
    if asked.is_empty() || repeated(&asked).is_some() {
        let problem = "the list is empty, or names an algorithm twice";
        return Err(Fault::new("sip.digest", problem, "write [\"MD5\"], [\"SHA-256\"] or [\"SHA-256\", \"MD5\"]"));
    }
    Ok(asked)
}

fn distinct(devices: &[SipDevice]) -> Result<(), Fault> {
    let users: Vec<_> = devices.iter().map(|device| &device.user).collect();
    let Some(n) = repeated(&users) else { return Ok(()) };
    let problem = format!("a device {:?} stands above already", users[n]);
    Err(Fault::new(format!("sip.device[{n}].user"), problem, "give each device a user of its own"))
}

const DEFAULT_PORTS: [i64; 2] = [30_000, 30_999];
