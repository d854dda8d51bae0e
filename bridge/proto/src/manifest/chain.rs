//! Builds a manifest: told what happened and when, it gives the lines to append.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::addenda::Addenda;
use super::entry::{Checkpoint, Cosignature, Entry, FORMAT, Head, Keys, Previous, Resumes};
use super::existing::Existing;
use super::hash::{Der, Hash, HashAlg, Hex};
use super::integrity::IntegrityValue;
use super::line::{NoLine, Sigs, Stamp};
use super::log::{Log, Signed, ends};
use super::note;
use super::sign::{HearingKeys, SignError, Signer};
use super::witness::Request;

/// What a record is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The hearing's id.
    pub hearing: String,
    /// The case number.
    pub case: String,
    /// Hashes lines and files; what is there already keeps its own.
    pub hash: HashAlg,
    /// The recorder's name and version.
    pub software: String,
    /// The hash of the program that records, if it is known.
    pub build: Option<Hash>,
    /// The hash of the policy (zones and crossings) under which the hearing is held.
    pub policy: Hash,
    /// The hearing that this node sealed before.
    pub previous: Option<Previous>,
    /// Names this start of the machine.
    pub boot: String,
}

/// The node that records.
#[derive(Clone)]
pub struct Node {
    /// Its name.
    pub node: String,
    /// Its zone.
    pub zone: String,
    /// Its certificate, and those up to the root.
    pub chain: Vec<Der>,
    /// Signs with the certificate's key.
    pub signer: Arc<dyn Signer>,
}

/// A manifest in the making. Take the bytes with [`Chain::take`] and append them to the file in that order.
pub struct Chain {
    log: Log,
    node: Node,
    keys: HearingKeys,
    head: Vec<u8>,
    covered: BTreeMap<String, u64>,
    latest: Option<Signed>,
    /// The text of the final checkpoint.
    closed: Option<Signed>,
}

/// A manifest that was begun or gone on with.
pub struct Opened {
    /// Goes on.
    pub chain: Chain,
    /// How far each file that is appended to is covered. What a file has beyond it is to be set aside.
    pub covered: BTreeMap<String, u64>,
    /// Length and hash of each file that is replaced as a whole.
    pub replaced: BTreeMap<String, (u64, Hash)>,
}

/// The end of a hearing's manifest.
pub struct Sealed {
    /// To be read out and signed.
    pub value: IntegrityValue,
    /// The root of the final checkpoint; the next record of this node names it.
    pub root: Hash,
    /// The last bytes to append, up to and with the seal.
    pub bytes: Vec<u8>,
    /// For what comes later.
    pub addenda: Addenda,
}

impl Chain {
    /// Begins a manifest, or goes on with `existing`, the bytes that are in the file. Fresh keys each time: those of the
    /// process that ended are gone with it. Bytes of `existing` that are no whole line stay where they are.
    ///
    /// # Errors
    /// When the record is sealed, belongs to another hearing, or the node can't sign.
    pub fn open(
        existing: &[u8],
        opening: Opening,
        node: Node,
        keys: HearingKeys,
        stamp: Stamp,
    ) -> Result<Opened, Error> {
        let there = Existing::read(existing, opening.hash);
        if there.sealed {
            return Err(Error::Sealed);
        }
        if let Some((_, head)) = there.head.as_ref().filter(|(_, head)| head.hearing != opening.hearing) {
            return Err(Error::OtherHearing(head.hearing.clone()));
        }
        let resumes = Resumes { head: there.head.as_ref().map(|(seq, _)| *seq), torn: there.torn };
        let resumes = (!existing.is_empty()).then_some(resumes);
        let head = head(&opening, &node, &keys, there.alg, resumes);
        let mut log = Log::after(&there, origin_of(&there, &head), opening.boot, stamp);
        if there.torn.is_some() && !existing.ends_with(b"\n") {
            log.out.push(b'\n');
        }
        let begin = log.out.len();
        log.put(Entry::Head(Box::new(head)), stamp, |_, unsigned| node.sign("head", unsigned).map(Some))?;
        let head = log.out[begin..log.out.len() - 1].to_vec();
        let covered = there.covered.clone();
        let chain = Self { log, node, keys, head, covered: there.covered, latest: None, closed: None };
        Ok(Opened { chain, covered, replaced: there.replaced })
    }

