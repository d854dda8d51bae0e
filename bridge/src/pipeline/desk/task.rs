//! A desk's task: between its terminal's leg, its mixer and the stage that it shares.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hearing_config::{Codec, Kind, Role, SeatId, Timestamp, TrackId};
use hearing_proto::child::{FromChild, Input, Job, Mix, Part, Stream, ToChild};
use hearing_proto::scene::{Cue, Layout, Scene, TILE_LIMIT, Tile, Words};
use hearing_signaling::hearing::MediaPlan;
use metrics::counter;
use tokio::sync::mpsc;
use tracing::warn;

use super::stage::{Key, Member, Said};
use super::{Desks, FromDesk, Setting, ToDesk, Wants};
use crate::pipeline::convert::{self, Timeline};
use crate::pipeline::pulse::Pulse;
use crate::pipeline::{Error, Event, Events, Feed, Life};
use crate::router::{Frame, TrackInfo};

pub(super) struct Task {
    desks: Desks,
    setting: Setting,
    wants: Wants,
    out: mpsc::Sender<FromDesk>,
    mixer: Option<Mixer>,
    stage: Option<(Key, Member)>,
    said: mpsc::Receiver<Said>,
    saying: mpsc::Sender<Said>,
    tracks: BTreeMap<TrackId, Codec>,
    /// How the terminal's own sound is coded, once some came.
    own: Option<Codec>,
    speaker: Option<SeatId>,
    timeline: Timeline,
}

struct Mixer {
    feed: Feed,
    events: Events,
    zero: Timestamp,
    pulse: Pulse,
}

impl Task {
    pub(super) fn start(
        desks: &Desks,
        setting: Setting,
        wants: Wants,
        out: mpsc::Sender<FromDesk>,
    ) -> Result<Self, Error> {
        // Whoever takes nothing at all is measured; whoever takes a picture alone makes no sound.
        let mix = (wants.sound.is_some() || wants.picture.is_none()).then_some(Mix { to: wants.sound });
        let mixer = mix.map(|mix| {
            let (feed, events) = desks.program.spawn(Job::Mix(mix), Life::Kept)?;
            Ok::<_, Error>(Mixer { feed, events, zero: Timestamp(0), pulse: Pulse::new(Instant::now()) })
        });
        let (saying, said) = mpsc::channel(super::QUEUE);
        let mut task = Self {
            desks: desks.clone(),
            setting,
            wants,
            out,
            mixer: mixer.transpose()?,
            stage: None,
            said,
            saying,
            tracks: BTreeMap::new(),
            own: None,
            speaker: None,
            timeline: Timeline::default(),
        };
        task.set_stage();
        Ok(task)
    }

