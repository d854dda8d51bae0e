//! What a manifest holds when a process comes back to it.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{Entry, Head, Torn};
use super::hash::{Hash, HashAlg};
use super::line::{Line, Stamp, unsigned};
use super::log::Signed;
use super::note;
use super::tree::{Tree, leaf};

/// The whole lines of a manifest, and what follows from them.
pub(super) struct Existing {
    pub(super) alg: HashAlg,
    pub(super) tree: Tree,
    pub(super) last: Hash,
    /// The first head: the log is named after it.
    pub(super) first: Option<Head>,
    /// The last head, with its line.
    pub(super) head: Option<(u64, Head)>,
    /// The line of the last head, without its end.
    pub(super) head_line: Vec<u8>,
    /// The last checkpoint, as it was signed.
    pub(super) checkpoint: Option<Signed>,
    /// The size of the greatest checkpoint that a witness cosigned.
    pub(super) cosigned: u64,
    /// When the last line was made, and in which start of the machine.
    pub(super) latest: Option<(Stamp, String)>,
    pub(super) covered: BTreeMap<String, u64>,
    pub(super) replaced: BTreeMap<String, (u64, Hash)>,
    /// The files that were covered when the record was sealed.
    pub(super) covered_at_seal: BTreeSet<String>,
    pub(super) sealed: bool,
    /// Bytes at the end that are no whole line of this chain.
    pub(super) torn: Option<Torn>,
}

impl Existing {
    pub(super) fn read(bytes: &[u8], alg: HashAlg) -> Self {
        let alg = first_alg(bytes).unwrap_or(alg);
        let mut all = Self {
            alg,
            tree: Tree::new(alg),
            last: Hash::ZERO,
            first: None,
            head: None,
            head_line: Vec::new(),
            checkpoint: None,
            cosigned: 0,
            latest: None,
            covered: BTreeMap::new(),
            replaced: BTreeMap::new(),
            covered_at_seal: BTreeSet::new(),
            sealed: false,
            torn: None,
        };
        let mut at = 0;
        while at < bytes.len() {
            match all.next(bytes, at).or_else(|| all.after_torn(bytes, at)) {
                Some((line, from, to)) => {
                    all.take(line, &bytes[from..to]);
                    at = to + 1;
                }
                None => {
                    let to = bytes.len() - usize::from(bytes.ends_with(b"\n"));
                    let hash = alg.hash(&[&bytes[at..to]]);
                    all.torn = Some(Torn { from: at as u64, to: to as u64, hash });
                    break;
                }
            }
        }
        all
    }

    /// The whole line at `at`, if it goes on with the chain.
    fn next(&self, bytes: &[u8], at: usize) -> Option<(Line, usize, usize)> {
        let to = at + bytes[at..].iter().position(|byte| *byte == b'\n')?;
        let line = Line::parse(&bytes[at..to]).ok()?;
        (line.seq == self.tree.size() && line.prev == self.last).then_some((line, at, to))
    }

    /// The head that goes on after a torn range which an earlier crash left at `at`.
    fn after_torn(&self, bytes: &[u8], at: usize) -> Option<(Line, usize, usize)> {
        let ends = bytes.iter().enumerate().skip(at).filter(|(_, byte)| **byte == b'\n');
        ends.into_iter().find_map(|(end, _)| {
            let (line, from, to) = self.next(bytes, end + 1)?;
            let Entry::Head(head) = &line.entry else { return None };
            let torn = head.resumes.as_ref()?.torn?;
            let hash = self.alg.hash(&[&bytes[at..end]]);
            (torn == Torn { from: at as u64, to: end as u64, hash }).then_some((line, from, to))
        })
    }

    fn take(&mut self, line: Line, bytes: &[u8]) {
        self.last = leaf(self.alg, bytes);
        self.tree.push(self.last);
        self.latest = Some((Stamp { utc: line.utc, mono: line.mono }, line.boot));
        if matches!(line.entry, Entry::Seal { .. }) {
            self.sealed = true;
            self.covered_at_seal = self.covered.keys().chain(self.replaced.keys()).cloned().collect();
        }
        match line.entry.matter() {
            Entry::Checkpoint(checkpoint) => {
                let bound = note::bound(self.alg, "checkpoint", unsigned(bytes));
                let sigs = line.sigs.clone().unwrap_or_default();
                self.checkpoint = Some(Signed { checkpoint: *checkpoint, bound, sigs });
            }
            Entry::Cosign(word) => self.cosigned = self.cosigned.max(word.size),
            _ => {}
        }
        if let Entry::Head(head) = line.entry {
            self.first.get_or_insert_with(|| (*head).clone());
            self.head_line = bytes.to_vec();
            self.head = Some((line.seq, *head));
        } else {
            self.cover(line.entry.matter());
        }
    }

    fn cover(&mut self, entry: &Entry) {
        let spans = entry.spans().into_iter();
        self.covered.extend(spans.map(|(file, _, to)| (file.to_owned(), to)));
        if let Entry::Replaced { file, size, hash } = entry {
            self.replaced.insert(file.clone(), (*size, *hash));
        }
    }
}

/// The hash that the manifest's first head names.
fn first_alg(bytes: &[u8]) -> Option<HashAlg> {
    let mut lines = bytes.split(|byte| *byte == b'\n').take(FIRST);
    lines.find_map(|line| Some(Line::parse(line).ok()?.entry.as_head()?.hash))
}

/// Torn lines may come before the first head.
const FIRST: usize = 16;
