//! TLS of trunks and of the page: who this node is, who a peer is, which certificates no longer count. Opens no socket.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use hearing_config::Pki as Files;
use hearing_proto::manifest::{Der, NodeKey};
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};

pub use super::identity::Identity;
pub use super::pem::Error;
use super::pem::{
    canonical, instant, next_update, parse, read_chain, read_key, read_lists, read_roots, revoked_serials, unusable,
};
pub use super::pki::Pki;

/// TLS 1.3 with certificates at both ends, checked against the revocation list; no resumption and no 0-RTT, so that every
/// connection is judged anew. Configurations that were handed out follow a [`TrunkTls::reload`] from their next handshake on.
#[derive(Debug, Clone)]
pub struct TrunkTls {
    files: Files,
    current: Arc<Current>,
}

impl TrunkTls {
    /// Reads root, certificate, key and revocation list.
    ///
    /// # Errors
    /// When a file is missing or unusable, the key is not the certificate's, its time is over, or it names no node.
    pub fn load(files: &Files) -> Result<Self, Error> {
        let material = Arc::new(Material::read(files)?);
        Ok(Self { files: files.clone(), current: Arc::new(Current(RwLock::new(material))) })
    }

    /// Reads all four files again; what was read before stays in force when that fails.
    ///
    /// # Errors
    /// As for [`TrunkTls::load`].
    pub fn reload(&self) -> Result<(), Error> {
        let material = Arc::new(Material::read(&self.files)?);
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = material;
        Ok(())
    }

    /// Who this node is.
    #[must_use]
    pub fn own(&self) -> Identity {
        self.current.get().identity.clone()
    }

    /// The serial number of this node's certificate, as [`TrunkTls::serial_of`] gives it.
    #[must_use]
    pub fn own_serial(&self) -> Vec<u8> {
        self.current.get().serial.clone()
    }