    pub(super) async fn run(mut self, mut given: mpsc::Receiver<ToDesk>) {
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                given = given.recv() => match given {
                    Some(given) => self.take(given),
                    None => break,
                },
                event = heard(&mut self.mixer) => match event {
                    Some(event) => self.mixed(event),
                    None => self.mixer = None,
                },
                Some(said) = self.said.recv() => self.staged(said),
                Ok(()) = self.setting.plans.changed() => self.set_stage(),
                _ = look.tick() => {
                    if let Some(mixer) = &mut self.mixer {
                        end_if_still(&mixer.feed, &mut mixer.pulse);
                    }
                }
            }
        }
    }

    fn take(&mut self, given: ToDesk) {
        match given {
            ToDesk::Track(info) => self.begin(&info),
            ToDesk::TrackEnd(track) => self.end(track),
            ToDesk::Frame(track, frame) => self.frame(track, &frame),
            ToDesk::Own(codec, frame) => self.own(codec, &frame),
            ToDesk::Speaker(speaker) => {
                self.speaker = speaker;
                self.cue();
            }
            ToDesk::KeyFrame => self.stage.iter().for_each(|(_, stage)| stage.key_frame()),
        }
    }

    fn begin(&mut self, info: &TrackInfo) {
        self.tracks.insert(info.id, info.codec);
        self.open(info.id, info.codec);
        self.cue();
    }

    fn end(&mut self, track: TrackId) {
        self.tracks.remove(&track);
        self.tell(track.kind, ToChild::Close { stream: stream(track) });
        self.cue();
    }

    fn frame(&mut self, track: TrackId, frame: &Frame) {
        let Some(codec) = self.tracks.get(&track).copied() else { return };
        let pts = self.timeline.place(frame.head().captured);
        let taken = convert::coded(codec, stream(track), pts, frame)
            .is_some_and(|coded| self.tell(track.kind, ToChild::Frame(coded)));
        if !taken && track.kind.is_picture() {
            self.give(FromDesk::NeedKey(track));
        }
    }

    fn own(&mut self, codec: Codec, frame: &Frame) {
        let track = TrackId { seat: self.setting.seat, kind: Kind::Audio };
        if self.own.replace(codec) != Some(codec) {
            self.open_as(track, codec, Part::Measured);
        }
        let pts = self.timeline.place(frame.head().captured);
        if let Some(coded) = convert::coded(codec, stream(track), pts, frame) {
            self.tell(Kind::Audio, ToChild::Frame(coded));
        }
    }

    fn open(&self, track: TrackId, codec: Codec) {
        // Browsers treat their sound themselves.
        let of_terminal = || self.setting.plans.borrow().seat(track.seat).is_some_and(|seat| seat.terminal.is_some());
        let treat = track.kind == Kind::Audio && self.wants.sound.is_some_and(|sound| sound.treat) && of_terminal();
        self.open_as(track, codec, if treat { Part::Treated } else { Part::Plain });
    }

    fn open_as(&self, track: TrackId, codec: Codec, part: Part) {
        let stream = Stream { id: stream(track), codec: convert::codec(codec) };
        self.tell(track.kind, ToChild::Open(Input { stream, part }));
    }

    /// To the mixer or the stage; true when there is none, for then nothing is lost.
    fn tell(&self, kind: Kind, message: ToChild) -> bool {
        if kind.is_picture() {
            self.stage.as_ref().is_none_or(|(_, stage)| stage.tell(message))
        } else {
            self.mixer.as_ref().is_none_or(|mixer| mixer.feed.tell(message))
        }
    }

    fn mixed(&mut self, event: Event) {
        let Some(mixer) = &mut self.mixer else { return };
        mixer.pulse.hear(Instant::now(), &event);
        match event {
            Event::Up => {
                let sounds = self.tracks.iter().filter(|(track, _)| !track.kind.is_picture());
                sounds.for_each(|(track, codec)| self.open(*track, *codec));
                if let Some(codec) = self.own {
                    let track = TrackId { seat: self.setting.seat, kind: Kind::Audio };
                    self.open_as(track, codec, Part::Measured);
                }
            }
            Event::Said(FromChild::Started { at }) => mixer.zero = Timestamp(at),
            Event::Said(FromChild::Frame(coded)) => {
                let captured = mixer.zero.plus(coded.pts);
                self.give(FromDesk::Frame { kind: Kind::Audio, captured, coded });
            }
            Event::Said(FromChild::Loudness { stream, loudness }) => {
                self.give(FromDesk::Loudness(seat(stream), loudness));
            }
            Event::Said(FromChild::Stats(_)) => {}
            Event::Said(other) => warn!(hearing = %self.setting.hearing, said = ?other, "mixer"),
            Event::Down { reason, again } => {
                counter!("hearing_pipeline_restarts_total", "what" => "mix").increment(1);
                warn!(hearing = %self.setting.hearing, seat = %self.setting.seat, reason, ?again, "a mixer is down");
                self.give(FromDesk::Restarted);
            }
        }
    }

    fn staged(&mut self, said: Said) {
        match said {
            Said::Frame(captured, coded) => self.give(FromDesk::Frame { kind: Kind::Video, captured, coded }),
            Said::NeedKey(stream) => {
                let wanted = self.tracks.keys().find(|track| self::stream(**track) == stream).copied();
                wanted.into_iter().for_each(|track| self.give(FromDesk::NeedKey(track)));
            }
            Said::Feed => self.fill_stage(),
            Said::Restarted => self.give(FromDesk::Restarted),
        }
    }

    /// Opens at the stage all that this desk has.
    fn fill_stage(&self) {
        let pictures = self.tracks.iter().filter(|(track, _)| track.kind.is_picture());
        pictures.for_each(|(track, codec)| self.open(*track, *codec));
        self.cue();
    }

    /// Who speaks, and what is exhibited.
    fn cue(&self) {
        let Some((key, stage)) = &self.stage else { return };
        let tile = |seat: &SeatId| key.seats.iter().position(|of| of == seat).and_then(|tile| u16::try_from(tile).ok());
        let speaker = self.speaker.as_ref().and_then(tile);
        let exhibited = self.tracks.keys().any(|track| track.kind == Kind::Screen);
        let exhibit = exhibited.then(|| u16::try_from(key.seats.len()).ok()).flatten();
        stage.tell(ToChild::Cue { at: 0, cue: Cue::Speaker(speaker) });
        stage.tell(ToChild::Cue { at: 0, cue: Cue::Exhibit(exhibit) });
    }

    /// Goes to the stage that shows whom the plan lets this seat see. The one before is left first: nobody is shown longer than
    /// the plan allows.
    fn set_stage(&mut self) {
        let Some(to) = self.wants.picture else { return };
        let plan = std::sync::Arc::clone(&self.setting.plans.borrow_and_update());
        let seats = visible(&plan, self.setting.seat);
        let key = Key { hearing: self.setting.hearing, layout: self.wants.layout, to, seats };
        if self.stage.as_ref().is_some_and(|(present, _)| *present == key) {
            return;
        }
        self.stage = None;
        // What the stage before still said belongs to nobody.
        while self.said.try_recv().is_ok() {}
        let (setting, scene_of) = (&self.setting, key.clone());
        let joined = self.desks.stages.join(
            &self.desks.program,
            key.clone(),
            || Scene { emblem: self.desks.emblem.clone(), ..scene(setting, &plan, &scene_of) },
            self.saying.clone(),
        );
        match joined {
            Ok(member) => self.stage = Some((key, member)),
            Err(error) => warn!(hearing = %self.setting.hearing, %error, "no composed picture"),
        }
    }

    /// What a terminal does not take in time is lost.
    fn give(&self, what: FromDesk) {
        if self.out.try_send(what).is_err() {
            counter!("hearing_pipeline_frames_lost_total").increment(1);
        }
    }
}

