//! Who signed: heads, checkpoints, cosignatures, the seal and what comes after it.

use std::collections::BTreeMap;

use super::super::certificate::Identity;
use super::super::entry::{Checkpoint, Cosignature, Entry, FORMAT, Head};
use super::super::integrity::IntegrityValue;
use super::super::line::unsigned;
use super::super::note;
use super::super::sign::SignAlg;
use super::Trust;
use super::lines::{Placed, Record};
use super::report::{Code, Finding, Report, Uncosigned};
use super::trust::{Outcome, Signature, by_node};

pub(super) fn check(record: &Record<'_>, trust: &Trust, report: &mut Report) {
    let mut pass = Pass {
        record,
        trust,
        report,
        origin: String::new(),
        head: None,
        checkpoints: BTreeMap::new(),
        final_text: None,
        cosigned: 0,
        doubted_root: false,
    };
    for (n, placed) in record.lines.iter().enumerate() {
        pass.line(n, placed);
    }
    pass.finish();
}

struct Pass<'a, 'r> {
    record: &'a Record<'a>,
    trust: &'a Trust,
    report: &'r mut Report,
    origin: String,
    head: Option<(u64, &'a Head)>,
    /// The last line of each checkpoint's text, by size.
    checkpoints: BTreeMap<u64, String>,
    /// Size and text of the last final checkpoint.
    final_text: Option<(u64, String)>,
    /// The greatest size that a witness cosigned.
    cosigned: u64,
    doubted_root: bool,
}

impl<'a> Pass<'a, '_> {
    fn line(&mut self, n: usize, placed: &'a Placed<'a>) {
        let seq = placed.line.seq;
        if n == 0 && !matches!(placed.line.entry, Entry::Head(_)) {
            self.report.add(Finding::new(Code::LineMisplaced).entry(seq).detail("the first line is no head"));
        }
        self.place(placed);
        let entry = &placed.line.entry;
        if let Entry::Head(head) = entry {
            self.head(placed, head);
        } else if let Entry::Checkpoint(checkpoint) = entry {
            self.checkpoint(placed, *checkpoint);
        } else if let Entry::Cosign(word) = entry {
            self.cosign(seq, word);
        } else if let Entry::Seal { size, value } = entry {
            self.seal(placed, *size, value);
        } else if let Entry::Addendum { entry } = entry {
            self.addendum(placed, entry);
        }
    }

    /// Rules 5 and 7: what may follow a final checkpoint and the seal.
    fn place(&mut self, placed: &Placed<'_>) {
        let (seq, entry) = (placed.line.seq, &placed.line.entry);
        let is_addendum = matches!(entry, Entry::Addendum { .. });
        let after_seal = self.record.sealed.is_some_and(|seal| seq > seal);
        let may_follow_final = matches!(
            entry,
            Entry::Cosign(_) | Entry::Clock { .. } | Entry::Seal { .. } | Entry::Head(_) | Entry::Addendum { .. }
        );
        let may_be_added = !is_addendum || entry.matter().may_be_added();
        if after_seal != is_addendum || !may_be_added || (self.final_text.is_some() && !may_follow_final) {
            let finding = Finding::new(Code::LineMisplaced).entry(seq).detail(entry.matter().kind());
            self.report.add(finding.time(Some(placed.line.utc), Some(placed.line.utc)));
        }
    }

    fn head(&mut self, placed: &'a Placed<'a>, head: &'a Head) {
        let (seq, utc) = (placed.line.seq, placed.line.utc);
        let first = self.record.heads().next().map_or(head, |(_, first)| first);
        if head.format != FORMAT {
            self.report.add(Finding::new(Code::Unknown).entry(seq).detail(&head.format));
        }
        let fits = head.hearing == first.hearing
            && head.hash == first.hash
            && (head.resumes.is_some() || seq == 0)
            && head.resumes.as_ref().is_none_or(|resumes| resumes.head == self.head.map(|(seq, _)| seq));
        let sigs = placed.line.sigs.as_ref();
        match by_node(&head.chain, "head", unsigned(placed.bytes), sigs) {
            Outcome::Holds if fits => {}
            Outcome::Holds => {
                self.report.add(Finding::new(Code::HeadForged).entry(seq).detail("it does not fit the one before"));
            }
            Outcome::Fails => self.report.add(Finding::new(Code::HeadForged).entry(seq).time(Some(utc), Some(utc))),
            Outcome::Unknown => self.report.add(Finding::new(Code::Unknown).entry(seq).detail("signature algorithm")),
        }
        self.doubt(&head.chain, &head.zone, &head.node, seq, utc / 1_000_000);
        if self.origin.is_empty() {
            self.origin = note::origin(&head.zone, &head.node, &head.hearing);
        }
        self.head = Some((seq, head));
        self.final_text = None;
    }

