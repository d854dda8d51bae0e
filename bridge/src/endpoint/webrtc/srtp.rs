//! SRTP and SRTCP of one session (RFC 3711, RFC 7714) over the contexts of `rtc-srtp`.

mod cipher;
mod open;

use bytes::{Bytes, BytesMut};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_srtp::config::{Config, LABEL_EXTRACTOR_DTLS_SRTP, SessionKeys};
use rtc_srtp::context::Context;
use rtc_srtp::crypto::RTCCryptoProvider;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;
use std::collections::HashSet;
use std::sync::Arc;

use super::rtp::Header;
use cipher::Cipher;
pub(super) use cipher::TAG;
use open::Opener;

/// The profiles that sessions accept, the best first.
pub(super) const PROFILES: [SrtpProtectionProfile; 3] = [
    SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
    SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
];

/// What DTLS exports keys with.
pub(super) const LABEL: &str = LABEL_EXTRACTOR_DTLS_SRTP;

/// Protects what is sent and opens what comes.
pub(super) struct Srtp {
    outbound: Context,
    /// There with AES-GCM.
    sealer: Option<Cipher>,
    inbound: Context,
    /// Likewise, for RTP; the context is then for RTCP alone.
    opener: Option<Opener>,
    /// Sources that proved to hold the keys. Only they have state in `inbound`, so forged sources cost no memory.
    known: HashSet<u32>,
    keys: SessionKeys,
    profile: ProtectionProfile,
    provider: Arc<dyn RTCCryptoProvider>,
}

/// Why a packet was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Forged, damaged or replayed.
    Forged,
    /// The peer uses more sources than any client needs.
    Sources,
}

impl Srtp {
    /// Makes the contexts from what DTLS exported; `None` when the profile is none of ours or the material does not fit.
    pub(super) fn new(
        profile: SrtpProtectionProfile,
        provider: &Arc<dyn RTCCryptoProvider>,
        export: impl FnOnce(usize) -> Option<Vec<u8>>,
    ) -> Option<Self> {
        let profile = match profile {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => ProtectionProfile::AeadAes128Gcm,
            SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm => ProtectionProfile::AeadAes256Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
            _ => return None,
        };
        let mut config = Config { profile, ..Config::default() };
        let material = export(config.keying_material_len())?;
        config.set_session_keys_from_keying_material(&material, false).ok()?;
        let keys = config.keys;
        let outbound =
            Context::new(&keys.local_master_key, &keys.local_master_salt, profile, None, None, provider.crypto())
                .ok()?;
        let inbound = inbound(&keys, profile, provider)?;
        // The salt of the other profiles is longer.
        let sealer = Cipher::new(provider.crypto(), &keys.local_master_key, &keys.local_master_salt);
        let opener = Cipher::new(provider.crypto(), &keys.remote_master_key, &keys.remote_master_salt).map(Opener::new);
        let provider = Arc::clone(provider);
        Some(Self { outbound, sealer, inbound, opener, known: HashSet::new(), keys, profile, provider })
    }

    /// True when packets can be protected where they stand, by [`Self::seal_in_place`].
    pub(super) const fn seals_in_place(&self) -> bool {
        self.sealer.is_some()
    }

    /// Protects the RTP packet `packet` of which the first `header` bytes are its header and the last [`TAG`] are free.
    pub(super) fn seal_in_place(&mut self, packet: &mut [u8], header: usize, ssrc: u32, index: u64) -> Option<()> {
        self.sealer.as_mut()?.seal(packet, header, ssrc, index)
    }

    /// Protects an RTP packet whose header takes `header` bytes.
    pub(super) fn seal(&mut self, plain: &[u8], ssrc: u32, sequence: u16, header: usize) -> Option<BytesMut> {
        self.outbound.encrypt_rtp_with_header(plain, &outline(ssrc, sequence, header)).ok()
    }

    /// Protects an RTCP packet.
    pub(super) fn seal_rtcp(&mut self, plain: &[u8]) -> Option<BytesMut> {
        self.outbound.encrypt_rtcp(plain).ok()
    }

