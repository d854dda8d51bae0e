//! Who is let in, and who is cut off.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hearing_config::Pki;
use quinn::Endpoint;
use tokio::sync::mpsc;

use super::super::Trunks;
use super::super::cause::{Cause, Fault};
use super::super::dial::{Dialler, attempt};
use super::super::event::Event;
use super::super::listen::{Awaited, take};
use super::super::transport;
use super::harness::{Authority, EDGE_SERIAL, Pair, identity, registry, settings, until};
use crate::net::tls::{Identity, TrunkTls};

/// `edge` dials `home`, who waits for `awaited`; the edge expects `expected`. What each end makes of it.
async fn meet(
    (edge, edge_pki): (&Identity, &Pki),
    (home, home_pki): (&Identity, &Pki),
    awaited: &Identity,
    expected: &Identity,
) -> (Result<(), Cause>, Result<(), Cause>) {
    let (client, server) = (TrunkTls::load(edge_pki).unwrap(), TrunkTls::load(home_pki).unwrap());
    let any = "127.0.0.1:0".parse().unwrap();
    let listening = Endpoint::server(transport::server(&server, 1_000).unwrap(), any).unwrap();
    let endpoint = Endpoint::client(any).unwrap();
    let (events, mut greeted) = mpsc::channel(4);
    let peers = [Awaited { peer: awaited.clone(), dialled: false, events: events.clone() }];
    let config = transport::client(&client, 1_000).unwrap();
    let (address, own) = (listening.local_addr().unwrap(), Arc::new(edge.clone()));
    let dialler = Dialler { endpoint, config, address, own, peer: expected.clone(), events };
    let dial = async {
        let greeted = attempt(dialler).await?;
        // With TLS 1.3 the client believes that it is connected before the server has judged it: only the welcome counts.
        Ok::<_, Cause>(greeted)
    };
    let accept = async { take(listening.accept().await.unwrap(), home, &peers).await };
    let (dialled, accepted) = tokio::join!(dial, accept);
    if accepted.is_ok() {
        assert!(matches!(greeted.recv().await, Some(Event::Greeted(_))));
    }
    (dialled.map(drop), accepted)
}

fn ids() -> (Identity, Identity) {
    (identity("inet", "edge"), identity("court", "home"))
}

#[tokio::test]
async fn the_right_certificate_is_accepted_at_both_ends() {
    let ca = Authority::new();
    let (edge, home) = ids();
    let (a, b) = (ca.issue(&edge, 2), ca.issue(&home, 1));
    assert_eq!(meet((&edge, &a), (&home, &b), &edge, &home).await, (Ok(()), Ok(())));
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let (ca, other) = (Authority::new(), Authority::new());
    let (edge, home) = ids();
    let mut foreign = other.issue(&edge, 2);
    foreign.root = ca.issue(&home, 9).root;
    foreign.revoked = ca.issue(&home, 9).revoked;
    let b = ca.issue(&home, 1);
    let (dialled, accepted) = meet((&edge, &foreign), (&home, &b), &edge, &home).await;
    assert_eq!(accepted, Err(Cause::RefusedPeer(Fault::OtherAuthority)));
    assert_eq!(dialled, Err(Cause::RefusedByPeer(Fault::OtherAuthority)));
    assert_eq!(
        accepted.unwrap_err().to_string(),
        "the peer's certificate is refused: it is signed by another authority"
    );
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let ca = Authority::new();
    let (edge, home) = ids();
    let second = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let end = second() + 2;
    let (a, b) = (ca.issue_until(&edge, 2, end), ca.issue(&home, 1));
    let tls = TrunkTls::load(&a).unwrap();
    until("the certificate's time is over", || second() > end).await;
    assert!(tls.reload().is_err(), "a node does not start with it either");
    let (dialled, accepted) = meet_loaded((&edge, tls), (&home, &b)).await;
    assert_eq!(accepted, Err(Cause::RefusedPeer(Fault::Expired)));
    assert_eq!(dialled, Err(Cause::RefusedByPeer(Fault::Expired)));
    assert_eq!(accepted.unwrap_err().to_string(), "the peer's certificate is refused: it has expired");
}

