//! A call to a terminal outside any hearing: a test picture and a tone go out, what comes back is measured.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hearing_config::{Aor, Kind, SeatId, TrackId};
use rsipstack::dialog::dialog::DialogState;
use rsipstack::sip::StatusCode;
use tokio::sync::mpsc;

use super::agreed::{Setup, streams, takes};
use super::held::Held;
use super::sdp::Use;
use super::stream::{Arrived, Stream, due as paced};
use super::{Core, Sip};
use crate::endpoint::media::timeline::SenderClock;
use crate::endpoint::terminal::{Cards, Fault, HUNG_UP, NoTrial, RINGING, Trial, Tried, Way};
use crate::net::rtp::Block;
use crate::router::{Assembler, Feed, FeedInput, FeedOutput, Packet, Takes, Watcher};

/// A call outside any hearing, at work.
pub(super) struct Work<'a> {
    core: &'a Core,
    feed: Box<dyn Feed>,
    streams: Vec<Stream>,
    assemblers: HashMap<Use, Assembler>,
    sender: SenderClock,
    /// What the terminal reports.
    blocks: HashMap<Use, Block>,
    round_trip: Option<u32>,
    hung_up: bool,
}

impl Sip {
    /// Rings the terminal `name`, a user of the configuration or an address, and exchanges media for a while.
    ///
    /// # Errors
    /// [`NoTrial`].
    pub async fn test(&self, name: &str, seconds: u64, cards: &Cards) -> Result<Trial, NoTrial> {
        let aor = self.0.named(name)?;
        if let Some(hearing) = self.0.seats.hearing_of(aor.user()) {
            return Err(NoTrial::Busy { terminal: name.to_owned(), hearing });
        }
        let Some((callee, at)) = self.0.place(&aor) else { return Err(NoTrial::Unregistered(name.to_owned())) };
        let began = Instant::now();
        let setup = match tokio::time::timeout(RINGING, self.0.dial(callee, at)).await {
            Ok(setup) => setup.map_err(NoTrial::Unreached)?,
            Err(_) => return Err(NoTrial::Unreached("the terminal rings, and nobody answers".to_owned())),
        };
        let answered = began.elapsed();
        run(&self.0, setup, (answered, seconds), cards).await
    }
}

impl Core {
    fn named(&self, name: &str) -> Result<Aor, NoTrial> {
        let address =
            if self.registrar.knows(name) { format!("sip:{name}@{}", self.settings.domain) } else { name.to_owned() };
        Aor::try_from(address).map_err(|_| NoTrial::Unknown(name.to_owned()))
    }
}

async fn run(core: &Core, setup: Setup, (answered, seconds): (Duration, u64), cards: &Cards) -> Result<Trial, NoTrial> {
    let encrypted = setup.chosen.iter().any(|(_, own)| !own.crypto.is_empty());
    let watcher = Watcher::default();
    let begun = Work::begin(core, setup, |takes| cards(Tried::Terminal(takes), watcher.clone()));
    let (mut work, mut held, mut arrivals) = begun.map_err(NoTrial::Unreached)?;
    let limit = Duration::from_secs(seconds);
    // The time is up, which is how it ends when all is well.
    let _ = tokio::time::timeout(limit, work.exchange(&mut held.states, &mut arrivals)).await;
    if work.round_trip.is_none() && !work.hung_up {
        // Its first report may come a little later.
        let reported = work.exchange(&mut held.states, &mut arrivals);
        let _ = tokio::time::timeout(REPORT, reported).await;
    }
    held.hang_up().await;
    Ok(work.report(answered, seconds, encrypted, &watcher))
}

impl<'a> Work<'a> {
    /// Over what both ends agreed on.
    pub(super) fn begin(
        core: &'a Core,
        setup: Setup,
        feed: impl FnOnce(&Takes) -> Result<Box<dyn Feed>, String>,
    ) -> Result<(Self, Held, mpsc::Receiver<Arrived>), String> {
        let (arrived, arrivals) = mpsc::channel(ARRIVALS);
        let Setup { held, lines, chosen, pairs, .. } = setup;
        let streams = streams((&chosen, &lines), pairs, &arrived);
        let feed = feed(&takes(&streams, &lines))?;
        let assemblers = streams.iter().map(|stream| (stream.used, Assembler::new(stream.kind()))).collect();
        let (sender, blocks) = (SenderClock::default(), HashMap::new());
        let work = Self { core, feed, streams, assemblers, sender, blocks, round_trip: None, hung_up: false };
        Ok((work, held, arrivals))
    }

