//! Who signs: the hearing's own keys, the node's key, or a device that keeps a key to itself.

use aws_lc_rs::rand::{SystemRandom, fill};
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sm2::dsa::signature::{Signer as _, Verifier as _};
use sm2::elliptic_curve::sec1::ToSec1Point as _;

/// A signature algorithm. The order is the one in which the manifest names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SignAlg {
    /// ECDSA on P-256 with SHA-256; the signature is DER, the key an uncompressed point.
    #[serde(rename = "ecdsa-p256-sha256")]
    EcdsaP256,
    /// ECDSA on P-384 with SHA-384; as above.
    #[serde(rename = "ecdsa-p384-sha384")]
    EcdsaP384,
    /// RFC 8032; 64 bytes, the key 32.
    #[serde(rename = "ed25519")]
    Ed25519,
    /// SM2 with SM3 (GB/T 32918.2-2016) and the user id `1234567812345678`; DER (GM/T 0009), the key an uncompressed point.
    #[serde(rename = "sm2-sm3")]
    Sm2,
}

impl SignAlg {
    /// All that can be checked here.
    pub const ALL: [Self; 4] = [Self::EcdsaP256, Self::EcdsaP384, Self::Ed25519, Self::Sm2];

    /// The name in the manifest.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256-sha256",
            Self::EcdsaP384 => "ecdsa-p384-sha384",
            Self::Ed25519 => "ed25519",
            Self::Sm2 => "sm2-sm3",
        }
    }

    /// The algorithm of this name, if it can be checked here.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.name() == name)
    }

    /// True when `signature` is that of `message` by the holder of `key`. Wrong lengths and encodings are plain no's.
    #[must_use]
    pub fn verify(self, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::EcdsaP256 => check(&signature::ECDSA_P256_SHA256_ASN1, key, message, signature),
            Self::EcdsaP384 => check(&signature::ECDSA_P384_SHA384_ASN1, key, message, signature),
            Self::Ed25519 => check(&signature::ED25519, key, message, signature),
            Self::Sm2 => verify_sm2(key, message, signature),
        }
    }
}

fn check(alg: &'static dyn signature::VerificationAlgorithm, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(alg, key).verify(message, signature).is_ok()
}

fn verify_sm2(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = sm2::dsa::VerifyingKey::from_sec1_bytes(USER_ID, key);
    let signature = sm2::dsa::Signature::from_der(signature);
    key.is_ok_and(|key| signature.is_ok_and(|signature| key.verify(message, &signature).is_ok()))
}

/// Holds a private key and signs with it. A device that never gives its key away (PKCS#11, SDF GM/T 0018) implements it.
pub trait Signer: Send + Sync {
    /// How it signs.
    fn algorithm(&self) -> SignAlg;

    /// The public key, encoded as [`SignAlg`] says.
    fn public_key(&self) -> Vec<u8>;

    /// Signs a message of any length.
    ///
    /// # Errors
    /// When the holder of the key can't or won't.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// A signature that could not be made, or a key that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{algorithm}: {reason}")]
pub struct SignError {
    /// Which algorithm.
    pub algorithm: &'static str,
    /// What is wrong.
    pub reason: String,
}

impl SignError {
    /// What a signer of this algorithm could not do.
    #[must_use]
    pub fn new(algorithm: SignAlg, reason: impl Into<String>) -> Self {
        Self { algorithm: algorithm.name(), reason: reason.into() }
    }
}

/// An Ed25519 key in memory; wiped when dropped, as the library frees no secret unwiped.
pub struct Ed25519(Ed25519KeyPair);

impl Ed25519 {
    /// A new key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, SignError> {
        let pair = Ed25519KeyPair::generate();
        pair.map(Self).map_err(|_| SignError::new(SignAlg::Ed25519, "no randomness"))
    }

    /// The key of RFC 8032 from its 32 secret bytes.
    ///
    /// # Errors
    /// When the library refuses it.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, SignError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        pair.map(Self).map_err(|error| SignError::new(SignAlg::Ed25519, error.to_string()))
    }
}

impl Signer for Ed25519 {
    fn algorithm(&self) -> SignAlg {
        SignAlg::Ed25519
    }

    fn public_key(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature = self.0.try_sign(message);
        signature.map(|s| s.as_ref().to_vec()).map_err(|_| SignError::new(SignAlg::Ed25519, "the key does not sign"))
    }
}

