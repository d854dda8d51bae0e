//! How a node asks the node of another zone to cosign a checkpoint of a record; see docs/ref/record.md for what is signed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::value::HearingId;
use crate::manifest::{Cosignature, Der, Hash, Hex, Request};

/// The recording node asks for a cosignature. Fields are those of [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the manifest's Request, in its order")]
pub struct WitnessAsk {
    /// By which the [`WitnessAnswer`] is known.
    pub id: u32,
    /// The hearing, which names the witness's file.
    pub hearing: HearingId,
    pub origin: String,
    pub head: Vec<u8>,
    pub size: u64,
    pub root: [u8; 32],
    pub bound: String,
    pub sigs: BTreeMap<String, Vec<u8>>,
    pub since: u64,
    pub proof: Vec<[u8; 32]>,
}

/// What the witness says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessAnswer {
    /// [`WitnessAsk::id`].
    pub id: u32,
    /// What.
    pub word: WitnessWord,
}

/// A witness's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WitnessWord {
    /// It has kept the checkpoint in its own file and cosigned it.
    Cosigned {
        /// When, in seconds since 1970 by its own clock.
        time: u64,
        /// Its certificate in DER, and those up to the root.
        chain: Vec<Vec<u8>>,
        /// How it signs.
        alg: String,
        /// Its signature.
        sig: Vec<u8>,
    },
    /// It has seen a checkpoint of this size: ask again with a proof from there.
    Since(u64),
    /// It does not, and why.
    Refused(String),
}

impl WitnessAsk {
    /// The message for a request.
    #[must_use]
    pub fn new(id: u32, hearing: HearingId, request: &Request) -> Self {
        let Request { origin, head, size, root, bound, sigs, since, proof } = request.clone();
        let sigs = sigs.into_iter().map(|(name, sig)| (name, sig.0)).collect();
        let proof = proof.into_iter().map(|hash| hash.0).collect();
        Self { id, hearing, origin, head, size, root: root.0, bound, sigs, since, proof }
    }

    /// The request in the message.
    #[must_use]
    pub fn request(self) -> Request {
        let Self { id: _, hearing: _, origin, head, size, root, bound, sigs, since, proof } = self;
        let sigs = sigs.into_iter().map(|(name, sig)| (name, Hex(sig))).collect();
        let proof = proof.into_iter().map(Hash).collect();
        Request { origin, head, size, root: Hash(root), bound, sigs, since, proof }
    }
}

impl WitnessWord {
    /// A cosignature as a word; what the asking node knows by itself is left out.
    #[must_use]
    pub fn cosigned(word: Cosignature) -> Self {
        let chain = word.chain.into_iter().map(|der| der.0).collect();
        Self::Cosigned { time: word.time, chain, alg: word.alg, sig: word.sig.0 }
    }

    /// The cosignature of `request` by the node of this name and zone; `None` when the word is another one.
    #[must_use]
    pub fn cosignature(self, request: &Request, zone: &str, node: &str) -> Option<Cosignature> {
        let Self::Cosigned { time, chain, alg, sig } = self else { return None };
        Some(Cosignature {
            origin: request.origin.clone(),
            size: request.size,
            root: request.root,
            bound: request.bound.clone(),
            time,
            node: node.to_owned(),
            zone: zone.to_owned(),
            chain: chain.into_iter().map(Der).collect(),
            alg,
            sig: Hex(sig),
        })
    }
}
