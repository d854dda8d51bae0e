//! The certificates of nodes, as far as the manifest needs them.

use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use webpki::{EndEntityCert, aws_lc_rs as algorithms};

use super::sign::SignAlg;

/// A node's certificate.
pub struct Certificate<'a>(EndEntityCert<'a>);

/// Who a certificate is for: `spiffe://hearing/{zone}/{node}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Its zone.
    pub zone: String,
    /// The node's name.
    pub node: String,
}

impl<'a> Certificate<'a> {
    /// Reads a certificate; `None` when it is none.
    #[must_use]
    pub fn parse(der: &'a CertificateDer<'a>) -> Option<Self> {
        EndEntityCert::try_from(der).ok().map(Self)
    }

    /// Who it is for; `None` unless it has exactly one URI, and that names a node.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        let mut uris = self.0.valid_uri_names();
        let (uri, None) = (uris.next()?, uris.next()) else { return None };
        let (zone, node) = uri.strip_prefix(PREFIX)?.split_once('/')?;
        let is_name = |name: &str| !name.is_empty() && !name.contains('/');
        (is_name(zone) && is_name(node)).then(|| Identity { zone: zone.to_owned(), node: node.to_owned() })
    }

    /// True when `signature` is that of `message` by the certificate's key. Algorithms that nodes don't sign with are no's.
    #[must_use]
    pub fn has_signed(&self, algorithm: SignAlg, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn SignatureVerificationAlgorithm = match algorithm {
            SignAlg::EcdsaP256 => algorithms::ECDSA_P256_SHA256,
            SignAlg::EcdsaP384 => algorithms::ECDSA_P384_SHA384,
            SignAlg::Ed25519 => algorithms::ED25519,
            SignAlg::Sm2 => return false,
        };
        self.0.verify_signature(algorithm, message, signature).is_ok()
    }
}

const PREFIX: &str = "spiffe://hearing/";
