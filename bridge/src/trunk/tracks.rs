//! Tracks that go out and come in over a link, each past the gate.

use std::time::Duration;

use hearing_config::{HearingId, SeatId, TrackId, Verdict};
use hearing_proto::wire;
use tokio::time::Instant;

use super::carried::{Carried, Outgoing};
use super::cause::Cause;
use super::convert;
use super::gate::GateSide;
use super::inbox::Accepted;
use super::narrow::{Lack, Room};
use super::outbox::Name;
use super::peer::Peer;
use super::rank::{self, Rank};
use super::receive::Admission;
use super::send::{Opening, Passage};
use crate::router::{Command, Layer, LayerSet, TrackInfo};

impl Peer {
    /// The router of a carried hearing has a track.
    pub(super) fn handle_track(&mut self, hearing: HearingId, info: TrackInfo) {
        if let Some(carried) = self.carried.get_mut(&hearing) {
            carried.tracks.insert(info.id, info.clone());
            self.offer(hearing, &info);
        }
    }

    /// It no longer has it.
    pub(super) fn handle_track_end(&mut self, hearing: HearingId, track: TrackId) {
        if let Some(carried) = self.carried.get_mut(&hearing) {
            carried.tracks.remove(&track);
            self.narrowed.forget(|name| *name == (hearing, track));
            self.retract((hearing, track));
        }
    }

    /// A hearing came onto the link: both ends' tracks are judged.
    pub(super) fn exchange_tracks(&mut self, hearing: HearingId) {
        let Some(carried) = self.carried.get(&hearing) else { return };
        for info in carried.tracks.values().cloned().collect::<Vec<_>>() {
            self.offer(hearing, &info);
        }
        let offered: Vec<Name> = self.offers.keys().filter(|(of, _)| *of == hearing).copied().collect();
        for name in offered {
            self.judge_offer(name);
        }
    }

    /// The peer has a track.
    pub(super) fn handle_offer(&mut self, up: wire::TrackUp) -> Result<(), Cause> {
        let hearing = convert::hearing_from(up.hearing);
        let info = convert::track_info_from(&up)?;
        if !self.carried.contains_key(&hearing) && !self.remotes.contains_key(&hearing) {
            tracing::debug!(%hearing, track = %info.id, "the peer has a track of a hearing that is not carried here");
            return Ok(());
        }
        self.offers.insert((hearing, info.id), up);
        self.judge_offer((hearing, info.id));
        Ok(())
    }

    /// The peer no longer has it.
    pub(super) fn handle_offer_end(&mut self, down: wire::TrackDown) -> Result<(), Cause> {
        let name = (convert::hearing_from(down.hearing), convert::track_from(down.track)?);
        self.offers.remove(&name);
        self.withdraw(name);
        Ok(())
    }

    /// The peer takes layers of a track that was let out.
    pub(super) fn handle_subscribe(&mut self, subscribe: wire::Subscribe) -> Result<(), Cause> {
        let (hearing, track) = (convert::hearing_from(subscribe.hearing), convert::track_from(subscribe.track)?);
        let layers = convert::layers_from(subscribe.layers)?;
        if let Some((leg, carried)) = self.outgoing((hearing, track)) {
            self.tell(&carried.carry.worker, Command::Demand { hearing, leg, track, layers });
        }
        Ok(())
    }

    /// The peer needs a key frame of a track that was let out.
    pub(super) fn handle_key_frame(&mut self, key: wire::KeyFrame) -> Result<(), Cause> {
        let (hearing, track) = (convert::hearing_from(key.hearing), convert::track_from(key.track)?);
        if usize::from(key.layer) >= Layer::LIMIT {
            return Err(Cause::Invalid("a fifth layer"));
        }
        // A picture that is held back begins with one when it is let in.
        if let Some((_, carried)) = self.outgoing((hearing, track)).filter(|_| !self.is_held((hearing, track))) {
            self.tell(&carried.carry.worker, Command::KeyFrame { hearing, track, layer: Layer(key.layer) });
        }
        Ok(())
    }

