//! What one hearing in the writer does with its manifest: when it is open, what goes into it, and the steps of its end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hearing_proto::manifest::{Cosignature, Entry, Span};
use hearing_signaling::hearing::Proof;
use hearing_signaling::registry::Journaled;
use tokio::sync::mpsc;

use super::clock::Clocks;
use super::ledger::{self, Found, Ledger, commit_within};
use super::narrate::{self, Narrator};
use super::reserve::{Reserve, is_full};
use super::seal::{self, Closing, Seal};
use super::sheet::{self, Sheet};
use super::sink::Sink;
use super::{Error, Judged, RecordEvent, Signing};

/// The manifest of one hearing.
pub(super) struct Books {
    folder: PathBuf,
    spill: Option<PathBuf>,
    signing: Arc<Signing>,
    clocks: Clocks,
    state: State,
    /// No new try before this.
    retry: Option<Instant>,
    narrator: Narrator,
    /// The sheet that may be written once the manifest is durable up to there.
    sheet: Option<(u64, String)>,
    closing: Option<Closing>,
    /// Since when the end waits for nobody.
    hurried: Option<Instant>,
    trouble: Option<String>,
    /// What the log was told of it: once, until it works again.
    logged: Option<String>,
    binding: Option<String>,
    told: Option<Proof>,
    reserve: Option<Reserve>,
    /// Verdicts from before the record began.
    crossings: Vec<Entry>,
}

enum State {
    Shut,
    Open(Box<Ledger>),
    Sealed(String),
}

impl Books {
    pub(super) const fn new(folder: PathBuf, spill: Option<PathBuf>, signing: Arc<Signing>, clocks: Clocks) -> Self {
        Self {
            folder,
            spill,
            signing,
            clocks,
            state: State::Shut,
            retry: None,
            narrator: Narrator::new(),
            sheet: None,
            closing: None,
            hurried: None,
            trouble: None,
            logged: None,
            binding: None,
            told: None,
            reserve: None,
            crossings: Vec::new(),
        }
    }

    /// Begins the manifest or goes on with it, unless it is open; tries at most once a second.
    ///
    /// # Errors
    /// When it can't be begun.
    pub(super) fn open(&mut self, sheet: &Sheet, now: Instant) -> Result<(), Error> {
        if !matches!(self.state, State::Shut) || self.retry.is_some_and(|retry| now < retry) {
            return Ok(());
        }
        self.retry = Some(now + RETRY);
        let others: Vec<PathBuf> = self.spill.iter().cloned().collect();
        match Ledger::open(&self.folder, &others, sheet, &self.signing, &self.clocks, now)? {
            Found::Sealed(value) => self.state = State::Sealed(value),
            Found::Open(ledger) => {
                self.state = State::Open(ledger);
                let before = std::mem::take(&mut self.crossings);
                self.narrator.present().chain(before).collect::<Vec<_>>().into_iter().for_each(|e| self.append(e));
                self.reserve = Reserve::take(&self.folder);
            }
        }
        Ok(())
    }

    /// True while entries are taken.
    pub(super) const fn are_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Appends an entry; before the record begins and after it was closed there is nothing to append to.
    pub(super) fn append(&mut self, entry: Entry) {
        let is_closed = self.are_closed();
        if let State::Open(ledger) = &mut self.state
            && !is_closed
            && let Err(error) = ledger.append(entry)
        {
            self.fail(&error);
        }
    }

    /// Something does not work, or works again.
    pub(super) fn fault(&mut self, part: &str, reason: &str, over: bool) {
        self.append(Entry::Fault { part: part.to_owned(), reason: reason.to_owned(), over });
    }

    /// Names bytes that are durable.
    pub(super) fn cover(&mut self, spans: Vec<Span>) {
        if let State::Open(ledger) = &mut self.state
            && let Err(error) = ledger.cover(spans)
        {
            self.fail(&error);
        }
    }

    /// Names bytes that are durable and came late, from the node of a zone that had kept them.
    pub(super) fn cover_late(&mut self, track: &str, edge: &str, spans: Vec<Span>) {
        if let State::Open(ledger) = &mut self.state
            && let Err(error) = ledger.cover_late(track, edge, spans)
        {
            self.fail(&error);
        }
    }