/// As `meet`, with a certificate that could be loaded when its time was not over yet.
async fn meet_loaded(
    (edge, client): (&Identity, TrunkTls),
    (home, home_pki): (&Identity, &Pki),
) -> (Result<(), Cause>, Result<(), Cause>) {
    let server = TrunkTls::load(home_pki).unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    let listening = Endpoint::server(transport::server(&server, 1_000).unwrap(), any).unwrap();
    let endpoint = Endpoint::client(any).unwrap();
    let (events, _greeted) = mpsc::channel(4);
    let peers = [Awaited { peer: edge.clone(), dialled: false, events: events.clone() }];
    let config = transport::client(&client, 1_000).unwrap();
    let (address, own) = (listening.local_addr().unwrap(), Arc::new(edge.clone()));
    let dialler = Dialler { endpoint, config, address, own, peer: home.clone(), events };
    let accept = async { take(listening.accept().await.unwrap(), home, &peers).await };
    let (dialled, accepted) = tokio::join!(attempt(dialler), accept);
    (dialled.map(drop), accepted)
}

#[tokio::test]
async fn a_revoked_certificate_is_refused() {
    let mut ca = Authority::new();
    let (edge, home) = ids();
    let (a, b) = (ca.issue(&edge, 2), ca.issue(&home, 1));
    ca.revoke(2);
    let (dialled, accepted) = meet((&edge, &a), (&home, &b), &edge, &home).await;
    assert_eq!(accepted, Err(Cause::RefusedPeer(Fault::Revoked)));
    assert_eq!(dialled, Err(Cause::RefusedByPeer(Fault::Revoked)));
    assert_eq!(accepted.unwrap_err().to_string(), "the peer's certificate is refused: it is revoked");
}

#[tokio::test]
async fn a_good_certificate_of_another_zone_or_node_is_refused_by_name() {
    let ca = Authority::new();
    let (edge, home) = ids();
    let b = ca.issue(&home, 1);
    for (serial, actual) in [(3, identity("gov", "edge")), (4, identity("inet", "other"))] {
        let pki = ca.issue(&actual, serial);
        let (dialled, accepted) = meet((&actual, &pki), (&home, &b), &edge, &home).await;
        assert_eq!(accepted, Err(Cause::WrongPeer { expected: edge.clone(), actual: actual.clone() }));
        assert_eq!(dialled, Err(Cause::Closed("wrong_peer".into())));
        let text = accepted.unwrap_err().to_string();
        assert_eq!(text, format!("the certificate names {actual}, expected was inet/edge"));
    }
    let stranger = identity("moon", "base");
    let pki = ca.issue(&stranger, 5);
    let (_, accepted) = meet((&stranger, &pki), (&home, &b), &edge, &home).await;
    assert_eq!(accepted, Err(Cause::Stranger(stranger)));
}

#[tokio::test]
async fn the_node_that_was_dialled_must_be_the_one_that_is_configured() {
    let ca = Authority::new();
    let (edge, home) = ids();
    let (a, b) = (ca.issue(&edge, 2), ca.issue(&home, 1));
    let expected = identity("court", "another");
    let (dialled, accepted) = meet((&edge, &a), (&home, &b), &edge, &expected).await;
    assert_eq!(dialled, Err(Cause::WrongPeer { expected, actual: home.clone() }));
    assert_eq!(accepted, Err(Cause::Closed("wrong_peer".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_cuts_a_live_link_within_five_seconds_and_keeps_it_cut() {
    let mut pair = Pair::open().await;
    let revoked = Instant::now();
    pair.authority.revoke(EDGE_SERIAL);
    until("the court cuts the link", || !pair.court.is_up()).await;
    assert!(revoked.elapsed() < Duration::from_secs(5), "after {:?}", revoked.elapsed());
    until("the edge sees it", || !pair.inet.is_up()).await;
    let tls = TrunkTls::load(&pair.authority.files(EDGE_SERIAL)).unwrap();
    let (events, _) = mpsc::channel(1);
    let dialler = Dialler {
        endpoint: Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap(),
        config: transport::client(&tls, 1_000).unwrap(),
        address: pair.line.address(),
        own: Arc::new(pair.inet.identity.clone()),
        peer: pair.court.identity.clone(),
        events,
    };
    assert_eq!(attempt(dialler).await.err(), Some(Cause::RefusedByPeer(Fault::Revoked)));
    assert_eq!(pair.court.status().links, 1);
}

#[tokio::test]
async fn a_node_with_another_nodes_certificate_does_not_start() {
    let ca = Authority::new();
    let pki = ca.issue(&identity("inet", "edge"), 2);
    let own = identity("court", "home");
    let data = tempfile::tempdir().unwrap();
    let registry = registry(&own, data.path().to_owned()).await;
    let settings = settings(&own, &pki, Vec::new(), Vec::new());
    let error = Trunks::start(settings, TrunkTls::load(&pki).unwrap(), registry).err().unwrap();
    assert_eq!(error.to_string(), "the certificate is that of inet/edge, and this node is court/home");
}
