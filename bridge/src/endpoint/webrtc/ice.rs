//! The lite half of ICE (RFC 8445 section 2.5): answers checks whose integrity holds, follows the latest nomination, and
//! follows restarts. Inbound checks are the peer's consent to receive (RFC 7675); who counts them is the pulse.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::Rng;
use rtc_srtp::crypto::RTCCryptoProvider;
use rtc_stun::attributes::{ATTR_FINGERPRINT, ATTR_ICE_CONTROLLED, ATTR_MESSAGE_INTEGRITY, ATTR_USE_CANDIDATE};
use rtc_stun::attributes::{ATTR_PRIORITY, ATTR_USERNAME, AttrType, RawAttribute};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message, Setter, TransactionId};
use rtc_stun::textattrs::TextAttribute;
use rtc_stun::xoraddr::XorMappedAddress;

use crate::router::Path;

/// A user fragment and its password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) ufrag: String,
    pub(super) pwd: String,
}

impl Credentials {
    /// New ones: 48 bits of name, 144 bits of secret.
    pub(super) fn random() -> Self {
        Self { ufrag: letters(8), pwd: letters(24) }
    }
}

/// The state of one session's ICE.
pub(super) struct Ice {
    /// Those in force, and before them those of before a restart until the client has chosen a path with the new ones.
    generations: Vec<Generation>,
    provider: Arc<dyn RTCCryptoProvider>,
    paths: Vec<Path>,
    selected: Option<Path>,
    nominated: bool,
    /// A path on which the client was heard and not checked yet, and our own check of it.
    probe: Option<Probe>,
}

/// A check of ours that awaits its answer.
struct Probe {
    path: Path,
    transaction: TransactionId,
    sent: Instant,
}

/// The credentials between two restarts.
struct Generation {
    local: Credentials,
    remote: Credentials,
    /// The USERNAME of the client's requests.
    username: String,
}

impl Generation {
    fn new(local: Credentials, remote: Credentials) -> Self {
        let username = format!("{}:{}", local.ufrag, remote.ufrag);
        Self { local, remote, username }
    }
}

/// The answer to a check.
#[derive(Debug)]
pub(super) struct Reply {
    /// What to send back on the check's own path.
    pub(super) response: Bytes,
    /// True when the path passed its first check.
    pub(super) new: bool,
}

impl Ice {
    pub(super) fn new(local: Credentials, remote: Credentials, provider: Arc<dyn RTCCryptoProvider>) -> Self {
        let generations = vec![Generation::new(local, remote)];
        Self { generations, provider, paths: Vec::new(), selected: None, nominated: false, probe: None }
    }

    /// The client begins anew. Until it nominates a path with the new credentials, the old path and the old credentials hold
    /// (RFC 8445 section 9).
    pub(super) fn restart(&mut self, local: Credentials, remote: Credentials) {
        let last = self.generations.len() - 1;
        self.generations.drain(..last);
        self.generations.push(Generation::new(local, remote));
        self.nominated = false;
    }

    /// The path to send on: the one nominated last, before any nomination the one that passed a check last.
    pub(super) const fn selected(&self) -> Option<Path> {
        self.selected
    }

    /// True when the path passed a check.
    pub(super) fn knows(&self, path: Path) -> bool {
        self.paths.contains(&path)
    }

