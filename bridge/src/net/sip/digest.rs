//! Digest access authentication (RFC 8760, RFC 7616) from the server's side. Nonces carry their own proof, so that whoever asks
//! for many costs no memory; which counts were used is kept for those that were answered rightly.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearing_config::{Digest, Timestamp};
use md5::Md5;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Challenges and verifies in one realm.
#[derive(Debug)]
pub struct Verifier {
    realm: String,
    /// The algorithms that are asked for, the preferred one first.
    asked: Vec<Digest>,
    key: [u8; 32],
    /// The highest count that was used with a nonce.
    used: HashMap<String, (u32, Instant)>,
}

/// The value of `Authorization` by which `user` answers a challenge for a request with this method and address, once; `None` when it
/// asks for an algorithm or a quality that is not known here.
#[must_use]
pub fn respond(challenge: &str, (user, password): (&str, &str), (method, uri): (&str, &str)) -> Option<String> {
    let asked = Answer::read(challenge)?;
    let qop = asked.qop.split(',').map(str::trim).find(|qop| *qop == "auth").unwrap_or(asked.qop);
    let (cnonce, nc) = (format!("{:016x}", rand::random::<u64>()), "00000001");
    let (realm, nonce, algorithm) =
        (asked.realm, asked.nonce, if asked.algorithm.is_empty() { "MD5" } else { asked.algorithm });
    let answer = Answer { user, realm, nonce, uri, response: "", algorithm, qop, cnonce: &cnonce, nc };
    let response = answer.expected(password, method)?;
    let quality = if qop.is_empty() { String::new() } else { format!(", qop={qop}, cnonce=\"{cnonce}\", nc={nc}") };
    Some(format!(
        "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
         algorithm={algorithm}{quality}"
    ))
}

/// Why a request is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// It carries no credentials, or those of an old nonce: ask again, nobody did wrong.
    Challenge {
        /// The nonce was ours and is too old or used up.
        stale: bool,
    },
    /// The answer is wrong.
    Wrong,
}

impl Verifier {
    /// For a realm; `asked` are the algorithms that are asked for, the preferred one first.
    #[must_use]
    pub fn new(realm: &str, asked: Vec<Digest>) -> Self {
        Self { realm: realm.to_owned(), asked, key: rand::random(), used: HashMap::new() }
    }

    /// The values of `WWW-Authenticate`, in the order of preference (RFC 7616, section 3.7).
    #[must_use]
    pub fn challenges(&self, now: Timestamp, stale: bool) -> Vec<String> {
        self.asked.iter().map(|algorithm| self.challenge(*algorithm, now, stale)).collect()
    }

    fn challenge(&self, algorithm: Digest, now: Timestamp, stale: bool) -> String {
        let (realm, nonce, stale) = (&self.realm, self.nonce(now), if stale { ", stale=true" } else { "" });
        let algorithm = match algorithm {
            Digest::Md5 => "MD5",
            Digest::Sha256 => "SHA-256",
        };
        format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}")
    }

    /// Believes the value of an `Authorization` header of a request with this method, or not. `secret` gives a user's password.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn verify(
        &mut self,
        (now, at): (Instant, Timestamp),
        method: &str,
        value: Option<&str>,
        secret: impl FnOnce(&str) -> Option<String>,
    ) -> Result<String, Denied> {
        let answer = value.and_then(Answer::read).ok_or(Denied::Challenge { stale: false })?;
        if answer.realm != self.realm || !self.is_ours(answer.nonce) {
            return Err(Denied::Challenge { stale: false });
        }
        // Whoever is in between could have asked for it.
        if answer.is_md5() && !self.asked.contains(&Digest::Md5) {
            return Err(Denied::Wrong);
        }
        let password = secret(answer.user).ok_or(Denied::Wrong)?;
        let expected = answer.expected(&password, method).ok_or(Denied::Wrong)?;
        if !bool::from(expected.as_bytes().ct_eq(answer.response.to_ascii_lowercase().as_bytes())) {
            return Err(Denied::Wrong);
        }
        if !self.is_fresh(answer.nonce, at) || !self.use_up(now, answer.nonce, answer.count()) {
            return Err(Denied::Challenge { stale: true });
        }
        Ok(answer.user.to_owned())
    }

    fn nonce(&self, now: Timestamp) -> String {
        let time = now.0.to_be_bytes();
        let salt: [u8; 8] = rand::random();
        let stamp = [&time[..], &salt[..]].concat();
        URL_SAFE_NO_PAD.encode([&stamp[..], &self.seal(&stamp)[..16]].concat())
    }

    fn seal(&self, stamp: &[u8]) -> [u8; 32] {
        // Fixed lengths on both sides: no other input has the same bytes.
        Sha256::new().chain_update(self.key).chain_update(stamp).chain_update(self.key).finalize().into()
    }

    fn is_ours(&self, nonce: &str) -> bool {
        let bytes = URL_SAFE_NO_PAD.decode(nonce).unwrap_or_default();
        bytes.len() == 32 && self.seal(&bytes[..16])[..16].ct_eq(&bytes[16..]).into()
    }

    fn is_fresh(&self, nonce: &str, now: Timestamp) -> bool {
        let bytes = URL_SAFE_NO_PAD.decode(nonce).unwrap_or_default();
        let issued = bytes.get(..8).and_then(|time| Some(i64::from_be_bytes(time.try_into().ok()?)));
        issued.is_some_and(|issued| (0..=FRESH.as_micros() as i64).contains(&(now.0 - issued)))
    }

    /// False when the count was used with the nonce already.
    fn use_up(&mut self, now: Instant, nonce: &str, count: u32) -> bool {
        self.used.retain(|_, (_, at)| now.saturating_duration_since(*at) < FRESH);
        let last = self.used.get(nonce).map_or(0, |(count, _)| *count);
        if count <= last || (last == 0 && self.used.len() >= USED_LIMIT) {
            return false;
        }
        self.used.insert(nonce.to_owned(), (count, now));
        true
    }
}

