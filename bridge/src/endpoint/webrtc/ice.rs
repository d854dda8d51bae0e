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

    /// Takes a STUN datagram.
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
pub(super) mod tests;
