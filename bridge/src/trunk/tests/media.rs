//! Media between two zones.

use std::time::Instant;

use hearing_config::{Crossing, DenyReason, Kind, Role, SeatId, TrackId, Verdict};

use super::super::GateSide;
use super::harness::{Pair, both_ways, crossing, until, zone};
use crate::router::LegId;

const BOTH: [Kind; 2] = [Kind::Audio, Kind::Video];

#[tokio::test(flavor = "multi_thread")]
async fn sound_and_picture_cross_in_both_directions_in_order_and_without_loss() {
    let pair = Pair::open().await;
    let (started, ..) = pair.sitting().await;
    let judge = pair.court.sit(started.id, 0, &BOTH);
    let counsel = pair.inet.sit(started.id, 1, &BOTH);
    until("both see and hear each other", || {
        judge.count(1, Kind::Video) > 150
            && judge.count(1, Kind::Audio) > 50
            && counsel.count(0, Kind::Video) > 150
            && counsel.count(0, Kind::Audio) > 50
    })
    .await;
    let video = counsel.take(0, Kind::Video);
    assert!(video[0].1, "a picture begins with a key frame");
    assert!(video.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "packets are in order without a gap: {video:?}");
    let status = pair.court.status();
    assert_eq!((status.lost, status.malformed, status.stray), (0, 0, 0), "{status:?}");
    assert!(status.sent > 100 && status.received > 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_crossing_nothing_arrives_and_both_ends_know() {
    let sound = Crossing { kinds: vec![Kind::Audio], ..crossing("court", "inet") };
    let pair = Pair::start(vec![sound, crossing("inet", "court")], vec![crossing("court", "inet")]).await;
    let (started, ..) = pair.sitting().await;
    let counsel = pair.inet.sit(started.id, 1, &[Kind::Video]);
    pair.court.sit(started.id, 0, &BOTH);
    let judge = pair.court.sit(started.id, 0, &BOTH);
    until("the sound arrives", || counsel.count(0, Kind::Audio) > 50).await;
    assert_eq!(counsel.count(0, Kind::Video), 0);
    assert_eq!(judge.count(1, Kind::Video), 0);
    let none = Verdict::Deny(DenyReason::NoCrossing);
    let has = |node: &super::harness::Node, seat: u8, gate: GateSide, verdict: &Verdict| {
        let track = TrackId { seat: SeatId(seat), kind: Kind::Video };
        node.trunks
            .verdicts()
            .iter()
            .any(|v| v.track == track && v.gate == gate && v.verdict == *verdict && v.role.is_some())
    };
    until("the court refused to let its picture out", || has(&pair.court, 0, GateSide::Egress, &none)).await;
    until("the edge was told", || has(&pair.inet, 0, GateSide::PeerEgress, &none)).await;
    // The edge has no crossing that lets its own picture out.
    until("the edge refused to let its picture out", || has(&pair.inet, 1, GateSide::Egress, &none)).await;
    until("the court was told", || has(&pair.court, 1, GateSide::PeerEgress, &none)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_sender_allows_is_stopped_by_the_receiver() {
    let pair = Pair::start(vec![crossing("court", "inet")], both_ways()).await;
    let (started, ..) = pair.sitting().await;
    pair.inet.sit(started.id, 1, &BOTH);
    let judge = pair.court.sit(started.id, 0, &[]);
    let verdicts = |node: &super::harness::Node, gate: GateSide| {
        let denied = Verdict::Deny(DenyReason::NoCrossing);
        node.trunks.verdicts().iter().filter(|v| v.gate == gate && v.verdict == denied).count()
    };
    until("the court's gate refused both tracks", || verdicts(&pair.court, GateSide::Ingress) == 2).await;
    until("the edge knows", || verdicts(&pair.inet, GateSide::PeerIngress) == 2).await;
    assert_eq!(judge.total(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uncalled_witness_zone_receives_nothing() {
    let pair = Pair::open().await;
    let started = pair.court.registry.start("(2022)内0291刑初124号", "trial").await.unwrap();
    pair.court.join(&started, "judge", 1).await.unwrap();
    pair.inet.join(&started, "witness", 3).await.unwrap();
    for seat in ["judge", "witness"] {
        pair.admit(&started, seat).await;
    }
    let judge = pair.court.sit(started.id, 0, &BOTH);
    let witness = pair.inet.sit(started.id, 2, &BOTH);
    until("the bench sees the witness", || judge.count(2, Kind::Video) > 50).await;
    assert_eq!(witness.total(), 0);
    assert_eq!((pair.court.status().sent, pair.inet.status().received), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_line_comes_back_by_itself_with_nothing_stale_and_begins_with_a_key_frame() {
    let pair = Pair::open().await;
    let (started, ..) = pair.sitting().await;
    pair.court.sit(started.id, 0, &BOTH);
    let counsel = pair.inet.sit(started.id, 1, &BOTH);
    until("the picture flows", || counsel.count(0, Kind::Video) > 90).await;
    pair.line.handle().cut();
    until("both ends see the line down", || !pair.court.is_up() && !pair.inet.is_up()).await;
    counsel.take(0, Kind::Video);
    pair.line.handle().repair();
    let repaired = Instant::now();
    until("the picture is back", || counsel.count(0, Kind::Video) > 0).await;
    let back = repaired.elapsed();
    until("it goes on", || counsel.count(0, Kind::Video) > 90).await;
    let video = counsel.take(0, Kind::Video);
    assert!(video[0].1, "it begins with a key frame");
    let oldest = video.iter().map(|(_, _, age)| *age).max().unwrap();
    assert!(oldest < 1_000_000, "a frame was {oldest} us old");
    println!("media back {back:?} after the repair, oldest frame {oldest} us");
    assert!(back.as_secs() < 5, "media came back after {back:?}");
    assert!(pair.court.status().links >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_edge_captured_whose_clock_is_off_is_dated_by_the_clock_of_the_node_it_comes_to() {
    let pair = Pair::ahead(700_000).await;
    let (started, ..) = pair.sitting().await;
    let judge = pair.court.sit(started.id, 0, &BOTH);
    let counsel = pair.inet.sit(started.id, 1, &BOTH);
    until("both see each other", || judge.count(1, Kind::Video) > 150 && counsel.count(0, Kind::Video) > 150).await;
    for (seen, by) in [(judge.take(1, Kind::Video), "the court"), (counsel.take(0, Kind::Video), "the edge")] {
        // Nothing can be older than the test, or come before it was captured but for half a round trip.
        let (oldest, newest) = seen.iter().fold((i64::MIN, i64::MAX), |(o, n), (_, _, age)| (o.max(*age), n.min(*age)));
        assert!(newest > -50_000 && oldest < 500_000, "{by} dates frames {newest} to {oldest} us old");
    }
    assert!((pair.court.status().clock_offset_us - 700_000).abs() < 50_000, "{:?}", pair.court.status());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leg_that_was_lost_by_a_fault_costs_a_new_link_and_media_goes_on() {
    let pair = Pair::open().await;
    let (started, ..) = pair.sitting().await;
    pair.court.sit(started.id, 0, &BOTH);
    let counsel = pair.inet.sit(started.id, 1, &BOTH);
    until("the picture flows", || counsel.count(0, Kind::Video) > 90).await;
    let last = LegId::fresh().0;
    for leg in 0..last {
        pair.court.trunks.leg_closed(started.id, LegId(leg)).await;
    }
    until("a new link is up", || pair.court.status().links >= 2 && pair.court.is_up()).await;
    counsel.take(0, Kind::Video);
    until("the picture is back", || counsel.count(0, Kind::Video) > 90).await;
    assert_eq!(pair.court.status().links, 2, "legs that are nobody's here cost nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_roles_that_a_crossing_names_pass() {
    let roles = Crossing { roles: vec![Role::Witness], ..crossing("inet", "court") };
    let pair = Pair::start(vec![roles, crossing("court", "inet")], vec![crossing("inet", "court")]).await;
    let (started, ..) = pair.sitting().await;
    let judge = pair.court.sit(started.id, 0, &[]);
    pair.inet.sit(started.id, 1, &[Kind::Video]);
    let denied = |verdict: &super::super::CrossingVerdict| {
        verdict.gate == GateSide::Ingress && verdict.role == Some(Role::Counsel) && verdict.from == zone("inet")
    };
    until("counsel is refused", || pair.court.trunks.verdicts().iter().any(denied)).await;
    assert_eq!(judge.total(), 0);
}
