//! GB/T 28181 devices of the node's zone: who the node is to them, where it listens, whom it knows, and how their media travels.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use crate::endpoint::DeviceId;
use crate::error::Fault;
use crate::raw;
use crate::read::{Base, address, ip, number, ports, repeated, required, word};

/// The node as the platform (GB/T 28181-2016 and -2022) of its zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gb28181 {
    /// The node's own identity.
    pub id: DeviceId,
    /// The realm, and the host part of addresses.
    pub domain: String,
    /// UDP address to listen on.
    pub udp: Option<SocketAddr>,
    /// TCP address to listen on.
    pub tcp: Option<SocketAddr>,
    /// The address that devices are told, for signalling and media.
    pub advertise: IpAddr,
    /// The first and the last port for media, UDP and TCP; the first is even.
    pub rtp: (u16, u16),
    /// Seconds between two keepalives of a device; after three that are missing it is offline.
    pub keepalive: u16,
    /// The devices that may register.
    pub devices: Vec<Gb28181Device>,
}

/// A device that the node knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gb28181Device {
    /// Its identity.
    pub id: DeviceId,
    /// File with its password.
    pub secret: PathBuf,
    /// How its media travels.
    pub transport: Gb28181Transport,
    /// Whether it is spoken to.
    pub talk: bool,
}

/// How the media of a device travels, seen from the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gb28181Transport {
    /// RTP in datagrams.
    #[default]
    Udp,
    /// RTP over TCP; the device connects to the node.
    TcpPassive,
    /// RTP over TCP; the node connects to the device.
    TcpActive,
}

impl Gb28181 {
    pub(crate) fn parse(raw: raw::Gb28181, base: Base<'_>) -> Result<Self, Fault> {
        let id = required(raw.id, "gb28181.id", "write the platform's 20 digits, such as \"34020000002000000001\"")?;
        let udp = raw.udp.map(|text| address(Some(text), "gb28181.udp")).transpose()?;
        let tcp = raw.tcp.map(|text| address(Some(text), "gb28181.tcp")).transpose()?;
        let listens = required(udp.or(tcp), "gb28181", "add gb28181.udp or gb28181.tcp")?;
        let advertise = match raw.advertise {
            Some(text) => ip(&text, "gb28181.advertise")?,
            None => listens.ip(),
        };
        if advertise.is_unspecified() {
            let problem = format!("{advertise} is no address that a device can reach");
            return Err(Fault::new("gb28181.advertise", problem, "write the node's own address in its zone"));
        }
        let domain = raw.domain.unwrap_or_else(|| id.as_str()[..10].to_owned());
        let usual = raw.transport.unwrap_or_default();
        let devices = raw.device.into_iter().enumerate().map(|(n, raw)| Gb28181Device::parse(raw, (n, usual), base));
        let devices: Vec<_> = devices.collect::<Result<_, _>>()?;
        distinct(&id, &devices)?;
        Ok(Self {
            domain: word(domain, "gb28181.domain")?,
            rtp: ports(raw.rtp.unwrap_or(DEFAULT_PORTS), "gb28181.rtp")?,
            keepalive: number(raw.keepalive.unwrap_or(60), (1, 3_600), "gb28181.keepalive")? as u16,
            id,
            udp,
            tcp,
            advertise,
            devices,
        })
    }
}

impl Gb28181Device {
    fn parse(raw: raw::Gb28181Device, (n, usual): (usize, Gb28181Transport), base: Base<'_>) -> Result<Self, Fault> {
        let key = |name: &str| format!("gb28181.device[{n}].{name}");
        Ok(Self {
            id: required(raw.id, &key("id"), "write the device's 20 digits, such as \"34020000001320000001\"")?,
            secret: base.path(raw.secret, &key("secret"))?,
            transport: raw.transport.unwrap_or(usual),
            talk: raw.talk.unwrap_or(true),
        })
    }
}

fn distinct(platform: &DeviceId, devices: &[Gb28181Device]) -> Result<(), Fault> {
    let ids: Vec<_> = std::iter::once(platform).chain(devices.iter().map(|device| &device.id)).collect();
    let Some(n) = repeated(&ids) else { return Ok(()) };
    let problem = format!("{:?} stands above already", ids[n].as_str());
    let remedy = "give each device, and the platform, an identity of its own";
    Err(Fault::new(format!("gb28181.device[{}].id", n - 1), problem, remedy))
}

const DEFAULT_PORTS: [i64; 2] = [31_000, 31_999];