    /// What the hearing's journal says.
    pub(super) fn journaled(&mut self, now: Instant, journaled: &Journaled) {
        let told = self.narrator.tell(journaled);
        let State::Open(ledger) = &self.state else { return };
        if journaled.entry.at.0 <= ledger.told_until {
            return;
        }
        told.entries.into_iter().for_each(|entry| self.append(entry));
        if told.is_order
            && self.closing.is_none()
            && let State::Open(ledger) = &mut self.state
        {
            match ledger.checkpoint(now) {
                Ok(root) if told.signs => self.binding = Some(root),
                Ok(_) => {}
                Err(error) => self.fail(&error),
            }
        }
    }

    /// What a gate says.
    pub(super) fn crossing(&mut self, sheet: &Sheet, judged: &Judged) {
        let entry = narrate::crossing(&sheet.meta, judged);
        if self.are_open() {
            self.append(entry);
        } else if self.crossings.len() < CROSSINGS && !self.crossings.contains(&entry) {
            // What was judged before the opening holds on.
            self.crossings.push(entry);
        }
    }

    /// The witness answers: its word, or the size from which it wants to be led on.
    pub(super) fn witnessed(&mut self, now: Instant, answer: Result<Cosignature, u64>) {
        let State::Open(ledger) = &mut self.state else { return };
        match answer {
            Ok(word) => {
                if let Err(error) = ledger.cosigned(now, word) {
                    tracing::warn!(%error, "a cosignature is refused");
                }
            }
            Err(size) => ledger.witness_has(size),
        }
    }

    /// Writes the sheet as soon as the manifest durably knows of it; true once it is written.
    pub(super) fn write_sheet(&mut self, sheet: &Sheet) -> bool {
        let State::Open(ledger) = &mut self.state else { return false };
        let text = sheet.text();
        let line = match self.sheet.take().filter(|(_, known)| *known == text) {
            Some((line, _)) => Ok(line),
            None => ledger.replace(sheet::FILE, text.as_bytes()),
        };
        let written = line.and_then(|line| {
            if ledger.sink.durable() < line {
                self.sheet = Some((line, text));
                return Ok(false);
            }
            seal::write(&self.folder, self.spill.as_deref(), &[(sheet::FILE, sheet.text())]).map(|()| true)
        });
        written.unwrap_or_else(|error| {
            self.fail(&error);
            self.make_room_after(&error, FORMS);
            false
        })
    }

    /// A checkpoint when one is due, everything to the disk, and what there is to tell.
    pub(super) fn commit(&mut self, now: Instant, events: &mpsc::Sender<RecordEvent>) {
        if let Some(Closing::Sealing(last)) = &mut self.closing
            && let Err(error) = commit_within(&mut last.sink, &mut self.reserve)
        {
            self.trouble = Some(error.to_string());
        }
        let State::Open(ledger) = &mut self.state else { return };
        let checked = if self.closing.is_some() { Ok(()) } else { ledger.checkpoint_when_due(now) };
        let committed = checked.and_then(|()| ledger.commit(&mut self.reserve));
        if let Some(request) = ledger.ask() {
            // A witness that is not asked now is asked with the next checkpoint.
            _ = events.try_send(RecordEvent::Cosign(Box::new(request)));
        }
        let proof = Proof { binding: self.binding.clone(), integrity: None, witness: ledger.witness(now) };
        if self.told.as_ref() != Some(&proof) && events.try_send(RecordEvent::Proof(proof.clone())).is_ok() {
            self.told = Some(proof);
        }
        if let Err(error) = committed {
            self.fail(&error);
        }
    }

    /// One step of the end; `Some` when the record is sealed and durable.
    ///
    /// # Errors
    /// When the step can't be made now; it is tried again.
    pub(super) fn seal(&mut self, now: Instant, sheet: &Sheet) -> Result<Option<Seal>, Error> {
        self.next_step(now, sheet).inspect_err(|error| self.make_room_after(error, FORMS))
    }

    fn next_step(&mut self, now: Instant, sheet: &Sheet) -> Result<Option<Seal>, Error> {
        if let State::Sealed(integrity) = &self.state {
            return Ok(Some(Seal { integrity: integrity.clone(), witness: None }));
        }
        match self.closing.take() {
            None => {
                let State::Open(ledger) = &mut self.state else { return Err(Error::NoManifest) };
                self.closing = Some(Closing::begin(ledger, sheet)?);
            }
            Some(step) => return self.go_on(now, sheet, step),
        }
        Ok(None)
    }

