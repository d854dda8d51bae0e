//! What a participant sends: RTP to packets of tracks, and the RTCP that keeps its sender informed.

mod demand;
mod keyframes;
mod nack;
mod red;
mod source;
#[cfg(test)]
mod tests;
mod track;
mod transport;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_config::{SeatId, Timestamp, TrackId, Zone};
use rtc_rtcp::Packet as Rtcp;
use rtc_rtcp::receiver_report::ReceiverReport;

pub(super) use keyframes::KeyRequests;
pub(super) use transport::Arrivals;

use super::super::media::{frames, timeline};
use super::clock::{Clock, ntp_micros};
use super::rtcp;
use super::rtp::Header;
use super::sdp::{Accepted, Extensions};
use crate::router::{Layer, LayerSet, Output, Packet, TrackInfo};
use red::Unwrapped;
use source::Arrived;
use timeline::SenderClock;
use track::Track;

/// Everything that one participant sends.
pub(super) struct Ingest {
    clock: Clock,
    origin: Zone,
    tracks: Vec<Track>,
    /// On one transport an id means one extension (RFC 8843 section 10), so they are those of all m-lines together.
    extensions: Extensions,
    routes: HashMap<u32, Route>,
    hints: Hints,
    sender: SenderClock,
    arrivals: Arrivals,
    /// Under which our feedback goes.
    ssrc: u32,
    rtt: Duration,
    fir: u8,
    next_feedback: Option<Instant>,
    next_report: Option<Instant>,
    pub(super) bytes: u64,
}

/// Where the packets of a source belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Media { track: usize, layer: Layer },
    Repair { track: usize, layer: Layer },
}

/// What the offer says of sources before any packet does.
#[derive(Debug, Default)]
struct Hints {
    /// Media source and RTX source by track.
    sources: HashMap<u32, usize>,
    repairs: HashMap<u32, u32>,
}

/// When a packet came, and how loud it says that it is.
#[derive(Debug, Clone, Copy)]
struct At {
    now: Instant,
    wall: Timestamp,
    level: Option<u8>,
}

/// What a header's extensions tell.
#[derive(Debug, Default)]
struct Told<'a> {
    mid: Option<&'a [u8]>,
    rid: Option<&'a [u8]>,
    repaired: Option<&'a [u8]>,
    level: Option<u8>,
    transport: Option<u16>,
}

impl Ingest {
    pub(super) fn new(clock: Clock, seat: SeatId, origin: Zone, ssrc: u32, sections: &[&Accepted]) -> Self {
        let mut hints = Hints::default();
        let mut tracks = Vec::new();
        let mut extensions = Extensions::default();
        for section in sections {
            let Some(inbound) = &section.inbound else { continue };
            let Some(track) = Track::new(TrackId { seat, kind: inbound.kind }, section) else { continue };
            hints.sources.extend(inbound.sources.iter().map(|ssrc| (*ssrc, tracks.len())));
            hints.repairs.extend(inbound.repairs.iter().map(|(media, rtx)| (*rtx, *media)));
            extensions = merge(extensions, section.extensions);
            tracks.push(track);
        }
        Self {
            clock,
            origin,
            tracks,
            extensions,
            routes: HashMap::new(),
            hints,
            sender: SenderClock::default(),
            arrivals: Arrivals::default(),
            ssrc,
            rtt: Duration::from_millis(100),
            fir: 0,
            next_feedback: None,
            next_report: None,
            bytes: 0,
        }
    }