    /// Settings for dialling. The server name is not looked at: compare [`TrunkTls::identity_of`] with the peer that was dialled.
    #[must_use]
    pub fn client(&self, alpn: &[u8]) -> Arc<rustls::ClientConfig> {
        let mut config = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider has TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(self.current.clone())
            .with_client_cert_resolver(self.current.clone());
        config.alpn_protocols = vec![alpn.to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        config.enable_early_data = false;
        config.enable_sni = false;
        Arc::new(config)
    }

    /// Settings for listening.
    #[must_use]
    pub fn server(&self, alpn: &[u8]) -> Arc<rustls::ServerConfig> {
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider has TLS 1.3")
            .with_client_cert_verifier(self.current.clone())
            .with_cert_resolver(self.current.clone());
        config.alpn_protocols = vec![alpn.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        Arc::new(config)
    }

    /// True when the revocation list names this serial number (as [`TrunkTls::serial_of`] gives it).
    #[must_use]
    pub fn is_revoked(&self, serial: &[u8]) -> bool {
        self.current.get().revoked.contains(canonical(serial))
    }

    /// The node's certificate chain and its key as they are in their files now, for what the node signs besides TLS: the
    /// beginning of records, and those of others that it witnesses.
    ///
    /// # Errors
    /// When a file is unusable, or the key is not ECDSA on P-256 in PKCS#8 as `hearing pki issue` makes it.
    pub fn signing(&self) -> Result<(Vec<Der>, NodeKey), Error> {
        signing(&self.files.certificate, &self.files.key)
    }

    /// Who the owner of a certificate chain is; the chain must have been verified by the handshake.
    ///
    /// # Errors
    /// When the first certificate does not have exactly one URI SAN of the form `spiffe://hearing/{zone}/{node}`.
    pub fn identity_of(chain: &[CertificateDer<'_>]) -> Result<Identity, Error> {
        let first = chain.first().ok_or_else(|| Error::NoIdentity("there is no certificate".to_owned()))?;
        Identity::of(&parse(first)?)
    }

    /// The serial number of a chain's first certificate, without leading zeros.
    ///
    /// # Errors
    /// When there is none, or it can't be read.
    pub fn serial_of(chain: &[CertificateDer<'_>]) -> Result<Vec<u8>, Error> {
        let first = chain.first().ok_or_else(|| Error::NoIdentity("there is no certificate".to_owned()))?;
        Ok(canonical(parse(first)?.raw_serial()).to_vec())
    }
}

/// As [`TrunkTls::signing`], from these two files.
///
/// # Errors
/// As there.
pub fn signing(certificate: &Path, key: &Path) -> Result<(Vec<Der>, NodeKey), Error> {
    let chain = read_chain(certificate, "certificate")?;
    let secret = read_key(key)?;
    let PrivateKeyDer::Pkcs8(secret) = &secret else {
        return Err(unusable(key, "key to sign records with", &"it is not PKCS#8; issue one with `hearing pki issue`"));
    };
    let signer = NodeKey::from_pkcs8(secret.secret_pkcs8_der());
    let signer = signer.map_err(|error| unusable(key, "key to sign records with", &error))?;
    Ok((chain.iter().map(|der| Der(der.to_vec())).collect(), signer))
}

/// Settings for the page and its API: TLS 1.2 and 1.3, HTTP/1.1 (WebSockets), no client certificates.
///
/// # Errors
/// When a file is unusable or the key is not the certificate's.
pub fn web(certificate: &Path, key: &Path) -> Result<Arc<rustls::ServerConfig>, Error> {
    let chain = read_chain(certificate, "certificate")?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, read_key(key)?)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// When the first certificate of a PEM file ends to be valid.
///
/// # Errors
/// When the file holds none.
pub fn valid_until(certificate: &Path) -> Result<jiff::Timestamp, Error> {
    let chain = read_chain(certificate, "certificate")?;
    Ok(instant(parse(&chain[0])?.validity().not_after))
}

/// When the next revocation list is due, by the first list of a PEM file that says so.
///
/// # Errors
/// When the file holds none.
pub fn list_due(revoked: &Path) -> Result<Option<jiff::Timestamp>, Error> {
    next_update(revoked, &read_lists(revoked)?)
}

/// The one cryptography of the node: aws-lc-rs, X25519MLKEM768 preferred.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    let kx_groups = vec![
        aws_lc_rs::kx_group::X25519MLKEM768,
        aws_lc_rs::kx_group::X25519,
        aws_lc_rs::kx_group::SECP256R1,
        aws_lc_rs::kx_group::SECP384R1,
    ];
    Arc::new(CryptoProvider { kx_groups, ..aws_lc_rs::default_provider() })
}

/// What is in force now; every handshake asks it.
struct Current(RwLock<Arc<Material>>);

/// What the four files held when they were last read.
struct Material {
    identity: Identity,
    serial: Vec<u8>,
    own: Arc<CertifiedKey>,
    judge: Arc<dyn ClientCertVerifier>,
    revoked: HashSet<Vec<u8>>,
}

impl Material {
    fn read(files: &Files) -> Result<Self, Error> {
        let chain = read_chain(&files.certificate, "certificate")?;
        let identity = check_own(&files.certificate, &chain)?;
        let serial = TrunkTls::serial_of(&chain)?;
        let own = CertifiedKey::from_der(chain, read_key(&files.key)?, &provider())
            .map_err(|e| unusable(&files.key, "key for the certificate", &e))?;
        let lists = read_lists(&files.revoked)?;
        let revoked = revoked_serials(&files.revoked, &lists)?;
        let judge = WebPkiClientVerifier::builder_with_provider(read_roots(&files.root)?, provider())
            .with_crls(lists)
            .build()
            .map_err(|e| unusable(&files.revoked, "revocation list", &e))?;
        Ok(Self { identity, serial, own: Arc::new(own), judge, revoked })
    }
}

impl Current {
    fn get(&self) -> Arc<Material> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").field("identity", &self.get().identity).finish_non_exhaustive()
    }
}

/// A trunk's peer proves which node it is, not which host: both ends are judged by the same rule.
impl ServerCertVerifier for Current {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verify_client_cert(end_entity, intermediates, now).map(|_| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.get().judge.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.get().judge.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.get().judge.supported_verify_schemes()
    }
}

impl ClientCertVerifier for Current {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.get().judge.verify_client_cert(end_entity, intermediates, now)?;
        TrunkTls::identity_of(std::slice::from_ref(end_entity)).map_err(|e| rustls::Error::General(e.to_string()))?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.get().judge.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.get().judge.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.get().judge.supported_verify_schemes()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get().own.clone())
    }
}

impl ResolvesClientCert for Current {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.get().own.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn check_own(file: &Path, chain: &[CertificateDer<'_>]) -> Result<Identity, Error> {
    let certificate = parse(&chain[0])?;
    let (from, to) = (certificate.validity().not_before, certificate.validity().not_after);
    if certificate.validity().is_valid() {
        return Identity::of(&certificate);
    }
    Err(Error::OutOfTime { file: file.to_owned(), from: instant(from), to: instant(to) })
}

#[cfg(test)]
mod tests;