    fn doubt(&mut self, chain: &[super::super::hash::Der], zone: &str, node: &str, seq: u64, time: i64) {
        let identity = Identity { zone: zone.to_owned(), node: node.to_owned() };
        if let Some(doubt) = (Signature { chain, identity, time }).doubt(self.trust) {
            let at = Some(time.saturating_mul(1_000_000));
            self.report.add(doubt.entry(seq).time(at, at));
        }
    }

    /// The text that the hearing's key signed on this line, and whether it did.
    fn signed(&mut self, placed: &Placed<'_>, algs: &[SignAlg]) -> Option<String> {
        let (seq, kind) = (placed.line.seq, placed.line.entry.kind());
        let bound = note::bound(self.record.alg, kind, unsigned(placed.bytes));
        let root = self.record.tree.root(seq)?;
        let text = note::checkpoint(&self.origin, seq, root, &bound);
        let keys = &self.head?.1.keys;
        let holds = |alg: SignAlg| {
            let key = if alg == SignAlg::Sm2 { &keys.sm2 } else { &keys.ed25519 };
            let sig = placed.line.sigs.as_ref().and_then(|sigs| sigs.get(alg.name()));
            sig.is_some_and(|sig| alg.verify(&key.0, text.as_bytes(), &sig.0))
        };
        let failed: Vec<_> = algs.iter().filter(|alg| !holds(**alg)).map(|alg| alg.name()).collect();
        // Behind a break every root is another: the break has been named.
        if !failed.is_empty() && (self.record.unbroken || !std::mem::replace(&mut self.doubted_root, true)) {
            let finding = Finding::new(Code::SignatureInvalid).entry(seq).detail(failed.join(", "));
            self.report.add(finding.time(Some(placed.line.utc), Some(placed.line.utc)));
        }
        Some(text)
    }

    fn checkpoint(&mut self, placed: &Placed<'_>, checkpoint: Checkpoint) {
        let (seq, Checkpoint { size, root, is_final }) = (placed.line.seq, checkpoint);
        if self.record.unbroken && (size != seq || self.record.tree.root(size) != Some(root)) {
            self.report.add(Finding::new(Code::RootMismatch).entry(seq));
        }
        let algs: &[SignAlg] = if is_final { &[SignAlg::Ed25519, SignAlg::Sm2] } else { &[SignAlg::Ed25519] };
        let text = self.signed(placed, algs);
        self.report.checkpoints += 1;
        self.checkpoints.insert(size, note::bound(self.record.alg, "checkpoint", unsigned(placed.bytes)));
        if is_final {
            self.final_text = text.map(|text| (size, text));
        }
    }

    fn cosign(&mut self, seq: u64, word: &Cosignature) {
        let is_ours = word.origin == self.origin
            && self.checkpoints.get(&word.size) == Some(&word.bound)
            && (!self.record.unbroken || self.record.tree.root(word.size) == Some(word.root));
        let is_elsewhere = self.head.is_some_and(|(_, head)| head.zone != word.zone);
        if SignAlg::named(&word.alg).is_none() {
            self.report.add(Finding::new(Code::Unknown).entry(seq).detail(&word.alg));
            return;
        }
        if !is_ours || !is_elsewhere || !word.is_signed() {
            let detail = format!("{}/{}", word.zone, word.node);
            self.report.add(Finding::new(Code::CosignatureForged).entry(seq).detail(detail));
            return;
        }
        let time = i64::try_from(word.time).unwrap_or(i64::MAX);
        self.doubt(&word.chain, &word.zone, &word.node, seq, time);
        self.cosigned = self.cosigned.max(word.size);
        let name = format!("{}/{}", word.zone, word.node);
        if !self.report.witnesses.contains(&name) {
            self.report.witnesses.push(name);
        }
        self.compare_clocks(seq, word.size, time);
    }

    /// A witness signs after the checkpoint was made: its clock may be later, but hardly earlier.
    fn compare_clocks(&mut self, seq: u64, size: u64, time: i64) {
        let Some(placed) = self.record.lines.iter().rev().find(|placed| placed.line.seq == size) else { return };
        let ahead = placed.line.utc / 1_000_000 - time;
        if ahead > APART {
            let detail = format!("the recording node's clock is {ahead} s ahead of the witness's");
            self.report.add(Finding::new(Code::ClocksDiffer).entry(seq).detail(detail));
        }
    }

