//! One call: from its answer to its end it stands between a terminal's media and the router.

mod changes;

use std::time::{Duration, Instant};

use hearing_config::Kind;
use hearing_signaling::hearing::SeatQuality;
use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver};
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::{Header, StatusCode};
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::Core;
use super::agreed::{Setup, streams, takes};
use super::refresh::{Look, Refresh};
use super::sdp::{Asked, Chosen, Own, Use};
use super::stream::{Arrived, Stream, due as paced};
use crate::endpoint::media::timeline::SenderClock;
use crate::endpoint::terminal::{self, Call, Ended, Told};
use crate::net::rtp::Block;
use crate::router::{Feed, FeedInput, FeedOutput, Frame, Packet, Throttle};

/// A call at work.
pub(super) struct Session<'a> {
    core: &'a Core,
    dialog: InviteDialog,
    line: terminal::Line,
    feed: Box<dyn Feed>,
    streams: Vec<Stream>,
    own: Vec<(Chosen, Own)>,
    sender: SenderClock,
    id: u64,
    version: u64,
    refresh: Refresh,
    /// The number of the request that we answered with an offer, until its ACK comes.
    offered: Option<u32>,
    /// Why the terminal is hung up, where it is told.
    fault: Option<&'static str>,
    /// Key frames that the terminal asks for.
    asked: Throttle,
    quality: SeatQuality,
    /// Bytes of media sent to it so far, and that came since the last figures.
    sent: u32,
    came: u32,
}

impl<'a> Session<'a> {
    /// Until the call ends.
    pub(super) async fn run(core: &'a Core, setup: Setup, call: Call) -> Ended {
        let (sender, mut arrivals) = mpsc::channel(ARRIVALS);
        let Setup { mut held, lines, chosen, pairs, id, timer, updates } = setup;
        let Some(dialog) = held.dialog().cloned() else { return Ended::Gone("its dialog is over".to_owned()) };
        let now = Instant::now();
        let streams = streams((&chosen, &lines), pairs, &sender);
        let feed = (call.feeds)(&call.seat, takes(&streams, &lines));
        let Ok(line) = terminal::Line::attach(call.seat.clone()) else {
            held.hang_up().await;
            return Ended::Gone("the media worker takes nobody more".to_owned());
        };
        info!(hearing = %call.seat.hearing, seat = %call.seat.seat, streams = streams.len(), "terminal is connected");
        let mut session = Self {
            core,
            dialog,
            line,
            feed,
            streams,
            own: chosen,
            sender: SenderClock::default(),
            id,
            version: 1,
            refresh: Refresh::new(timer, updates, lines, now),
            offered: None,
            fault: None,
            asked: Throttle::default(),
            quality: SeatQuality::default(),
            sent: 0,
            came: 0,
        };
        let ended = tokio::select! {
            () = call.stop.cancelled() => Ended::Stopped,
            why = session.work(&mut held.states, &mut arrivals) => Ended::Gone(why),
        };
        if ended == Ended::Stopped {
            // What was said before the hearing's end is still on its way to its record.
            linger(&mut arrivals, |arrived| _ = session.arrived(&arrived)).await;
        }
        session.fault.into_iter().for_each(|fault| held.because(fault));
        // The seat is free before the goodbye, for which a terminal that lost its power leaves us waiting.
        drop(session);
        held.hang_up().await;
        ended
    }

    async fn work(&mut self, states: &mut DialogStateReceiver, arrivals: &mut mpsc::Receiver<Arrived>) -> String {
        let mut tick = tokio::time::interval(TICK);
        loop {
            let over = tokio::select! {
                state = states.recv() => match state {
                    Some(state) => self.state(state).await,
                    None => Some("its dialog is over".to_owned()),
                },
                told = self.line.next() => match told {
                    Some(told) => self.told(told),
                    None => Some("its seat is taken".to_owned()),
                },
                output = self.feed.next() => self.show(output),
                Some(arrived) = arrivals.recv() => self.arrived(&arrived),
                () = paced(&self.streams, self.asked.poll_timeout()) => self.go_on(),
                answer = self.refresh.answer() => self.refreshed(answer),
                _ = tick.tick() => self.tick(),
            };
            if let Some(why) = over {
                return why;
            }
        }
    }