/// An SM2 key in memory; wiped when dropped. The copy that signs lives for the length of one call.
pub struct Sm2(sm2::SecretKey);

impl Sm2 {
    /// A new key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, SignError> {
        for _ in 0..TRIES {
            let mut scalar = [0; 32];
            fill(&mut scalar).map_err(|_| SignError::new(SignAlg::Sm2, "no randomness"))?;
            // One scalar in 2^32 is not below the group's order.
            if let Ok(key) = Self::from_scalar(&scalar) {
                return Ok(key);
            }
        }
        Err(SignError::new(SignAlg::Sm2, "no randomness"))
    }

    /// The key with this secret scalar, big endian.
    ///
    /// # Errors
    /// When it is zero or not below the group's order.
    pub fn from_scalar(scalar: &[u8; 32]) -> Result<Self, SignError> {
        let key = sm2::SecretKey::from_slice(scalar);
        key.map(Self).map_err(|_| SignError::new(SignAlg::Sm2, "not a scalar of the group"))
    }
}

impl Signer for Sm2 {
    fn algorithm(&self) -> SignAlg {
        SignAlg::Sm2
    }

    fn public_key(&self) -> Vec<u8> {
        self.0.public_key().to_sec1_point(false).as_bytes().to_vec()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let failed = |_| SignError::new(SignAlg::Sm2, "the key does not sign");
        let key = sm2::dsa::SigningKey::new(USER_ID, &self.0).map_err(failed)?;
        let signature: sm2::dsa::Signature = key.try_sign(message).map_err(failed)?;
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

/// The key of a node's certificate in memory: ECDSA on P-256, as `hearing pki` makes it.
pub struct NodeKey(EcdsaKeyPair);

impl NodeKey {
    /// A key from PKCS#8 in DER.
    ///
    /// # Errors
    /// When it is no P-256 key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, SignError> {
        let pair = EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, der);
        pair.map(Self).map_err(|error| {
            let reason = format!("{error}: the node's key must be ECDSA P-256 in PKCS#8, as `hearing pki` makes it");
            SignError::new(SignAlg::EcdsaP256, reason)
        })
    }
}

impl Signer for NodeKey {
    fn algorithm(&self) -> SignAlg {
        SignAlg::EcdsaP256
    }

    fn public_key(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature = self.0.sign(&SystemRandom::new(), message);
        signature.map(|s| s.as_ref().to_vec()).map_err(|_| SignError::new(SignAlg::EcdsaP256, "the key does not sign"))
    }
}

/// The keys that a hearing has of its own. They stay in memory and are gone with it.
pub struct HearingKeys {
    /// Signs every checkpoint: [`Ed25519`] or a device that signs so.
    pub ed25519: Box<dyn Signer>,
    /// Signs the last checkpoint too: [`Sm2`] or a device that signs so.
    pub sm2: Box<dyn Signer>,
}

impl HearingKeys {
    /// New keys in memory.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, SignError> {
        Ok(Self { ed25519: Box::new(Ed25519::generate()?), sm2: Box::new(Sm2::generate()?) })
    }
}

/// The user id that GM/T 0009 gives to signers without one.
const USER_ID: &str = "1234567812345678";
const TRIES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signature_holds_for_its_message_and_key_and_for_no_other() {
        let node = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let node = NodeKey::from_pkcs8(node.to_pkcs8v1().unwrap().as_ref()).unwrap();
        let signers: [Box<dyn Signer>; 3] =
            [Box::new(Ed25519::generate().unwrap()), Box::new(Sm2::generate().unwrap()), Box::new(node)];
        let other = HearingKeys::generate().unwrap();
        for signer in signers {
            let (alg, key, signature) = (signer.algorithm(), signer.public_key(), signer.sign(b"heard").unwrap());
            assert!(alg.verify(&key, b"heard", &signature), "{alg:?}");
            assert!(!alg.verify(&key, b"hears", &signature), "{alg:?}");
            assert!(!alg.verify(&key, b"heard", &signature[1..]), "{alg:?}");
            assert!(!alg.verify(&other.sm2.public_key(), b"heard", &signature), "{alg:?}");
            assert!(!alg.verify(&other.ed25519.public_key(), b"heard", &signature), "{alg:?}");
        }
    }

    #[test]
    fn a_scalar_outside_the_group_makes_no_key() {
        assert!(Sm2::from_scalar(&[0; 32]).is_err());
        assert!(Sm2::from_scalar(&[0xff; 32]).is_err());
    }
}
