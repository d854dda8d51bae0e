//! The evidential manifest of one record as the writer keeps it: begun or gone on with, fed, checkpointed, sealed. The chain
//! itself is `hearing_proto::manifest`; here are its file, its clocks and its keys' certificate.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hearing_proto::manifest::{
    CLOCK_TOLERANCE, Chain, Cosignature, Entry, Hash, HashAlg, HearingKeys, Node, Opened, Opening, Request, Span, Stamp,
};

use super::clock::Clocks;
use super::forms::Happening;
use super::recover;
use super::reserve::{Reserve, is_full};
use super::seal::Last;
use super::sheet::Sheet;
use super::sink::Sink;
use super::{Error, Signing};

/// A manifest that is being written.
pub(super) struct Ledger {
    chain: Chain,
    pub(super) sink: Sink,
    path: PathBuf,
    clocks: Clocks,
    /// When the next checkpoint is due.
    due: Instant,
    /// The size up to which the witness has seen the record.
    since: u64,
    /// The zone of the witness of the last checkpoint, and when it cosigned.
    witness: Option<(String, Instant)>,
    /// A checkpoint that the witness is to be asked for.
    asks: bool,
    /// How far the wall clock was ahead of the monotonic one when the chain last said so, in microseconds.
    ahead: i64,
    /// What belongs into the log of interruptions.
    pub(super) happenings: Vec<Happening>,
    /// What the hearing's journal says up to here was told before the recorder was interrupted, microseconds since 1970.
    pub(super) told_until: i64,
}

/// How a record stands when the recorder comes to it.
pub(super) enum Found {
    /// It goes on, or begins.
    Open(Box<Ledger>),
    /// It was sealed before.
    Sealed(String),
}

