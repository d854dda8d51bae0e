//! A leg that panics, in each of its calls, and what becomes of the hearing around it.

use std::time::Duration;

use hearing_config::{Kind, SeatId};

use super::super::fake::{Court, info, packet, path, plan, stun, track};
use super::super::leg::{LegId, Place};
use super::super::worker::Event;
use super::*;

/// Panics in the call that is named, and answers all others.
struct Faulty {
    call: &'static str,
    connected: bool,
    due: Instant,
}

impl Faulty {
    fn reach(&self, call: &'static str) {
        assert!(self.call != call, "fault in {call}");
    }
}

impl Leg for Faulty {
    fn delivery(&self) -> Delivery {
        self.reach("delivery");
        if self.call == "handle_frame" { Delivery::Frames } else { Delivery::Packets }
    }

    fn handle_track(&mut self, _: Instant, _: &TrackInfo) {
        self.reach("handle_track");
    }

    fn handle_track_end(&mut self, _: Instant, _: TrackId) {
        self.reach("handle_track_end");
    }

    fn handle_packet(&mut self, _: Instant, _: TrackId, _: &Packet) {
        self.reach("handle_packet");
    }

    fn handle_frame(&mut self, _: Instant, _: TrackId, _: &Frame) {
        self.reach("handle_frame");
    }

    fn handle_control(&mut self, _: Instant, _: Control) {
        self.reach("handle_control");
    }

    fn handle_datagram(&mut self, _: Instant, _: Path, _: &[u8]) {
        self.reach("handle_datagram");
    }

    fn handle_timeout(&mut self, _: Instant) {
        self.reach("handle_timeout");
        self.due += Duration::from_secs(3_600);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.reach("poll_timeout");
        Some(self.due)
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.reach("poll_output");
        (!std::mem::replace(&mut self.connected, true)).then_some(Output::Connected)
    }

    fn wanted(&self, _: TrackId) -> LayerSet {
        self.reach("wanted");
        LayerSet::ALL
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.reach("poll_output");
    }
}

/// Everything that can happen to a leg happens to it.
fn live_through(court: &mut Court, faulty: LegId, judge: LegId) {
    let voice = track(0, Kind::Audio);
    court.plan(plan(1, &[(voice, &[1, 2], false)]));
    court.say(judge, (0..10).map(|index| Output::Packet(voice, packet(index))));
    court.datagram(path(faulty.0 as u16), &stun(&format!("u{}:peer", faulty.0)));
    court.tell(super::super::worker::Command::Prefer {
        hearing: court.hearing,
        seat: SeatId(1),
        track: voice,
        size: hearing_signaling::http::Size::Small,
    });
    court.advance(50);
    court.plan(plan(2, &[(voice, &[2], false)]));
    court.say(judge, (10..20).map(|index| Output::Packet(voice, packet(index))));
}

#[test]
fn a_leg_that_panics_is_taken_off_and_counted_and_nobody_else_misses_a_packet() {
    let calls = [
        "delivery",
        "handle_track",
        "handle_track_end",
        "handle_packet",
        "handle_frame",
        "handle_control",
        "handle_datagram",
        "handle_timeout",
        "poll_timeout",
        "poll_output",
        "wanted",
    ];
    for call in calls {
        let mut court = Court::open(64);
        let judge = court.attach(1, Place::Seat(SeatId(0)));
        court.say(judge, [Output::Track(info(0, Kind::Audio, "gov"))]);
        let witness = court.attach(3, Place::Seat(SeatId(2)));
        let due = court.now + Duration::from_millis(20);
        let leg = Box::new(Faulty { call, connected: false, due });
        let faulty = court.attach_leg(2, Place::Seat(SeatId(1)), leg);
        live_through(&mut court, faulty, judge);
        assert_eq!(court.packets(witness), 20, "{call}");
        assert_eq!(court.report().leg_panics, 1, "{call}");
        let gone = court.events().into_iter().any(|event| match event {
            Event::Disconnected(seat, why) => seat == SeatId(1) && why.contains(&format!("fault in {call}")),
            _ => false,
        });
        // Who panics before it has connected was never there.
        let connected = !matches!(call, "delivery" | "poll_output" | "handle_track" | "handle_control" | "wanted");
        assert!(gone || !connected, "{call}: nobody was told that the seat is gone");
        let again = court.attach(4, Place::Seat(SeatId(1)));
        court.plan(plan(3, &[(track(0, Kind::Audio), &[1, 2], false)]));
        court.say(judge, (20..30).map(|index| Output::Packet(track(0, Kind::Audio), packet(index))));
        assert_eq!((court.packets(again), court.packets(witness)), (10, 30), "{call}: the seat can come back");
    }
}