    /// CodecSet a STUN datagram.
    ///
    /// # Errors
    ///
    /// Why it is dropped, as a metric's label.
    pub(super) fn handle(&mut self, path: Path, datagram: &[u8]) -> Result<Option<Reply>, &'static str> {
        let mut request = Message::new();
        request.write(datagram).map_err(|_| "stun_malformed")?;
        if request.typ == BINDING_SUCCESS {
            return self.answered(path, &mut request).map(|()| None);
        }
        if request.typ != BINDING_REQUEST {
            return Err("stun_unexpected");
        }
        let generation = self.verify(&mut request)?;
        let present = generation + 1 == self.generations.len();
        let nominates = before_integrity(&request, ATTR_USE_CANDIDATE);
        let pwd = self.generations[generation].local.pwd.clone();
        let response = self.respond(&request, path, pwd).ok_or("stun_malformed")?;
        let new = !self.knows(path);
        if new {
            self.remember(path);
        }
        if nominates || !self.nominated {
            self.selected = Some(path);
        }
        if present && nominates {
            self.nominated = true;
            self.generations.drain(..generation);
        }
        Ok(Some(Reply { response, new }))
    }

    /// The generation whose credentials the request has.
    /// The client was heard, by a packet that only it can have made, on a path that it has not checked: a translator of addresses has given
    /// it another port. Its own next check may be 2.5 s away, so we ask: whoever answers with the client's password is there and takes what
    /// we send (a full peer answers checks, RFC 8445 section 7.3). The answer is the check to send, if it is time for one.
    pub(super) fn probe(&mut self, now: Instant, path: Path) -> Option<Bytes> {
        let recent = |probe: &Probe| now.saturating_duration_since(probe.sent) < PROBE_PAUSE;
        if self.knows(path) || self.probe.as_ref().is_some_and(recent) {
            return None;
        }
        let Generation { local, remote, .. } = self.generations.last()?;
        let transaction = TransactionId::new();
        let username = TextAttribute::new(ATTR_USERNAME, format!("{}:{}", remote.ufrag, local.ufrag));
        let number = |typ: AttrType, value: Vec<u8>| RawAttribute { typ, length: value.len() as u16, value };
        let integrity =
            MessageIntegrity::new_short_term_integrity_with_provider(remote.pwd.clone(), self.provider.crypto());
        let mut request = Message::new();
        request
            .build(&[
                Box::new(BINDING_REQUEST),
                Box::new(transaction),
                Box::new(username),
                Box::new(Raw(number(ATTR_PRIORITY, PROBE_PRIORITY.to_be_bytes().to_vec()))),
                Box::new(Raw(number(ATTR_ICE_CONTROLLED, rand::rng().random::<u64>().to_be_bytes().to_vec()))),
                Box::new(integrity),
                Box::new(FINGERPRINT),
            ])
            .ok()?;
        self.probe = Some(Probe { path, transaction, sent: now });
        Some(Bytes::from(request.raw))
    }

    /// The client's answer to our check: the path is good.
    fn answered(&mut self, path: Path, response: &mut Message) -> Result<(), &'static str> {
        let ours = |probe: &Probe| probe.path == path && probe.transaction == response.transaction_id;
        if !self.probe.as_ref().is_some_and(ours) {
            return Err("stun_unexpected");
        }
        let pwd = self.generations.last().map(|generation| generation.remote.pwd.as_bytes()).unwrap_or_default();
        MessageIntegrity::check(response, pwd, self.provider.crypto()).map_err(|_| "stun_integrity")?;
        self.probe = None;
        self.remember(path);
        self.selected = Some(path);
        Ok(())
    }

    fn verify(&self, request: &mut Message) -> Result<usize, &'static str> {
        let username = request.get(ATTR_USERNAME).map_err(|_| "stun_username")?;
        let of = |generation: &Generation| generation.username.as_bytes() == username;
        let generation = self.generations.iter().position(of).ok_or("stun_username")?;
        if FINGERPRINT.check(request).is_err() {
            return Err("stun_fingerprint");
        }
        let pwd = &self.generations[generation].local.pwd;
        MessageIntegrity::check(request, pwd.as_bytes(), self.provider.crypto()).map_err(|_| "stun_integrity")?;
        // A lite agent never controls, so a peer that wants to be controlled cannot be answered.
        if before_integrity(request, ATTR_ICE_CONTROLLED) { Err("stun_role") } else { Ok(generation) }
    }

    fn respond(&self, request: &Message, path: Path, pwd: String) -> Option<Bytes> {
        let integrity = MessageIntegrity::new_short_term_integrity_with_provider(pwd, self.provider.crypto());
        let mut response = Message::new();
        response
            .build(&[
                Box::new(BINDING_SUCCESS),
                Box::new(request.transaction_id),
                Box::new(XorMappedAddress { ip: path.remote.ip().to_canonical(), port: path.remote.port() }),
                Box::new(integrity),
                Box::new(FINGERPRINT),
            ])
            .ok()?;
        Some(Bytes::from(response.raw))
    }

    fn remember(&mut self, path: Path) {
        if self.paths.len() >= PATHS {
            let oldest = self.paths.iter().position(|known| Some(*known) != self.selected).unwrap_or(0);
            self.paths.remove(oldest);
        }
        self.paths.push(path);
    }
}

/// True when the attribute is there and its integrity is protected: what follows MESSAGE-INTEGRITY is not (RFC 8489 section 14.5).
fn before_integrity(message: &Message, wanted: AttrType) -> bool {
    let attributes = message.attributes.0.iter().map(|attribute| attribute.typ);
    attributes.take_while(|typ| *typ != ATTR_MESSAGE_INTEGRITY && *typ != ATTR_FINGERPRINT).any(|typ| typ == wanted)
}

/// An attribute written as it is.
struct Raw(RawAttribute);

impl Setter for Raw {
    fn add_to(&self, message: &mut Message) -> rtc_shared::error::Result<()> {
        message.add(self.0.typ, &self.0.value);
        Ok(())
    }
}

fn letters(count: usize) -> String {
    let mut rng = rand::rng();
    (0..count).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
}

