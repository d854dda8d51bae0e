//! Where a node's certificates stand.

use std::path::PathBuf;

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
