//! One built-in SIP terminal: calls the node for the seat of a terminal that is not to be rung, sends the seat's test card and
//! tone, and reads everybody else's from the composed picture and the mix until the node hangs up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hearing_config::Timestamp;
use hearing_proto::child::{Codec, FromChild, PictureShape};
use hearing_proto::testcard::Mark;
use hearing_proto::wire::RehearsedSeat;
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use super::participant::{Attended, FPS};
use super::tally::Tally;
use crate::endpoint::sip::{Account, Door, Visitor};
use crate::pipeline::Program;
use crate::pipeline::booth::{Booth, Told};

/// A seat that is taken by a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phone {
    /// Its id.
    pub seat: u8,
    /// The node.
    pub door: Door,
    /// Who calls.
    pub account: Account,
}

/// Takes a seat until the node hangs up, at most for `limit`; media is to flow for `least`.
pub(super) async fn attend(phone: Phone, program: &Program, (least, limit): (Duration, Duration)) -> Attended {
    let (seat, began, found) = (phone.seat, Instant::now(), Found::default());
    let called = timeout(limit, call(&phone, program, &found)).await;
    let ended = Timestamp::now();
    let mut found = found.state();
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
    let seat = RehearsedSeat {
        seat,
        joined_ms: joined.map(|joined| millis(began, joined)),
        first_frame_ms: joined.zip(found.first_frame).map(|(joined, frame)| millis(joined, frame)),
        fault: failed.or(found.fault.take()).or_else(|| found.tally.itself(phone.seat)).or(late),
    };
    Attended { seat, pairs: found.tally.pairs(phone.seat) }
}

/// What it saw and heard so far.
#[derive(Clone, Default)]
struct Found(Arc<Mutex<State>>);

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

/// Calls until the node takes the call: it knows of the seat a moment later than the order to rehearse.
async fn call(phone: &Phone, program: &Program, found: &Found) -> Result<(), String> {
    let visitor = Visitor::start(&phone.door, phone.account.clone()).await.map_err(|error| error.to_string())?;
    let until = Instant::now() + TAKEN;
    loop {
        let called = visitor.call(|takes| {
            found.state().joined = Some(Instant::now());
            let heard = found.clone();
            let tell = Box::new(move |said| heard.state().hear(said));
            Ok(Box::new(Booth::start(program, phone.seat, SHAPE, takes, tell)?))
        });
        match called.await {
            Err(why) if found.state().joined.is_some() || Instant::now() > until => return Err(why),
            Err(_) => sleep(AGAIN).await,
            Ok(()) => return Ok(()),
        }
    }
}

/// As a browser sends it, but in a terminal's codec.
const SHAPE: PictureShape = PictureShape { codec: Codec::H264, width: 640, height: 360, fps: FPS, kbps: 600 };
/// A picture may be so late when the call ends; what the record lacks at its end for that is not asked of it (reread.rs).
const BEHIND_MS: i64 = 1_000;
/// How long the node may refuse.
const TAKEN: Duration = Duration::from_secs(15);
const AGAIN: Duration = Duration::from_millis(250);

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
}
