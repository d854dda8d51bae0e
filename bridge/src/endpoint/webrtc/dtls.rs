//! The DTLS server of one session: it checks the peer's certificate against the fingerprint of the offer and hands out keys.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;

use super::certificate::{Certificate, fingerprint};
use super::srtp::{LABEL, PROFILES, Srtp};

/// One association. Paths may change under it: it knows the peer only by the name [`PEER`].
pub(super) struct Dtls {
    endpoint: Endpoint,
    certificate: Certificate,
    expected: String,
    foreign: Arc<AtomicBool>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No ClientHello yet.
    Idle,
    Handshake,
    Done,
}

/// What came of a datagram or of time.
pub(super) enum Event {
    /// Nothing to tell.
    Nothing,
    /// The handshake is complete.
    Keys(Box<Srtp>),
    /// It is over, and why.
    Closed(String),
    /// The datagram was dropped; a metric's label.
    Dropped(&'static str),
}

impl Dtls {
    /// `expected` is the SHA-256 fingerprint of the offer, in upper case.
    pub(super) fn new(certificate: Certificate, expected: String) -> Self {
        let endpoint = Endpoint::new(SELF, TransportProtocol::UDP, None);
        Self { endpoint, certificate, expected, foreign: Arc::default(), stage: Stage::Idle }
    }

    /// Takes a datagram of the peer.
    pub(super) fn handle(&mut self, now: Instant, datagram: &[u8]) -> Event {
        if self.stage == Stage::Idle {
            if let Err(event) = self.begin(datagram) {
                return event;
            }
        }
        match self.endpoint.read(now, PEER, None, BytesMut::from(datagram)) {
            Ok(events) => self.take(events),
            Err(error) => self.failed(&error),
        }
    }

    /// Repeats a flight that was not answered.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Event {
        if self.poll_timeout().is_none_or(|at| at > now) {
            return Event::Nothing;
        }
        match self.endpoint.handle_timeout(PEER, now) {
            Ok(()) => Event::Nothing,
            Err(error) => Event::Closed(format!("the DTLS handshake was not answered: {error}")),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.stage == Stage::Handshake { self.endpoint.poll_timeout(&PEER) } else { None }
    }

    /// The next datagram for the peer.
    pub(super) fn poll_transmit(&mut self) -> Option<BytesMut> {
        self.endpoint.poll_transmit().map(|transmit| transmit.message)
    }

    /// Says goodbye; what `poll_transmit` then has is the alert.
    pub(super) fn close(&mut self, now: Instant) {
        // Closing only queues the alert: without an association there is nothing to say.
        let _ = self.endpoint.close(now);
    }

    /// The first ClientHello decides which SRTP profile is agreed: the best of ours that it names, whatever its order.
    fn begin(&mut self, datagram: &[u8]) -> Result<(), Event> {
        if datagram.first() != Some(&HANDSHAKE_RECORD) || datagram.get(13) != Some(&CLIENT_HELLO) {
            return Err(Event::Dropped("dtls_early"));
        }
        let best = offered_profiles(datagram)
            .and_then(|offered| PROFILES.into_iter().find(|profile| offered.contains(&(*profile as u16))));
        let profiles = best.map_or_else(|| PROFILES.to_vec(), |profile| vec![profile]);
        let foreign = Arc::clone(&self.foreign);
        let expected = self.expected.clone();
        let config = ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(self.certificate.provider()))
            .with_certificates(vec![self.certificate.keyed()])
            .with_srtp_protection_profiles(profiles)
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_insecure_skip_verify(true)
            .with_flight_interval(FLIGHT)
            .with_verify_peer_certificate(Some(Arc::new(move |chain, _| {
                if chain.first().is_some_and(|der| fingerprint(der) == expected) {
                    return Ok(());
                }
                foreign.store(true, Ordering::Relaxed);
                Err(Error::ErrInvalidCertificate)
            })))
            .build(false, None)
            .map_err(|error| Event::Closed(format!("DTLS cannot start: {error}")))?;
        self.endpoint.set_server_config(Some(Arc::new(config)));
        self.stage = Stage::Handshake;
        Ok(())
    }

    fn take(&mut self, events: Vec<EndpointEvent>) -> Event {
        let mut outcome = Event::Nothing;
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => outcome = self.keys(),
                EndpointEvent::PeerClosed => return Event::Closed("the client said goodbye".to_owned()),
                // No data channels are agreed, so nothing may come.
                EndpointEvent::ApplicationData(_) => outcome = Event::Dropped("dtls_data"),
                _ => {}
            }
        }
        outcome
    }

    fn keys(&mut self) -> Event {
        self.stage = Stage::Done;
        let Some(state) = self.endpoint.get_connection_state(PEER) else {
            return Event::Closed("DTLS lost its association".to_owned());
        };
        let profile = state.srtp_protection_profile();
        let export = |len| state.export_keying_material(LABEL, &[], len).ok().map(|key| key.as_ref().to_vec());
        match Srtp::new(profile, self.certificate.provider(), export) {
            Some(srtp) => Event::Keys(Box::new(srtp)),
            None => Event::Closed("the client agreed to no SRTP profile".to_owned()),
        }
    }

    fn failed(&self, error: &Error) -> Event {
        if self.foreign.load(Ordering::Relaxed) {
            return Event::Closed("the client's certificate is not the one its offer named".to_owned());
        }
        match (self.stage, error) {
            (Stage::Handshake, _) | (_, Error::ErrAlertFatalOrClose) => Event::Closed(format!("DTLS: {error}")),
            (Stage::Idle | Stage::Done, _) => Event::Dropped("dtls_malformed"),
        }
    }
}

/// The SRTP profiles that a ClientHello names, if it is whole in this datagram up to `use_srtp` (RFC 5764 section 4.1.1).
fn offered_profiles(datagram: &[u8]) -> Option<Vec<u16>> {
    let mut hello = Cursor(datagram.get(RECORD_AND_HANDSHAKE_HEADERS..)?);
    hello.skip(2 + 32)?;
    let session = usize::from(hello.take(1)?[0]);
    hello.skip(session)?;
    let cookie = usize::from(hello.take(1)?[0]);
    hello.skip(cookie)?;
    let suites = hello.u16()?;
    hello.skip(suites)?;
    let compressions = usize::from(hello.take(1)?[0]);
    hello.skip(compressions)?;
    hello.u16()?;
    loop {
        let (kind, len) = (hello.u16()?, hello.u16()?);
        let body = hello.take(len)?;
        if kind == USE_SRTP {
            let mut body = Cursor(body);
            let len = body.u16()?;
            let list = body.take(len)?;
            return Some(list.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect());
        }
    }
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    fn skip(&mut self, len: usize) -> Option<()> {
        self.take(len).map(drop)
    }

    fn u16(&mut self) -> Option<usize> {
        self.take(2).map(|pair| usize::from(u16::from_be_bytes([pair[0], pair[1]])))
    }
}

const SELF: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 2);
/// Between repeats of a flight, seven of which are sent; clients repeat theirs sooner.
const FLIGHT: Duration = Duration::from_millis(700);
const HANDSHAKE_RECORD: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const RECORD_AND_HANDSHAKE_HEADERS: usize = 13 + 12;
const USE_SRTP: usize = 14;
