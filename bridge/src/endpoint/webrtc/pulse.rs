//! Is the client still there? What it sends tells, if its integrity holds: checks of ICE, media and reports. Told the time.

use std::time::{Duration, Instant};

/// When the client was heard, and what follows from its silence.
#[derive(Debug)]
pub(super) struct Pulse {
    heard: Instant,
    /// The second in which packets are counted, and how many came.
    counting: (Instant, u32),
    /// Seconds in a row in which little came. One who dies bit by bit has one or two of them before the silence.
    calm: u32,
    state: State,
}

/// How a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Heard,
    /// Silent for longer than its habit: its page is told, so that it looks for another way.
    Quiet,
    /// Silent for so long that it has to be taken for gone; it may come back.
    Lost,
}

impl Pulse {
    pub(super) const fn new(now: Instant) -> Self {
        Self { heard: now, counting: (now, 0), calm: CALM, state: State::Heard }
    }

    pub(super) const fn state(&self) -> State {
        self.state
    }

    /// How long the client was silent.
    pub(super) fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard)
    }

    /// A packet came whose integrity holds; the answer is what the client was taken for.
    pub(super) fn beat(&mut self, now: Instant) -> State {
        let (since, count) = self.counting;
        if now.saturating_duration_since(since) >= SECOND {
            self.calm = if count >= LIVELY { self.calm } else { self.calm.saturating_add(1) };
            self.counting = (now, 1);
        } else {
            self.counting.1 = count.saturating_add(1);
        }
        if self.counting.1 >= LIVELY {
            self.calm = 0;
        }
        self.heard = now;
        std::mem::replace(&mut self.state, State::Heard)
    }

    /// The state that begins now, if one does.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<State> {
        let next = match self.state {
            State::Heard => State::Quiet,
            State::Quiet => State::Lost,
            State::Lost => return None,
        };
        if self.poll_timeout().is_none_or(|due| due > now) {
            return None;
        }
        self.state = next;
        Some(next)
    }

    /// When `handle_timeout` wants to be called next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let (quiet, lost) = if self.calm < CALM { LIVELY_LIMITS } else { CALM_LIMITS };
        match self.state {
            State::Heard => Some(self.heard + quiet),
            State::Quiet => Some(self.heard + lost),
            State::Lost => None,
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// Packets in a second: sound alone has 50, a page that only watches reports about ten times.
const LIVELY: u32 = 8;
/// After so many seconds with fewer a silence means little.
const CALM: u32 = 3;
/// Quiet and lost, for a client that sends all the time.
const LIVELY_LIMITS: (Duration, Duration) = (Duration::from_millis(1_200), Duration::from_secs(4));
/// For one to whom nothing is sent and who sends nothing: browsers check a quiet path every 2.5 s (Chromium) to 6 s (Firefox).
const CALM_LIMITS: (Duration, Duration) = (Duration::from_millis(6_500), Duration::from_secs(9));

#[cfg(test)]
mod tests {
    use super::*;

    fn beaten(every: u64, until: u64) -> (Pulse, Instant) {
        let start = Instant::now();
        let mut pulse = Pulse::new(start);
        for n in 0..=until / every {
            pulse.beat(start + Duration::from_millis(n * every));
        }
        (pulse, start + Duration::from_millis(until))
    }

    /// The states that begin, with the time since the client was last heard.
    fn fades(mut pulse: Pulse, from: Instant) -> Vec<(State, Duration)> {
        let due = |pulse: &Pulse| pulse.poll_timeout();
        let mut states = Vec::new();
        while let Some(at) = due(&pulse) {
            assert_eq!(pulse.handle_timeout(at - Duration::from_millis(1)), None);
            states.push((pulse.handle_timeout(at).unwrap(), at - from));
        }
        states
    }

    #[test]
    fn one_who_sends_all_the_time_is_missed_after_a_moment_and_lost_within_five_seconds() {
        let (pulse, last) = beaten(20, 3_000);
        assert_eq!(fades(pulse, last), [(State::Quiet, LIVELY_LIMITS.0), (State::Lost, LIVELY_LIMITS.1)]);
    }

    #[test]
    fn one_who_stops_in_its_first_second_is_lost_as_soon() {
        let (pulse, last) = beaten(20, 500);
        assert_eq!(fades(pulse, last), [(State::Quiet, LIVELY_LIMITS.0), (State::Lost, LIVELY_LIMITS.1)]);
    }

    #[test]
    fn one_who_dies_bit_by_bit_is_lost_as_soon_as_one_who_dies_at_once() {
        let (mut pulse, mut last) = beaten(20, 3_000);
        for _ in 0..3 {
            last += Duration::from_millis(600);
            pulse.beat(last);
        }
        assert_eq!(fades(pulse, last), [(State::Quiet, LIVELY_LIMITS.0), (State::Lost, LIVELY_LIMITS.1)]);
    }

    #[test]
    fn one_who_only_checks_now_and_then_is_given_time() {
        let (pulse, last) = beaten(2_500, 10_000);
        assert_eq!(fades(pulse, last), [(State::Quiet, CALM_LIMITS.0), (State::Lost, CALM_LIMITS.1)]);
    }

    #[test]
    fn one_who_comes_back_is_there_at_once() {
        let (mut pulse, last) = beaten(20, 3_000);
        let later = last + Duration::from_secs(30);
        while pulse.handle_timeout(later).is_some() {}
        assert_eq!(pulse.beat(later), State::Lost);
        assert_eq!(pulse.state(), State::Heard);
    }
}
