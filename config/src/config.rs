//! A node's whole configuration.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::crossing::Crossing;
use crate::error::{Error, Fault};
use crate::gb28181::Gb28181;
use crate::node::{Admin, Media, Node, Web};
use crate::pki::Pki;
use crate::raw::Raw;
use crate::read::Base;
use crate::record::Record;
use crate::rtsp::Rtsp;
use crate::sip::Sip;
use crate::spool::Spool;
use crate::template::Template;
use crate::trunk::Trunks;
use crate::turn::Turn;
use crate::zone::Zone;

/// Everything that one node is told by its TOML file, parsed and consistent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file it came from.
    pub file: PathBuf,
    /// Who the node is.
    pub node: Node,
    /// The page and its API.
    pub web: Web,
    /// Media of this zone's participants.
    pub media: Media,
    /// The relay for participants whom nothing else reaches.
    pub turn: Option<Turn>,
    /// Operator and monitoring.
    pub admin: Admin,
    /// Certificates.
    pub pki: Pki,
    /// Links to nodes of other zones.
    pub trunks: Trunks,
    /// What may pass between zones.
    pub crossings: Vec<Crossing>,
    /// The record.
    pub record: Record,
    /// What an edge keeps for the record.
    pub spool: Spool,
    /// How cameras of this zone are pulled.
    pub rtsp: Rtsp,
    /// SIP terminals of this zone, when it has any.
    pub sip: Option<Sip>,
    /// GB/T 28181 devices of this zone, when it has any.
    pub gb28181: Option<Gb28181>,
    /// Kinds of hearings that can be started here.
    pub templates: Vec<Template>,
}

impl Config {
    /// Reads a configuration file. Relative paths in it start at its directory.
    ///
    /// # Errors
    /// When it can't be read, is not TOML, or a key is unknown, missing or wrong.
    pub fn load(file: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(file).map_err(|source| Error::Read { file: file.to_owned(), source })?;
        Self::parse(&text, file)
    }

    /// Reads the text of a configuration that stands (or will stand) in `file`.
    ///
    /// # Errors
    /// As for [`Config::load`].
    pub fn parse(text: &str, file: &Path) -> Result<Self, Error> {
        let raw = Raw::read(text, file)?;
        Self::build(raw, file).map_err(|fault| Error::Key { file: file.to_owned(), fault })
    }

    /// The template of this name.
    #[must_use]
    pub fn template(&self, name: &str) -> Option<&Template> {
        self.templates.iter().find(|template| template.name == name)
    }

    /// The page address of a zone, for the links of its seats; `None` when no trunk tells it.
    #[must_use]
    pub fn page(&self, zone: &Zone) -> Option<&str> {
        if *zone == self.node.zone {
            return Some(&self.web.url);
        }
        self.trunks.to(zone)?.web.as_deref()
    }

    /// Where browsers reach media over TCP: at the page's own port. Empty when `media.tcp` is off, and for addresses to which a
    /// page that listens on loopback only (behind a proxy) gives no way.
    #[must_use]
    pub fn media_over_tcp(&self) -> Vec<SocketAddr> {
        let reached = |ip: &&IpAddr| !self.web.bind.ip().is_loopback() || ip.is_loopback();
        let port = if self.web.tls.is_none() { self.web.bind.port() } else { self.web.port() };
        let addresses = self.media.advertise.iter().filter(reached).map(|ip| SocketAddr::new(*ip, port));
        if self.media.tcp { addresses.collect() } else { Vec::new() }
    }

    fn build(raw: Raw, file: &Path) -> Result<Self, Fault> {
        let base = Base(file.parent().unwrap_or(Path::new("")));
        let node = Node::parse(raw.node, base)?;
        let crossings = raw.crossing.into_iter().enumerate().map(|(n, raw)| Crossing::parse(raw, n));
        let config = Self {
            file: file.to_owned(),
            web: Web::parse(raw.web, base)?,
            media: Media::parse(raw.media)?,
            turn: raw.turn.map(|raw| Turn::parse(raw, base)).transpose()?,
            admin: Admin::parse(raw.admin, &node, base)?,
            pki: Pki::parse(raw.pki, base)?,
            trunks: Trunks::parse(raw.trunks, raw.trunk)?,
            crossings: crossings.collect::<Result<_, _>>()?,
            record: Record::parse(raw.record, &node, base)?,
            spool: Spool::parse(raw.spool, &node, base)?,
            rtsp: Rtsp::parse(raw.rtsp),
            sip: raw.sip.map(|raw| Sip::parse(raw, base)).transpose()?,
            gb28181: raw.gb28181.map(|raw| Gb28181::parse(raw, base)).transpose()?,
            templates: Template::parse_all(raw.template)?,
            node,
        };
        config.check()?;
        Ok(config)
    }
}
