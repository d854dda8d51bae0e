//! SRTP keyed by SDES (RFC 4568, RFC 3711): the `crypto` attributes, and the contexts that they key.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rtc_srtp::context::Context;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;

/// One `a=crypto` line that this node can use. It never shows its key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Crypto {
    tag: u32,
    suite: Suite,
    /// Master key and master salt.
    key: [u8; 30],
    /// What stands before the tag of each packet that this key seals (master key identifier, RFC 3711 section 3.1); often empty.
    identifier: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suite {
    Sha80,
    Sha32,
}

impl Crypto {
    /// The first line that can be used: one key.
    pub(super) fn choose<'a>(mut lines: impl Iterator<Item = &'a str>) -> Option<Self> {
        lines.find_map(Self::read)
    }

    /// A fresh key of our own that answers `other`.
    pub(super) fn answer(other: &Self) -> Self {
        Self { tag: other.tag, suite: other.suite, key: fresh(), identifier: Vec::new() }
    }

    /// Our key as the answer to a line that was offered later; `None` when it is for another suite.
    pub(super) fn answering(&self, other: &Self) -> Option<Self> {
        (self.suite == other.suite).then(|| Self { tag: other.tag, ..self.clone() })
    }

    /// Fresh keys to offer, the longer tag first.
    pub(super) fn offer() -> Vec<Self> {
        let with = |(tag, suite)| Self { tag, suite, key: fresh(), identifier: Vec::new() };
        [(1, Suite::Sha80), (2, Suite::Sha32)].map(with).to_vec()
    }

    /// Of the keys that were offered the one that `answer` took up.
    pub(super) fn taken<'a>(offered: &'a [Self], answer: &Self) -> Option<&'a Self> {
        offered.iter().find(|offered| (offered.tag, offered.suite) == (answer.tag, answer.suite))
    }

    /// The value of the attribute, for SDP only.
    pub(super) fn value(&self) -> String {
        format!("{} {} inline:{}", self.tag, self.suite.name(), STANDARD.encode(self.key))
    }

    fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let tag = words.next()?.parse().ok()?;
        let suite = Suite::named(words.next()?)?;
        let inline = words.next()?.strip_prefix("inline:")?;
        // Session parameters change how packets look (RFC 4568, section 6.3); those that are known change nothing here.
        if words.any(|word| !word.starts_with("WSH=")) {
            return None;
        }
        let mut parts = inline.split('|');
        let key = STANDARD.decode(parts.next()?).ok()?.try_into().ok()?;
        let (mut identifier, mut lifetimes) = (Vec::new(), 0);
        for part in parts {
            match part.split_once(':') {
                Some((value, length)) if identifier.is_empty() => identifier = bytes(value, length)?,
                None if identifier.is_empty() && lifetimes == 0 && is_lifetime(part) => lifetimes += 1,
                Some(_) | None => return None,
            }
        }
        Some(Self { tag, suite, key, identifier })
    }

    fn context(&self) -> Option<Context> {
        let provider = rtc_srtp::crypto::default_provider().ok()?;
        let profile = match self.suite {
            Suite::Sha80 => ProtectionProfile::Aes128CmHmacSha1_80,
            Suite::Sha32 => ProtectionProfile::Aes128CmHmacSha1_32,
        };
        let (rtp, rtcp) = (srtp_replay_protection(REPLAY), srtcp_replay_protection(REPLAY));
        Context::new(&self.key[..16], &self.key[16..], profile, Some(rtp), Some(rtcp), provider.crypto()).ok()
    }
}

impl std::fmt::Debug for Crypto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.tag, self.suite.name())
    }
}

impl Suite {
    const fn name(self) -> &'static str {
        match self {
            Self::Sha80 => "AES_CM_128_HMAC_SHA1_80",
            Self::Sha32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// Bytes of the tag of RTP.
    const fn tag(self) -> usize {
        match self {
            Self::Sha80 => 10,
            Self::Sha32 => 4,
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Sha80, Self::Sha32].into_iter().find(|suite| suite.name() == name)
    }
}

/// Both directions of one m-line.
pub(super) struct Srtp {
    inbound: Context,
    outbound: Context,
    theirs: Crypto,
}

impl Srtp {
    /// With our key and the peer's.
    pub(super) fn new(ours: &Crypto, theirs: &Crypto) -> Option<Self> {
        Some(Self { inbound: theirs.context()?, outbound: ours.context()?, theirs: theirs.clone() })
    }

