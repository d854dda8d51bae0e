//! The task of one hearing at home: it owns the state machine, journals what it says, and then lets everybody see it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use hearing_config::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::live::Live;
use super::node::Known;
use super::{Board, Journaled, Refusal, Request};
use crate::access::SessionId;
use crate::hearing::{Entry, Hearing, Input, MediaPlan, MediaReport, Output, Phase, Reply};
use crate::store::{Cause, Journal};
use crate::sync::Log;

/// One hearing at home.
pub(super) struct Home {
    hearing: Hearing,
    journal: Journal,
    log: Log,
    live: Live,
    plans: watch::Sender<Arc<MediaPlan>>,
    /// Who waits for an opening or a resumption.
    starters: Vec<oneshot::Sender<Result<u64, Refusal>>>,
    /// What could not be journaled yet and therefore is not visible.
    unsaved: Vec<(Cause, Output)>,
    /// Who reads every entry.
    readers: Vec<mpsc::Sender<Journaled>>,
    known: Weak<Known>,
}

impl Home {
    pub(super) fn new(hearing: Hearing, journal: Journal, entries: Vec<Entry>, known: Weak<Known>) -> Self {
        Self {
            plans: watch::Sender::new(Arc::clone(hearing.plan())),
            hearing,
            journal,
            log: Log::new(entries),
            live: Live::default(),
            starters: Vec::new(),
            unsaved: Vec::new(),
            readers: Vec::new(),
            known,
        }
    }