    /// Until the terminal hangs up.
    pub(super) async fn exchange(
        &mut self,
        states: &mut rsipstack::dialog::dialog::DialogStateReceiver,
        arrivals: &mut mpsc::Receiver<Arrived>,
    ) {
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                state = states.recv() => match state {
                    Some(DialogState::Terminated(..)) | None => {
                        self.hung_up = true;
                        return;
                    }
                    Some(DialogState::Info(_, request, handle)) => {
                        if String::from_utf8_lossy(&request.body).contains("picture_fast_update") {
                            self.feed.handle(FeedInput::KeyFrame);
                        }
                        // A terminal that is not answered asks again.
                        let _ = handle.reply(StatusCode::OK).await;
                    }
                    Some(DialogState::Updated(_, _, handle)) => {
                        let _ = handle.reply(StatusCode::NotAcceptableHere).await;
                    }
                    Some(_) => {}
                },
                output = self.feed.next() => self.show(output),
                Some(arrived) = arrivals.recv() => self.arrived(&arrived),
                () = paced(&self.streams, None) => {
                    let now = Instant::now();
                    self.streams.iter_mut().for_each(|stream| stream.go_on(now));
                }
                _ = tick.tick() => {
                    let clocks = self.clocks();
                    self.streams.iter_mut().for_each(|stream| stream.report(clocks, false));
                }
            }
        }
    }

    fn show(&mut self, output: FeedOutput) {
        let (used, codec, frame) = match output {
            FeedOutput::Sound(codec, frame) => (Use::Sound, codec, frame),
            FeedOutput::Picture(codec, frame) => (Use::Picture, codec, frame),
            FeedOutput::KeyFrame(track, _) => return self.ask(track.kind),
            FeedOutput::Wish(_) | FeedOutput::Loudness(_) | FeedOutput::Restarted => return,
        };
        let stream = self.streams.iter_mut().find(|stream| stream.used == used && stream.format.codec == codec);
        let now = Instant::now();
        stream.into_iter().for_each(|stream| stream.send(now, &frame));
    }

    fn ask(&mut self, kind: Kind) {
        let clocks = self.clocks();
        let stream = self.streams.iter_mut().find(|stream| stream.kind() == kind);
        stream.into_iter().for_each(|stream| stream.report(clocks, true));
    }

    fn arrived(&mut self, arrived: &Arrived) {
        let clocks = self.clocks();
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.used == arrived.used) else { return };
        if arrived.is_rtcp {
            let (key, block) = stream.handle_rtcp(clocks, arrived.from, &arrived.datagram, &mut self.sender);
            if let Some(block) = block {
                self.round_trip = super::session::round_trip(clocks.1, &block).or(self.round_trip);
                self.blocks.insert(arrived.used, block);
            }
            if key {
                self.feed.handle(FeedInput::KeyFrame);
            }
            return;
        }
        let packets = stream.handle_rtp(clocks, arrived.from, &arrived.datagram, &self.sender);
        self.take(clocks.0, arrived.used, stream_kind(arrived.used), &packets);
    }

    fn take(&mut self, now: Instant, used: Use, kind: Kind, packets: &[Packet]) {
        let Some(assembler) = self.assemblers.get_mut(&used) else { return };
        packets.iter().for_each(|packet| assembler.handle_packet(now, packet));
        assembler.handle_timeout(now);
        while let Some(frame) = assembler.poll_frame() {
            self.feed.handle(FeedInput::Frame(TrackId { seat: SeatId(0), kind }, frame));
        }
    }

    fn report(&self, answered: Duration, seconds: u64, encrypted: bool, watcher: &Watcher) -> Trial {
        let way = |used: Use| {
            let stream = self.streams.iter().find(|stream| stream.used == used)?;
            let (figures, block) = (stream.figures(), self.blocks.get(&used));
            let rate = stream.format.codec.clock_rate() as f32 / 1_000.0;
            Some(Way {
                codec: stream.format.codec,
                encrypted,
                sent: figures.sent,
                lost_there_percent: block.map(|block| f32::from(block.fraction) / 2.56),
                jitter_there_ms: block.map(|block| block.jitter as f32 / rate),
                received: figures.received,
                lost: figures.lost,
                jitter_ms: figures.jitter as f32 / rate,
            })
        };
        let seen = watcher.seen();
        let trial = Trial {
            ok: false,
            faults: Vec::new(),
            answered_ms: u64::try_from(answered.as_millis()).unwrap_or(u64::MAX),
            seconds,
            round_trip_ms: self.round_trip,
            sound: way(Use::Sound),
            level_db: seen.level,
            picture: way(Use::Picture),
            size: None,
            pictures: seen.pictures,
        };
        judged(trial, self.hung_up)
    }

    fn clocks(&self) -> (Instant, hearing_config::Timestamp) {
        let now = Instant::now();
        (now, self.core.clock.at(now))
    }
}

