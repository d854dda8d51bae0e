//! Protects and opens RTP packets where they stand (RFC 7714): the contexts of `rtc-srtp` copy every packet into a buffer of its
//! own, and a node does little else than protecting packets.

use rtc_srtp::crypto::{AeadAlgorithm, AeadCipher, BlockCipherAlgorithm, RTCCrypto};

/// Bytes that a packet grows by.
pub(in crate::endpoint::webrtc) const TAG: usize = 16;

/// One direction of a session with AES-GCM.
pub(super) struct Cipher {
    cipher: Box<dyn AeadCipher>,
    salt: [u8; SALT],
}

impl Cipher {
    /// For a master key of 16 or 32 bytes and its salt; `None` when they do not fit AES-GCM.
    pub(super) fn new(crypto: &dyn RTCCrypto, master: &[u8], salt: &[u8]) -> Option<Self> {
        let (block, aead) = match master.len() {
            16 => (BlockCipherAlgorithm::Aes128, AeadAlgorithm::Aes128Gcm),
            32 => (BlockCipherAlgorithm::Aes256, AeadAlgorithm::Aes256Gcm),
            _ => return None,
        };
        let master_salt: &[u8; SALT] = salt.try_into().ok()?;
        let derive = |label, len| derive(crypto, block, (master, master_salt), label, len);
        let cipher = crypto.new_aead(aead, &derive(ENCRYPTION, master.len())?).ok()?;
        let salt = derive(SALTING, SALT)?.try_into().ok()?;
        Some(Self { cipher, salt })
    }

    /// Encrypts `packet` behind its `header` bytes and writes the tag into its last bytes. `index` is the packet's place: its
    /// sequence number with how often that began anew; no index may come twice for one source.
    pub(super) fn seal(&mut self, packet: &mut [u8], header: usize, ssrc: u32, index: u64) -> Option<()> {
        let (head, rest) = packet.split_at_mut_checked(header)?;
        let (body, tag) = rest.split_at_mut_checked(rest.len().checked_sub(TAG)?)?;
        self.cipher.seal_in_place(&self.nonce(ssrc, index), head, body, tag).ok()
    }

    /// Decrypts `packet`, without its tag, behind its `header` bytes; `None` when it is not what the other end sealed at this place.
    /// What stands in `packet` then is worth nothing.
    pub(super) fn open(&mut self, packet: &mut [u8], tag: &[u8], header: usize, ssrc: u32, index: u64) -> Option<()> {
        let (head, body) = packet.split_at_mut_checked(header)?;
        self.cipher.open_in_place(&self.nonce(ssrc, index), head, body, tag).ok()
    }

    /// RFC 7714 section 8.1.
    fn nonce(&self, ssrc: u32, index: u64) -> [u8; SALT] {
        let mut nonce = self.salt;
        nonce[2..6].iter_mut().zip(ssrc.to_be_bytes()).for_each(|(byte, of)| *byte ^= of);
        nonce[6..12].iter_mut().zip(&index.to_be_bytes()[2..]).for_each(|(byte, of)| *byte ^= of);
        nonce
    }
}

/// Keys of a session out of the master key (RFC 3711 section 4.3.1; RFC 7714 section 11 for the salt's length).
fn derive(
    crypto: &dyn RTCCrypto,
    algorithm: BlockCipherAlgorithm,
    (master, salt): (&[u8], &[u8; SALT]),
    label: u8,
    len: usize,
) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for number in 0..len.div_ceil(BLOCK) {
        let mut block = [0; BLOCK];
        block[..SALT].copy_from_slice(salt);
        block[7] ^= label;
        block[BLOCK - 1] = number as u8;
        crypto.block_encrypt(algorithm, master, &mut block).ok()?;
        out.extend_from_slice(&block);
    }
    out.truncate(len);
    Some(out)
}

const BLOCK: usize = 16;
const SALT: usize = 12;
/// Labels of RFC 3711 section 4.3.2.
const ENCRYPTION: u8 = 0;
const SALTING: u8 = 2;
