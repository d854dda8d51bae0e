//! When a call is refreshed, by whom, and when it is over (RFC 4028).

use std::time::{Duration, Instant};

use rsipstack::sip::Response;
use tokio::task::JoinHandle;

use super::sdp::Line;
use super::timer::Timer;

/// The refreshes of a call.
pub(super) struct Refresh {
    /// The terminal knows UPDATE.
    pub(super) updates: bool,
    /// What the terminal last said of its media.
    pub(super) lines: Vec<Line>,
    timer: Option<Timer>,
    done: Instant,
    /// When a refresh of ours was last begun, and what comes of it.
    begun: Option<Instant>,
    asking: Option<JoinHandle<Option<Response>>>,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Wait,
    Renew(Timer),
    Over,
}

impl Refresh {
    pub(super) const fn new(timer: Option<Timer>, updates: bool, lines: Vec<Line>, now: Instant) -> Self {
        Self { updates, lines, timer, done: now, begun: None, asking: None }
    }

    /// The call was refreshed; `timer` is what was agreed on anew, if anything.
    pub(super) fn done(&mut self, timer: Option<Timer>, now: Instant) {
        (self.done, self.begun) = (now, None);
        self.timer = timer.or(self.timer);
    }

    pub(super) fn look(&self, now: Instant) -> Look {
        let Some(timer) = self.timer else { return Look::Wait };
        let since = now.saturating_duration_since(self.done);
        let due = timer.refresh().is_some_and(|after| since >= after);
        let idle = self.begun.is_none_or(|begun| now.saturating_duration_since(begun) >= AGAIN);
        if since > timer.life() {
            Look::Over
        } else if due && idle && self.asking.is_none() {
            Look::Renew(timer)
        } else {
            Look::Wait
        }
    }

    /// Asks the terminal.
    pub(super) fn begin(&mut self, asking: impl Future<Output = Option<Response>> + Send + 'static) {
        self.begun = Some(Instant::now());
        self.asking = Some(tokio::spawn(asking));
    }

    /// What the terminal answered, `None` when it did not; pending while nothing was asked.
    pub(super) async fn answer(&mut self) -> Option<Response> {
        let Some(asking) = &mut self.asking else { return std::future::pending().await };
        let answer = asking.await.ok().flatten();
        self.asking = None;
        answer
    }
}

impl Drop for Refresh {
    fn drop(&mut self) {
        self.asking.iter().for_each(JoinHandle::abort);
    }
}

/// After a refresh that failed it is tried again.
const AGAIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_refresh_at_half_time_try_again_and_give_up_at_the_end() {
        let (start, timer) = (Instant::now(), Timer { seconds: 100, ours: true });
        let mut refresh = Refresh::new(Some(timer), true, Vec::new(), start);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!((refresh.look(at(49)), refresh.look(at(50))), (Look::Wait, Look::Renew(timer)));
        refresh.begun = Some(at(50));
        assert_eq!((refresh.look(at(55)), refresh.look(at(60))), (Look::Wait, Look::Renew(timer)));
        assert_eq!(refresh.look(at(101)), Look::Over);
        refresh.done(None, at(60));
        assert_eq!((refresh.look(at(109)), refresh.look(at(110))), (Look::Wait, Look::Renew(timer)));
    }

    #[test]
    fn a_call_that_the_terminal_refreshes_is_only_watched_and_one_without_a_timer_never_ends() {
        let start = Instant::now();
        let late = start + Duration::from_secs(1_801);
        let theirs = Some(Timer { seconds: 1_800, ours: false });
        assert_eq!(Refresh::new(theirs, true, Vec::new(), start).look(late - Duration::from_secs(1)), Look::Wait);
        assert_eq!(Refresh::new(theirs, true, Vec::new(), start).look(late), Look::Over);
        assert_eq!(Refresh::new(None, true, Vec::new(), start).look(late), Look::Wait);
    }
}