async fn heard(mixer: &mut Option<Mixer>) -> Option<Event> {
    match mixer {
        Some(mixer) => mixer.events.next().await,
        None => std::future::pending().await,
    }
}

/// Ends a child that has said nothing for a while, though live ones speak many times a second.
pub(super) fn end_if_still(feed: &Feed, pulse: &mut Pulse) {
    let now = Instant::now();
    if pulse.is_still(now) && feed.pid().is_some() {
        counter!("hearing_pipeline_stalls_total").increment(1);
        warn!("a child stands still and is ended");
        feed.kill();
        *pulse = Pulse::new(now);
    }
}

/// The seats that this one may see, judges first.
fn visible(plan: &MediaPlan, own: SeatId) -> Vec<SeatId> {
    let sees = |seat: SeatId| plan.audience(TrackId { seat, kind: Kind::Video }).contains(own);
    let mut seats: Vec<_> = plan.seats.iter().filter(|seat| seat.id != own && seat.admitted && sees(seat.id)).collect();
    seats.sort_by_key(|seat| (seat.role != Role::Judge, seat.id));
    seats.iter().map(|seat| seat.id).take(TILE_LIMIT - 1).collect()
}

fn scene(setting: &Setting, plan: &MediaPlan, key: &Key) -> Scene {
    let words = |zh: &str, en: &str| Words { zh: zh.to_owned(), en: en.to_owned() };
    let slug = |seat: SeatId| words(plan.seat(seat).map_or("", |seat| seat.name.as_str()), "");
    let name = |seat: SeatId| setting.names.get(&seat).cloned().unwrap_or_else(|| slug(seat));
    let tile = |seat: &SeatId| {
        let track = TrackId { seat: *seat, kind: Kind::Video };
        Tile { name: name(*seat), streams: vec![stream(track)] }
    };
    let mut tiles: Vec<Tile> = key.seats.iter().map(tile).collect();
    if key.layout == Layout::Exhibit || tiles.is_empty() {
        let screens = key.seats.iter().map(|seat| stream(TrackId { seat: *seat, kind: Kind::Screen })).collect();
        tiles.push(Tile { name: words("证据", "Exhibit"), streams: screens });
    }
    Scene {
        width: key.to.width & !7,
        height: key.to.height & !1,
        fps: FPS,
        layout: key.layout,
        heading: setting.heading.clone(),
        utc_offset: setting.utc_offset,
        emblem: None,
        tiles,
    }
}

/// How children call a track.
fn stream(track: TrackId) -> u16 {
    let kind = match track.kind {
        Kind::Audio => 0,
        Kind::Video => 1,
        Kind::Screen => 2,
    };
    u16::from(track.seat.0) * KINDS + kind
}

const fn seat(stream: u16) -> SeatId {
    SeatId((stream / KINDS) as u8)
}

const KINDS: u16 = 4;
const FPS: u8 = 25;
/// How often children are looked after.
pub(super) const LOOK: Duration = Duration::from_millis(500);
