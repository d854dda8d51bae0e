//! The bandwidth towards one client: what it tells of our packets by transport-wide feedback, and trials whether there is more.
//! Pure and told the time. See docs/design/congestion.md.

mod delay;
mod estimator;
mod feedback;
mod history;
#[cfg(test)]
pub(in crate::endpoint::webrtc) mod line;
mod loss;
mod probe;
mod rate;
#[cfg(test)]
mod tests;
mod trend;

use super::rtp::Unwrap;
use estimator::{Estimator, Told};
use feedback::Feedback;
use history::{History, Sent};
use probe::{Outcome, Probe};
pub(super) use rate::Rate;

/// The estimate for one client. Times are in microseconds since the session began.
#[derive(Debug)]
pub(super) struct Bandwidth {
    history: History,
    estimator: Estimator,
    probe: Probe,
    reference: Unwrap,
    /// Bits a second that would be used if the line carried them.
    desired: f64,
    /// When packets of a trial are due.
    tick: Option<i64>,
    /// When the first packet was sent.
    begun: Option<i64>,
    heard: bool,
    /// Since when feedbacks are counted, and how many came since.
    told: (i64, u32),
}

impl Bandwidth {
    /// `tries`: the client takes padding (over RTX), so that more than media needs can be sent to see whether it comes through. One
    /// who does not is thought to have a wide line until its delay or its loss says otherwise.
    pub(super) fn new(tries: bool) -> Self {
        Self {
            history: History::new(),
            estimator: Estimator::new(tries),
            probe: Probe::default(),
            reference: Unwrap::DEFAULT,
            desired: 0.0,
            tick: None,
            begun: None,
            heard: false,
            told: (i64::MIN / 2, 0),
        }
    }

    /// Bits a second that the line carries; `None` when the client tells nothing although it had time to.
    pub(super) fn estimate(&self, now: i64) -> Option<f64> {
        let silent = !self.heard && self.begun.is_some_and(|begun| now - begun > SILENCE);
        (!silent).then(|| self.estimator.target())
    }

    /// The estimate, once the client has told anything.
    pub(super) fn estimate_known(&self) -> Option<f64> {
        self.heard.then(|| self.estimator.target())
    }

    /// Microseconds that packets wait in queues on their way.
    pub(super) fn queue(&self) -> i64 {
        self.estimator.queue()
    }

    /// What was lost of the last second's packets before repair, 0.0 to 1.0.
    pub(super) const fn loss(&self) -> f64 {
        self.estimator.loss()
    }

    /// So many bits a second would be used if the line carried them.
    pub(super) const fn desire(&mut self, bps: f64) {
        self.desired = bps;
    }

    /// A packet of `bytes` was sent under the transport-wide number `number`.
    pub(super) fn sent(&mut self, now: i64, number: u16, bytes: u16) {
        self.begun.get_or_insert(now);
        let number = self.history.push(number, Sent { at: now, bytes });
        self.probe.sent(now, number, bytes);
    }

    /// Takes transport-wide feedback, after its first four bytes; false when it is malformed. More of it than
    /// browsers send is not read.
    pub(super) fn feedback(&mut self, now: i64, rtt: i64, body: &[u8]) -> bool {
        if now - self.told.0 > SECOND {
            self.told = (now, 0);
        }
        self.told.1 += 1;
        if self.told.1 > FEEDBACKS {
            metrics::counter!("hearing_webrtc_feedback_refused_total").increment(1);
            return true;
        }
        let Some(feedback) = Feedback::read(body, &mut self.reference) else { return false };
        let (before, probing) = (self.estimator.target(), self.probe.is_running());
        let (history, probe, mut highest) = (&self.history, &mut self.probe, i64::MIN);
        let told = feedback.filter_map(|(number, came)| {
            let number = history.unwrap(number);
            let Sent { at, bytes } = history.get(number)?;
            probe.told(number, bytes, came);
            highest = number;
            Some(Told { sent: at, bytes, came })
        });
        self.estimator.feedback(now, rtt, probing, told);
        if highest == i64::MIN {
            return true;
        }
        self.heard = true;
        if self.estimator.target() < before {
            self.probe.fell(now);
        }
        match self.probe.judge(now, highest, self.estimator.queue() > CONGESTED) {
            Some(Outcome::Carried(bps)) => self.estimator.proved(bps),
            Some(Outcome::Full(bps)) => self.estimator.proved(bps * NEARLY),
            Some(Outcome::Unknown) | None => {}
        }
        self.consider(now);
        true
    }

    /// Bytes of padding that a trial needs now.
    pub(super) fn padding(&mut self, now: i64) -> u64 {
        if self.tick.is_none_or(|at| at > now) {
            return 0;
        }
        self.tick = self.probe.is_sending(now).then_some(now + TICK);
        self.probe.missing(now)
    }

    /// When padding is due.
    pub(super) const fn due(&self) -> Option<i64> {
        self.tick
    }

    /// Begins a trial when more is wanted than the line is known to carry.
    fn consider(&mut self, now: i64) {
        let wants = self.estimator.target() < self.desired;
        if wants && self.probe.is_due(now) && self.estimator.is_calm(now) {
            self.probe.begin(now, self.estimator.target(), self.desired * BEYOND);
            self.tick = Some(now);
        }
    }
}

/// A client that has not told anything by then never will.
const SILENCE: i64 = 2_000_000;
const SECOND: i64 = 1_000_000;
/// Feedbacks that are read in a second; browsers send 4 to 20, and more when a great deal comes.
const FEEDBACKS: u32 = 100;
/// Packets of a trial go out every so many microseconds: there is no pacer to smooth them.
const TICK: i64 = 5_000;
/// A queue of so many microseconds ends a trial.
const CONGESTED: i64 = 50_000;
/// What of a full line's rate is used.
const NEARLY: f64 = 0.92;
/// How far beyond the need a trial goes.
const BEYOND: f64 = 1.1;