/// The fields of an `Authorization` header.
#[derive(Debug, Default)]
struct Answer<'a> {
    user: &'a str,
    realm: &'a str,
    nonce: &'a str,
    uri: &'a str,
    response: &'a str,
    algorithm: &'a str,
    qop: &'a str,
    cnonce: &'a str,
    nc: &'a str,
}

impl<'a> Answer<'a> {
    fn read(value: &'a str) -> Option<Self> {
        let (scheme, mut rest) = value.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("digest") || value.len() > VALUE_LIMIT {
            return None;
        }
        let mut answer = Self::default();
        while let Some((name, after)) = rest.split_once('=') {
            let after = after.trim_start();
            let (word, left) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_at(after.find(',').unwrap_or(after.len())),
            };
            answer.take(name.trim(), word.trim());
            rest = left.trim_start().trim_start_matches(',');
        }
        Some(answer)
    }

    fn take(&mut self, name: &str, word: &'a str) {
        let known: [(&str, &mut &'a str); 9] = [
            ("username", &mut self.user),
            ("realm", &mut self.realm),
            ("nonce", &mut self.nonce),
            ("uri", &mut self.uri),
            ("response", &mut self.response),
            ("algorithm", &mut self.algorithm),
            ("qop", &mut self.qop),
            ("cnonce", &mut self.cnonce),
            ("nc", &mut self.nc),
        ];
        for (known, place) in known {
            if known.eq_ignore_ascii_case(name) {
                *place = word;
            }
        }
    }

    /// The weakest of the algorithms, and the one that is meant when none is named.
    fn is_md5(&self) -> bool {
        self.algorithm.is_empty() || self.algorithm.eq_ignore_ascii_case("MD5")
    }

    /// Without a count it is the first and only use.
    fn count(&self) -> u32 {
        u32::from_str_radix(self.nc, 16).unwrap_or(u32::from(self.qop.is_empty()))
    }

    /// The right answer; `None` for an algorithm or a quality that was not offered.
    fn expected(&self, password: &str, method: &str) -> Option<String> {
        let hash: fn(&str) -> String = match self.algorithm.to_ascii_uppercase().as_str() {
            "" | "MD5" => |text| hex(&Md5::digest(text)),
            "SHA-256" => |text| hex(&Sha256::digest(text)),
            _ => return None,
        };
        let who = hash(&format!("{}:{}:{password}", self.user, self.realm));
        let what = hash(&format!("{method}:{}", self.uri));
        match self.qop {
            "" => Some(hash(&format!("{who}:{}:{what}", self.nonce))),
            "auth" => Some(hash(&format!("{who}:{}:{}:{}:auth:{what}", self.nonce, self.nc, self.cnonce))),
            _ => None,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How long a nonce is good.
const FRESH: Duration = Duration::from_secs(120);
/// Nonces in use at a time.
const USED_LIMIT: usize = 4_096;
const VALUE_LIMIT: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp(1_800_000_000_000_000);

    fn verifier() -> Verifier {
        Verifier::new("court", vec![Digest::Sha256, Digest::Md5])
    }

    fn nonce(challenge: &str) -> &str {
        challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap()
    }

    fn answer(challenge: &str, password: &str, nc: &str) -> String {
        let algorithm = if challenge.contains("SHA-256") { "SHA-256" } else { "MD5" };
        let nonce = nonce(challenge);
        let fields = Answer {
            user: "room3",
            realm: "court",
            nonce,
            uri: "sip:court",
            algorithm,
            qop: "auth",
            cnonce: "c",
            nc,
            response: "",
        };
        let response = fields.expected(password, "REGISTER").unwrap();
        format!(
            "Digest username=\"room3\", realm=\"court\", nonce=\"{nonce}\", uri=\"sip:court\", response=\"{response}\", \
             algorithm={algorithm}, qop=auth, cnonce=\"c\", nc={nc}"
        )
    }

    fn verify(verifier: &mut Verifier, at: Timestamp, value: &str) -> Result<String, Denied> {
        let secret = |user: &str| (user == "room3").then(|| "secret".to_owned());
        verifier.verify((Instant::now(), at), "REGISTER", Some(value), secret)
    }

    #[test]
    fn both_algorithms_are_believed_and_counts_beyond_nine_too() {
        let mut verifier = self::verifier();
        for algorithm in [Digest::Md5, Digest::Sha256] {
            for nc in ["00000001", "0000000a", "00000100"] {
                let challenge = verifier.challenge(algorithm, AT, false);
                assert_eq!(verify(&mut verifier, AT, &answer(&challenge, "secret", nc)), Ok("room3".to_owned()));
            }
        }
    }

    #[test]
    fn what_answers_a_challenge_is_believed_and_what_is_not_known_is_not_answered() {
        let mut verifier = self::verifier();
        for algorithm in [Digest::Md5, Digest::Sha256] {
            let challenge = verifier.challenge(algorithm, AT, false);
            let value = respond(&challenge, ("room3", "secret"), ("REGISTER", "sip:court")).unwrap();
            assert_eq!(verify(&mut verifier, AT, &value), Ok("room3".to_owned()));
            let guess = respond(&challenge, ("room3", "guess"), ("REGISTER", "sip:court")).unwrap();
            assert_eq!(verify(&mut verifier, AT, &guess), Err(Denied::Wrong));
        }
        let strange = verifier.challenge(Digest::Md5, AT, false).replace("MD5", "SHA-512");
        assert_eq!(respond(&strange, ("room3", "secret"), ("REGISTER", "sip:court")), None);
    }

    #[test]
    fn the_preferred_algorithm_stands_first_and_a_weaker_one_than_was_asked_for_is_not_believed() {
        let offered = verifier().challenges(AT, false);
        assert!(offered.len() == 2 && offered[0].contains("SHA-256") && offered[1].contains("MD5"), "{offered:?}");
        let mut strict = Verifier::new("court", vec![Digest::Sha256]);
        let challenge = strict.challenge(Digest::Sha256, AT, false);
        let weak = answer(&challenge.replace("SHA-256", "MD5"), "secret", "00000001");
        assert_eq!(verify(&mut strict, AT, &weak), Err(Denied::Wrong));
        let unnamed = weak.replace("algorithm=MD5, ", "");
        assert_eq!(verify(&mut strict, AT, &unnamed), Err(Denied::Wrong));
        assert!(verify(&mut strict, AT, &answer(&challenge, "secret", "00000001")).is_ok());
        // Better than asked for is good.
        let mut old = Verifier::new("court", vec![Digest::Md5]);
        let strong = answer(&old.challenge(Digest::Sha256, AT, false), "secret", "00000001");
        assert!(verify(&mut old, AT, &strong).is_ok());
    }

    #[test]
    fn an_answer_that_was_used_is_not_believed_again() {
        let mut verifier = self::verifier();
        let value = answer(&verifier.challenge(Digest::Md5, AT, false), "secret", "00000001");
        assert!(verify(&mut verifier, AT, &value).is_ok());
        assert_eq!(verify(&mut verifier, AT, &value), Err(Denied::Challenge { stale: true }));
    }

    #[test]
    fn an_old_nonce_is_asked_for_anew_and_a_foreign_one_too() {
        let mut verifier = self::verifier();
        let value = answer(&verifier.challenge(Digest::Md5, AT, false), "secret", "00000001");
        assert_eq!(verify(&mut verifier, AT.plus(121_000_000), &value), Err(Denied::Challenge { stale: true }));
        let foreign = answer(&self::verifier().challenge(Digest::Md5, AT, false), "secret", "00000001");
        assert_eq!(verify(&mut verifier, AT, &foreign), Err(Denied::Challenge { stale: false }));
    }

    #[test]
    fn a_wrong_password_and_an_unknown_user_are_wrong() {
        let mut verifier = self::verifier();
        let value = answer(&verifier.challenge(Digest::Md5, AT, false), "guess", "00000001");
        assert_eq!(verify(&mut verifier, AT, &value), Err(Denied::Wrong));
        let other = answer(&verifier.challenge(Digest::Md5, AT, false), "secret", "00000001").replace("room3", "room4");
        assert_eq!(verify(&mut verifier, AT, &other), Err(Denied::Wrong));
    }
}