    /// Appends an entry. A clock entry goes before it when the wall clock has stepped.
    ///
    /// # Errors
    /// When only the chain makes such entries, a span does not begin where the last one of its file ended, the record is
    /// closed, or the entry is too long. Nothing is appended then.
    pub fn append(&mut self, entry: Entry, stamp: Stamp) -> Result<u64, Error> {
        if entry.is_made_by_the_chain() {
            return Err(Error::Reserved(entry.kind()));
        }
        if self.closed.is_some() {
            return Err(Error::Closed);
        }
        let ends = ends(&self.covered, &entry)?;
        self.log.settle_clock(stamp)?;
        let seq = self.log.put(entry, stamp, |_, _| Ok(None))?;
        self.covered.extend(ends);
        Ok(seq)
    }

    /// Signs everything so far with the hearing's Ed25519 key.
    ///
    /// # Errors
    /// When the record is closed or the key does not sign.
    pub fn checkpoint(&mut self, stamp: Stamp) -> Result<Checkpoint, Error> {
        if self.closed.is_some() {
            return Err(Error::Closed);
        }
        self.log.settle_clock(stamp)?;
        self.sign_checkpoint(stamp, false)
    }

    /// Ends the hearing: an `end` entry and the final checkpoint, signed with the hearing's SM2 key too. Only
    /// cosignatures and the seal follow.
    ///
    /// # Errors
    /// When the record is closed already or a key does not sign.
    pub fn close(&mut self, reason: &str, stamp: Stamp) -> Result<Checkpoint, Error> {
        self.append(Entry::End { reason: reason.to_owned() }, stamp)?;
        let checkpoint = self.sign_checkpoint(stamp, true)?;
        self.closed = self.latest.clone();
        Ok(checkpoint)
    }

    /// What a witness has to be asked, to cosign the last checkpoint; `since` is the size of the last checkpoint of this
    /// record that it cosigned, 0 for none. `None` before the first checkpoint.
    #[must_use]
    pub fn request(&self, since: u64) -> Option<Request> {
        self.log.request(self.head.clone(), self.latest.clone()?, since)
    }

    /// Takes a witness's word in.
    ///
    /// # Errors
    /// When it is not about this record as it is, or not signed by the certificate that it carries.
    pub fn cosign(&mut self, word: Cosignature, stamp: Stamp) -> Result<u64, Error> {
        self.log.check(&word)?;
        self.log.settle_clock(stamp)?;
        self.log.put(Entry::Cosign(Box::new(word)), stamp, |_, _| Ok(None))
    }

    /// Seals a closed record: the hearing's keys are gone after this.
    ///
    /// # Errors
    /// When [`Chain::close`] has not been called, or the key does not sign.
    pub fn seal(mut self, stamp: Stamp) -> Result<Sealed, Error> {
        let last = self.closed.clone().ok_or(Error::Open)?;
        let Checkpoint { size, root, .. } = last.checkpoint;
        let value = IntegrityValue::of(self.log.alg, &note::checkpoint(&self.log.origin, size, root, &last.bound));
        self.log.settle_clock(stamp)?;
        let entry = Entry::Seal { size, value: value.to_string() };
        let key = self.keys.ed25519.as_ref();
        self.log.put(entry, stamp, |log, unsigned| {
            let (_, message) = log.message("seal", unsigned);
            sign(key, message.as_bytes()).map(|sig| Some(Sigs::from([sig])))
        })?;
        let bytes = self.take();
        Ok(Sealed {
            value,
            root,
            bytes,
            addenda: Addenda::behind(self.log, self.node, self.covered, (self.head, self.closed)),
        })
    }

