//! Sessions on another worker than their hearing's router: two switchboards in virtual time, with fake legs.

mod house;

use hearing_config::{Kind, SeatId};
use hearing_signaling::hearing::SeatQuality;
use hearing_signaling::http::Size;

use super::super::fake::{info, packet, path, plan, stun, track};
use super::super::leg::{Control, IceRestart, LegId, Output, Place, Protected};
use super::super::packet::{Layer, LayerSet, Packet};
use super::super::worker::{Attach, Command, Event};
use super::proxy::{ORDERS, PICTURES, SOUND};
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

fn delta(index: u64) -> Packet {
    Packet { key: false, ..packet(index) }
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
fn what_waits_of_a_track_that_was_just_taken_away_is_not_sent() {
    let (mut house, judge, clerk) = house();
    let (voice, picture) = (track(JUDGE, Kind::Audio), track(JUDGE, Kind::Video));
    house.stall_far();
    house.say(judge, packets(voice, 0..20).chain(packets(picture, 0..20)));
    house.plan(plan(2, &[(picture, &[CLERK], true)]));
    house.say(judge, packets(voice, 20..40));
    house.plan(plan(3, &[(voice, &[CLERK], true), (picture, &[CLERK], true)]));
    house.resume_far();
    house.say(judge, packets(voice, 40..50));
    let heard = |of| house.notes(clerk, |notes| notes.packets.iter().filter(|(t, _)| *t == of).count());
    assert_eq!(heard(picture), 20, "what may still be had is");
    assert_eq!(house.notes(clerk, |notes| notes.ended.clone()), [voice]);
    let indices: Vec<u64> =
        house.notes(clerk, |notes| notes.packets.iter().filter(|(t, _)| *t == voice).map(|(_, p)| p.index).collect());
    assert!(indices.iter().all(|index| *index >= 40), "of before it was taken away nothing comes: {indices:?}");
}

#[test]
fn a_session_that_was_let_go_sends_nothing_of_what_waits_for_it() {
    let (mut house, judge, clerk) = house();
    house.stall_far();
    house.say(judge, packets(track(JUDGE, Kind::Audio), 0..20));
    house.detach(clerk);
    house.resume_far();
    assert_eq!(house.packets(clerk), 0);
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
fn where_the_other_worker_is_slow_pictures_are_given_up_whole_until_a_key_frame_and_sound_last() {
    let (mut house, judge, clerk) = house();
    let (voice, picture) = (track(JUDGE, Kind::Audio), track(JUDGE, Kind::Video));
    house.advance(1_000);
    house.controls(judge);
    house.stall_far();
    for index in 0..PICTURES as u64 + 100 {
        house.say(judge, [Output::Packet(picture, delta(index))]);
    }
    let keys = house.controls(judge);
    assert_eq!(keys, [Control::KeyFrame(picture, Layer(0))], "asked once");
    house.say(judge, packets(voice, 0..100));
    house.resume_far();
    // Nothing that refers to what was given up, although there is room again.
    house.say(judge, [Output::Packet(picture, delta(2_000))]);
    house.say(judge, [Output::Packet(picture, packet(2_001)), Output::Packet(picture, delta(2_002))]);
    let of = |kind| {
        house.notes(clerk, |notes| {
            notes.packets.iter().filter(|(of, _)| of.kind == kind).map(|(_, p)| p.index).collect::<Vec<_>>()
        })
    };
    assert_eq!(of(Kind::Audio).len(), 100);
    let pictures = of(Kind::Video);
    assert!(pictures.len() <= PICTURES + 2, "{}", pictures.len());
    assert_eq!(pictures[pictures.len() - 2..], [2_001, 2_002]);
    assert!(!pictures.contains(&2_000));
}

#[test]
fn a_picture_that_has_begun_is_finished_and_none_is_begun_that_finds_no_room() {
    let (mut house, judge, clerk) = house();
    let picture = track(JUDGE, Kind::Video);
    house.stall_far();
    let piece =
        |index: u64| Packet { frame_start: index.is_multiple_of(100), frame_end: index % 100 == 99, ..delta(index) };
    house.say(judge, (0..1_000).map(|index| Output::Packet(picture, piece(index))));
    house.resume_far();
    let count = house.packets(clerk);
    assert_eq!(count % 100, 0, "{count} packets are no whole frames");
    assert!(count >= PICTURES, "{count}");
}

#[test]
fn sound_beyond_its_room_is_lost_and_a_worker_that_takes_no_orders_loses_the_session() {
    let (mut house, judge, clerk) = house();
    let voice = track(JUDGE, Kind::Audio);
    house.say(clerk, [Output::Connected]);
    house.stall_far();
    house.say(judge, packets(voice, 0..2 * SOUND as u64));
    let (hearing, seat) = (house.hearing, SeatId(CLERK));
    let prefer = |house: &mut House| house.tell(Command::Prefer { hearing, seat, track: voice, size: Size::Small });
    house.events();
    for _ in 0..ORDERS - SOUND - 8 {
        prefer(&mut house);
    }
    assert!(house.events().is_empty(), "so much is still taken");
    (0..16).for_each(|_| prefer(&mut house));
    let events = house.events();
    let why = "the worker of this session stands still".to_owned();
    assert!(events.contains(&Event::Disconnected(seat, why)), "{events:?}");
    house.resume_far();
    assert_eq!((house.packets(clerk), house.far().board.guests()), (0, 0), "whom the router let go gets nothing");
}

#[test]
fn a_slow_worker_loses_no_sound_before_its_room_is_full() {
    let (mut house, judge, clerk) = house();
    house.stall_far();
    house.say(judge, packets(track(JUDGE, Kind::Audio), 0..2 * SOUND as u64));
    house.resume_far();
    let heard = house.packets(clerk);
    assert!((SOUND - 8..=SOUND).contains(&heard), "{heard}");
}

/// What is left of a session on both workers.
fn assert_gone(house: &mut House, leg: LegId) {
    let name = stun(&format!("u{}:peer", leg.0));
    assert_eq!(house.far().board.guests(), 0);
    assert!(!house.far().handle.awaits(&name), "the front door still awaits its client");
    let strangers = house.far().board.tally().strangers;
    house.far_datagram(path(leg.0 as u16), b"\x80rtp");
    house.far_datagram(path(leg.0 as u16), &name);
    assert_eq!(house.far().board.tally().strangers, strangers + 2);
    assert_eq!(std::sync::Arc::strong_count(house.note(leg)), 1, "the session itself is gone");
}

#[test]
fn a_far_session_that_is_taken_off_leaves_nothing_behind() {
    let (mut house, _, clerk) = house();
    house.say(clerk, [Output::Connected, Output::Bind(path(2))]);
    assert!(house.far().handle.awaits(&stun("u2:peer")));
    house.events();
    house.detach(clerk);
    assert_gone(&mut house, clerk);
    assert_eq!(house.events(), [Event::Disconnected(SeatId(CLERK), "taken off".to_owned())]);
    assert_eq!(house.home.board.tally().stray_commands, 0);
}

#[test]
fn a_far_session_that_ends_by_itself_is_reported_and_leaves_nothing_behind() {
    for (last, lost) in [(Output::Left, false), (Output::Closed("no consent".to_owned()), true)] {
        let (mut house, _, clerk) = house();
        house.say(clerk, [Output::Connected, Output::Bind(path(2)), Output::Track(info(CLERK, Kind::Audio, "gov"))]);
        house.events();
        house.say(clerk, [last]);
        let (events, seat) = (house.events(), SeatId(CLERK));
        assert!(events.contains(&Event::TrackDown(track(CLERK, Kind::Audio))), "{events:?}");
        let end = if lost { Event::Disconnected(seat, "no consent".to_owned()) } else { Event::Left(seat) };
        assert!(events.contains(&end), "{events:?}");
        assert_gone(&mut house, clerk);
    }
}

#[test]
fn a_new_connection_of_the_same_seat_replaces_a_far_one_wherever_it_lives() {
    for far in [true, false] {
        let (mut house, judge, clerk) = house();
        house.say(clerk, [Output::Connected, Output::Bind(path(2))]);
        let again = if far { house.attach_far(3, CLERK) } else { house.attach_home(3, CLERK) };
        house.say(judge, packets(track(JUDGE, Kind::Audio), 0..10));
        assert_eq!((house.packets(clerk), house.packets(again)), (0, 10));
        assert_eq!(house.far().board.guests(), usize::from(far));
        assert!(!house.far().handle.awaits(&stun("u2:peer")));
        assert_eq!(house.far().handle.awaits(&stun("u3:peer")), far);
    }
}

#[test]
fn a_hearing_that_ends_takes_its_far_sessions_along() {
    let (mut house, _, clerk) = house();
    house.say(clerk, [Output::Bind(path(2))]);
    let hearing = house.hearing;
    house.tell(Command::Close { hearing });
    assert_gone(&mut house, clerk);
}

#[test]
fn a_session_for_a_hearing_that_is_gone_finds_no_place() {
    let mut house = House::open();
    let hearing = house.hearing;
    house.tell(Command::Close { hearing });
    let clerk = house.attach_far(2, CLERK);
    assert_gone(&mut house, clerk);
}

#[test]
fn a_worker_that_ends_takes_its_sessions_from_their_hearings_at_once() {
    let (mut house, judge, clerk) = house();
    house.say(clerk, [Output::Connected]);
    house.events();
    house.end_far();
    let events = house.events();
    assert!(matches!(events[..], [Event::Disconnected(SeatId(CLERK), _)]), "{events:?}");
    let again = house.attach_home(3, CLERK);
    house.say(judge, packets(track(JUDGE, Kind::Audio), 0..10));
    assert_eq!((house.packets(clerk), house.packets(again)), (0, 10));
}

#[test]
fn the_owner_s_end_takes_the_far_sessions_along() {
    let (mut house, _, clerk) = house();
    house.end_home();
    assert_gone(&mut house, clerk);
}

#[test]
fn a_far_session_that_panics_costs_itself_alone_and_is_counted() {
    let (mut house, judge, clerk) = house();
    let witness = house.attach_far(3, WITNESS);
    house.say(clerk, [Output::Connected]);
    house.events();
    house.notes(clerk, |notes| notes.faulty = true);
    house.say(judge, packets(track(JUDGE, Kind::Audio), 0..10));
    let events = house.events();
    let fell = |event: &Event| matches!(event, Event::Disconnected(SeatId(CLERK), why) if why.contains("fault in this program"));
    assert!(events.iter().any(fell), "{events:?}");
    assert_eq!((house.packets(witness), house.far().board.guests()), (10, 1));
    assert_eq!((house.far().board.tally().leg_panics, house.home.board.tally().leg_panics), (1, 0));
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

#[test]
fn what_the_owner_has_no_room_for_is_said_again_in_order() {
    let (mut house, _, clerk) = house();
    house.stall_home();
    while house.home.handle.send(Command::Close { hearing: hearing_config::HearingId(uuid::Uuid::max()) }).is_ok() {}
    house.say(clerk, [Output::Connected, Output::Track(info(CLERK, Kind::Audio, "gov"))]);
    house.say(clerk, [Output::Quality(SeatQuality::default()), Output::TrackEnd(track(CLERK, Kind::Audio))]);
    house.events();
    house.resume_home();
    assert!(house.events().is_empty(), "not before the next try");
    house.advance(20);
    let own = track(CLERK, Kind::Audio);
    let wanted =
        [Event::Connected(SeatId(CLERK)), Event::TrackUp(info(CLERK, Kind::Audio, "gov")), Event::TrackDown(own)];
    assert_eq!(house.events(), wanted, "figures do not wait");
}

/// A multiple of a frame's packets.
const PACKETS: usize = 3_000;
const FRAME: usize = 10;
