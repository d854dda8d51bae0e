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
mod tests {
    use rustls::{ClientConnection, Connection, NamedGroup, ProtocolVersion, ServerConnection};

    use super::*;
    use crate::net::pki::Wish;

    #[test]
    fn nodes_of_one_authority_know_each_other_by_their_certificates() {
        let court = Court::new();
        let (client, server) = (court.node("gov", "gov-edge"), court.node("tripartite", "court"));
        let (at_client, at_server) = shake(&client.client(b"trunk"), &server.server(b"trunk")).unwrap();
        let seen_by = |end: &Connection| TrunkTls::identity_of(end.peer_certificates().unwrap()).unwrap().to_string();
        assert_eq!((seen_by(&at_client), seen_by(&at_server)), ("tripartite/court".into(), "gov/gov-edge".into()));
        assert_eq!(client.own().uri(), "spiffe://hearing/gov/gov-edge");
    }

    #[test]
    fn a_trunk_speaks_tls_13_with_the_hybrid_key_exchange() {
        let court = Court::new();
        let (client, server) = (court.node("gov", "gov-edge"), court.node("tripartite", "court"));
        let (end, _) = shake(&client.client(b"trunk"), &server.server(b"trunk")).unwrap();
        assert_eq!(end.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        assert_eq!(end.negotiated_key_exchange_group().unwrap().name(), NamedGroup::X25519MLKEM768);
        assert_eq!(end.alpn_protocol(), Some(&b"trunk"[..]));
    }

    #[test]
    fn a_client_without_a_certificate_is_refused() {
        let court = Court::new();
        let server = court.node("tripartite", "court").server(b"trunk");
        let nobody = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(court.node("gov", "gov-edge").current)
            .with_no_client_auth();
        let mut nobody = nobody;
        nobody.alpn_protocols = vec![b"trunk".to_vec()];
        assert!(shake(&Arc::new(nobody), &server).unwrap_err().contains("no certificates"));
    }

    #[test]
    fn a_node_of_another_authority_is_refused_at_both_ends() {
        let (court, other) = (Court::new(), Court::new());
        let (ours, theirs) = (court.node("tripartite", "court"), other.node("tripartite", "court"));
        assert!(shake(&ours.client(b"trunk"), &theirs.server(b"trunk")).unwrap_err().starts_with("client"));
        let trusting = Files { root: ours.files.root.clone(), revoked: ours.files.revoked.clone(), ..theirs.files };
        let trusting = TrunkTls::load(&trusting).unwrap();
        assert!(shake(&trusting.client(b"trunk"), &ours.server(b"trunk")).unwrap_err().starts_with("server"));
    }

    #[test]
    fn a_revoked_node_is_refused_from_the_next_handshake_after_a_reload() {
        let court = Court::new();
        let (client, server) = (court.node("gov", "gov-edge"), court.node("tripartite", "court"));
        let (dial, listen) = (client.client(b"trunk"), server.server(b"trunk"));
        let (_, at_server) = shake(&dial, &listen).unwrap();
        let serial = TrunkTls::serial_of(at_server.peer_certificates().unwrap()).unwrap();
        assert!(!server.is_revoked(&serial));
        court.authority.revoke_at("gov/gov-edge", jiff::Timestamp::now()).unwrap();
        shake(&dial, &listen).unwrap();
        server.reload().unwrap();
        assert!(server.is_revoked(&serial));
        assert!(shake(&dial, &listen).unwrap_err().contains("Revoked"));
        client.reload().unwrap();
        assert!(shake(&server.client(b"trunk"), &client.server(b"trunk")).unwrap_err().contains("Revoked"));
    }

    #[test]
    fn a_reload_that_fails_leaves_what_was_in_force() {
        let court = Court::new();
        let (client, server) = (court.node("gov", "gov-edge"), court.node("tripartite", "court"));
        std::fs::write(&server.files.revoked, "nothing").unwrap();
        assert!(server.reload().unwrap_err().to_string().contains("no usable revocation list"));
        shake(&client.client(b"trunk"), &server.server(b"trunk")).unwrap();
    }

    #[test]
    fn an_expired_certificate_has_its_own_message() {
        let court = Court::new();
        let long_ago: jiff::Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
        let wish = Wish { identity: identity("gov", "old"), hosts: Vec::new(), days: 30 };
        court.authority.issue_at(&wish, court.directory.path(), long_ago).unwrap();
        let error = TrunkTls::load(&court.files("old")).unwrap_err();
        assert!(matches!(error, Error::OutOfTime { .. }), "{error}");
        assert!(error.to_string().contains("to 2020-01-31T00:00:00Z only"), "{error}");
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let court = Court::new();
        court.node("gov", "one");
        court.node("gov", "two");
        let mixed = Files { key: court.files("two").key, ..court.files("one") };
        assert!(TrunkTls::load(&mixed).unwrap_err().to_string().contains("no usable key for the certificate"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = TrunkTls::load(&Court::new().files("ghost")).unwrap_err().to_string();
        assert!(error.contains("ghost.pem: no usable certificate"), "{error}");
    }

    #[test]
    fn only_the_exact_uri_names_a_node() {
        assert_eq!(Identity::parse("spiffe://hearing/gov/gov-edge").unwrap(), identity("gov", "gov-edge"));
        for wrong in
            ["spiffe://court/gov/a", "spiffe://hearing/gov", "spiffe://hearing/gov/a/b", "spiffe://hearing/Gov/a", ""]
        {
            assert!(Identity::parse(wrong).is_err(), "{wrong}");
        }
    }

    /// An authority in a directory of its own.
    struct Court {
        directory: tempfile::TempDir,
        authority: Pki,
    }

    impl Court {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let authority = Pki::init(directory.path(), "test").unwrap();
            Self { directory, authority }
        }

        fn node(&self, zone: &str, node: &str) -> TrunkTls {
            let wish = Wish { identity: identity(zone, node), hosts: Vec::new(), days: 30 };
            self.authority.issue_at(&wish, self.directory.path(), jiff::Timestamp::now()).unwrap();
            TrunkTls::load(&self.files(node)).unwrap()
        }

        fn files(&self, node: &str) -> Files {
            let file = |name: String| self.directory.path().join(name);
            Files {
                root: file("root.pem".into()),
                certificate: file(format!("{node}.pem")),
                key: file(format!("{node}.key")),
                revoked: file("revoked.crl".into()),
            }
        }
    }

    fn identity(zone: &str, node: &str) -> Identity {
        Identity { zone: zone.parse().unwrap(), node: node.parse().unwrap() }
    }

    /// A whole handshake in memory; the error begins with the end that refused.
    fn shake(
        client: &Arc<rustls::ClientConfig>,
        server: &Arc<rustls::ServerConfig>,
    ) -> Result<(Connection, Connection), String> {
        let name = ServerName::try_from("node").unwrap();
        let mut client: Connection = ClientConnection::new(client.clone(), name).unwrap().into();
        let mut server: Connection = ServerConnection::new(server.clone()).unwrap().into();
        while client.wants_write() || server.wants_write() {
            pass(&mut client, &mut server).map_err(|e| format!("server: {e:?} {e}"))?;
            pass(&mut server, &mut client).map_err(|e| format!("client: {e:?} {e}"))?;
        }
        assert!(!client.is_handshaking() && !server.is_handshaking());
        Ok((client, server))
    }

    fn pass(from: &mut Connection, to: &mut Connection) -> Result<(), rustls::Error> {
        let mut wire = Vec::new();
        while from.wants_write() {
            from.write_tls(&mut wire).unwrap();
        }
        let mut wire = &wire[..];
        while !wire.is_empty() {
            to.read_tls(&mut wire).unwrap();
            to.process_new_packets()?;
        }
        Ok(())
    }
}