    fn seal(&mut self, placed: &Placed<'_>, size: u64, value: &str) {
        let seq = placed.line.seq;
        self.signed(placed, &[SignAlg::Ed25519]);
        let computed = self.final_text.as_ref().map(|(_, text)| IntegrityValue::of(self.record.alg, text));
        let fits = self.final_text.as_ref().is_some_and(|(last, _)| *last == size)
            && computed.is_some_and(|computed| computed.to_string() == value);
        if !fits {
            self.report.add(Finding::new(Code::SealForged).entry(seq));
        }
        self.report.value = computed.map(|computed| computed.to_string());
        if self.trust.value.is_some_and(|told| computed != Some(told)) {
            self.report.add(Finding::new(Code::ValueDiffers).entry(seq));
        }
    }

    fn addendum(&mut self, placed: &Placed<'_>, entry: &'a Entry) {
        let seq = placed.line.seq;
        let Some((_, head)) = self.head else { return };
        match by_node(&head.chain, "addendum", unsigned(placed.bytes), placed.line.sigs.as_ref()) {
            Outcome::Holds => {}
            // The same node signed the head with an algorithm that is known.
            Outcome::Fails | Outcome::Unknown => self.report.add(Finding::new(Code::AddendumForged).entry(seq)),
        }
        if let Entry::Cosign(word) = entry {
            self.cosign(seq, word);
        }
    }

    fn finish(mut self) {
        self.tell();
        self.hold_against_witness();
        let lines = &self.record.lines;
        let sealed = self.record.sealed.is_some();
        let signed = self.checkpoints.keys().next_back().copied().unwrap_or(0);
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return };
        self.report.span = Some((first.line.utc, last.line.utc));
        if !sealed {
            self.report.add(Finding::new(Code::NotSealed).entry(last.line.seq).time(None, Some(last.line.utc)));
            if self.trust.value.is_some() {
                self.report.add(Finding::new(Code::ValueDiffers).detail("the record has no seal"));
            }
            let is_unsigned = |placed: &&Placed<'_>| {
                let seq = placed.line.seq;
                (seq > signed || self.checkpoints.is_empty()) && !matches!(placed.line.entry, Entry::Cosign(_))
            };
            if let Some(tail) = lines.iter().find(is_unsigned) {
                let finding = Finding::new(Code::UnsignedTail).entry(tail.line.seq);
                self.report.add(finding.time(Some(tail.line.utc), Some(last.line.utc)));
            }
        }
        self.tell_uncosigned();
    }

    fn tell(&mut self) {
        let Some((_, head)) = self.record.heads().next() else {
            self.report.add(Finding::new(Code::HeadForged).detail("there is none"));
            return;
        };
        self.report.hearing = Some(head.hearing.clone());
        self.report.case = Some(head.case.clone());
        self.report.node = Some(format!("{}/{}", head.zone, head.node));
        self.report.previous.clone_from(&head.previous);
        if self.trust.hearing.as_ref().is_some_and(|told| *told != head.hearing) {
            self.report.add(Finding::new(Code::OtherHearing).entry(0).detail(&head.hearing));
        }
    }

    fn hold_against_witness(&mut self) {
        let Some(words) = &self.trust.witness else { return };
        let ours: Vec<_> = words.iter().filter(|word| word.origin == self.origin).collect();
        if ours.is_empty() {
            self.report.add(Finding::new(Code::WitnessSilent));
        }
        let size = self.record.tree.size();
        for word in ours {
            let at = i64::try_from(word.time).ok().map(|time| time.saturating_mul(1_000_000));
            if word.size > size {
                let detail = format!("{} lines were seen, {size} are there", word.size);
                self.report.add(Finding::new(Code::WitnessSawMore).entry(size).time(at, at).detail(detail));
            } else if self.record.tree.root(word.size) != Some(word.root) {
                self.report.add(Finding::new(Code::WitnessDisagrees).entry(word.size).time(at, at));
            } else {
                self.cosigned = self.cosigned.max(word.size);
            }
        }
    }

    /// Rule 6: a cosignature covers every line before its checkpoint, so only what comes after the last one is without.
    fn tell_uncosigned(&mut self) {
        let is_media =
            |placed: &&Placed<'_>| matches!(placed.line.entry.matter(), Entry::Data { .. } | Entry::Late { .. });
        let mut bare = self.record.lines.iter().filter(is_media).filter(|placed| placed.line.seq >= self.cosigned);
        if let Some(first) = bare.next() {
            let last = bare.next_back().unwrap_or(first);
            self.report.uncosigned.push(Uncosigned {
                first: first.line.seq,
                last: last.line.seq,
                from: first.line.utc,
                to: last.line.utc,
            });
        }
    }
}

/// How far the recording node's clock may be ahead of a witness's, in seconds.
const APART: i64 = 10;