    /// Opens an RTP packet: its header, and its payload without the tag.
    pub(super) fn open(&mut self, packet: &[u8], header: &Header) -> Result<Bytes, Refused> {
        if let Some(opener) = &mut self.opener {
            let opened =
                opener.open(packet, header, self.known.len() < SOURCES || self.known.contains(&header.ssrc))?;
            self.known.insert(header.ssrc);
            return Ok(opened);
        }
        let outline = outline(header.ssrc, header.sequence, header.len);
        self.admit(header.ssrc, |context| context.decrypt_rtp_with_header(packet, &outline).is_ok())?;
        self.inbound.decrypt_rtp_with_header(packet, &outline).map(BytesMut::freeze).map_err(|_| Refused::Forged)
    }

    /// True for a packet of a source that has proved itself; whether this one is genuine is not known yet.
    pub(super) fn knows(&self, packet: &[u8]) -> bool {
        let at = if matches!(packet.get(1), Some(192..=223)) { 4 } else { 8 };
        let ssrc = packet.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        ssrc.is_some_and(|ssrc| self.known.contains(&ssrc))
    }

    /// Opens an RTCP packet.
    pub(super) fn open_rtcp(&mut self, packet: &[u8]) -> Result<BytesMut, Refused> {
        let ssrc = packet.get(4..8).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        self.admit(ssrc.ok_or(Refused::Forged)?, |context| context.decrypt_rtcp(packet).is_ok())?;
        self.inbound.decrypt_rtcp(packet).map_err(|_| Refused::Forged)
    }

    /// A source that was never heard is tried on contexts that are thrown away.
    fn admit(&mut self, ssrc: u32, opens: impl FnOnce(&mut Context) -> bool) -> Result<(), Refused> {
        if self.known.contains(&ssrc) {
            return Ok(());
        }
        let mut trial = inbound(&self.keys, self.profile, &self.provider).ok_or(Refused::Forged)?;
        if !opens(&mut trial) {
            return Err(Refused::Forged);
        }
        if self.known.len() >= SOURCES {
            return Err(Refused::Sources);
        }
        self.known.insert(ssrc);
        Ok(())
    }
}

fn inbound(keys: &SessionKeys, profile: ProtectionProfile, provider: &Arc<dyn RTCCryptoProvider>) -> Option<Context> {
    let (rtp, rtcp) = (srtp_replay_protection(WINDOW), srtcp_replay_protection(WINDOW));
    let (key, salt) = (&keys.remote_master_key, &keys.remote_master_salt);
    Context::new(key, salt, profile, Some(rtp), Some(rtcp), provider.crypto()).ok()
}

/// As much of a header as the contexts use: source, sequence number and size.
fn outline(ssrc: u32, sequence_number: u16, len: usize) -> rtc_rtp::header::Header {
    rtc_rtp::header::Header {
        version: 2,
        ssrc,
        sequence_number,
        extension: len > 12,
        extensions_padding: len.saturating_sub(16),
        ..rtc_rtp::header::Header::default()
    }
}

