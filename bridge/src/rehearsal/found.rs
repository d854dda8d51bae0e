//! What the built-in terminal or device of one seat saw and heard, and how its call went.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hearing_config::Timestamp;
use hearing_proto::child::{Codec, FromChild, PictureShape};
use hearing_proto::testcard::Mark;
use hearing_proto::wire::RehearsedSeat;
use tokio::time::timeout;

use super::participant::{Attended, FPS};
use super::tally::Tally;
use crate::pipeline::Program;
use crate::pipeline::booth::{Booth, Sitter, Told};
use crate::router::{Feed, Takes};

/// What it saw and heard so far.
#[derive(Clone, Default)]
pub(super) struct Found(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    joined: Option<Instant>,
    first_frame: Option<Instant>,
    tally: Tally,
    /// The time of the last picture that was sent.
    sent: Option<Timestamp>,
    fault: Option<String>,
}

impl Found {
    /// The seat's card and tone, and eyes and ears that tell this; made when its call is answered.
    pub(super) fn booth(
        &self,
        program: &Program,
        (seat, sees): (u8, bool),
        takes: &Takes,
    ) -> Result<Box<dyn Feed>, String> {
        self.state().joined = Some(Instant::now());
        let heard = self.clone();
        let tell = Box::new(move |told| heard.state().hear(told));
        Ok(Box::new(Booth::start(program, Sitter { seat, shape: SHAPE, sees }, takes, tell)?))
    }

    /// True once its call was answered.
    pub(super) fn has_joined(&self) -> bool {
        self.state().joined.is_some()
    }

    /// Lets `call` run until the node hangs up, at most for `limit`; media is to flow for `least`.
    pub(super) async fn attend(
        self,
        seat: u8,
        call: impl Future<Output = Result<(), String>>,
        (least, limit): (Duration, Duration),
    ) -> Attended {
        let began = Instant::now();
        let called = timeout(limit, call).await;
        let ended = Timestamp::now();
        let mut found = self.state();
        let joined = found.joined;
        let failed = match called {
            Err(_) => Some("the node did not hang up in time".to_owned()),
            Ok(Err(why)) => Some(why),
            Ok(Ok(())) if joined.is_none_or(|joined| joined.elapsed() < least) => {
                Some("the call ended before the hearing did".to_owned())
            }
            Ok(Ok(())) => None,
        };
        let millis = |from: Instant, to: Instant| u32::try_from((to - from).as_millis()).unwrap_or(u32::MAX);
        let late = behind(found.sent, ended);
        let rehearsed = RehearsedSeat {
            seat,
            joined_ms: joined.map(|joined| millis(began, joined)),
            first_frame_ms: joined.zip(found.first_frame).map(|(joined, frame)| millis(joined, frame)),
            fault: failed.or(found.fault.take()).or_else(|| found.tally.itself(seat)).or(late),
        };
        Attended { seat: rehearsed, pairs: found.tally.pairs(seat) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn hear(&mut self, told: Told) {
        match told {
            Told::Said(FromChild::Seen { counter, seat, .. }) => {
                self.first_frame.get_or_insert_with(Instant::now);
                self.tally.composed(Mark { counter, seat }, Timestamp::now().0, FPS);
            }
            Told::Said(FromChild::Heard { seats, .. }) => self.tally.mixed(&seats),
            Told::Said(_) => {}
            Told::Sent(at) => self.sent = Some(at),
            Told::Failed(why) => drop(self.fault.get_or_insert(why)),
        }
    }
}

/// What it drew last and had not sent yet is in no record: not the record's fault where the machine was too busy to draw.
fn behind(sent: Option<Timestamp>, now: Timestamp) -> Option<String> {
    let late = now.since(sent?) / 1_000;
    (late > BEHIND_MS).then(|| {
        format!("this machine is too busy to rehearse on: the test picture was {late} ms behind when the call ended")
    })
}

/// As a browser sends it, but in the codec of terminals and devices.
const SHAPE: PictureShape = PictureShape { codec: Codec::H264, width: 640, height: 360, fps: FPS, kbps: 600 };
/// A picture may be so late when the call ends; what the record lacks at its end for that is not asked of it (reread.rs).
const BEHIND_MS: i64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_wrong_first_is_told_and_the_first_card_is_timed() {
        let mut state = State::default();
        for why in ["the media child failed", "later"] {
            state.hear(Told::Failed(why.to_owned()));
        }
        assert_eq!((state.fault.as_deref(), state.first_frame), (Some("the media child failed"), None));
        state.hear(Told::Said(FromChild::Seen { stream: 0, pts: 0, counter: 9, seat: 4 }));
        assert!(state.first_frame.is_some());
        assert_eq!(state.tally.pairs(1)[0].from, 4);
    }

    #[test]
    fn a_machine_that_was_too_busy_to_draw_is_blamed_and_not_the_record() {
        let mut state = State::default();
        let at = |millis: i64| Timestamp(millis * 1_000);
        assert_eq!(behind(state.sent, at(9_000)), None, "it sent nothing, which is told elsewhere");
        state.hear(Told::Sent(at(1_000)));
        assert_eq!(behind(state.sent, at(2_000)), None);
        assert!(behind(state.sent, at(4_300)).is_some_and(|fault| fault.contains("3300 ms behind")));
    }

    #[tokio::test]
    async fn a_call_that_is_refused_or_does_not_end_is_a_fault_in_words() {
        let times = (Duration::ZERO, Duration::from_secs(40));
        let refused = Found::default().attend(3, async { Err("refused".to_owned()) }, times).await;
        assert_eq!((refused.seat.seat, refused.seat.fault.as_deref()), (3, Some("refused")));
        let endless = Found::default().attend(3, std::future::pending(), (Duration::ZERO, Duration::ZERO)).await;
        assert_eq!(endless.seat.fault.as_deref(), Some("the node did not hang up in time"));
        let short = Found::default().attend(3, async { Ok(()) }, times).await;
        assert_eq!(short.seat.fault.as_deref(), Some("the call ended before the hearing did"));
    }
}
