//! Where a node's certificates stand.

use std::path::PathBuf;

use crate::error::Fault;
use crate::raw;
use crate::read::Base;

/// The files by which a node proves who it is to its peers, and knows them. All are PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pki {
    /// The certificate authority that every node of the installation trusts.
    pub root: PathBuf,
    /// This node's certificate, whose URI SAN is `spiffe://hearing/{zone}/{node}`.
    pub certificate: PathBuf,
    /// The private key of that certificate.
    pub key: PathBuf,
    /// The certificate revocation list of the authority.
    pub revoked: PathBuf,
}

impl Pki {
    pub(crate) fn parse(raw: raw::Pki, base: Base<'_>) -> Result<Self, Fault> {
        Ok(Self {
            root: base.path(raw.root, "pki.root")?,
            certificate: base.path(raw.certificate, "pki.certificate")?,
            key: base.path(raw.key, "pki.key")?,
            revoked: base.path(raw.revoked, "pki.revoked")?,
        })
    }
}