impl Ledger {
    /// Begins the manifest in `folder`, or goes on with the one that is there; what it does not cover is set aside in it.
    ///
    /// # Errors
    /// When the node can't sign, or the folder can't be read or written.
    pub(super) fn open(
        folder: &Path,
        others: &[PathBuf],
        sheet: &Sheet,
        signing: &Signing,
        clocks: &Clocks,
        now: Instant,
    ) -> Result<Found, Error> {
        let path = folder.join(FILE);
        let existing = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Error::disk(&path, "read")(error)),
        };
        let mut happenings = recover::happenings(&existing);
        if let Some(value) = recover::seal(&existing) {
            return Ok(Found::Sealed(value));
        }
        recover::clear_drafts(folder)?;
        let stamp = clocks.now();
        let keys = HearingKeys::generate().map_err(Error::Key)?;
        let opening = opening(folder, sheet, signing, clocks);
        let Opened { chain, covered, replaced } = Chain::open(&existing, opening, signing.node()?, keys, stamp)?;
        let sink = Sink::append(folder, FILE, None).map_err(Error::disk(&path, "open"))?;
        happenings.push(Happening::now(clocks, !existing.is_empty()));
        let (since, witness, asks) = (0, None, false);
        let ahead = stamp.utc - stamp.mono;
        let told_until = recover::last_told(&existing).unwrap_or(0);
        let mut ledger = Self {
            chain,
            sink,
            path,
            clocks: clocks.clone(),
            due: now,
            since,
            witness,
            asks,
            ahead,
            happenings,
            told_until,
        };
        if !existing.is_empty() {
            ledger.go_on(folder, others, &covered)?;
            ledger.follow_policy(recover::policy(&existing), signing)?;
        }
        ledger.cover_sheet(folder, &replaced)?;
        Ok(Found::Open(Box::new(ledger)))
    }

    /// After a crash: what no line covers is set aside, and the gap is named.
    fn go_on(&mut self, folder: &Path, others: &[PathBuf], covered: &BTreeMap<String, u64>) -> Result<(), Error> {
        let reason = "the recorder was not running; fresh keys".to_owned();
        self.append(Entry::Fault { part: "recorder".to_owned(), reason, over: true })?;
        for entry in recover::aside(folder, others, covered, self.chain.hash())? {
            self.append(entry)?;
        }
        Ok(())
    }

    /// Other zones and crossings hold than when the recorder ended.
    fn follow_policy(&mut self, before: Option<Hash>, signing: &Signing) -> Result<(), Error> {
        let (hash, text) = (signing.policy(), signing.policy.clone());
        if before.is_none_or(|before| before == hash) { Ok(()) } else { self.append(Entry::Policy { hash, text }) }
    }

    fn cover_sheet(&mut self, folder: &Path, replaced: &BTreeMap<String, (u64, Hash)>) -> Result<(), Error> {
        let path = folder.join(super::sheet::FILE);
        let text = fs::read(&path).map_err(Error::disk(&path, "read"))?;
        let hash = self.chain.hash().hash(&[&text]);
        if replaced.get(super::sheet::FILE) != Some(&(text.len() as u64, hash)) {
            self.replace(super::sheet::FILE, &text)?;
        }
        Ok(())
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// When the chain refuses it; it then stands as before.
    pub(super) fn append(&mut self, entry: Entry) -> Result<(), Error> {
        let stamp = self.stamp();
        if let Some(happening) = Happening::of(stamp.utc, &entry)
            && self.happenings.len() < HAPPENINGS
        {
            self.happenings.push(happening);
        }
        self.chain.append(entry, stamp)?;
        Ok(())
    }

    /// The clocks now; a step of the wall clock goes into the log, as the chain puts it into the manifest.
    fn stamp(&mut self) -> Stamp {
        let stamp = self.clocks.now();
        let step = stamp.utc - stamp.mono - self.ahead;
        if step.abs() > CLOCK_TOLERANCE {
            self.ahead += step;
            self.happenings.extend(Happening::of(stamp.utc, &Entry::Clock { step }));
        }
        stamp
    }

    /// Names bytes that are durable.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub(super) fn cover(&mut self, spans: Vec<Span>) -> Result<(), Error> {
        self.name_spans(spans, |spans| Entry::Data { spans })
    }

    /// Names bytes that are durable and came late, from the node of a zone that had kept them.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub(super) fn cover_late(&mut self, track: &str, edge: &str, spans: Vec<Span>) -> Result<(), Error> {
        self.name_spans(spans, |spans| Entry::Late { track: track.to_owned(), edge: edge.to_owned(), spans })
    }

    fn name_spans(&mut self, mut spans: Vec<Span>, entry: impl Fn(Vec<Span>) -> Entry) -> Result<(), Error> {
        while !spans.is_empty() {
            let rest = spans.split_off(spans.len().min(SPANS));
            self.append(entry(std::mem::replace(&mut spans, rest)))?;
        }
        Ok(())
    }

    /// A file will be replaced as a whole, as soon as this line is durable: when the sink is, up to what is returned.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub(super) fn replace(&mut self, file: &str, text: &[u8]) -> Result<u64, Error> {
        let hash = self.chain.hash().hash(&[text]);
        self.append(Entry::Replaced { file: file.to_owned(), size: text.len() as u64, hash })?;
        self.flush();
        Ok(self.sink.end())
    }

    /// Signs what is there now; returns the root in hexadecimal.
    ///
    /// # Errors
    /// When the key does not sign.
    pub(super) fn checkpoint(&mut self, now: Instant) -> Result<String, Error> {
        let checkpoint = self.chain.checkpoint(self.clocks.now())?;
        (self.due, self.asks) = (now + CHECKPOINT, true);
        Ok(checkpoint.root.to_string())
    }

    /// A checkpoint, when one is due.
    ///
    /// # Errors
    /// When the key does not sign.
    pub(super) fn checkpoint_when_due(&mut self, now: Instant) -> Result<(), Error> {
        if now >= self.due && self.chain.unsigned() > 0 {
            self.checkpoint(now)?;
        }
        Ok(())
    }

    /// Everything to the disk; when it is full, into the room that was kept.
    ///
    /// # Errors
    /// When the disk takes nothing.
    pub(super) fn commit(&mut self, reserve: &mut Option<Reserve>) -> Result<(), Error> {
        self.flush();
        commit_within(&mut self.sink, reserve).map_err(Error::disk(&self.path, "write"))
    }

    /// What the witness is to be asked now, if anything.
    pub(super) fn ask(&mut self) -> Option<Request> {
        std::mem::take(&mut self.asks).then(|| self.chain.request(self.since)).flatten()
    }

    /// The witness has cosigned.
    ///
    /// # Errors
    /// When its word is not about this record.
    pub(super) fn cosigned(&mut self, now: Instant, word: Cosignature) -> Result<(), Error> {
        let (size, zone) = (word.size, word.zone.clone());
        self.chain.cosign(word, self.clocks.now())?;
        self.since = self.since.max(size);
        self.witness = Some((zone, now));
        Ok(())
    }

    /// The witness wants to be led on from this size.
    pub(super) const fn witness_has(&mut self, size: u64) {
        self.since = size;
        self.asks = true;
    }

    /// The zone whose node has cosigned of late.
    pub(super) fn witness(&self, now: Instant) -> Option<String> {
        let (zone, at) = self.witness.as_ref()?;
        (now.saturating_duration_since(*at) < UNCOSIGNED).then(|| zone.clone())
    }

    /// True once the last checkpoint is cosigned.
    pub(super) fn is_cosigned_up_to(&self, size: u64) -> bool {
        self.since >= size
    }

    /// The final checkpoint; returns its size.
    ///
    /// # Errors
    /// When a key does not sign.
    pub(super) fn close(&mut self) -> Result<u64, Error> {
        let checkpoint = self.chain.close("closed", self.clocks.now())?;
        self.asks = true;
        self.flush();
        Ok(checkpoint.size)
    }

    /// Seals the record: the hearing's keys are gone after this. Returns the integrity value, and the rest of the manifest.
    ///
    /// # Errors
    /// When the key does not sign.
    pub(super) fn seal(self, now: Instant) -> Result<Last, Error> {
        let witness = self.witness(now);
        let Self { chain, mut sink, clocks, .. } = self;
        let sealed = chain.seal(clocks.now())?;
        sink.push(&sealed.bytes);
        Ok(Last { sink, integrity: sealed.value.to_string(), root: sealed.root, witness })
    }

    fn flush(&mut self) {
        let bytes = self.chain.take();
        self.sink.push(&bytes);
    }
}

