//! A node of another zone sees the checkpoints of a record go by: it signs that each goes on from the one before, and keeps
//! them where the recording node can't reach.

use std::collections::BTreeMap;

use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use super::certificate::{Certificate, Identity};
use super::chain::Node;
use super::entry::{Cosignature, Entry, Head};
use super::hash::{Hash, Hex};
use super::line::{Line, Sigs, unsigned};
use super::note;
use super::sign::{SignAlg, SignError};
use super::tree::is_consistent;

/// What a witness is asked to cosign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The log's name.
    pub origin: String,
    /// The line of the head whose key signed, without its end.
    pub head: Vec<u8>,
    /// The checkpoint's size.
    pub size: u64,
    /// The checkpoint's root.
    pub root: Hash,
    /// The last line of the checkpoint's text.
    pub bound: String,
    /// The checkpoint's signatures.
    pub sigs: Sigs,
    /// The size from which `proof` leads to this one.
    pub since: u64,
    /// That the one is the beginning of the other (RFC 6962).
    pub proof: Vec<Hash>,
}

/// Cosigns checkpoints, and remembers the last of each record.
pub struct Witness {
    node: Node,
    seen: BTreeMap<String, (u64, Hash)>,
    capacity: usize,
}

/// Why a witness does not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The head is none, or not signed by the node that asks.
    #[error("the head is not one that {0} signed")]
    Head(String),
    /// The checkpoint is not signed by the key that the head certifies.
    #[error("the checkpoint is not signed by the hearing's key")]
    Signature,
    /// Ask again with a proof from this size on.
    #[error("the last checkpoint of this record that was seen here has {0} lines: prove consistency from there")]
    Since(u64),
    /// The record does not go on from what was seen before: its history was changed.
    #[error("the record does not go on from the checkpoint of {0} lines that was seen before")]
    Inconsistent(u64),
    /// More records than a witness keeps in mind.
    #[error("{0} records are being witnessed already")]
    Full(usize),
    /// The witness's own key does not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl Witness {
    /// A witness that keeps at most `capacity` records in mind.
    #[must_use]
    pub const fn new(node: Node, capacity: usize) -> Self {
        Self { node, seen: BTreeMap::new(), capacity }
    }

    /// Takes in what it wrote before. Lines that can't be read are passed over: at worst a proof from an earlier size is
    /// asked for.
    pub fn restore(&mut self, lines: &[u8]) {
        for line in lines.split(|byte| *byte == b'\n') {
            let Ok(word) = serde_json::from_slice::<Cosignature>(line) else { continue };
            let known = self.seen.get(&word.origin).map_or(0, |(size, _)| *size);
            if word.size >= known {
                self.seen.insert(word.origin, (word.size, word.root));
            }
        }
    }

    /// Cosigns a checkpoint that `peer`, known by the certificate of its trunk, asks for; `time` is in seconds since 1970.
    /// Returns the cosignature and the line that is durable in the witness's own file before anybody is answered.
    ///
    /// # Errors
    /// When the request does not prove what it must; nothing is remembered then.
    pub fn cosign(&mut self, request: &Request, peer: &Identity, time: u64) -> Result<(Cosignature, Vec<u8>), Refusal> {
        let head = head_of(request, peer)?;
        let text = note::checkpoint(&request.origin, request.size, request.root, &request.bound);
        let sig = request.sigs.get(SignAlg::Ed25519.name()).ok_or(Refusal::Signature)?;
        if !SignAlg::Ed25519.verify(&head.keys.ed25519.0, text.as_bytes(), &sig.0) {
            return Err(Refusal::Signature);
        }
        let seen = self.seen.get(&request.origin).copied();
        if seen.is_none() && self.seen.len() >= self.capacity {
            return Err(Refusal::Full(self.capacity));
        }
        let (size, root) = seen.unwrap_or((0, Hash::ZERO));
        if request.since != size {
            return Err(Refusal::Since(size));
        }
        if !is_consistent(head.hash, (size, root), (request.size, request.root), &request.proof) {
            return Err(Refusal::Inconsistent(size));
        }
        let word = self.sign(request, time)?;
        self.seen.insert(word.origin.clone(), (word.size, word.root));
        let mut line = serde_json::to_vec(&word).expect("a cosignature is text, numbers and lists");
        line.push(b'\n');
        Ok((word, line))
    }

    /// Forgets a record that is sealed.
    pub fn forget(&mut self, origin: &str) {
        self.seen.remove(origin);
    }

    fn sign(&self, request: &Request, time: u64) -> Result<Cosignature, SignError> {
        let Request { origin, size, root, bound, .. } = request.clone();
        let Node { node, zone, chain, signer } = self.node.clone();
        let alg = signer.algorithm().name().to_owned();
        let mut word = Cosignature { origin, size, root, bound, time, node, zone, chain, alg, sig: Hex::default() };
        word.sig = Hex(signer.sign(note::cosigned(&word).as_bytes())?);
        Ok(word)
    }
}

/// The head in the request, if it is signed by the peer's key and certifies the key that signs the checkpoint.
fn head_of(request: &Request, peer: &Identity) -> Result<Head, Refusal> {
    let refused = || Refusal::Head(format!("{}/{}", peer.zone, peer.node));
    let line = Line::parse(&request.head).map_err(|_| refused())?;
    let (Entry::Head(head), Some(sigs)) = (line.entry, line.sigs) else { return Err(refused()) };
    let is_theirs = head.node == peer.node && head.zone == peer.zone && request.origin.ends_with(&head.hearing);
    let message = note::of_node("head", unsigned(&request.head));
    if is_theirs && is_signed_by(&head.chain, Some(peer), &message, &sigs) { Ok(*head) } else { Err(refused()) }
}

impl Cosignature {
    /// True when the certificate that it carries is for the node that it names, and signed it. Whether anybody trusts the
    /// certificate is another question.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        let signer = Identity { zone: self.zone.clone(), node: self.node.clone() };
        let sigs = Sigs::from([(self.alg.clone(), self.sig.clone())]);
        is_signed_by(&self.chain, Some(&signer), note::cosigned(self).as_bytes(), &sigs)
    }
}

/// True when the first certificate is for `signer` and its key made one of the signatures.
pub(super) fn is_signed_by(chain: &[super::hash::Der], signer: Option<&Identity>, message: &[u8], sigs: &Sigs) -> bool {
    let Some(first) = chain.first() else { return false };
    let der = CertificateDer::from(first.0.as_slice());
    let Some(certificate) = Certificate::parse(&der) else { return false };
    let is_for = signer.is_none_or(|signer| certificate.identity().as_ref() == Some(signer));
    is_for
        && sigs.iter().any(|(name, sig)| {
            SignAlg::named(name).is_some_and(|algorithm| certificate.has_signed(algorithm, message, &sig.0))
        })
}