    fn go_on(&mut self, now: Instant, sheet: &Sheet, step: Closing) -> Result<Option<Seal>, Error> {
        match (step, std::mem::replace(&mut self.state, State::Shut)) {
            (Closing::Forms { from, texts }, State::Open(mut ledger)) => {
                let written = if ledger.sink.durable() < from {
                    Ok(None)
                } else {
                    seal::write(&self.folder, self.spill.as_deref(), &texts).and_then(|()| ledger.close()).map(Some)
                };
                self.state = State::Open(ledger);
                self.closing = Some(match written? {
                    Some(size) => Closing::Cosigning { size, until: now + seal::COSIGNING },
                    None => Closing::Forms { from, texts },
                });
            }
            (Closing::Cosigning { size, until }, State::Open(ledger)) => {
                let is_durable = ledger.sink.is_settled();
                if is_durable && (ledger.is_cosigned_up_to(size) || now >= self.hurried.unwrap_or(until)) {
                    // What is sealed holds nothing that no line names, at no moment.
                    drop(self.reserve.take());
                    self.closing = Some(Closing::Sealing(Box::new(ledger.seal(now)?)));
                } else {
                    self.state = State::Open(ledger);
                    self.closing = Some(Closing::Cosigning { size, until });
                }
            }
            (Closing::Sealing(last), state) if last.sink.is_settled() => {
                self.state = State::Sealed(last.integrity.clone());
                drop(state);
                if let Some(records) = self.folder.parent() {
                    seal::remember(records, &sheet.hearing.to_string(), last.root)?;
                }
                return Ok(Some(Seal { integrity: last.integrity, witness: last.witness }));
            }
            (step, state) => (self.closing, self.state) = (Some(step), state),
        }
        Ok(None)
    }

    /// True from the first step of the end on.
    pub(super) const fn are_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// True once the final checkpoint is made: nothing can be named after it.
    pub(super) const fn are_closed(&self) -> bool {
        matches!(self.closing, Some(Closing::Cosigning { .. } | Closing::Sealing(_)))
    }

    /// The end does not wait for the witness any longer: it may cosign a sealed record later.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.hurried = Some(now);
    }

    /// Gives `bytes` of the room that was kept free; false when there is none.
    pub(super) fn lend(&mut self, bytes: u64) -> bool {
        self.reserve.as_mut().is_some_and(|reserve| reserve.give(bytes))
    }

    fn make_room_after(&mut self, error: &Error, bytes: u64) {
        if matches!(error, Error::Disk { source, .. } if is_full(source)) {
            self.lend(bytes);
        }
    }

    /// The disk is full: the room that was kept is given back, and the manifest goes on on the spill disk. True once it does.
    pub(super) fn spill(&mut self) -> bool {
        self.reserve = None;
        let (Some(spill), folder) = (&self.spill, &self.folder) else { return true };
        let moved = match (&mut self.state, &mut self.closing) {
            (_, Some(Closing::Sealing(last))) => last.sink.move_to(folder, spill, ledger::FILE),
            (State::Open(ledger), _) => ledger.sink.move_to(folder, spill, ledger::FILE),
            (State::Shut | State::Sealed(_), _) => return false,
        };
        if let Err(error) = &moved {
            self.trouble = Some(format!("the manifest does not go on on the spill disk: {error}"));
        }
        moved.is_ok()
    }

    /// What went wrong since the last call, a turn of the writer ago.
    pub(super) fn take_trouble(&mut self) -> Option<String> {
        let trouble = self.trouble.take();
        if trouble.is_none() {
            self.logged = None;
        }
        trouble
    }

    /// The manifest's file.
    pub(super) fn sink(&mut self) -> Option<&mut Sink> {
        match (&mut self.state, &mut self.closing) {
            (_, Some(Closing::Sealing(last))) => Some(&mut last.sink),
            (State::Open(ledger), _) => Some(&mut ledger.sink),
            (State::Shut | State::Sealed(_), _) => None,
        }
    }

    /// Told once for as long as it lasts; every time is counted.
    fn fail(&mut self, error: &Error) {
        metrics::counter!("hearing_record_manifest_failures_total").increment(1);
        let reason = error.to_string();
        if self.logged.as_ref() != Some(&reason) {
            tracing::error!(record = %self.folder.display(), %error, "the manifest does not go on");
            self.logged = Some(reason.clone());
        }
        self.trouble = Some(reason);
    }
}

/// The most verdicts that are kept until the record begins.
const CROSSINGS: usize = 1_024;
/// What the sheet and the forms need, in bytes, while their old versions are still there.
const FORMS: u64 = 128 << 10;
const RETRY: Duration = Duration::from_secs(1);