    /// Runs until every handle is gone.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        loop {
            let wake = self.wake();
            tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => self.serve(request).await,
                    None => return,
                },
                () = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => self.tick().await,
            }
        }
    }

    /// The node has started again.
    pub(super) async fn restart(&mut self) {
        _ = self.put(Input::Restarted, Cause::Restart).await;
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.hearing.kept().is_sealed()
    }

    async fn serve(&mut self, request: Request) {
        match request {
            Request::Join(join, reply) => {
                let joined = self.put(Input::Join(join, SessionId::random()), Cause::Join).await;
                _ = reply.send(joined.and_then(|reply| match reply {
                    Reply::Joined(joined) => Ok(*joined),
                    Reply::Done | Reply::Later => Err(Refusal::UnknownLink),
                }));
            }
            Request::Authorize(session, reply) => _ = reply.send(self.hearing.authorize(session)),
            Request::Act(session, action, reply) => {
                let cause = self.cause_of(session);
                self.act(Input::Act(session, action), cause, reply).await;
            }
            Request::Operate(action, reply) => self.act(Input::Operate(action), Cause::Operator, reply).await,
            Request::Follow { session, after, reply } => {
                let live = self.live.seats(&self.hearing);
                let eyes = self.hearing.eyes(session);
                _ = reply.send(eyes.map(|eyes| self.log.follow(eyes, after, self.hearing.view(), &live)));
            }
            Request::Show(reply) => {
                let live = self.live.seats(&self.hearing);
                _ = reply.send(Board { view: self.hearing.view().clone(), live });
            }
            Request::Plans(reply) => _ = reply.send(self.plans.subscribe()),
            Request::Journal { after, reply } => self.read_journal(after, reply).await,
            Request::Media(report) => self.report(report).await,
        }
    }

    fn cause_of(&self, session: SessionId) -> Cause {
        let seat = self.hearing.authorize(session).ok().and_then(|grant| self.hearing.plan().seat(grant.seat()));
        seat.map_or(Cause::Operator, |seat| Cause::Seat(seat.name.clone()))
    }

    async fn act(&mut self, input: Input, cause: Cause, reply: oneshot::Sender<Result<u64, Refusal>>) {
        match self.put(input, cause).await {
            Ok(Reply::Later) => self.starters.push(reply),
            Ok(Reply::Done | Reply::Joined(_)) => _ = reply.send(Ok(self.hearing.view().seq)),
            Err(refusal) => _ = reply.send(Err(refusal)),
        }
    }

    async fn report(&mut self, report: MediaReport) {
        self.live.report(&report);
        if !matches!(report, MediaReport::Speaking { .. } | MediaReport::Quality { .. }) {
            _ = self.put(Input::Media(report), Cause::Media).await;
        }
    }

    /// Hands the hearing an input, journals what follows from it, and lets it be seen. A person whose deed can't be journaled
    /// is told so and nothing has happened; what media reports has happened all the same, so that is tried again until it can
    /// be journaled, and not seen before.
    async fn put(&mut self, input: Input, cause: Cause) -> Result<Reply, Refusal> {
        let refusable = matches!(input, Input::Join(..) | Input::Act(..) | Input::Operate(_));
        let (before, held) = (self.hearing.clone(), self.unsaved.len());
        let reply = self.hearing.handle(input, Timestamp::now())?;
        while let Some(output) = self.hearing.poll() {
            self.unsaved.push((cause.clone(), output));
        }
        if self.unsaved.is_empty() && self.hearing.kept() == before.kept() {
            return Ok(reply);
        }
        match self.save().await {
            Ok(()) => self.show(),
            Err(refusal) if refusable => {
                self.hearing = before;
                self.unsaved.truncate(held);
                return Err(refusal);
            }
            Err(_) => {}
        }
        Ok(reply)
    }

    async fn save(&self) -> Result<(), Refusal> {
        let entries = self.unsaved.iter().filter_map(|(cause, output)| match output {
            Output::Entry(entry) => Some((cause.clone(), entry.clone())),
            Output::Plan(_) | Output::Started(_) | Output::Refollow(_) => None,
        });
        let written = self.journal.write(self.hearing.kept(), &entries.collect::<Vec<_>>()).await;
        written.map_err(|error| {
            metrics::counter!("hearing_journal_failures_total").increment(1);
            tracing::error!(hearing = %self.hearing.kept().id(), %error, "journal not written");
            Refusal::Journal(error.to_string())
        })
    }

    /// Lets everything be seen that is journaled by now.
    fn show(&mut self) {
        let outputs: Vec<_> = self.unsaved.drain(..).collect();
        // Whose sight has changed gets the view and must not see the entries with the old eyes before.
        for (_, output) in &outputs {
            if let Output::Refollow(seat) = output {
                self.log.drop_followers(*seat);
            }
        }
        for (cause, output) in outputs {
            match output {
                Output::Entry(entry) => self.publish(&cause, &entry),
                Output::Plan(plan) => _ = self.plans.send_replace(plan),
                Output::Started(result) => self.started(&result),
                Output::Refollow(_) => {}
            }
        }
    }

    async fn read_journal(&mut self, after: u64, reply: oneshot::Sender<mpsc::Receiver<Journaled>>) {
        let Ok(missed) = self.journal.entries_after(self.hearing.kept().id(), after, READER_BOUND as u32).await else {
            metrics::counter!("hearing_journal_failures_total").increment(1);
            return;
        };
        let (reader, entries) = mpsc::channel(READER_BOUND);
        // What is not visible yet will be published.
        let unseen = |seq: u64| self.unsaved.iter().any(|(_, o)| matches!(o, Output::Entry(e) if e.seq == seq));
        let whole = missed.len() < READER_BOUND / 2;
        for journaled in missed.into_iter().filter(|journaled| !unseen(journaled.entry.seq)) {
            _ = reader.try_send(journaled);
        }
        if whole {
            self.readers.push(reader);
        }
        _ = reply.send(entries);
    }

    fn publish(&mut self, cause: &Cause, entry: &Entry) {
        let journaled = || Journaled { cause: cause.to_string(), entry: entry.clone() };
        self.readers.retain(|reader| match reader.try_send(journaled()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                metrics::counter!("hearing_followers_lagged_total").increment(1);
                false
            }
        });
        self.log.publish(entry, self.hearing.view());
        if let crate::hearing::Change::Phase(phase) = &entry.change {
            tracing::info!(hearing = %self.hearing.kept().id(), phase = %phase, "phase");
            if *phase == Phase::Sealed
                && let Some(known) = self.known.upgrade()
            {
                known.sealed(self.hearing.kept().id());
            }
        }
    }

    fn started(&mut self, result: &Result<(), Refusal>) {
        let seq = self.hearing.view().seq;
        for starter in self.starters.drain(..) {
            _ = starter.send(result.clone().map(|()| seq));
        }
    }

    fn wake(&self) -> Option<Instant> {
        let deadline = self.hearing.deadline().map(|deadline| Instant::now() + until(deadline));
        let live = self.live.due().filter(|_| self.log.is_followed());
        let retry = (!self.unsaved.is_empty()).then(|| Instant::now() + RETRY);
        [deadline, live, retry].into_iter().flatten().min()
    }

    async fn tick(&mut self) {
        if self.live.due().is_some_and(|due| due <= Instant::now()) {
            let live = self.live.push(&self.hearing, Instant::now());
            self.log.live(&live);
        }
        if !self.unsaved.is_empty() || self.hearing.deadline().is_some_and(|deadline| deadline <= Timestamp::now()) {
            _ = self.put(Input::Time, Cause::Time).await;
        }
    }
}

fn until(deadline: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(deadline.since(Timestamp::now())).unwrap_or(0)) + Duration::from_millis(1)
}

/// The most entries that wait for a reader of the journal.
const READER_BOUND: usize = 1_024;

/// How long until what could not be journaled is tried again.
const RETRY: Duration = Duration::from_secs(1);