/// Writes what waits; on a full disk, into room that the reserve gives.
pub(super) fn commit_within(sink: &mut Sink, reserve: &mut Option<Reserve>) -> io::Result<()> {
    let written = sink.commit();
    let waits = sink.waiting() as u64;
    let is_refused = written.as_ref().is_err_and(is_full);
    let is_given = is_refused && reserve.as_mut().is_some_and(|reserve| reserve.give(waits));
    if is_given { sink.commit() } else { written }
}

fn opening(folder: &Path, sheet: &Sheet, signing: &Signing, clocks: &Clocks) -> Opening {
    Opening {
        hearing: sheet.hearing.to_string(),
        case: sheet.meta.case.clone(),
        hash: HashAlg::Sha256,
        software: signing.software.clone(),
        build: signing.build,
        policy: signing.policy(),
        previous: folder.parent().and_then(super::seal::previous),
        boot: clocks.boot().to_owned(),
    }
}

impl Signing {
    fn policy(&self) -> Hash {
        HashAlg::Sha256.hash(&[self.policy.as_bytes()])
    }

    /// The node with its certificate and key as they are now.
    pub(super) fn node(&self) -> Result<Node, Error> {
        let (chain, signer) = (self.read)().map_err(Error::Identity)?;
        Ok(Node { node: self.node.to_string(), zone: self.zone.to_string(), chain, signer: Arc::from(signer) })
    }
}

/// How often everything is signed, besides at every order.
const CHECKPOINT: Duration = Duration::from_secs(5);
/// A record whose last cosignature is older counts as uncosigned.
const UNCOSIGNED: Duration = Duration::from_secs(20);
/// The most spans of one line.
const SPANS: usize = 1_024;
/// The most entries of the log of interruptions.
const HAPPENINGS: usize = 20_000;
/// The manifest's file.
pub(super) const FILE: &str = "manifest.jsonl";