    /// The peer seals with another key from now on; nothing happens when it is the present one. False when it can't be used.
    pub(super) fn rekey(&mut self, theirs: &Crypto) -> bool {
        if self.theirs == *theirs {
            return true;
        }
        let Some(inbound) = theirs.context() else { return false };
        (self.inbound, self.theirs) = (inbound, theirs.clone());
        true
    }

    pub(super) fn seal(&mut self, packet: &[u8], is_rtcp: bool) -> Option<Vec<u8>> {
        let sealed = if is_rtcp { self.outbound.encrypt_rtcp(packet) } else { self.outbound.encrypt_rtp(packet) };
        Some(sealed.ok()?.to_vec())
    }

    /// `None` for what is forged, damaged or replayed.
    pub(super) fn open(&mut self, packet: &[u8], is_rtcp: bool) -> Option<Vec<u8>> {
        let bare = self.without_identifier(packet, is_rtcp)?;
        let opened = if is_rtcp { self.inbound.decrypt_rtcp(&bare) } else { self.inbound.decrypt_rtp(&bare) };
        Some(opened.ok()?.to_vec())
    }

    /// The identifier stands before the tag, and the tag does not cover it; `None` when it is another key's.
    fn without_identifier<'p>(&self, packet: &'p [u8], is_rtcp: bool) -> Option<Cow<'p, [u8]>> {
        let identifier = &self.theirs.identifier;
        if identifier.is_empty() {
            return Some(packet.into());
        }
        let end = packet.len().checked_sub(if is_rtcp { TAG_RTCP } else { self.theirs.suite.tag() })?;
        let start = end.checked_sub(identifier.len())?;
        (packet[start..end] == identifier[..]).then(|| [&packet[..start], &packet[end..]].concat().into())
    }
}

/// The packets for which the peer means to use its key (RFC 4568, section 6.1): it binds the peer alone, who then tells another
/// key in an offer.
fn is_lifetime(lifetime: &str) -> bool {
    match lifetime.strip_prefix("2^") {
        Some(power) => power.parse::<u32>().is_ok_and(|power| (1..=48).contains(&power)),
        None => lifetime.parse::<u64>().is_ok_and(|packets| (1..=1 << 48).contains(&packets)),
    }
}

/// A master key identifier: a number, and in how many bytes it is written, at most 128.
fn bytes(value: &str, length: &str) -> Option<Vec<u8>> {
    let length = length.parse().ok().filter(|length| (1..=128_usize).contains(length))?;
    let value = value.parse::<u128>().ok()?.to_be_bytes();
    let spare = value.len().saturating_sub(length);
    let fits = value[..spare].iter().all(|byte| *byte == 0);
    fits.then(|| [&vec![0; length.saturating_sub(value.len())][..], &value[spare..]].concat())
}

fn fresh() -> [u8; 30] {
    std::array::from_fn(|_| rand::random())
}

