//! The lines of a manifest in the making: each hangs on the one before, and all are leaves of one tree.

use std::collections::BTreeMap;

use super::CLOCK_TOLERANCE;
use super::chain::Error;
use super::entry::{Checkpoint, Cosignature, Entry};
use super::existing::Existing;
use super::hash::{Hash, HashAlg};
use super::line::{LONGEST, Line, NoLine, Sigs, Stamp, signed};
use super::note;
use super::tree::{Tree, leaf};
use super::witness::Request;

/// A checkpoint as it was signed.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    pub(super) checkpoint: Checkpoint,
    pub(super) bound: String,
    pub(super) sigs: Sigs,
}

/// Where the files that an entry covers end after it.
pub(super) fn ends(covered: &BTreeMap<String, u64>, entry: &Entry) -> Result<Vec<(String, u64)>, Error> {
    let mut ends: Vec<(String, u64)> = Vec::new();
    for (file, from, to) in entry.spans() {
        let known = ends.iter().rev().find(|(name, _)| name == file).map(|(_, end)| *end);
        let end = known.or_else(|| covered.get(file).copied()).unwrap_or(0);
        if from != end || to <= from {
            return Err(Error::Span { file: file.to_owned(), from, to, end });
        }
        ends.push((file.to_owned(), to));
    }
    Ok(ends)
}

/// The lines themselves.
pub(super) struct Log {
    pub(super) alg: HashAlg,
    pub(super) origin: String,
    pub(super) tree: Tree,
    last: Hash,
    boot: String,
    /// The clocks at the last head or clock entry.
    reference: Stamp,
    latest: Stamp,
    pub(super) out: Vec<u8>,
    /// The size of the greatest checkpoint that a witness cosigned.
    pub(super) cosigned: u64,
}

impl Log {
    pub(super) fn after(there: &Existing, origin: String, boot: String, stamp: Stamp) -> Self {
        let latest = there.latest.as_ref().filter(|(_, before)| *before == boot).map_or(stamp, |(latest, _)| *latest);
        let (alg, tree, last) = (there.alg, there.tree.clone(), there.last);
        let cosigned = there.cosigned;
        Self { alg, origin, tree, last, boot, reference: latest, latest, out: Vec::new(), cosigned }
    }

    pub(super) fn put(
        &mut self,
        entry: Entry,
        stamp: Stamp,
        sigs: impl FnOnce(&Self, &[u8]) -> Result<Option<Sigs>, Error>,
    ) -> Result<u64, Error> {
        let stamp = self.steady(stamp);
        let is_reference = matches!(entry, Entry::Head(_) | Entry::Clock { .. });
        let (seq, prev, boot) = (self.tree.size(), self.last, self.boot.clone());
        let line = Line { seq, prev, utc: stamp.utc, mono: stamp.mono, boot, entry, sigs: None };
        let mut bytes = line.to_bytes();
        if let Some(sigs) = sigs(self, &bytes[..bytes.len() - 1])? {
            bytes.truncate(bytes.len() - 1);
            bytes = signed(bytes, &sigs);
        }
        if bytes.len() > LONGEST {
            return Err(Error::Line(NoLine::Long));
        }
        self.last = leaf(self.alg, &bytes);
        self.tree.push(self.last);
        self.out.extend(bytes);
        self.out.push(b'\n');
        self.latest = stamp;
        if is_reference {
            self.reference = stamp;
        }
        Ok(seq)
    }

    /// A monotonic clock that goes back is the caller's mistake, not time's.
    fn steady(&self, stamp: Stamp) -> Stamp {
        Stamp { mono: stamp.mono.max(self.latest.mono), ..stamp }
    }

    pub(super) fn settle_clock(&mut self, stamp: Stamp) -> Result<(), Error> {
        let now = self.steady(stamp);
        let step = (now.utc - self.reference.utc) - (now.mono - self.reference.mono);
        if step.abs() > CLOCK_TOLERANCE {
            self.put(Entry::Clock { step }, stamp, |_, _| Ok(None))?;
        }
        Ok(())
    }

    pub(super) fn root(&self) -> Hash {
        self.tree.root(self.tree.size()).unwrap_or(Hash::ZERO)
    }

    /// What the hearing's key signs: the text of a checkpoint over all lines before, and its last line.
    pub(super) fn message(&self, kind: &str, unsigned: &[u8]) -> (String, String) {
        let bound = note::bound(self.alg, kind, unsigned);
        let text = note::checkpoint(&self.origin, self.tree.size(), self.root(), &bound);
        (bound, text)
    }

    pub(super) fn check(&mut self, word: &Cosignature) -> Result<(), Error> {
        let is_ours = word.origin == self.origin && self.tree.root(word.size) == Some(word.root);
        if !is_ours || !word.is_signed() {
            return Err(Error::Cosignature { node: word.node.clone() });
        }
        self.cosigned = self.cosigned.max(word.size);
        Ok(())
    }

    /// What a witness has to be asked to cosign a checkpoint; `since` is the size of the last one of this record that it saw.
    pub(super) fn request(&self, head: Vec<u8>, signed: Signed, since: u64) -> Option<Request> {
        let Signed { checkpoint, bound, sigs } = signed;
        let proof = self.tree.consistency(since, checkpoint.size)?;
        let origin = self.origin.clone();
        Some(Request { origin, head, size: checkpoint.size, root: checkpoint.root, bound, sigs, since, proof })
    }
}