/// Packets by which a packet may be late.
const WINDOW: usize = 1024;
/// Three simulcast layers of camera and screen with RTX, sound, and restarts of them all.
const SOURCES: usize = 64;

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::endpoint::webrtc::rtp::Write;

    /// Two ends that hold the same keys; `swapped` makes the client's end.
    pub(in crate::endpoint::webrtc) fn pair(profile: SrtpProtectionProfile) -> (Srtp, Srtp) {
        let provider = rtc_srtp::crypto::default_provider().unwrap();
        let server = Srtp::new(profile, &provider, |len| Some((0..len as u8).collect())).unwrap();
        let keys = SessionKeys {
            local_master_key: server.keys.remote_master_key.clone(),
            local_master_salt: server.keys.remote_master_salt.clone(),
            remote_master_key: server.keys.local_master_key.clone(),
            remote_master_salt: server.keys.local_master_salt.clone(),
        };
        let outbound = Context::new(
            &keys.local_master_key,
            &keys.local_master_salt,
            server.profile,
            None,
            None,
            provider.crypto(),
        );
        let client = Srtp {
            sealer: Cipher::new(provider.crypto(), &keys.local_master_key, &keys.local_master_salt),
            outbound: outbound.unwrap(),
            inbound: inbound(&keys, server.profile, &provider).unwrap(),
            opener: Cipher::new(provider.crypto(), &keys.remote_master_key, &keys.remote_master_salt).map(Opener::new),
            known: HashSet::new(),
            keys,
            profile: server.profile,
            provider,
        };
        (client, server)
    }

    fn packet(ssrc: u32, sequence: u16) -> (Vec<u8>, usize) {
        let write = Write {
            marker: false,
            payload_type: 96,
            sequence,
            timestamp: 9,
            ssrc,
            padded: false,
            transport: Some((3, sequence)),
        };
        let mut bytes = Vec::new();
        write.append(&mut bytes);
        bytes.extend_from_slice(b"picture");
        (bytes, write.len())
    }

    #[test]
    fn every_profile_carries_packets_both_ways() {
        for profile in PROFILES {
            let (mut client, mut server) = pair(profile);
            for (from, to) in [(0, 1), (1, 0)] {
                let ends = [&mut client, &mut server];
                let (plain, header) = packet(7, 1);
                let sealed = ends[from].seal(&plain, 7, 1, header).unwrap();
                assert_ne!(&sealed[header..header + 7], b"picture");
                let opened = ends[to].open(&sealed, &Header::read(&sealed).unwrap()).unwrap();
                assert_eq!(&opened[..], &plain[..]);
            }
        }
    }

    #[test]
    fn a_packet_protected_where_it_stands_is_opened_also_after_its_number_began_anew() {
        for profile in [PROFILES[0], PROFILES[1]] {
            let (mut client, mut server) = pair(profile);
            for index in [65_534_u64, 65_535, 65_536, 65_537] {
                let (plain, header) = packet(7, index as u16);
                let mut sealed = plain.clone();
                sealed.extend_from_slice(&[0; TAG]);
                server.seal_in_place(&mut sealed, header, 7, index).unwrap();
                let opened = client.open(&sealed, &Header::read(&sealed).unwrap()).unwrap();
                assert_eq!(&opened[..], &plain[..]);
            }
        }
        let (_, mut server) = pair(PROFILES[2]);
        assert!(!server.seals_in_place() && server.seal_in_place(&mut [0; 40], 12, 7, 1).is_none());
    }

    #[test]
    fn a_replayed_packet_is_refused() {
        let (mut client, mut server) = pair(PROFILES[0]);
        let (plain, header) = packet(7, 1);
        let sealed = client.seal(&plain, 7, 1, header).unwrap();
        let read = Header::read(&sealed).unwrap();
        assert!(server.open(&sealed, &read).is_ok());
        assert_eq!(server.open(&sealed, &read), Err(Refused::Forged));
    }

    #[test]
    fn forged_sources_leave_no_state_behind() {
        let (_, mut server) = pair(PROFILES[0]);
        for ssrc in 0..200 {
            let (mut forged, _) = packet(ssrc, 1);
            forged.extend_from_slice(&[0; 16]);
            assert_eq!(server.open(&forged, &Header::read(&forged).unwrap()), Err(Refused::Forged));
        }
        assert!(server.known.is_empty());
    }

    #[test]
    fn a_peer_cannot_open_sources_without_end() {
        let (mut client, mut server) = pair(PROFILES[0]);
        let mut refused = 0;
        for ssrc in 0..100 {
            let (plain, header) = packet(ssrc, 1);
            let sealed = client.seal(&plain, ssrc, 1, header).unwrap();
            refused += usize::from(server.open(&sealed, &Header::read(&sealed).unwrap()) == Err(Refused::Sources));
        }
        assert_eq!(refused, 100 - SOURCES);
    }
}
