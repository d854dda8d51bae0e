//! Who gets a track as it is and who gets a rendition of it, with fake legs in virtual time.

use hearing_config::{Codec, Kind, SeatId};

use super::super::fake::{Court, info, packet, plan, track};
use super::super::leg::{Control, LegId, Output, Place};
use super::super::packet::{Layer, LayerSet};
use super::super::worker::{Command, Event};
use super::CodecSet;

const JUDGE: u8 = 0;
const CLERK: u8 = 1;
const WITNESS: u8 = 2;
const PARTY: u8 = 3;
const MAKER: u64 = 50;

fn seat(id: u8) -> Place {
    Place::Seat(SeatId(id))
}

/// A judge who sends a picture in VP8, which everybody may see.
fn court() -> (Court, LegId) {
    let mut court = Court::open(64);
    let judge = court.attach(1, seat(JUDGE));
    let picture = track(JUDGE, Kind::Video);
    court.say(judge, [Output::Track(info(JUDGE, Kind::Video, "gov"))]);
    court.plan(plan(1, &[(picture, &[0, 1, 2, 3], true)]));
    (court, judge)
}

fn only(codec: Codec) -> CodecSet {
    [codec].into_iter().collect()
}

fn maker(court: &mut Court) -> LegId {
    court.attach(MAKER, Place::Rendition(track(JUDGE, Kind::Video), Codec::H264))
}

fn send(court: &mut Court, leg: LegId, indices: std::ops::Range<u64>) {
    court.say(leg, indices.map(|index| Output::Packet(track(JUDGE, Kind::Video), packet(index))));
}

/// What the router asked for: the codec, and whether it is wanted.
fn orders(court: &mut Court) -> Vec<(Codec, bool)> {
    let order = |event| if let Event::Rendition { codec, wanted, .. } = event { Some((codec, wanted)) } else { None };
    court.events().into_iter().filter_map(order).collect()
}

#[test]
fn who_takes_the_codec_gets_the_track_untouched_and_no_rendition_is_made() {
    let (mut court, judge) = court();
    let clerk = court.attach_picky(2, seat(CLERK), only(Codec::Vp8));
    send(&mut court, judge, 0..10);
    assert_eq!(court.packets(clerk), 10);
    assert!(orders(&mut court).is_empty());
}

#[test]
fn one_rendition_is_ordered_for_all_who_need_it_and_ended_with_the_last() {
    let (mut court, _) = court();
    let clerk = court.attach_picky(2, seat(CLERK), only(Codec::H264));
    let witness = court.attach_picky(3, seat(WITNESS), only(Codec::H264));
    assert_eq!(orders(&mut court), [(Codec::H264, true)]);
    let hearing = court.hearing;
    court.tell(Command::Detach { hearing, leg: clerk });
    assert!(orders(&mut court).is_empty(), "one still takes it");
    court.tell(Command::Detach { hearing, leg: witness });
    assert_eq!(orders(&mut court), [(Codec::H264, false)]);
}

#[test]
fn the_maker_gets_the_track_and_its_rendition_goes_to_those_who_need_it_and_the_record_gets_the_original() {
    let (mut court, judge) = court();
    let clerk = court.attach_picky(2, seat(CLERK), only(Codec::H264));
    let (party, record) = (court.attach(4, seat(PARTY)), court.attach(9, Place::Record));
    let maker = maker(&mut court);
    send(&mut court, judge, 0..10);
    assert_eq!((court.frames(maker), court.packets(clerk)), (10, 0), "the original is not for the clerk");
    send(&mut court, maker, 100..104);
    assert_eq!((court.packets(clerk), court.packets(party), court.frames(record)), (4, 10, 10));
    let told = court.notes(clerk, |notes| notes.tracks.last().map(|info| (info.codec, info.layers)));
    assert_eq!(told, Some((Codec::H264, LayerSet::only(Layer(0)))));
}