    /// Takes an opened RTP packet.
    ///
    /// # Errors
    ///
    /// Why it is dropped, as a metric's label.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        header: &Header,
        packet: &Bytes,
        out: &mut VecDeque<Output>,
    ) -> Result<(), &'static str> {
        self.bytes += packet.len() as u64;
        let told = self.told(header, packet);
        if let Some(number) = told.transport {
            self.arrivals.add(number, self.clock.elapsed(now));
            self.next_feedback.get_or_insert(now + FEEDBACK);
        }
        self.next_report.get_or_insert(now + REPORT);
        let payload = packet.slice(header.payload(packet).ok_or("rtp_padding")?);
        let route = self.route(header, &told).ok_or("rtp_unknown_source")?;
        let (track, layer, arrived) = match route {
            Route::Media { track, layer } => (track, (layer, header.ssrc), Arrived::of(header, payload)),
            Route::Repair { track, layer } => {
                let Some(ssrc) = self.tracks[track].source(layer).map(|source| source.ssrc) else { return Ok(()) };
                let Some(mended) = Arrived::repaired(header, &payload) else { return Ok(()) };
                (track, (layer, ssrc), mended)
            }
        };
        let at = At { now, wall: self.clock.at(now), level: told.level };
        let agreed = &self.tracks[track].agreed;
        if agreed.red != Some(header.payload_type) {
            let packet = self.accept(at, track, layer, arrived)?;
            self.hand_on(track, packet, out);
            return Ok(());
        }
        let Unwrapped { own, before } = red::unwrap(agreed.payload_type, arrived).ok_or("rtp_red")?;
        // Its own first, as only that tells what was lost before it.
        let own = self.accept(at, track, layer, own)?;
        for lost in before.into_iter().flatten() {
            if self.tracks[track].lacks(layer, lost.sequence) {
                metrics::counter!("hearing_webrtc_sound_mended_total").increment(1);
                let mended = self.accept(at, track, layer, lost)?;
                self.hand_on(track, mended, out);
            }
        }
        self.hand_on(track, own, out);
        Ok(())
    }

    fn accept(
        &mut self,
        at: At,
        track: usize,
        layer: (Layer, u32),
        arrived: Arrived,
    ) -> Result<Option<Packet>, &'static str> {
        let packet = self.tracks[track].accept(at.now, at.wall, &self.sender, layer, arrived)?;
        Ok(packet.map(|packet| Packet { level: at.level, ..packet }))
    }

    fn hand_on(&mut self, track: usize, packet: Option<Packet>, out: &mut VecDeque<Output>) {
        let (track, Some(packet)) = (&mut self.tracks[track], packet) else { return };
        if !track.announced.contains(packet.layer) {
            track.announced = track.announced.union(LayerSet::only(packet.layer));
            out.push_back(Output::Track(info(track, &self.origin)));
        }
        out.push_back(Output::Packet(track.id, packet));
    }

    /// Takes a sender report.
    pub(super) fn report(&mut self, now: Instant, ssrc: u32, ntp: u64, rtp: u32) {
        let source = self.tracks.iter_mut().flat_map(Track::sources_mut).find(|source| source.ssrc == ssrc);
        if let Some(source) = source {
            self.sender.report(ntp_micros(ntp), self.clock.at(now));
            source.report(now, ntp, rtp);
        }
    }

    /// A source said that it ends: what comes under its number is another one.
    pub(super) fn goodbye(&mut self, ssrc: u32) {
        self.routes.remove(&ssrc);
    }

    /// The round trip, as far as it is known.
    pub(super) const fn set_rtt(&mut self, rtt: Duration) {
        self.rtt = rtt;
    }

    /// Somebody needs a key frame.
    pub(super) fn want_key(&mut self, id: TrackId, layer: Layer) {
        if let Some(track) = self.tracks.iter_mut().find(|track| track.id == id) {
            track.want_key(layer);
        }
    }

    /// Only these layers of a track are taken from now on.
    pub(super) fn demand(&mut self, now: Instant, id: TrackId, layers: LayerSet) {
        if let Some(track) = self.tracks.iter_mut().find(|track| track.id == id) {
            track.demand.set(now, layers);
        }
    }

    /// The feedback that is due, each a packet of its own.
    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut VecDeque<Output>) -> Vec<Box<dyn Rtcp>> {
        let mut packets: Vec<Box<dyn Rtcp>> = Vec::new();
        if self.next_report.is_some_and(|at| at <= now) {
            self.next_report = Some(now + REPORT);
            packets.push(self.receiver_report(now));
            self.watch_layers(now, out);
        }
        if self.next_feedback.is_some_and(|at| at <= now) || self.arrivals.is_full() {
            self.next_feedback = None;
            let media = self.routes.keys().next().copied().unwrap_or_default();
            packets.extend(self.arrivals.report(self.ssrc, media));
        }
        for track in &mut self.tracks {
            if let Some(layers) = track.poll_demand(now) {
                out.push_back(Output::Active(track.id, layers));
            }
            let fir = track.needs_fir();
            track.ask_keys(now, |media| {
                self.fir = self.fir.wrapping_add(u8::from(fir));
                packets.push(rtcp::key_frame(self.ssrc, media, fir.then_some(self.fir)));
            });
            if !track.repairs() {
                continue;
            }
            for source in track.sources_mut() {
                let mut wanted = Vec::new();
                source.missing.ask(now, self.rtt, &mut wanted);
                if !wanted.is_empty() {
                    packets.push(rtcp::nack(self.ssrc, source.ssrc, &wanted));
                }
            }
        }
        packets
    }

    /// When `handle_timeout` has something to do.
    pub(super) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let missing = self
            .tracks
            .iter()
            .filter(|track| track.repairs())
            .flat_map(|track| track.sources().filter_map(|source| source.missing.due()));
        let keys = self.tracks.iter().filter_map(|track| track.keys_due(now));
        let demands = self.tracks.iter().filter_map(Track::demand_due);
        missing.chain(keys).chain(demands).chain(self.next_feedback).chain(self.next_report).min()
    }

    /// (packets that should have come, packets that came), since the beginning.
    pub(super) fn totals(&self) -> (i64, i64) {
        let sources = self.tracks.iter().flat_map(Track::sources);
        sources.map(source::Source::totals).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    fn receiver_report(&mut self, now: Instant) -> Box<dyn Rtcp> {
        let sources = self.tracks.iter_mut().flat_map(Track::sources_mut);
        let reports = sources.take(MOST_REPORTS).map(|source| source.reception(now)).collect();
        Box::new(ReceiverReport { ssrc: self.ssrc, reports, ..ReceiverReport::default() })
    }

    /// Announces layers that stopped or came back, and the end of tracks that fell silent.
    fn watch_layers(&mut self, now: Instant, out: &mut VecDeque<Output>) {
        for track in &mut self.tracks {
            let flowing = track.flowing(now);
            if flowing == track.announced {
                continue;
            }
            track.announced = flowing;
            out.push_back(if flowing.is_empty() {
                Output::TrackEnd(track.id)
            } else {
                Output::Track(info(track, &self.origin))
            });
        }
    }

    fn told<'a>(&self, header: &Header, packet: &'a [u8]) -> Told<'a> {
        let mut told = Told::default();
        let known = &self.extensions;
        for (id, value) in header.extensions(packet) {
            let is = |wanted: Option<u8>| wanted == Some(id);
            if is(known.mid) {
                told.mid = Some(value);
            } else if is(known.rid) {
                told.rid = Some(value);
            } else if is(known.repaired_rid) {
                told.repaired = Some(value);
            } else if is(known.level) {
                told.level = value.first().map(|level| level & 0x7f);
            } else if is(known.transport) {
                told.transport = value.first_chunk().map(|bytes: &[u8; 2]| u16::from_be_bytes(*bytes));
            }
        }
        told
    }

    /// By what is known of the source; else by mid and rid; else by what the offer said; else by a payload type that only one
    /// track uses.
    fn route(&mut self, header: &Header, told: &Told<'_>) -> Option<Route> {
        if let Some(route) = self.routes.get(&header.ssrc) {
            return Some(*route);
        }
        if let Some(route) = self.hints.repairs.get(&header.ssrc).and_then(|media| self.routes.get(media)) {
            let Route::Media { track, layer } = *route else { return None };
            return Some(self.learn(header.ssrc, Route::Repair { track, layer }));
        }
        let track = self.track_of(header, told)?;
        let agreed = &self.tracks[track].agreed;
        let layer = |rid: &[u8]| self.tracks[track].rids.iter().position(|known| known.as_bytes() == rid);
        let simulcast = !self.tracks[track].rids.is_empty();
        let route = if Some(header.payload_type) == agreed.rtx {
            let layer = match told.repaired {
                Some(rid) => layer(rid)?,
                None if simulcast => return None,
                None => 0,
            };
            Route::Repair { track, layer: Layer(layer as u8) }
        } else if agreed.carries(header.payload_type) {
            let layer = match told.rid {
                Some(rid) if simulcast => layer(rid)?,
                None if simulcast => return None,
                _ => 0,
            };
            Route::Media { track, layer: Layer(layer as u8) }
        } else {
            return None;
        };
        Some(self.learn(header.ssrc, route))
    }

    fn track_of(&self, header: &Header, told: &Told<'_>) -> Option<usize> {
        if let Some(mid) = told.mid {
            return self.tracks.iter().position(|track| track.mid.as_bytes() == mid);
        }
        if let Some(track) = self.hints.sources.get(&header.ssrc) {
            return Some(*track);
        }
        let number = header.payload_type;
        let mut using = self
            .tracks
            .iter()
            .enumerate()
            .filter(|(_, track)| track.agreed.carries(number) || track.agreed.rtx == Some(number));
        let (only, _) = using.next()?;
        using.next().is_none().then_some(only)
    }

    /// Remembers a source. Only sources that hold the session's keys get here, so there are few.
    fn learn(&mut self, ssrc: u32, route: Route) -> Route {
        self.routes.insert(ssrc, route);
        route
    }
}

fn info(track: &Track, origin: &Zone) -> TrackInfo {
    TrackInfo { id: track.id, codec: track.codec(), origin: origin.clone(), layers: track.announced, held: false }
}

fn merge(a: Extensions, b: Extensions) -> Extensions {
    Extensions {
        mid: a.mid.or(b.mid),
        rid: a.rid.or(b.rid),
        repaired_rid: a.repaired_rid.or(b.repaired_rid),
        level: a.level.or(b.level),
        transport: a.transport.or(b.transport),
    }
}

const FEEDBACK: Duration = Duration::from_millis(80);
const REPORT: Duration = Duration::from_secs(1);
/// Blocks that fit into one receiver report (five bits of count).
const MOST_REPORTS: usize = 31;
