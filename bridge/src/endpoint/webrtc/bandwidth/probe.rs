//! Tries whether the line carries more: for a moment more is sent than media needs, and what comes of it counts.

/// The trials of one client. Times are in microseconds, rates in bits a second.
#[derive(Debug, Default)]
pub(super) struct Probe {
    running: Option<Running>,
    next: i64,
    pause: Option<i64>,
    /// True once the end of the line was found: from then on with care.
    careful: bool,
}

#[derive(Debug, Default)]
struct Running {
    bps: f64,
    begun: i64,
    until: i64,
    sent: u64,
    /// The unwrapped numbers of the first and the last packet.
    span: Option<(i64, i64)>,
    came: Option<Came>,
    told: u32,
    lost: u32,
}

/// What came of a trial: from when to when, and the bytes after the first packet.
#[derive(Debug, Clone, Copy)]
struct Came {
    first: i64,
    last: i64,
    bytes: u64,
}

/// What a trial showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Outcome {
    /// All of it came through at this rate.
    Carried(f64),
    /// No more than this rate came through.
    Full(f64),
    /// Too little came back to tell.
    Unknown,
}

impl Probe {
    /// True from the beginning of a trial until its outcome is known.
    pub(super) const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// True while packets are to be sent for a trial.
    pub(super) fn is_sending(&self, now: i64) -> bool {
        self.running.as_ref().is_some_and(|run| now <= run.until)
    }

    /// True when a trial may begin.
    pub(super) const fn is_due(&self, now: i64) -> bool {
        self.running.is_none() && now >= self.next
    }

    /// Begins a trial from `bps` upwards to at most `most`.
    pub(super) fn begin(&mut self, now: i64, bps: f64, most: f64) {
        let (factor, length) = if self.careful { (1.4, CAREFUL) } else { (2.0, BOLD) };
        let bps = (bps * factor).min(most);
        self.running = Some(Running { bps, begun: now, until: now + length, ..Running::default() });
    }

    /// Bytes that a trial lacks now.
    pub(super) fn missing(&self, now: i64) -> u64 {
        let Some(run) = self.running.as_ref().filter(|run| now <= run.until) else { return 0 };
        let wanted = (now - run.begun) as f64 * run.bps / 8e6;
        (wanted as u64).saturating_sub(run.sent)
    }

    /// A packet was sent.
    pub(super) fn sent(&mut self, now: i64, number: i64, bytes: u16) {
        if let Some(run) = self.running.as_mut().filter(|run| now <= run.until) {
            run.sent += u64::from(bytes);
            run.span = Some((run.span.map_or(number, |(first, _)| first), number));
        }
    }

    /// What became of a packet.
    pub(super) fn told(&mut self, number: i64, bytes: u16, came: Option<i64>) {
        let Some(run) = &mut self.running else { return };
        if !run.span.is_some_and(|(first, last)| (first..=last).contains(&number)) {
            return;
        }
        run.told += 1;
        match (came, &mut run.came) {
            (None, _) => run.lost += 1,
            (Some(at), None) => run.came = Some(Came { first: at, last: at, bytes: 0 }),
            (Some(at), Some(came)) => {
                came.last = came.last.max(at);
                came.bytes += u64::from(bytes);
            }
        }
    }

    /// After a feedback that told of packets up to `highest`: the outcome, if there is one now. `congested`: a queue built up.
    pub(super) fn judge(&mut self, now: i64, highest: i64, congested: bool) -> Option<Outcome> {
        let run = self.running.as_ref()?;
        let complete = now > run.until && run.span.is_none_or(|(_, last)| highest >= last);
        let aborted = congested && now > run.begun + ABORT;
        if !complete && !aborted && now < run.until + OVERDUE {
            return None;
        }
        let (rate, bps) = (run.rate(), run.bps);
        let lossy = f64::from(run.lost) > 0.2 * f64::from(run.told);
        self.running = None;
        match rate {
            Some(rate) if complete && !lossy && rate > 0.85 * bps => {
                (self.next, self.pause) = (now, None);
                Some(Outcome::Carried(rate.min(bps)))
            }
            rate => {
                self.failed(now);
                Some(rate.map_or(Outcome::Unknown, Outcome::Full))
            }
        }
    }

    /// The estimate fell: what was found out before is void.
    pub(super) fn fell(&mut self, now: i64) {
        self.careful = true;
        self.next = self.next.max(now + PAUSE);
    }

    fn failed(&mut self, now: i64) {
        let pause = self.pause.unwrap_or(PAUSE);
        self.careful = true;
        self.next = now + pause;
        self.pause = Some((pause * 2).min(MOST_PAUSE));
    }
}

impl Running {
    fn rate(&self) -> Option<f64> {
        let came = self.came.filter(|came| came.last - came.first >= SHORTEST)?;
        Some(came.bytes as f64 * 8e6 / (came.last - came.first) as f64)
    }
}

/// How long a trial lasts before anything is known of the line.
const BOLD: i64 = 100_000;
/// And afterwards: a line with a token bucket lets a short burst pass that it does not carry.
const CAREFUL: i64 = 250_000;
/// A trial that filled a queue is broken off, but not for the queue that was there.
const ABORT: i64 = 50_000;
/// A trial of which nothing is heard for so long failed.
const OVERDUE: i64 = 1_000_000;
/// What takes less time tells no rate.
const SHORTEST: i64 = 25_000;
/// After a failure; doubled by each.
const PAUSE: i64 = 2_000_000;
const MOST_PAUSE: i64 = 6_000_000;