    /// Something of the dialog; the reason when it is over.
    async fn state(&mut self, state: DialogState) -> Option<String> {
        let answered = match state {
            DialogState::Terminated(_, why) => return Some(format!("the terminal hung up ({why:?})")),
            DialogState::Updated(_, request, handle) => self.updated(&request, handle).await,
            DialogState::Info(_, request, handle) => {
                if String::from_utf8_lossy(&request.body).contains("picture_fast_update") {
                    self.key_wanted();
                }
                handle.reply(StatusCode::OK).await.is_ok()
            }
            DialogState::Options(_, _, handle) => handle.reply(StatusCode::OK).await.is_ok(),
            DialogState::Message(_, _, handle)
            | DialogState::Publish(_, _, handle)
            | DialogState::Notify(_, _, handle)
            | DialogState::Refer(_, _, handle) => handle.reply(StatusCode::NotImplemented).await.is_ok(),
            DialogState::Calling(_) | DialogState::Trying(_) | DialogState::Early(..) | DialogState::WaitAck(..) => {
                true
            }
            // It comes again after every request within the dialog, with our own answer as its body.
            DialogState::Confirmed(..) => return self.acknowledged(),
        };
        if !answered {
            warn!("a request of a terminal could not be answered");
        }
        None
    }

    fn told(&mut self, told: Told) -> Option<String> {
        match told {
            Told::Feed(input) => self.feed.handle(input),
            Told::KeyFrame(kind) => self.ask(kind),
            // A terminal sends whether anybody looks or not.
            Told::Demand(..) => {}
        }
        None
    }

    /// Asks the terminal for a key frame. The router sees to it that it is not asked too often.
    fn ask(&mut self, kind: Kind) {
        let clocks = self.clocks();
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.kind() == kind) else { return };
        stream.report(clocks, true);
        if stream.asked == Asked::Info {
            let dialog = self.dialog.clone();
            tokio::spawn(async move {
                let headers = vec![Header::ContentType("application/media_control+xml".into())];
                // A terminal that does not know it says so, and has lost nothing.
                let _ = dialog.info(Some(headers), Some(FAST_UPDATE.as_bytes().to_vec())).await;
            });
        }
    }

    fn show(&mut self, output: FeedOutput) -> Option<String> {
        let result = match output {
            FeedOutput::Sound(codec, frame) => {
                self.send(Use::Sound, codec, &frame);
                Ok(())
            }
            FeedOutput::Picture(codec, frame) => {
                if frame.head().key {
                    self.asked.satisfy();
                }
                self.send(Use::Picture, codec, &frame);
                Ok(())
            }
            FeedOutput::KeyFrame(track, layer) => self.line.key_frame(track, layer),
            FeedOutput::Wish(wishes) => self.line.wish(wishes),
            FeedOutput::Loudness(sound) => {
                self.quality.sound = Some(sound);
                Ok(())
            }
            FeedOutput::Restarted => {
                self.quality.restarts += 1;
                Ok(())
            }
        };
        result.err().map(|full| full.to_string())
    }

    fn send(&mut self, used: Use, codec: hearing_config::Codec, frame: &Frame) {
        let stream = self.streams.iter_mut().find(|stream| stream.used == used && stream.format.codec == codec);
        let now = Instant::now();
        stream.into_iter().for_each(|stream| stream.send(now, frame));
    }

    fn go_on(&mut self) -> Option<String> {
        let now = Instant::now();
        self.streams.iter_mut().for_each(|stream| stream.go_on(now));
        if self.asked.handle_timeout(now) {
            self.feed.handle(FeedInput::KeyFrame);
        }
        None
    }

    fn arrived(&mut self, arrived: &Arrived) -> Option<String> {
        let clocks = self.clocks();
        let stream = self.streams.iter_mut().find(|stream| stream.used == arrived.used)?;
        if arrived.is_rtcp {
            let (key, block) = stream.handle_rtcp(clocks, arrived.from, &arrived.datagram, &mut self.sender);
            if let Some(block) = block {
                self.learn(clocks, block);
            }
            if key {
                self.key_wanted();
            }
            return None;
        }
        let packets = stream.handle_rtp(clocks, arrived.from, &arrived.datagram, &self.sender);
        let broken = stream.kind().is_picture() && stream.has_lost(clocks.1);
        if packets.is_empty() || !stream.sends {
            return None;
        }
        self.came += packets.iter().map(|packet| packet.payload.len() as u32).sum::<u32>();
        let (kind, codec) = (stream.kind(), stream.format.codec);
        if kind == Kind::Audio {
            let frame = |packet: &Packet| Frame { packets: [packet.clone()].into() };
            packets.iter().for_each(|packet| self.feed.handle(FeedInput::Own(codec, frame(packet))));
        }
        if !std::mem::replace(&mut stream.published, true)
            && let Err(full) = self.line.publish(kind, codec)
        {
            return Some(full.to_string());
        }
        // What does not fit is counted by the worker's queue.
        let _ = self.line.send(kind, packets);
        if broken {
            let _ = self.line.broken(kind);
        }
        None
    }

    /// What the terminal reports of what it receives.
    fn learn(&mut self, (_, wall): (Instant, hearing_config::Timestamp), block: Block) {
        self.quality.loss_down = f32::from(block.fraction) / 256.0;
        self.quality.rtt_ms = round_trip(wall, &block).unwrap_or(self.quality.rtt_ms);
    }

    /// The terminal's decoder wants a key frame.
    fn key_wanted(&mut self) {
        if self.asked.request(Instant::now()) {
            self.feed.handle(FeedInput::KeyFrame);
        }
    }

    fn tick(&mut self) -> Option<String> {
        let clocks = self.clocks();
        let silent = self.streams.iter().all(|stream| stream.heard.elapsed() > SILENCE);
        let holds = self.streams.iter().all(|stream| !stream.sends);
        if silent && !holds {
            return Some("nothing is heard of it".to_owned());
        }
        let mut lost = 0.0_f32;
        let mut sent = 0_u32;
        for stream in &mut self.streams {
            // Many terminals that hold say that they go on sending, and send nothing.
            if stream.spoke.elapsed() > PAUSE && std::mem::take(&mut stream.published) {
                let _ = self.line.unpublish(stream.kind());
                if stream.kind() == Kind::Audio {
                    self.quality.sound = None;
                }
            }
            stream.report(clocks, false);
            lost = lost.max(stream.loss());
            sent = sent.wrapping_add(stream.counts().0);
        }
        self.quality.loss_up = lost;
        self.quality.down_kbps = sent.wrapping_sub(self.sent) / 125;
        self.quality.up_kbps = std::mem::take(&mut self.came) / 125;
        self.sent = sent;
        // Figures are worth nothing later.
        let _ = self.line.quality(self.quality);
        match self.refresh.look(Instant::now()) {
            Look::Over => return Some("its call was not refreshed".to_owned()),
            // Two invitations in a dialog at a time are one too many (RFC 3261, section 14.1).
            Look::Renew(timer) if self.offered.is_none() => self.renew(timer),
            Look::Renew(_) | Look::Wait => {}
        }
        None
    }

    fn clocks(&self) -> (Instant, hearing_config::Timestamp) {
        let now = Instant::now();
        (now, self.core.clock.at(now))
    }
}

