//! Sessions on another worker than their hearing's router: two switchboards in virtual time, with fake legs.

mod ends;
mod house;
mod slow;

use hearing_config::{Kind, SeatId};
use hearing_signaling::hearing::SeatQuality;
use hearing_signaling::http::Size;

use super::super::fake::{info, packet, path, plan, stun, track};
use super::super::leg::{Control, IceRestart, LegId, Output, Place, Protected};
use super::super::packet::{Layer, LayerSet, Packet};
use super::super::worker::{Attach, Command, Event};
use house::House;

const JUDGE: u8 = 0;
const CLERK: u8 = 1;
const WITNESS: u8 = 2;

/// The judge at home, publishing sound and a picture; the clerk far, who has both.
fn house() -> (House, LegId, LegId) {
    let mut house = House::open();
    let (judge, clerk) = (house.attach_home(1, JUDGE), house.attach_far(2, CLERK));
    house.say(judge, [Output::Track(info(JUDGE, Kind::Audio, "gov")), Output::Track(info(JUDGE, Kind::Video, "gov"))]);
    let (voice, picture) = (track(JUDGE, Kind::Audio), track(JUDGE, Kind::Video));
    house.plan(plan(1, &[(voice, &[CLERK, WITNESS], true), (picture, &[CLERK, WITNESS], true)]));
    (house, judge, clerk)
}

fn packets(track: hearing_config::TrackId, indices: std::ops::Range<u64>) -> impl Iterator<Item = Output> {
    indices.map(move |index| Output::Packet(track, packet(index)))
}

#[test]
fn a_far_session_gets_every_packet_in_order_and_sends_over_its_own_worker() {
    let (mut house, judge, clerk) = house();
    house.say(judge, packets(track(JUDGE, Kind::Video), 0..50).chain(packets(track(JUDGE, Kind::Audio), 0..50)));
    let order: Vec<_> = house.notes(clerk, |notes| notes.packets.iter().map(|(of, p)| (of.kind, p.index)).collect());
    let of = |kind| (0..50).map(move |index| (kind, index));
    assert_eq!(order, of(Kind::Video).chain(of(Kind::Audio)).collect::<Vec<_>>());

    let datagrams = bytes::Bytes::from_static(b"answer");
    house.say(clerk, [Output::Bind(path(2)), Output::Transmit { path: path(2), datagrams, segment: None }]);
    assert_eq!((house.home.sent.len(), house.far().sent.len()), (0, 1));
    house.far_datagram(path(2), b"\x80rtp");
    assert!(house.notes(clerk, |notes| notes.datagrams.contains(&b"\x80rtp".to_vec())));
}

#[test]
fn a_batch_wakes_the_other_worker_once_and_so_does_an_end() {
    let (mut house, judge, clerk) = house();
    house.stall_far();
    house.far_is_woken();
    house.say(judge, packets(track(JUDGE, Kind::Video), 0..50));
    assert!(house.far_is_woken());
    assert!(!house.far_is_woken());
    house.resume_far();
    assert!(!house.far_is_woken());
    house.detach(clerk);
    assert!(house.far_is_woken());
}

#[test]
fn a_packet_on_its_way_to_a_far_session_costs_no_allocation_but_the_queue_s_own() {
    let (home, far) = (house::Side::new(), house::Side::new());
    let (leg, notes) = super::super::fake::fake_leg();
    notes.lock().unwrap().packets.reserve(PACKETS);
    let (hearing, place) = (hearing_config::HearingId(uuid::Uuid::nil()), Place::Seat(SeatId(CLERK)));
    let whole = Attach { hearing, id: LegId(1), place, ufrag: None, leg };
    let (mut attach, mut lodge) = super::split(whole, &home.handle, &far.handle);
    let packet = Packet { payload: bytes::Bytes::from_static(&[7; 1_150]), ..packet(0) };
    let (now, picture) = (std::time::Instant::now(), track(JUDGE, Kind::Video));
    let mut frame = || {
        (0..FRAME).for_each(|_| attach.leg.handle_packet(now, picture, &packet));
        assert!(attach.leg.poll_output().is_none());
        lodge.guest.take_items(now);
    };
    frame();
    let cost = allocation_counter::measure(|| (1..PACKETS / FRAME).for_each(|_| frame()));
    // The queue grows by blocks of 31 items.
    assert!(cost.count_total <= (PACKETS / 31 + 1) as u64, "{} allocations", cost.count_total);
    assert_eq!(notes.lock().unwrap().packets.len(), PACKETS);
}