#[test]
fn a_maker_that_nobody_needs_gets_nothing_and_what_it_says_is_stray() {
    let (mut court, judge) = court();
    let maker = maker(&mut court);
    send(&mut court, judge, 0..5);
    send(&mut court, maker, 0..5);
    assert_eq!((court.frames(maker), court.tally().stray_packets), (0, 5));
}

#[test]
fn a_rendition_is_no_way_around_the_audience() {
    let (mut court, judge) = court();
    let witness = court.attach_picky(3, seat(WITNESS), only(Codec::H264));
    let maker = maker(&mut court);
    send(&mut court, maker, 0..5);
    assert_eq!(court.packets(witness), 5);
    court.plan(plan(2, &[(track(JUDGE, Kind::Video), &[CLERK], true)]));
    send(&mut court, judge, 0..5);
    send(&mut court, maker, 5..10);
    assert_eq!((court.packets(witness), court.frames(maker)), (5, 0));
    assert_eq!(court.notes(witness, |notes| notes.ended.len()), 1);
}

#[test]
fn key_frames_are_asked_of_the_maker_by_its_takers_and_of_the_publisher_by_the_maker() {
    let (mut court, judge) = court();
    let picture = track(JUDGE, Kind::Video);
    let clerk = court.attach_picky(2, seat(CLERK), only(Codec::H264));
    let maker = maker(&mut court);
    court.advance(2_000);
    let asked =
        |court: &Court, leg| court.controls(leg).into_iter().filter(|c| matches!(c, Control::KeyFrame(..))).count();
    court.controls(judge);
    court.controls(maker);
    court.say(clerk, [Output::KeyFrame(picture, Layer(0))]);
    assert_eq!((asked(&court, judge), asked(&court, maker)), (0, 1));
    court.say(maker, [Output::KeyFrame(picture, Layer(0))]);
    assert_eq!((asked(&court, judge), asked(&court, maker)), (1, 0));
}

#[test]
fn a_maker_that_comes_late_or_anew_is_asked_for_a_key_frame_and_taken() {
    let (mut court, _) = court();
    let clerk = court.attach_picky(2, seat(CLERK), only(Codec::H264));
    for (id, indices) in [(MAKER, 0..3), (MAKER + 1, 3..6)] {
        let place = Place::Rendition(track(JUDGE, Kind::Video), Codec::H264);
        let maker = court.attach(id, place);
        assert!(court.controls(maker).iter().any(|c| matches!(c, Control::KeyFrame(..))));
        send(&mut court, maker, indices);
        let hearing = court.hearing;
        court.tell(Command::Detach { hearing, leg: maker });
    }
    assert_eq!(court.packets(clerk), 6);
}

#[test]
fn a_track_that_changes_to_a_codec_in_common_goes_untouched_from_then_on() {
    let (mut court, judge) = court();
    let clerk = court.attach_picky(2, seat(CLERK), only(Codec::H264));
    orders(&mut court);
    let mut own = info(JUDGE, Kind::Video, "gov");
    own.codec = Codec::H264;
    court.say(judge, [Output::Track(own)]);
    assert_eq!(orders(&mut court), [(Codec::H264, false)]);
    send(&mut court, judge, 0..5);
    assert_eq!(court.packets(clerk), 5);
}

#[test]
fn sound_is_rendered_in_the_best_codec_that_is_taken() {
    let phone = [Codec::Pcma, Codec::Pcmu].into_iter().collect::<CodecSet>();
    assert_eq!(phone.choose(Kind::Audio, Codec::Opus), Some(Codec::Pcma));
    assert_eq!(phone.choose(Kind::Audio, Codec::Pcmu), Some(Codec::Pcmu), "what is in common goes untouched");
    assert_eq!(phone.choose(Kind::Video, Codec::Vp8), None);
    assert_eq!(CodecSet::ALL.choose(Kind::Video, Codec::H265), Some(Codec::H265));
}
