//! Lines that lose packets or are too narrow.

use std::time::{Duration, Instant};

use hearing_config::Kind;
use hearing_emulator::Quality;

use super::super::FlowWay;
use super::harness::{Pair, until};
use crate::router::{Layer, LayerSet};

fn quality(text: &str) -> Quality {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_comes_whole_over_a_line_that_loses_a_tenth_and_none_of_it_twice() {
    let pair = Pair::open().await;
    let (started, ..) = pair.sitting().await;
    pair.inet.sit(started.id, 1, &[Kind::Audio, Kind::Video]);
    let judge = pair.court.sit(started.id, 0, &[]);
    pair.line.handle().set(quality("delay=10ms,loss=10%"));
    until("the edge sends sound again", || pair.inet.status().redundancy >= 2).await;
    judge.take(1, Kind::Audio);
    until("ten seconds of sound came", || judge.count(1, Kind::Audio) > 500).await;
    let heard: Vec<u64> = judge.take(1, Kind::Audio).into_iter().map(|(index, ..)| index).collect();
    assert!(heard.windows(2).all(|pair| pair[1] > pair[0]), "in order, none twice");
    let missing = heard[heard.len() - 1] - heard[0] + 1 - heard.len() as u64;
    assert!(missing <= 5, "{missing} of {} were lost", heard.len());
    let status = pair.court.status();
    assert!(status.repaired > 20, "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_too_narrow_is_sent_smaller_layers_and_the_larger_ones_are_asked_of_nobody() {
    let pair = Pair::open().await;
    let (started, ..) = pair.sitting().await;
    // 1.1 and 3.2 Mb/s.
    let both = LayerSet(0b11);
    pair.inet.sit_with(started.id, 1, &[Kind::Audio, Kind::Video], both);
    let judge = pair.court.sit(started.id, 0, &[]);
    until("both layers come", || judge.take_layers(1, Kind::Video) == both).await;
    pair.line.handle().set(quality("delay=10ms,rate=2M,queue=40k"));
    until("the judge is offered the smaller layer only", || judge.layers(1, Kind::Video) == LayerSet::only(Layer(0)))
        .await;
    judge.take(1, Kind::Video);
    until("and gets it", || judge.count(1, Kind::Video) > 150).await;
    let video = judge.take(1, Kind::Video);
    assert!(video[video.len() / 2].2 < 500_000, "it is {} us old", video[video.len() / 2].2);
    let shed = pair.inet.status().shed;
    until("it goes on", || judge.count(1, Kind::Video) > 150).await;
    assert_eq!(pair.inet.status().shed, shed, "nothing more is shed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_line_takes_over_within_a_second_or_so_with_nothing_stale_and_nothing_twice() {
    let (pair, second) = Pair::over_two_lines().await;
    until("one line stands by", || pair.inet.status().standby == 1 && pair.court.status().standby == 1).await;
    let (started, ..) = pair.sitting().await;
    pair.inet.sit(started.id, 1, &[Kind::Audio, Kind::Video]);
    let judge = pair.court.sit(started.id, 0, &[]);
    until("the picture flows", || judge.count(1, Kind::Video) > 90).await;
    let carried = if pair.line.handle().counts()[0].delivered > second.handle().counts()[0].delivered {
        pair.line.handle()
    } else {
        second.handle()
    };
    carried.cut();
    let cut = Instant::now();
    until("the other line carries", || pair.court.status().links == 2).await;
    let before = judge.take(1, Kind::Video);
    until("the picture is back", || judge.count(1, Kind::Video) > 0).await;
    let back = cut.elapsed();
    until("it goes on", || judge.count(1, Kind::Video) > 90).await;
    let after = judge.take(1, Kind::Video);
    println!("the other line carried after {back:?}");
    assert!(back < Duration::from_millis(1_500), "it took {back:?}");
    let whole: Vec<(u64, bool)> = before.iter().chain(&after).map(|(index, key, _)| (*index, *key)).collect();
    assert!(whole.windows(2).all(|pair| pair[1].0 > pair[0].0), "in order, none twice");
    let jump = whole.windows(2).find(|pair| pair[1].0 > pair[0].0 + 1);
    assert!(jump.is_some_and(|pair| pair[1].1), "after the hole it begins with a key frame");
    let oldest = after.iter().map(|(.., age)| *age).max().unwrap();
    assert!(oldest < 1_000_000, "a frame was {oldest} us old");
    carried.repair();
    until("the first line stands by", || pair.inet.status().standby == 1 && pair.court.status().standby == 1).await;
    assert_eq!(pair.court.status().links, 2, "the line that carries is not left for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_come_whole_and_soon_over_a_line_that_loses_a_tenth_because_parity_mends_them() {
    let pair = Pair::open().await;
    let (started, ..) = pair.sitting().await;
    pair.inet.sit(started.id, 1, &[Kind::Audio, Kind::Video]);
    let judge = pair.court.sit(started.id, 0, &[]);
    until("the picture flows", || judge.count(1, Kind::Video) > 0).await;
    assert_eq!(pair.inet.status().parity, 0, "a line that loses nothing costs nothing");
    pair.line.handle().set(quality("delay=20ms,loss=10%"));
    until("parity goes with the picture", || pair.inet.status().parity >= 40).await;
    judge.take(1, Kind::Video);
    until("some seconds of it came", || judge.count(1, Kind::Video) > 1_000).await;
    let video = judge.take(1, Kind::Video);
    let soon = video.iter().filter(|(.., age)| *age < 150_000).count();
    assert!(soon * 100 >= video.len() * 95, "{soon} of {} in time", video.len());
    let mended = pair.court.status().mended;
    assert!(mended > 20, "{mended} mended");
    let told = pair.court.trunks.flows();
    let by_flow = |way: &FlowWay| matches!(way, FlowWay::In { mended, .. } if *mended > 0);
    assert!(told.iter().any(|(_, flow)| flow.track.kind == Kind::Video && by_flow(&flow.way)), "{told:?}");
    assert_eq!(pair.court.status().malformed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_pictures_that_do_not_fit_one_comes_whole_and_the_other_waits_until_there_is_room() {
    let pair = Pair::open().await;
    let (started, ..) = pair.sitting().await;
    pair.inet.join(&started, "witness", 3).await.unwrap();
    pair.admit(&started, "witness").await;
    // 1.1 Mb/s each.
    pair.inet.sit(started.id, 1, &[Kind::Audio, Kind::Video]);
    let witness = pair.inet.sit(started.id, 2, &[Kind::Video]);
    let judge = pair.court.sit(started.id, 0, &[]);
    until("both pictures come", || judge.count(1, Kind::Video) > 50 && judge.count(2, Kind::Video) > 50).await;
    pair.line.handle().set(quality("delay=10ms,rate=1600k,queue=30k"));
    until("the second is held back", || pair.inet.status().held == 1).await;
    until("the court is told", || judge.layers(2, Kind::Video).is_empty()).await;
    let waits = |way: &FlowWay| matches!(way, FlowWay::Out { holds: true, .. });
    let told = pair.inet.trunks.flows();
    assert!(told.iter().any(|(_, flow)| flow.track.seat.0 == 2 && waits(&flow.way)), "{told:?}");
    let asked = witness.key_requests();
    judge.take(1, Kind::Video);
    until("the first goes on", || judge.count(1, Kind::Video) > 90).await;
    let now = witness.key_requests();
    assert!(pair.inet.status().held == 0 || now == asked, "no key frame is asked of what is held back");
    until("and on", || judge.count(1, Kind::Video) > 450).await;
    let packets = judge.take(1, Kind::Video);
    let settled = &packets[packets.len() / 2..];
    // A try of the other one, with its key frame, may cost some.
    let sent = settled[settled.len() - 1].0 - settled[0].0 + 1;
    assert!(settled.len() as u64 * 10 >= sent * 8, "{} of {sent}", settled.len());
    pair.line.handle().set(quality("delay=10ms"));
    until("there is room for both", || pair.inet.status().held == 0).await;
    until("the second comes", || judge.count(2, Kind::Video) > 50).await;
    assert!(judge.take(2, Kind::Video)[0].1, "it begins with a key frame");
}