#[test]
fn a_far_session_publishes_speaks_and_is_reported_as_any_other() {
    let (mut house, judge, clerk) = house();
    let voice = track(CLERK, Kind::Audio);
    house.plan(plan(2, &[(voice, &[JUDGE, WITNESS], true)]));
    let witness = house.attach_far(3, WITNESS);
    house.events();
    house.say(clerk, [Output::Connected, Output::Track(info(CLERK, Kind::Audio, "gov"))]);
    let loud = |index| Output::Packet(voice, Packet { level: Some(10), ..packet(index) });
    for index in 0..100 {
        house.say(clerk, [loud(index)]);
        house.advance(20);
    }
    house.say(clerk, [Output::Quality(SeatQuality { up_kbps: 7, ..SeatQuality::default() })]);
    assert_eq!((house.packets(judge), house.packets(witness)), (100, 100));
    let events = house.events();
    let seat = SeatId(CLERK);
    assert!(events.contains(&Event::Connected(seat)), "{events:?}");
    assert!(events.contains(&Event::TrackUp(info(CLERK, Kind::Audio, "gov"))), "{events:?}");
    assert!(events.contains(&Event::Speaking(vec![seat])), "{events:?}");
    assert!(events.iter().any(|event| matches!(event, Event::Quality(of, q) if *of == seat && q.up_kbps == 7)));
    assert!(
        house.controls(judge).contains(&Control::Protect(Protected { speaker: Some(seat), ..Protected::default() }))
    );
    assert!(
        house.controls(witness).iter().any(|control| matches!(control, Control::Protect(p) if p.speaker == Some(seat)))
    );
}

#[test]
fn what_a_far_session_wants_decides_what_its_publisher_sends_and_it_gets_a_key_frame() {
    let mut house = House::open();
    let judge = house.attach_home(1, JUDGE);
    let picture = track(JUDGE, Kind::Video);
    house.say(judge, [Output::Track(info(JUDGE, Kind::Video, "gov"))]);
    let clerk = house.attach_far_with(2, CLERK, |notes| _ = notes.wanted.insert(picture, LayerSet::only(Layer(1))));
    house.controls(judge);
    house.plan(plan(1, &[(picture, &[CLERK], true)]));
    let controls = house.controls(judge);
    assert!(controls.contains(&Control::Demand(picture, LayerSet::only(Layer(1)))), "{controls:?}");
    assert!(controls.contains(&Control::KeyFrame(picture, Layer(1))), "{controls:?}");

    house.advance(1_000);
    house.notes(clerk, |notes| _ = notes.wanted.insert(picture, LayerSet::only(Layer(0))));
    house.say(clerk, [Output::Wanted(picture)]);
    let controls = house.controls(judge);
    assert!(controls.contains(&Control::Demand(picture, LayerSet::only(Layer(0)))), "{controls:?}");
    assert!(controls.contains(&Control::KeyFrame(picture, Layer(0))), "{controls:?}");

    house.advance(1_000);
    house.say(clerk, [Output::KeyFrame(picture, Layer(0))]);
    assert_eq!(house.controls(judge), [Control::KeyFrame(picture, Layer(0))]);
}

#[test]
fn what_is_asked_of_a_publisher_and_what_its_page_wishes_reach_a_far_session() {
    let (mut house, judge, clerk) = house();
    let (own, picture) = (track(CLERK, Kind::Video), track(JUDGE, Kind::Video));
    house.say(clerk, [Output::Track(info(CLERK, Kind::Video, "gov"))]);
    house.controls(clerk);
    house.plan(plan(2, &[(own, &[JUDGE], true)]));
    let controls = house.controls(clerk);
    assert!(controls.contains(&Control::Demand(own, LayerSet(0b11))), "{controls:?}");
    assert!(controls.contains(&Control::KeyFrame(own, Layer(0))), "{controls:?}");
    house.advance(1_000);
    house.say(judge, [Output::KeyFrame(own, Layer(1))]);
    assert_eq!(house.controls(clerk), [Control::KeyFrame(own, Layer(1))]);
    let (hearing, seat) = (house.hearing, SeatId(CLERK));
    house.tell(Command::Prefer { hearing, seat, track: picture, size: Size::Large });
    assert_eq!(house.controls(clerk), [Control::Prefer(picture, Size::Large)]);
}

#[test]
fn ice_restarts_where_the_session_lives_and_nowhere_else() {
    let (mut house, _, clerk) = house();
    let restart = |ufrag: &str| IceRestart {
        ufrag: ufrag.to_owned(),
        pwd: "p".to_owned(),
        remote_ufrag: "r".to_owned(),
        remote_pwd: "q".to_owned(),
    };
    assert!(house.restart_far(clerk, restart("anew")));
    assert!(house.far().handle.awaits(&stun("anew:peer")));
    house.far_datagram(path(9), &stun("anew:peer"));
    assert_eq!(house.notes(clerk, |notes| (notes.restarts, notes.datagrams.len())), (1, 1));
    assert!(!house.restart_home(clerk, restart("lost")), "the router has no client of its own to tell");
    assert!(!house.home.handle.awaits(&stun("lost:peer")));
    house.detach(clerk);
    assert!(!house.restart_far(clerk, restart("late")));
    assert!(!house.far().handle.awaits(&stun("anew:peer")) && !house.far().handle.awaits(&stun("late:peer")));
}

/// A multiple of a frame's packets.
const PACKETS: usize = 3_000;
const FRAME: usize = 10;
