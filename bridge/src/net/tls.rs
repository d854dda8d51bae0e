//! TLS of trunks and of the page: who this node is, who a peer is, which certificates no longer count. Opens no socket.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::{fmt, io};

use hearing_config::{NodeId, Pki, Zone};
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{CertificateRevocationList, FromDer as _, X509Certificate};

/// TLS 1.3 with certificates at both ends, checked against the revocation list; no resumption and no 0-RTT, so that every
/// connection is judged anew. Configurations that were handed out follow a [`TrunkTls::reload`] from their next handshake on.
#[derive(Debug, Clone)]
pub struct TrunkTls {
    files: Pki,
    current: Arc<Current>,
}

/// Who a node is, by its certificate: the one URI SAN `spiffe://hearing/{zone}/{node}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The zone in which it stands.
    pub zone: Zone,
    /// Its id.
    pub node: NodeId,
}

/// Why certificates can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read, or holds no PEM of the wanted kind.
    #[error("{}: no usable {what}: {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate's time is over, or has not begun.
    #[error("{}: the certificate is valid from {from} to {to} only; issue a new one with `hearing pki issue`", file.display())]
    OutOfTime {
        /// The file.
        file: PathBuf,
        /// When its time begins.
        from: jiff::Timestamp,
        /// When it ends.
        to: jiff::Timestamp,
    },
    /// The certificate names no node.
    #[error("the certificate names no node: {0}")]
    NoIdentity(String),
    /// A file can't be written.
    #[error("{}: cannot be written: {source}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// rustls refuses the settings.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A certificate can't be made.
    #[error("certificate: {0}")]
    Issue(#[from] rcgen::Error),
    /// The authority knows no such certificate.
    #[error("{}: no certificate was issued to {wanted}; see `hearing pki list`", directory.display())]
    NotIssued {
        /// The authority's directory.
        directory: PathBuf,
        /// What was asked for.
        wanted: String,
    },
    /// The authority is there already.
    #[error("{}: an authority is there already; it is never overwritten", .0.display())]
    Exists(PathBuf),
}

impl TrunkTls {
    /// Reads root, certificate, key and revocation list.
    ///
    /// # Errors
    /// When a file is missing or unusable, the key is not the certificate's, its time is over, or it names no node.
    pub fn load(files: &Pki) -> Result<Self, Error> {
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

/// What is in force now; every handshake asks it.
struct Current(RwLock<Arc<Material>>);

/// What the four files held when they were last read.
struct Material {
    identity: Identity,
    own: Arc<CertifiedKey>,
    judge: Arc<dyn ClientCertVerifier>,
    revoked: HashSet<Vec<u8>>,
}

impl Material {
    fn read(files: &Pki) -> Result<Self, Error> {
        let chain = read_chain(&files.certificate, "certificate")?;
        let identity = check_own(&files.certificate, &chain)?;
        let own = CertifiedKey::from_der(chain, read_key(&files.key)?, &provider())
            .map_err(|e| unusable(&files.key, "key for the certificate", &e))?;
        let lists = read_lists(&files.revoked)?;
        let revoked = revoked_serials(&files.revoked, &lists)?;
        let judge = WebPkiClientVerifier::builder_with_provider(read_roots(&files.root)?, provider())
            .with_crls(lists)
            .build()
            .map_err(|e| unusable(&files.revoked, "revocation list", &e))?;
        Ok(Self { identity, own: Arc::new(own), judge, revoked })
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
    let time = |t: x509_parser::time::ASN1Time| jiff::Timestamp::from_second(t.timestamp()).unwrap_or_default();
    Err(Error::OutOfTime { file: file.to_owned(), from: time(from), to: time(to) })
}

/// At least one certificate.
pub(super) fn read_chain(file: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    let chain = read().map_err(|e| unusable(file, what, &e))?;
    if chain.is_empty() { Err(unusable(file, what, &"no PEM block CERTIFICATE")) } else { Ok(chain) }
}

fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_file(file).map_err(|e| unusable(file, "private key", &e))
}

fn read_roots(file: &Path) -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in read_chain(file, "root certificate")? {
        roots.add(certificate).map_err(|e| unusable(file, "root certificate", &e))?;
    }
    Ok(Arc::new(roots))
}

/// At least one list: without any, rustls would check no revocation at all.
fn read_lists(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, Error> {
    let read = || CertificateRevocationListDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    let lists = read().map_err(|e| unusable(file, "revocation list", &e))?;
    if lists.is_empty() { Err(unusable(file, "revocation list", &"no PEM block X509 CRL")) } else { Ok(lists) }
}

fn revoked_serials(file: &Path, lists: &[CertificateRevocationListDer<'_>]) -> Result<HashSet<Vec<u8>>, Error> {
    let mut serials = HashSet::new();
    for list in lists {
        let (_, list) = CertificateRevocationList::from_der(list).map_err(|e| unusable(file, "revocation list", &e))?;
        serials.extend(list.iter_revoked_certificates().map(|entry| canonical(entry.raw_serial()).to_vec()));
    }
    Ok(serials)
}

pub(super) fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    X509Certificate::from_der(certificate)
        .map(|(_, parsed)| parsed)
        .map_err(|e| Error::NoIdentity(format!("it can't be read: {e}")))
}

/// A serial number without the leading zeros that DER adds to keep it positive.
pub(super) fn canonical(serial: &[u8]) -> &[u8] {
    &serial[serial.iter().take_while(|byte| **byte == 0).count()..]
}

pub(super) fn unusable(file: &Path, what: &'static str, reason: &dyn fmt::Display) -> Error {
    Error::File { file: file.to_owned(), what, reason: reason.to_string() }
}

const PREFIX: &str = "spiffe://hearing/";
