//! The certificate by which browsers know this process: self-signed, named by its fingerprint in every answer.

use std::fmt::Write as _;
use std::sync::Arc;

use rtc_dtls::crypto::Certificate as Keyed;
use rtc_srtp::crypto::RTCCryptoProvider;
use sha2::{Digest, Sha256};

/// A self-signed ECDSA P-256 certificate; one serves all sessions of a process. Cheap to clone.
#[derive(Clone)]
pub struct Certificate {
    keyed: Arc<Keyed>,
    provider: Arc<dyn RTCCryptoProvider>,
    fingerprint: Arc<str>,
}

impl Certificate {
    /// Generates a new key and certificate.
    ///
    /// # Errors
    ///
    /// The text of what the cryptography says when it cannot make a key.
    pub fn generate() -> Result<Self, String> {
        let provider = rtc_srtp::crypto::default_provider().map_err(|error| error.to_string())?;
        let keyed = Keyed::generate_self_signed(vec!["hearing".to_owned()], provider.crypto())
            .map_err(|error| error.to_string())?;
        let fingerprint = fingerprint(&keyed.certificate[0]).into();
        Ok(Self { keyed: Arc::new(keyed), provider, fingerprint })
    }

    /// Its SHA-256 fingerprint as SDP writes it (RFC 8122 section 5).
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(super) fn keyed(&self) -> Keyed {
        (*self.keyed).clone()
    }

    pub(super) const fn provider(&self) -> &Arc<dyn RTCCryptoProvider> {
        &self.provider
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// The SHA-256 fingerprint of a DER certificate: upper-case hexadecimal bytes with colons between.
pub(super) fn fingerprint(der: &[u8]) -> String {
    let mut text = String::with_capacity(95);
    for byte in Sha256::digest(der) {
        if !text.is_empty() {
            text.push(':');
        }
        write!(text, "{byte:02X}").expect("writing to a string cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_has_the_fingerprint_of_its_own_der() {
        let certificate = Certificate::generate().unwrap();
        assert_eq!(certificate.fingerprint(), fingerprint(&certificate.keyed().certificate[0]));
        assert_eq!(certificate.fingerprint().len(), 95);
    }
}