    /// The bytes to append to the file, each line with its end.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.log.out)
    }

    /// Lines so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.log.tree.size()
    }

    /// Lines that no checkpoint has signed yet.
    #[must_use]
    pub fn unsigned(&self) -> u64 {
        self.size() - self.latest.as_ref().map_or(0, |signed| signed.checkpoint.size)
    }

    /// Hashes files.
    #[must_use]
    pub const fn hash(&self) -> HashAlg {
        self.log.alg
    }

    fn sign_checkpoint(&mut self, stamp: Stamp, is_final: bool) -> Result<Checkpoint, Error> {
        let checkpoint = Checkpoint { size: self.log.tree.size(), root: self.log.root(), is_final };
        let keys = &self.keys;
        let mut latest = None;
        self.log.put(Entry::Checkpoint(checkpoint), stamp, |log, unsigned| {
            let (bound, message) = log.message("checkpoint", unsigned);
            let mut sigs = Sigs::from([sign(keys.ed25519.as_ref(), message.as_bytes())?]);
            if is_final {
                sigs.extend([sign(keys.sm2.as_ref(), message.as_bytes())?]);
            }
            latest = Some(Signed { checkpoint, bound, sigs: sigs.clone() });
            Ok(Some(sigs))
        })?;
        self.latest = latest;
        Ok(checkpoint)
    }
}

impl Node {
    pub(super) fn sign(&self, kind: &str, unsigned: &[u8]) -> Result<Sigs, Error> {
        sign(self.signer.as_ref(), &note::of_node(kind, unsigned)).map(|sig| Sigs::from([sig]))
    }
}

fn sign(signer: &dyn Signer, message: &[u8]) -> Result<(String, Hex), Error> {
    Ok((signer.algorithm().name().to_owned(), Hex(signer.sign(message)?)))
}

fn head(opening: &Opening, node: &Node, keys: &HearingKeys, hash: HashAlg, resumes: Option<Resumes>) -> Head {
    Head {
        format: FORMAT.to_owned(),
        hash,
        hearing: opening.hearing.clone(),
        case: opening.case.clone(),
        node: node.node.clone(),
        zone: node.zone.clone(),
        chain: node.chain.clone(),
        software: opening.software.clone(),
        build: opening.build,
        policy: opening.policy,
        keys: Keys { ed25519: Hex(keys.ed25519.public_key()), sm2: Hex(keys.sm2.public_key()) },
        previous: opening.previous.clone(),
        resumes,
    }
}

/// The log keeps its name when another node goes on with it.
fn origin_of(there: &Existing, head: &Head) -> String {
    let first = there.first.as_ref().unwrap_or(head);
    note::origin(&first.zone, &first.node, &first.hearing)
}

/// Why a manifest does not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing is appended to a sealed record but addenda.
    #[error("the record is sealed; only addenda follow")]
    Sealed,
    /// Only cosignatures and the seal follow the final checkpoint.
    #[error("the record is closed; only cosignatures and the seal follow")]
    Closed,
    /// The record is not closed yet.
    #[error("the record is not closed yet")]
    Open,
    /// The manifest is another hearing's.
    #[error("the manifest belongs to hearing {0}")]
    OtherHearing(String),
    /// The end of a sealed manifest is no whole line.
    #[error("the manifest ends in the middle of a line behind its seal")]
    Torn,
    /// The chain makes such entries by itself.
    #[error("entries of the kind {0} are made by the chain alone")]
    Reserved(&'static str),
    /// A span that leaves bytes out, or covers some twice.
    #[error("span {from}..{to} of {file}: its last one ended at {end}")]
    Span {
        /// The file.
        file: String,
        /// Where the span begins.
        from: u64,
        /// Where it ends.
        to: u64,
        /// Where it should begin.
        end: u64,
    },
    /// A cosignature of something else, or of nobody.
    #[error("the cosignature of {node} is not about this record, or not signed by its certificate")]
    Cosignature {
        /// Who sent it.
        node: String,
    },
    /// An entry that makes no line.
    #[error("the entry makes no line: {0}")]
    Line(#[from] NoLine),
    /// A key does not sign.
    #[error("not signed: {0}")]
    Sign(#[from] SignError),
}