const REPLAY: usize = 128;
/// Bytes of the tag of RTCP in every suite (RFC 4568, section 6.2).
const TAG_RTCP: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    fn line(rest: &str) -> Option<Crypto> {
        Crypto::read(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}{rest}"))
    }

    #[test]
    fn lifetimes_and_identifiers_are_read_and_what_changes_packets_is_refused() {
        let fine =
            ["", "|2^48", "|2^20", "|2147483648", "|1:4", "|2^31|1:1", "|340282366920938463463374607431768211455:128"];
        assert!(fine.iter().all(|rest| line(rest).is_some()));
        let refused = [
            "|2^49",
            "|0",
            "|2^x",
            "|1:0",
            "|1:129",
            "|256:1",
            "|1:4|2^20",
            "|2^20|2^20",
            "|1:1|1:1",
            " UNENCRYPTED_SRTP",
        ];
        for rest in refused {
            assert_eq!(line(rest), None, "{rest}");
        }
        assert_eq!(line("|2^20|66051:4").unwrap().identifier, [0, 1, 2, 3]);
        assert!(Crypto::read("1 F8_128_HMAC_SHA1_80 inline:AA==").is_none());
        let two = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4;inline:{KEY}|2^20|2:4");
        assert_eq!(Crypto::read(&two), None, "two keys at a time");
    }

    #[test]
    fn a_packet_with_the_identifier_of_its_key_is_opened_and_one_with_another_is_not() {
        for (suite, tag) in [("AES_CM_128_HMAC_SHA1_80", 10), ("AES_CM_128_HMAC_SHA1_32", 4)] {
            let theirs = Crypto::read(&format!("1 {suite} inline:{KEY}|2^20|7:2")).unwrap();
            let ours = Crypto::answer(&theirs);
            assert!(!ours.value().contains('|'), "our packets carry none");
            let bare = Crypto { identifier: Vec::new(), ..theirs.clone() };
            let (mut node, mut terminal) = (Srtp::new(&ours, &theirs).unwrap(), Srtp::new(&bare, &ours).unwrap());
            for (plain, is_rtcp, tag) in
                [(packet(), false, tag), (crate::net::rtp::write_report(9, "a", None, None), true, 10)]
            {
                let mut sealed = terminal.seal(&plain, is_rtcp).unwrap();
                sealed.splice(sealed.len() - tag..sealed.len() - tag, [0, 8]);
                assert_eq!(node.open(&sealed, is_rtcp), None, "another key's");
                let place = sealed.len() - tag - 1;
                sealed[place] = 7;
                assert_eq!(node.open(&sealed, is_rtcp).as_deref(), Some(&plain[..]));
            }
            assert_eq!(node.open(&[0x80; 3], false), None);
        }
    }

    #[test]
    fn a_terminal_that_tells_another_key_is_understood_with_it_alone() {
        let [first, second] = [0, 1].map(|_| Crypto::offer().remove(0));
        let ours = Crypto::answer(&first);
        let (mut node, mut before) = (Srtp::new(&ours, &first).unwrap(), Srtp::new(&first, &ours).unwrap());
        let mut after = Srtp::new(&second, &ours).unwrap();
        assert!(node.rekey(&first) && node.open(&before.seal(&packet(), false).unwrap(), false).is_some());
        assert!(node.rekey(&second));
        assert!(node.open(&after.seal(&packet(), false).unwrap(), false).is_some());
        let mut late = packet();
        late[3] = 9;
        assert_eq!(node.open(&before.seal(&late, false).unwrap(), false), None);
        assert_eq!(ours.answering(&second).map(|ours| ours.value()), Some(ours.value()));
        assert_eq!(ours.answering(&Crypto::offer()[1]), None, "another suite");
    }

    fn packet() -> Vec<u8> {
        [&[0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9][..], b"sound"].concat()
    }

    #[test]
    fn what_one_end_seals_the_other_opens_once_and_nobody_else_does() {
        for offered in Crypto::offer() {
            let answer = Crypto::answer(&offered);
            let (mut ours, mut theirs) = (Srtp::new(&offered, &answer).unwrap(), Srtp::new(&answer, &offered).unwrap());
            let packet = packet();
            let sealed = ours.seal(&packet, false).unwrap();
            assert_eq!(theirs.open(&sealed, false).as_deref(), Some(&packet[..]));
            assert_eq!(theirs.open(&sealed, false), None, "a packet that was seen");
            let report = crate::net::rtp::write_report(9, "a", None, None);
            let sealed = ours.seal(&report, true).unwrap();
            assert_eq!(theirs.open(&sealed, true).as_deref(), Some(&report[..]));
            let mut forged = ours.seal(&packet, false).unwrap();
            forged[13] ^= 1;
            assert_eq!(theirs.open(&forged, false), None);
        }
    }
}
