//! Lines that lose packets or are too narrow.

use hearing_config::Kind;
use hearing_emulator::Quality;

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
    pair.line.handle().set(quality("delay=10ms,rate=2M,queue=20k"));
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