    /// The peer's gate said no.
    pub(super) fn handle_refused(&mut self, refused: &wire::Refused) -> Result<(), Cause> {
        let name = (convert::hearing_from(refused.hearing), convert::track_from(refused.track)?);
        let from = convert::zone_from(&refused.origin)?;
        if !self.carried.contains_key(&name.0) && !self.remotes.contains_key(&name.0) {
            return Ok(());
        }
        let verdict = Verdict::Deny(convert::reason_from(refused.reason));
        match refused.by {
            wire::RefusedBy::Egress => {
                self.note(name, from, self.shared.own.zone.clone(), verdict, GateSide::PeerEgress);
            }
            wire::RefusedBy::Ingress => {
                self.stop_sending(name);
                self.note(name, from, self.settings.identity.zone.clone(), verdict, GateSide::PeerIngress);
            }
        }
        Ok(())
    }

    /// The line has room for these layers of a track that was let out: the peer is told that it has no others, and so
    /// nobody is asked for them.
    pub(super) fn handle_room(&mut self, (hearing, track): Name, room: Room) {
        self.narrowed.note((hearing, track), &room);
        let Some(carried) = self.carried.get_mut(&hearing) else { return };
        let plan = carried.plan();
        let joint = carried.joint.as_mut();
        let Some(outgoing) = joint.and_then(|joint| joint.outgoing.get_mut(&track)) else { return };
        (outgoing.room, outgoing.held) = (room.layers, room.lack.held);
        let outgoing = *outgoing;
        if let (Some(info), Some(seat)) = (carried.tracks.get(&track), plan.seat(track.seat)) {
            let up = track_up(hearing, &outgoing, info, seat.role);
            self.say(up);
        }
    }

    /// Who speaks; it is remembered for a while.
    pub(super) fn handle_speaking(&mut self, hearing: HearingId, seats: &[SeatId]) {
        if let Some(carried) = self.carried.get_mut(&hearing) {
            carried.spoke.extend(seats.iter().map(|seat| (*seat, Instant::now())));
            self.rank_tracks(hearing);
        }
    }

    /// Whose pictures go first now.
    pub(super) fn rank_tracks(&mut self, hearing: HearingId) {
        let (Some(link), Some(carried)) = (&self.link, self.carried.get_mut(&hearing)) else { return };
        carried.spoke.retain(|_, at| at.elapsed() < SPOKE);
        let (plan, speaking) = (carried.plan(), carried.speaking());
        for (track, outgoing) in carried.joint.iter_mut().flat_map(|joint| &mut joint.outgoing) {
            let rank = rank::of(&plan, &speaking, *track);
            if std::mem::replace(&mut outgoing.rank, rank) != rank {
                link.pass(Passage::Rank((hearing, *track), rank));
            }
        }
    }

    /// Asks the gate whether a track may go out. What came from the peer does not go back.
    fn offer(&mut self, hearing: HearingId, info: &TrackInfo) {
        let (Some(link), Some(carried)) = (&mut self.link, self.carried.get_mut(&hearing)) else { return };
        let (plan, worker, speaking) = (carried.plan(), carried.carry.worker.clone(), carried.speaking());
        let Some(joint) = &mut carried.joint else { return };
        let to = &self.settings.identity.zone;
        if info.origin == *to || joint.incoming.contains_key(&info.id) {
            return;
        }
        let verdict = self.shared.gate.egress(&plan, info, to);
        if verdict == Verdict::Inspect {
            let (name, layers) = ((hearing, info.id), info.layers);
            let outgoing =
                *joint.outgoing.entry(info.id).and_modify(|_| link.pass(Passage::Layers(name, layers))).or_insert_with(
                    || {
                        let (number, rank) = (link.next_flow(), rank::of(&plan, &speaking, info.id));
                        let lack = self.narrowed.of(name);
                        let lack = Lack { held: lack.held && rank != Rank::Protected, ..lack };
                        link.pass(Passage::Open(Box::new(Opening { name, number, rank, layers, lack, worker })));
                        Outgoing { flow: number, rank, room: lack.leaves(layers), held: lack.held }
                    },
                );
            if let Some(seat) = plan.seat(info.id.seat) {
                link.line.say(track_up(hearing, &outgoing, info, seat.role));
            }
        }
        self.refuse((hearing, info), &verdict, wire::RefusedBy::Egress);
        let (from, to) = (info.origin.clone(), self.settings.identity.zone.clone());
        self.note((hearing, info.id), from, to, verdict, GateSide::Egress);
    }