/// Of the characters that ICE allows (RFC 8839 section 5.4), 64 that need no escaping anywhere.
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Between two checks of ours.
const PROBE_PAUSE: Duration = Duration::from_millis(50);
/// Of a peer-reflexive candidate (RFC 8445 section 5.1.2.1); nobody compares it.
const PROBE_PRIORITY: u32 = (110 << 24) + (65_535 << 8) + 255;
/// More paths than a client has addresses; the oldest is forgotten.
const PATHS: usize = 16;

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::router::Transport;

    struct Flag(AttrType);

    impl Setter for Flag {
        fn add_to(&self, message: &mut Message) -> rtc_shared::error::Result<()> {
            RawAttribute { typ: self.0, length: 0, value: Vec::new() }.add_to(message)
        }
    }

    /// A check as a browser sends it.
    pub(in crate::endpoint::webrtc) fn check(username: &str, pwd: &str, nominate: bool) -> Vec<u8> {
        let provider = rtc_srtp::crypto::default_provider().unwrap();
        let mut setters: Vec<Box<dyn Setter>> = vec![
            Box::new(BINDING_REQUEST),
            Box::new(TransactionId::new()),
            Box::new(TextAttribute::new(ATTR_USERNAME, username.to_owned())),
        ];
        if nominate {
            setters.push(Box::new(Flag(ATTR_USE_CANDIDATE)));
        }
        let mut message = Message::new();
        message.build(&setters).unwrap();
        MessageIntegrity::new_short_term_integrity_with_provider(pwd.to_owned(), provider.crypto())
            .add_to(&mut message)
            .unwrap();
        FINGERPRINT.add_to(&mut message).unwrap();
        message.raw
    }

    pub(in crate::endpoint::webrtc) fn path(port: u16) -> Path {
        Path { remote: ([192, 0, 2, 1], port).into(), transport: Transport::Udp }
    }

    fn remote(ufrag: &str) -> Credentials {
        Credentials { ufrag: ufrag.to_owned(), pwd: "c".repeat(24) }
    }

    fn ice() -> Ice {
        let local = Credentials { ufrag: "server".to_owned(), pwd: "s".repeat(24) };
        Ice::new(local, remote("client"), rtc_srtp::crypto::default_provider().unwrap())
    }

    #[test]
    fn a_valid_check_is_answered_with_the_address_it_came_from() {
        let mut ice = ice();
        let reply = ice.handle(path(7), &check("server:client", &"s".repeat(24), false)).unwrap().unwrap();
        let mut response = Message::new();
        response.write(&reply.response).unwrap();
        assert_eq!(response.typ, BINDING_SUCCESS);
        let mut mapped = XorMappedAddress::default();
        rtc_stun::message::Getter::get_from(&mut mapped, &response).unwrap();
        assert_eq!((mapped.ip, mapped.port), (path(7).remote.ip(), 7));
        FINGERPRINT.check(&response).unwrap();
        let provider = rtc_srtp::crypto::default_provider().unwrap();
        MessageIntegrity::check(&mut response, "s".repeat(24).as_bytes(), provider.crypto()).unwrap();
        assert!(reply.new);
    }

    #[test]
    fn wrong_integrity_is_dropped() {
        let mut ice = ice();
        let forged = check("server:client", &"x".repeat(24), true);
        assert_eq!(ice.handle(path(7), &forged).unwrap_err(), "stun_integrity");
        assert_eq!(ice.selected(), None);
    }

    #[test]
    fn a_foreign_username_is_dropped() {
        let foreign = check("server:other", &"s".repeat(24), true);
        assert_eq!(ice().handle(path(7), &foreign).unwrap_err(), "stun_username");
    }

    #[test]
    fn the_latest_nomination_wins_and_plain_checks_do_not_move_it() {
        let mut ice = ice();
        let (plain, nominating) =
            (check("server:client", &"s".repeat(24), false), check("server:client", &"s".repeat(24), true));
        ice.handle(path(1), &plain).unwrap();
        assert_eq!(ice.selected(), Some(path(1)));
        ice.handle(path(2), &nominating).unwrap();
        ice.handle(path(1), &plain).unwrap();
        assert_eq!(ice.selected(), Some(path(2)));
        ice.handle(path(3), &nominating).unwrap();
        assert_eq!(ice.selected(), Some(path(3)));
    }

    #[test]
    fn after_a_restart_the_old_path_holds_until_the_client_nominates_with_the_new_credentials() {
        let mut ice = ice();
        let old = |nominate| check("server:client", &"s".repeat(24), nominate);
        let new = |nominate| check("again:client2", &"n".repeat(24), nominate);
        ice.handle(path(1), &old(true)).unwrap();
        ice.restart(Credentials { ufrag: "again".to_owned(), pwd: "n".repeat(24) }, remote("client2"));
        assert_eq!(ice.selected(), Some(path(1)));
        ice.handle(path(1), &old(false)).unwrap();
        ice.handle(path(2), &new(false)).unwrap();
        assert_eq!(ice.selected(), Some(path(2)), "before a nomination the last checked path is the best guess");
        ice.handle(path(3), &new(true)).unwrap();
        assert_eq!(ice.selected(), Some(path(3)));
        assert_eq!(ice.handle(path(1), &old(true)).unwrap_err(), "stun_username");
        assert_eq!(ice.selected(), Some(path(3)));
    }

    /// The answer of one who has this password.
    pub(in crate::endpoint::webrtc) fn answer_to(probe: &[u8], pwd: &str) -> Vec<u8> {
        let mut request = Message::new();
        request.write(probe).unwrap();
        let provider = rtc_srtp::crypto::default_provider().unwrap();
        let mut response = Message::new();
        response.build(&[Box::new(BINDING_SUCCESS), Box::new(request.transaction_id)]).unwrap();
        MessageIntegrity::new_short_term_integrity_with_provider(pwd.to_owned(), provider.crypto())
            .add_to(&mut response)
            .unwrap();
        FINGERPRINT.add_to(&mut response).unwrap();
        response.raw
    }

    #[test]
    fn a_path_on_which_the_client_answers_our_check_is_taken_and_no_other() {
        let (mut ice, now) = (ice(), Instant::now());
        ice.handle(path(1), &check("server:client", &"s".repeat(24), true)).unwrap();
        assert_eq!(ice.probe(now, path(1)), None, "a known path needs no check");
        let probe = ice.probe(now, path(2)).unwrap();
        assert_eq!(ice.probe(now, path(2)), None, "not one for every packet");
        let (good, bad) = (answer_to(&probe, &"c".repeat(24)), answer_to(&probe, &"x".repeat(24)));
        assert_eq!(ice.handle(path(3), &good).unwrap_err(), "stun_unexpected");
        assert_eq!(ice.handle(path(2), &bad).unwrap_err(), "stun_integrity");
        assert_eq!(ice.selected(), Some(path(1)));
        assert!(ice.handle(path(2), &good).unwrap().is_none());
        assert_eq!((ice.selected(), ice.knows(path(2))), (Some(path(2)), true));
        assert_eq!(ice.handle(path(2), &good).unwrap_err(), "stun_unexpected", "an answer counts once");
    }

    #[test]
    fn restarts_without_end_keep_two_generations() {
        let mut ice = ice();
        for n in 0..100 {
            ice.restart(Credentials { ufrag: format!("u{n}"), pwd: "n".repeat(24) }, remote("client"));
        }
        assert_eq!(ice.generations.len(), 2);
        ice.handle(path(1), &check("u99:client", &"n".repeat(24), true)).unwrap();
        assert_eq!(ice.generations.len(), 1);
    }

    #[test]
    fn a_nomination_outside_the_integrity_is_not_believed() {
        let mut ice = ice();
        ice.handle(path(1), &check("server:client", &"s".repeat(24), true)).unwrap();
        let mut message = Message::new();
        message.write(&check("server:client", &"s".repeat(24), false)).unwrap();
        message.attributes.0.retain(|attribute| attribute.typ != ATTR_FINGERPRINT);
        let attributes = message.attributes.clone();
        let mut appended = Message { typ: message.typ, transaction_id: message.transaction_id, ..Message::new() };
        appended.write_header();
        for attribute in &attributes.0 {
            appended.add(attribute.typ, &attribute.value);
        }
        Flag(ATTR_USE_CANDIDATE).add_to(&mut appended).unwrap();
        FINGERPRINT.add_to(&mut appended).unwrap();
        let _ = ice.handle(path(2), &appended.raw);
        assert_eq!(ice.selected(), Some(path(1)));
    }

    #[test]
    fn paths_are_bounded_and_the_selected_one_is_kept() {
        let mut ice = ice();
        ice.handle(path(1), &check("server:client", &"s".repeat(24), true)).unwrap();
        for port in 2..100 {
            ice.handle(path(port), &check("server:client", &"s".repeat(24), false)).unwrap();
        }
        assert!(ice.knows(path(1)));
        assert_eq!(ice.paths.len(), PATHS);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_handled_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), cookie: bool) {
            if cookie && bytes.len() >= 20 {
                let len = (bytes.len() - 20) as u16;
                bytes[..2].copy_from_slice(&[0, 1]);
                bytes[2..4].copy_from_slice(&len.to_be_bytes());
                bytes[4..8].copy_from_slice(&0x2112_a442_u32.to_be_bytes());
            }
                let _ = ice().handle(path(1), &bytes);
        }

        #[test]
        fn a_damaged_check_is_handled_without_panic(at in 0_usize..88, value: u8) {
            let mut bytes = check("server:client", &"s".repeat(24), true);
            let at = at % bytes.len();
            bytes[at] = value;
                let _ = ice().handle(path(1), &bytes);
        }
    }
}
