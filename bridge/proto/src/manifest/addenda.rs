//! What comes after the seal.

use std::collections::{BTreeMap, BTreeSet};

use super::chain::{Error, Node};
use super::entry::Entry;
use super::existing::Existing;
use super::hash::HashAlg;
use super::line::Stamp;
use super::log::{Log, Signed, ends};
use super::note;
use super::witness::Request;

/// What comes after the seal: each line signed by the node.
pub struct Addenda {
    log: Log,
    node: Node,
    covered: BTreeMap<String, u64>,
    /// Files that were sealed: nothing is added to them.
    sealed: BTreeSet<String>,
    /// The line of the last head, and the final checkpoint.
    head: Vec<u8>,
    last: Option<Signed>,
}

impl Addenda {
    /// Goes on behind `existing`, a sealed manifest.
    ///
    /// # Errors
    /// When it is not sealed, or its end is torn.
    pub fn open(existing: &[u8], node: Node, boot: String, stamp: Stamp) -> Result<Self, Error> {
        let there = Existing::read(existing, HashAlg::default());
        let Some(head) = there.first.as_ref().filter(|_| there.sealed) else { return Err(Error::Open) };
        if there.torn.is_some() {
            return Err(Error::Torn);
        }
        let log = Log::after(&there, note::origin(&head.zone, &head.node, &head.hearing), boot, stamp);
        let (covered, sealed) = (there.covered, there.covered_at_seal);
        Ok(Self { log, node, covered, sealed, head: there.head_line, last: there.checkpoint })
    }

    /// Goes on behind a seal that was made just now.
    pub(super) fn behind(
        log: Log,
        node: Node,
        covered: BTreeMap<String, u64>,
        (head, last): (Vec<u8>, Option<Signed>),
    ) -> Self {
        let sealed = covered.keys().cloned().collect();
        Self { log, node, covered, sealed, head, last }
    }

    /// What a witness has to be asked to cosign the final checkpoint; `since` as for [`Chain::request`](super::Chain::request).
    /// `None` when one has done so.
    #[must_use]
    pub fn request(&self, since: u64) -> Option<Request> {
        let last = self.last.clone().filter(|last| last.checkpoint.size > self.log.cosigned)?;
        self.log.request(self.head.clone(), last, since)
    }

    /// An entry; its bytes are to be appended to the file.
    ///
    /// # Errors
    /// As [`Chain::append`](super::Chain::append) and [`Chain::cosign`](super::Chain::cosign), for an entry that no addendum may
    /// hold, and for spans of a file that was sealed.
    pub fn append(&mut self, entry: Entry, stamp: Stamp) -> Result<Vec<u8>, Error> {
        if let Entry::Cosign(word) = &entry {
            self.log.check(word)?;
        } else if !entry.may_be_added() {
            return Err(Error::Reserved(entry.kind()));
        }
        if let Some((file, from, to)) = entry.spans().into_iter().find(|(file, ..)| self.sealed.contains(*file)) {
            let (file, end) = (file.to_owned(), self.covered.get(file).copied().unwrap_or(0));
            return Err(Error::Span { file, from, to, end });
        }
        let ends = ends(&self.covered, &entry)?;
        let node = &self.node;
        let entry = Entry::Addendum { entry: Box::new(entry) };
        self.log.put(entry, stamp, |_, unsigned| node.sign("addendum", unsigned).map(Some))?;
        self.covered.extend(ends);
        Ok(std::mem::take(&mut self.log.out))
    }
}