const fn stream_kind(used: Use) -> Kind {
    match used {
        Use::Sound => Kind::Audio,
        Use::Picture => Kind::Video,
        Use::Slides => Kind::Screen,
    }
}

/// With what only a call can be blamed for.
fn judged(trial: Trial, hung_up: bool) -> Trial {
    let no_sound = Fault { zh: "未协商出共同的音频编码", en: "no codec in common for sound" };
    let no_picture = Fault { zh: "未协商出共同的视频编码", en: "no codec in common for pictures" };
    let more = [(hung_up, HUNG_UP), (trial.sound.is_none(), no_sound), (trial.picture.is_none(), no_picture)];
    trial.judged(more)
}

const TICK: Duration = Duration::from_secs(1);
const ARRIVALS: usize = 512;
/// Terminals report every five seconds at least (RFC 3550, section 6.2).
const REPORT: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;
    use hearing_config::Codec;

    fn way(codec: Codec) -> Way {
        Way {
            codec,
            encrypted: false,
            sent: 250,
            lost_there_percent: Some(0.0),
            jitter_there_ms: Some(1.0),
            received: 245,
            lost: 4,
            jitter_ms: 2.0,
        }
    }

    fn trial() -> Trial {
        Trial {
            ok: false,
            faults: Vec::new(),
            answered_ms: 80,
            seconds: 5,
            round_trip_ms: Some(1),
            sound: Some(way(Codec::Pcma)),
            level_db: Some(20),
            picture: Some(way(Codec::H264)),
            size: None,
            pictures: 100,
        }
    }

    fn told(trial: &Trial) -> Vec<&'static str> {
        judged(trial.clone(), false).faults.iter().map(|fault| fault.en).collect()
    }

    #[test]
    fn a_terminal_that_is_seen_and_heard_and_loses_little_is_fine_and_each_fault_is_named() {
        let good = trial();
        assert_eq!(told(&good), [""; 0]);
        assert!(judged(good.clone(), false).ok && !judged(good.clone(), true).ok);
        assert_eq!(told(&Trial { level_db: Some(90), ..good.clone() }), ["the terminal's sound is silent"]);
        assert_eq!(told(&Trial { pictures: 0, ..good.clone() }), ["its pictures can't be decoded"]);
        let lossy = Way { lost: 6, ..way(Codec::Pcma) };
        assert_eq!(told(&Trial { sound: Some(lossy), ..good.clone() }), ["more than 2 % of the packets are lost"]);
        let there = Way { lost_there_percent: Some(3.0), ..way(Codec::H264) };
        assert_eq!(told(&Trial { picture: Some(there), ..good.clone() }), ["more than 2 % of the packets are lost"]);
        let mute = Way { received: 0, lost: 0, ..way(Codec::Pcma) };
        assert_eq!(
            told(&Trial { sound: Some(mute), level_db: None, ..good.clone() }),
            ["no sound arrives from the terminal"]
        );
        assert_eq!(told(&Trial { picture: None, ..good }), ["no codec in common for pictures"]);
    }
}
