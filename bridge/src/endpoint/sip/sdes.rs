//! SRTP keyed by SDES (RFC 4568, RFC 3711): the `crypto` attributes, and the contexts that they key.

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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suite {
    Sha80,
    Sha32,
}

impl Crypto {
    /// The first line that can be used: one key that is good for the call's life, without a master key identifier.
    pub(super) fn choose<'a>(mut lines: impl Iterator<Item = &'a str>) -> Option<Self> {
        lines.find_map(Self::read)
    }

    /// A fresh key of our own that answers `other`.
    pub(super) fn answer(other: &Self) -> Self {
        Self { key: fresh(), ..other.clone() }
    }

    /// Fresh keys to offer, the longer tag first.
    pub(super) fn offer() -> Vec<Self> {
        let with = |(tag, suite)| Self { tag, suite, key: fresh() };
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
        // A lifetime is longer than any hearing at 2^31 packets or more; a master key identifier would lengthen packets.
        let fine = parts.all(|part| !part.contains(':') && is_long(part));
        fine.then_some(Self { tag, suite, key })
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

    fn named(name: &str) -> Option<Self> {
        [Self::Sha80, Self::Sha32].into_iter().find(|suite| suite.name() == name)
    }
}

/// Both directions of one m-line.
pub(super) struct Srtp {
    inbound: Context,
    outbound: Context,
}

impl Srtp {
    /// With our key and the peer's.
    pub(super) fn new(ours: &Crypto, theirs: &Crypto) -> Option<Self> {
        Some(Self { inbound: theirs.context()?, outbound: ours.context()? })
    }

    pub(super) fn seal(&mut self, packet: &[u8], is_rtcp: bool) -> Option<Vec<u8>> {
        let sealed = if is_rtcp { self.outbound.encrypt_rtcp(packet) } else { self.outbound.encrypt_rtp(packet) };
        Some(sealed.ok()?.to_vec())
    }

    /// `None` for what is forged, damaged or replayed.
    pub(super) fn open(&mut self, packet: &[u8], is_rtcp: bool) -> Option<Vec<u8>> {
        let opened = if is_rtcp { self.inbound.decrypt_rtcp(packet) } else { self.inbound.decrypt_rtp(packet) };
        Some(opened.ok()?.to_vec())
    }
}

fn is_long(lifetime: &str) -> bool {
    match lifetime.strip_prefix("2^") {
        Some(power) => power.parse::<u32>().is_ok_and(|power| (31..=48).contains(&power)),
        None => lifetime.parse::<u64>().is_ok_and(|packets| packets >= 1 << 31),
    }
}

fn fresh() -> [u8; 30] {
    std::array::from_fn(|_| rand::random())
}

const REPLAY: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    fn line(rest: &str) -> Option<Crypto> {
        Crypto::read(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}{rest}"))
    }

    #[test]
    fn keys_with_a_long_life_are_taken_and_those_with_an_identifier_or_a_short_life_are_not() {
        assert!(["", "|2^48", "|2^31", "|2147483648"].iter().all(|rest| line(rest).is_some()));
        assert!(["|2^20", "|2^48|1:4", "|1:4", "|2^x", " UNENCRYPTED_SRTP"].iter().all(|rest| line(rest).is_none()));
        assert!(Crypto::read("1 F8_128_HMAC_SHA1_80 inline:AA==").is_none());
    }

    #[test]
    fn what_one_end_seals_the_other_opens_once_and_nobody_else_does() {
        for offered in Crypto::offer() {
            let answer = Crypto::answer(&offered);
            let (mut ours, mut theirs) = (Srtp::new(&offered, &answer).unwrap(), Srtp::new(&answer, &offered).unwrap());
            let packet = [&[0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9][..], b"sound"].concat();
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