/// What a report tells of the round trip, in milliseconds (RFC 3550, section 6.4.1).
pub(super) fn round_trip(wall: hearing_config::Timestamp, block: &Block) -> Option<u32> {
    let now = (crate::endpoint::media::clock::ntp(wall) >> 16) as u32;
    let units = now.wrapping_sub(block.last_report).wrapping_sub(block.delay);
    // Rounding may make it a little less than nothing.
    let units = u64::try_from(units as i32).unwrap_or(0);
    (block.last_report != 0).then_some(((units * 1_000) >> 16).min(60_000) as u32)
}

/// Takes what is on its way, for a moment.
async fn linger<T>(arrivals: &mut mpsc::Receiver<T>, mut take: impl FnMut(T)) {
    let all = async {
        while let Some(arrived) = arrivals.recv().await {
            take(arrived);
        }
    };
    // It is over when the time is.
    let _ = tokio::time::timeout(ON_ITS_WAY, all).await;
}

/// RFC 5168.
const FAST_UPDATE: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?><media_control><vc_primitive><to_encoder>\
    <picture_fast_update/></to_encoder></vc_primitive></media_control>";
const TICK: Duration = Duration::from_secs(1);
/// After so long without a packet or a report a terminal is gone.
const SILENCE: Duration = Duration::from_secs(15);
/// After so long without media a track does not arrive any more.
const PAUSE: Duration = Duration::from_secs(3);
/// How long a terminal that is to be hung up is still listened to: it codes and sends what was said before.
const ON_ITS_WAY: Duration = Duration::from_millis(300);
/// Datagrams of a call that may wait: about a second of a large picture.
const ARRIVALS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_or_comes_when_a_call_ends_is_taken_and_nobody_is_listened_to_for_ever() {
        let (sender, mut arrivals) = mpsc::channel(8);
        let (began, mut taken) = (Instant::now(), Vec::new());
        sender.try_send(1).unwrap();
        let coming = async {
            tokio::task::yield_now().await;
            sender.send(2).await.unwrap();
        };
        tokio::join!(linger(&mut arrivals, |arrived| taken.push(arrived)), coming);
        assert_eq!(taken, [1, 2]);
        assert!(began.elapsed() >= ON_ITS_WAY, "the terminal could have sent more");
    }
}
