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
use super::hello::{ClientHello, Hello};
use super::srtp::{LABEL, PROFILES, Srtp};

/// One association. Paths may change under it: it knows the peer only by the name [`PEER`].
pub(super) struct Dtls {
    endpoint: Endpoint,
    certificate: Certificate,
    expected: String,
    hello: ClientHello,
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
    /// It is over: the client said goodbye.
    Goodbye,
    /// It is over, and why.
    Closed(String),
    /// The datagram was dropped; a metric's label.
    Dropped(&'static str),
}

impl Dtls {
    /// `expected` is the SHA-256 fingerprint of the offer, in upper case.
    pub(super) fn new(certificate: Certificate, expected: String) -> Self {
        let endpoint = Endpoint::new(SELF, TransportProtocol::UDP, None);
        Self {
            endpoint,
            certificate,
            expected,
            hello: ClientHello::default(),
            foreign: Arc::default(),
            stage: Stage::Idle,
        }
    }

    /// Takes a datagram of the peer.
    pub(super) fn handle(&mut self, now: Instant, datagram: &[u8]) -> Event {
        if self.stage == Stage::Idle {
            return self.greet(now, datagram);
        }
        self.read(now, datagram)
    }

    fn read(&mut self, now: Instant, datagram: &[u8]) -> Event {
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
    fn greet(&mut self, now: Instant, datagram: &[u8]) -> Event {
        let offered = match self.hello.add(datagram) {
            Hello::Foreign => return Event::Dropped("dtls_early"),
            Hello::Partial => return Event::Nothing,
            Hello::Whole(offered) => offered,
        };
        if let Err(event) = self.begin(&offered) {
            return event;
        }
        let mut last = Event::Nothing;
        for datagram in self.hello.take() {
            last = self.read(now, &datagram);
        }
        last
    }

    fn begin(&mut self, offered: &[u16]) -> Result<(), Event> {
        let best = PROFILES.into_iter().find(|profile| offered.contains(&(*profile as u16)));
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
                EndpointEvent::PeerClosed => return Event::Goodbye,
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

const SELF: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 2);
/// Between repeats of a flight, seven of which are sent; clients repeat theirs sooner.
const FLIGHT: Duration = Duration::from_millis(700);

#[cfg(test)]
pub(super) mod tests {
    use rtc_dtls::config::HandshakeConfig;
    use rtc_dtls::crypto::Certificate as Keyed;

    use super::*;

    /// The client's end of a handshake, with a certificate of its own.
    pub(in crate::endpoint::webrtc) struct Client {
        pub(in crate::endpoint::webrtc) endpoint: Endpoint,
        pub(in crate::endpoint::webrtc) fingerprint: String,
        config: Arc<HandshakeConfig>,
    }

    impl Client {
        pub(in crate::endpoint::webrtc) fn new(
            profiles: &[rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile],
        ) -> Self {
            let provider = rtc_srtp::crypto::default_provider().unwrap();
            let keyed = Keyed::generate_self_signed(vec!["client".to_owned()], provider.crypto()).unwrap();
            let fingerprint = fingerprint(&keyed.certificate[0]);
            let config = ConfigBuilder::default()
                .with_crypto_provider(provider)
                .with_certificates(vec![keyed])
                .with_srtp_protection_profiles(profiles.to_vec())
                .with_extended_master_secret(ExtendedMasterSecretType::Require)
                .with_insecure_skip_verify(true)
                .build(true, None)
                .unwrap();
            Self { endpoint: Endpoint::new(PEER, TransportProtocol::UDP, None), fingerprint, config: Arc::new(config) }
        }

        pub(in crate::endpoint::webrtc) fn begin(&mut self, now: Instant) {
            self.endpoint.connect(now, SELF, Arc::clone(&self.config), None).unwrap();
        }

        pub(in crate::endpoint::webrtc) fn poll(&mut self) -> Option<BytesMut> {
            self.endpoint.poll_transmit().map(|transmit| transmit.message)
        }

        pub(in crate::endpoint::webrtc) fn read(&mut self, now: Instant, datagram: &[u8]) {
            let _ = self.endpoint.read(now, SELF, None, BytesMut::from(datagram));
        }

        /// Sends a flight again that was not answered for long enough.
        pub(in crate::endpoint::webrtc) fn repeat(&mut self, now: Instant) {
            if self.endpoint.poll_timeout(&SELF).is_some_and(|at| at <= now) {
                self.endpoint.handle_timeout(SELF, now).unwrap();
            }
        }

        /// The client's SRTP, once the handshake is complete.
        pub(in crate::endpoint::webrtc) fn keys(&self) -> Option<(u16, Vec<u8>)> {
            let state = self.endpoint.get_connection_state(SELF)?;
            let material = state.export_keying_material(LABEL, &[], 56).ok()?;
            Some((state.srtp_protection_profile() as u16, material.as_ref().to_vec()))
        }

        pub(in crate::endpoint::webrtc) fn close(&mut self, now: Instant) {
            self.endpoint.close(now).unwrap();
        }
    }

    /// Carries datagrams to and fro until nothing moves; the last event that tells something.
    fn carry(now: Instant, client: &mut Client, server: &mut Dtls) -> Event {
        let mut outcome = Event::Nothing;
        for _ in 0..50 {
            while let Some(datagram) = client.poll() {
                match server.handle(now, &datagram) {
                    Event::Nothing => {}
                    event => outcome = event,
                }
            }
            while let Some(datagram) = server.poll_transmit() {
                client.read(now, &datagram);
            }
        }
        outcome
    }

    #[test]
    fn the_best_common_profile_is_agreed_whatever_the_clients_order() {
        for (offered, agreed) in [([2, 1, 0], 0), ([2, 1, 1], 1), ([2, 2, 2], 2)] {
            let now = Instant::now();
            let mut client = Client::new(&offered.map(|n: usize| PROFILES[n]));
            let mut server = Dtls::new(Certificate::generate().unwrap(), client.fingerprint.clone());
            client.begin(now);
            assert!(matches!(carry(now, &mut client, &mut server), Event::Keys(_)));
            assert_eq!(client.keys().unwrap().0, PROFILES[agreed] as u16);
        }
    }

    #[test]
    fn another_certificate_than_the_offers_ends_the_session() {
        let now = Instant::now();
        let (mut client, other) = (Client::new(&PROFILES), Client::new(&PROFILES));
        let mut server = Dtls::new(Certificate::generate().unwrap(), other.fingerprint);
        client.begin(now);
        let Event::Closed(reason) = carry(now, &mut client, &mut server) else { panic!() };
        assert!(reason.contains("certificate"), "{reason}");
    }

    #[test]
    fn a_goodbye_ends_the_session_at_once() {
        let now = Instant::now();
        let mut client = Client::new(&PROFILES);
        let mut server = Dtls::new(Certificate::generate().unwrap(), client.fingerprint.clone());
        client.begin(now);
        carry(now, &mut client, &mut server);
        client.close(now);
        assert!(matches!(carry(now, &mut client, &mut server), Event::Goodbye));
    }

    #[test]
    fn a_lost_flight_is_sent_again_when_its_time_comes() {
        let mut now = Instant::now();
        let mut client = Client::new(&PROFILES);
        let mut server = Dtls::new(Certificate::generate().unwrap(), client.fingerprint.clone());
        client.begin(now);
        let mut lost = false;
        for _ in 0..200 {
            while let Some(datagram) = client.poll() {
                if matches!(server.handle(now, &datagram), Event::Keys(_)) {
                    return assert!(lost);
                }
            }
            while let Some(datagram) = server.poll_transmit() {
                // The first flight with the certificate never arrives.
                if datagram.len() < 300 || std::mem::replace(&mut lost, true) {
                    client.read(now, &datagram);
                }
            }
            now += Duration::from_millis(100);
            server.handle_timeout(now);
        }
        panic!("the handshake never completed");
    }

    #[test]
    fn rubbish_before_a_handshake_is_dropped_and_does_not_spoil_it() {
        let now = Instant::now();
        let mut client = Client::new(&PROFILES);
        let mut server = Dtls::new(Certificate::generate().unwrap(), client.fingerprint.clone());
        for datagram in [&[22_u8, 254, 253][..], &[20; 40], &[23; 60]] {
            assert!(matches!(server.handle(now, datagram), Event::Dropped(_)));
        }
        client.begin(now);
        assert!(matches!(carry(now, &mut client, &mut server), Event::Keys(_)));
    }
}
