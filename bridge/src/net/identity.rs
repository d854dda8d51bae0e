//! Which node a certificate belongs to.

use std::fmt;

use hearing_config::{NodeId, Zone};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

use super::pem::Error;

/// Who a node is, by its certificate: the one URI SAN `spiffe://hearing/{zone}/{node}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The zone in which it stands.
    pub zone: Zone,
    /// Its id.
    pub node: NodeId,
}

impl Identity {
    /// The URI SAN that says it.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("{PREFIX}{}/{}", self.zone, self.node)
    }

    /// Reads the URI SAN.
    ///
    /// # Errors
    /// When it is not exactly `spiffe://hearing/{zone}/{node}`.
    pub fn parse(uri: &str) -> Result<Self, Error> {
        let wrong = || Error::NoIdentity(format!("its URI is {uri:?} instead of {PREFIX}ZONE/NODE"));
        let (zone, node) = uri.strip_prefix(PREFIX).and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
        Ok(Self { zone: zone.parse().map_err(|_| wrong())?, node: node.parse().map_err(|_| wrong())? })
    }

    pub(super) fn of(certificate: &X509Certificate<'_>) -> Result<Self, Error> {
        let names = certificate.subject_alternative_name().map_err(|e| Error::NoIdentity(e.to_string()))?;
        let names = names.map_or(&[][..], |extension| &extension.value.general_names);
        let mut uris = names.iter().filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None });
        match (uris.next(), uris.next()) {
            (Some(uri), None) => Self::parse(uri),
            (None, _) => Err(Error::NoIdentity("it has no URI SAN".to_owned())),
            (Some(_), Some(_)) => Err(Error::NoIdentity("it has more than one URI SAN".to_owned())),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.zone, self.node)
    }
}

const PREFIX: &str = "spiffe://hearing/";
