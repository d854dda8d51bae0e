//! Certificates that hold, and those that do not.

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