    /// Asks the gate whether a track of the peer may come in.
    fn judge_offer(&mut self, name: Name) {
        let (hearing, track) = name;
        let Some(up) = self.offers.get(&name) else { return };
        let (flow, info) = (up.flow, convert::track_info_from(up));
        let (Some(link), Some(carried), Ok(info)) = (&self.link, self.carried.get_mut(&hearing), info) else { return };
        let (plan, worker) = (carried.plan(), carried.carry.worker.clone());
        let Some(joint) = &mut carried.joint else { return };
        let verdict = self.shared.gate.ingress(&plan, &info, &self.settings.vouches);
        if verdict == Verdict::Inspect {
            let leg = joint.leg;
            let before = joint.incoming.insert(track, flow);
            if before != Some(flow) {
                if let Some(before) = before {
                    link.admit(Admission::Close(before));
                }
                link.admit(Admission::Open(flow, Accepted { hearing, track, leg }, worker.clone()));
            }
            self.tell(&worker, Command::Announce { hearing, leg, info: info.clone() });
        } else {
            self.offers.remove(&name);
            self.withdraw(name);
        }
        self.refuse((hearing, &info), &verdict, wire::RefusedBy::Ingress);
        self.note(name, info.origin, self.shared.own.zone.clone(), verdict, GateSide::Ingress);
    }

    /// Both ends shall know of a denial.
    fn refuse(&self, (hearing, info): (HearingId, &TrackInfo), verdict: &Verdict, by: wire::RefusedBy) {
        if let Verdict::Deny(reason) = verdict {
            self.say(wire::Refused {
                hearing: convert::hearing_to(hearing),
                track: convert::track_to(info.id),
                origin: info.origin.to_string(),
                by,
                reason: convert::reason_to(*reason),
            });
        }
    }

    fn retract(&mut self, name: Name) {
        if self.stop_sending(name) {
            let (hearing, track) = (convert::hearing_to(name.0), convert::track_to(name.1));
            self.say(wire::TrackDown { hearing, track });
        }
    }

    /// True when it was being sent.
    fn stop_sending(&mut self, name: Name) -> bool {
        let joint = self.carried.get_mut(&name.0).and_then(|carried| carried.joint.as_mut());
        let known = joint.is_some_and(|joint| joint.outgoing.remove(&name.1).is_some());
        if let (true, Some(link)) = (known, &self.link) {
            link.pass(Passage::Close(name));
        }
        known
    }

    fn withdraw(&mut self, (hearing, track): Name) {
        let Some(carried) = self.carried.get_mut(&hearing) else { return };
        let worker = carried.carry.worker.clone();
        let Some(joint) = &mut carried.joint else { return };
        let leg = joint.leg;
        if let Some(flow) = joint.incoming.remove(&track) {
            if let Some(link) = &self.link {
                link.admit(Admission::Close(flow));
            }
            self.tell(&worker, Command::Withdraw { hearing, leg, track });
        }
    }

    /// True while the line has no room for any of it.
    fn is_held(&self, (hearing, track): Name) -> bool {
        let joint = self.carried.get(&hearing).and_then(|carried| carried.joint.as_ref());
        joint.and_then(|joint| joint.outgoing.get(&track)).is_some_and(|outgoing| outgoing.held)
    }

    /// A track that was let out; anything else that the peer asks for is its mistake or a message that crossed ours.
    fn outgoing(&self, (hearing, track): Name) -> Option<(crate::router::LegId, &Carried)> {
        let carried = self.carried.get(&hearing)?;
        let joint = carried.joint.as_ref()?;
        if joint.outgoing.contains_key(&track) {
            return Some((joint.leg, carried));
        }
        metrics::counter!("hearing_trunk_asked_in_vain_total").increment(1);
        None
    }
}

/// A picture that is held back has no layers.
fn track_up(hearing: HearingId, outgoing: &Outgoing, info: &TrackInfo, role: hearing_config::Role) -> wire::TrackUp {
    let fitting = LayerSet(info.layers.0 & outgoing.room.0);
    let layers = match (outgoing.held, fitting.is_empty()) {
        (true, _) => LayerSet::EMPTY,
        (false, true) => info.layers,
        (false, false) => fitting,
    };
    wire::TrackUp {
        hearing: convert::hearing_to(hearing),
        flow: outgoing.flow,
        track: convert::track_to(info.id),
        codec: convert::codec_to(info.codec),
        origin: info.origin.to_string(),
        role: convert::role_to(role),
        layers: layers.0,
        held: outgoing.held || info.held,
    }
}

/// How long the picture of a seat that spoke goes first.
const SPOKE: Duration = Duration::from_secs(5);
