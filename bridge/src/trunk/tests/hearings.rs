//! A hearing at home at one node, taken part in at another.

use std::time::{Duration, Instant};

use hearing_config::Kind;
use hearing_proto::wire;
use hearing_signaling::access::SessionId;
use hearing_signaling::hearing::{Action, Presence};
use hearing_signaling::registry::{Refusal, Update};

use super::super::RehearseError;
use super::super::convert;
use super::harness::{Pair, until, until_told, zone};

#[tokio::test(flavor = "multi_thread")]
async fn a_join_for_a_seat_of_another_zone_is_refused() {
    let pair = Pair::open().await;
    let started = pair.court.registry.start("(2022)内0291刑初1号", "trial").await.unwrap();
    let refused = pair.inet.join(&started, "judge", 1).await.unwrap_err();
    assert_eq!(refused, Refusal::WrongZone { expected: zone("court"), actual: zone("inet") });
    let joined = pair.inet.join(&started, "counsel", 1).await.unwrap();
    assert_eq!(joined.grant.zone(), &zone("inet"));
    assert_eq!(joined.case, "(2022)内0291刑初1号");
    assert_eq!(pair.inet.join(&started, "counsel", 9).await.unwrap_err(), Refusal::SeatTaken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_cannot_act_or_follow_for_a_session_of_another_zone() {
    let pair = Pair::open().await;
    let (started, judge, counsel) = pair.sitting().await;
    let handle = pair.inet.handle(started.id).await;
    let stolen = judge.grant.session();
    assert_eq!(handle.act(stolen, Action::Open).await, Err(Refusal::UnknownSession));
    assert_eq!(handle.follow(stolen, None).await.unwrap_err(), Refusal::UnknownSession);
    assert_eq!(handle.authorize(stolen).await, Err(Refusal::UnknownSession));
    assert_eq!(handle.authorize(SessionId::random()).await, Err(Refusal::UnknownSession));
    let own = handle.authorize(counsel.grant.session()).await.unwrap();
    assert_eq!(own, counsel.grant);
    handle.act(own.session(), Action::RaiseHand).await.unwrap();
    handle.act(own.session(), Action::SetDevices { microphone: false, camera: true }).await.unwrap();
    let board = pair.court.handle(started.id).await.show().await.unwrap();
    assert!(board.view.seats[1].microphone_off && !board.view.seats[1].camera_off, "{:?}", board.view.seats[1]);
    let forbidden = Refusal::Forbidden { role: "counsel", what: "open" };
    assert_eq!(handle.act(own.session(), Action::Open).await, Err(forbidden));
    assert!(matches!(handle.operate(Action::Open).await, Err(Refusal::Forbidden { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_at_the_edge_misses_no_entry_over_a_cut() {
    let pair = Pair::open().await;
    let (started, _, counsel) = pair.sitting().await;
    let handle = pair.inet.handle(started.id).await;
    let session = counsel.grant.session();
    let mut following = handle.follow(session, None).await.unwrap();
    let mut seq = following.view.as_ref().unwrap().seq;
    handle.act(session, Action::RaiseHand).await.unwrap();
    seq = next_entry(&mut following.updates, seq).await;
    pair.line.handle().cut();
    until("both ends see the line down", || !pair.court.is_up() && !pair.inet.is_up()).await;
    let asked = Instant::now();
    assert_eq!(handle.act(session, Action::LowerHand).await, Err(Refusal::HomeUnreachable));
    assert!(asked.elapsed() < Duration::from_millis(500), "refused at once, not after a while");
    let home = pair.court.handle(started.id).await;
    home.operate(Action::Mute { seat: "counsel".into() }).await.unwrap();
    pair.line.handle().repair();
    seq = next_entry(&mut following.updates, seq).await;
    until("the edge reaches home", || pair.inet.is_up()).await;
    home.operate(Action::Unmute { seat: "counsel".into() }).await.unwrap();
    next_entry(&mut following.updates, seq).await;
}

/// The next journal entry, which must follow `after` without a gap.
async fn next_entry(updates: &mut tokio::sync::mpsc::Receiver<Update>, after: u64) -> u64 {
    loop {
        let update = tokio::time::timeout(Duration::from_secs(15), updates.recv()).await;
        match update.expect("an entry comes in time").expect("the follower is not dropped") {
            Update::Entry(entry) => {
                assert_eq!(entry.seq, after + 1);
                return entry.seq;
            }
            Update::Live(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn home_learns_that_an_endpoint_at_the_edge_is_connected() {
    let pair = Pair::open().await;
    let (started, ..) = pair.sitting().await;
    pair.inet.sit(started.id, 1, &[Kind::Audio]);
    let home = pair.court.handle(started.id).await;
    until_told("home learns it", async || home.show().await.unwrap().view.seats[1].presence == Presence::Connected)
        .await;
    let board = pair.inet.handle(started.id).await.show().await.unwrap();
    assert_eq!(board.view.seats[1].presence, Presence::Connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hearing_that_home_no_longer_has_is_released_at_the_edge() {
    let pair = Pair::open().await;
    let (started, ..) = pair.sitting().await;
    assert!(pair.inet.registry.find(started.id).is_some());
    pair.court.trunks.drop_hearing(started.id).await;
    until("the edge lets go", || pair.inet.registry.find(started.id).is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_goes_to_the_peer_and_its_report_comes_back() {
    let mut pair = Pair::open().await;
    let (started, ..) = pair.sitting().await;
    let ask = wire::Rehearse { hearing: convert::hearing_to(started.id), seats: Vec::new(), seconds: 1 };
    let seat = wire::RehearsedSeat { seat: 1, joined_ms: Some(20), first_frame_ms: None, fault: None };
    let report = wire::RehearseReport { seats: vec![seat], pairs: Vec::new() };
    let serve = async {
        let rehearsal = pair.inet.rehearsals.recv().await.unwrap();
        assert_eq!(rehearsal.ask, ask);
        rehearsal.reply.send(report.clone()).unwrap();
    };
    let inet = zone("inet");
    let (answer, ()) = tokio::join!(pair.court.trunks.rehearse(&inet, ask.clone()), serve);
    assert_eq!(answer, Ok(report));
    let unknown = wire::Rehearse { hearing: [0; 16], seats: Vec::new(), seconds: 1 };
    assert_eq!(pair.court.trunks.rehearse(&zone("inet"), unknown.clone()).await, Err(RehearseError::Declined));
    let nowhere = pair.court.trunks.rehearse(&zone("gov"), unknown).await;
    assert_eq!(nowhere, Err(RehearseError::NoTrunk(zone("gov"))));
}
