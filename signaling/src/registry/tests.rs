//! Hearings at home: what is journaled, what comes back, and who is told.

use std::path::Path;
use std::time::Duration;

use hearing_config::{Endpoint, HearingId, Kind, Role, SeatId, Template, TemplateSeat, TrackId};

use super::*;
use crate::access::JoinToken;
use crate::hearing::{Change, Entry, Identity, Phase, Presence, RecordState, SeatQuality};

pub(crate) fn settings(data: &Path) -> Settings {
    let seats =
        [("judge", Role::Judge, "gov"), ("counsel", Role::Counsel, "internet"), ("witness", Role::Witness, "internet")];
    let seat = |(name, role, zone): (&str, Role, &str)| TemplateSeat {
        name: name.into(),
        title: name.into(),
        title_en: name.into(),
        role,
        zone: zone.parse().unwrap(),
        endpoint: Endpoint::Browser,
        layout: hearing_config::Layout::default(),
        required: if role == Role::Counsel { vec![Kind::Audio] } else { Vec::new() },
    };
    let template = Template {
        name: "small".into(),
        title: "小".into(),
        title_en: "small".into(),
        seats: seats.map(seat).to_vec(),
    };
    let links = ["gov", "internet"].map(|zone| (zone.parse().unwrap(), format!("https://{zone}.example/")));
    let (node, zone) = ("home".parse().unwrap(), "gov".parse().unwrap());
    Settings { node, zone, templates: vec![template], data: data.to_owned(), links: links.into() }
}

async fn open(data: &Path) -> Registry {
    Registry::open(settings(data)).await.unwrap()
}

/// The device that opens a link.
fn device_of(link: &SeatLink, device: u8) -> Join {
    let token = JoinToken::parse(link.link.as_ref().unwrap().split("#t=").nth(1).unwrap()).unwrap().hash();
    Join { token, device: [device; 16], zone: link.zone.clone(), node: "edge".parse().unwrap() }
}

fn admit(seat: &str) -> Action {
    Action::Admit { seat: seat.into(), identity: Identity::CheckedByDocument }
}

const COUNSEL: TrackId = TrackId { seat: SeatId(1), kind: Kind::Audio };

/// What a hearing is like apart from what a restart ends: who is connected, and that a recorder runs.
fn lasting(view: &HearingView) -> HearingView {
    let mut view = view.clone();
    view.seq = 0;
    view.record.tracks.clear();
    view.record.fault = None;
    if view.record.state == RecordState::Faulty {
        view.record.state = RecordState::Running;
    }
    for seat in &mut view.seats {
        if seat.presence == Presence::Connected {
            seat.presence = Presence::Admitted;
        }
    }
    view
}

/// One step of a hearing's day.
async fn step(registry: &Registry, started: &Started, n: usize) {
    let handle = registry.find(started.id).unwrap();
    match n {
        0 => _ = handle.join(device_of(&started.seats[0], 1)).await.unwrap(),
        1 => _ = handle.join(device_of(&started.seats[1], 1)).await.unwrap(),
        2 => _ = handle.operate(admit("counsel")).await.unwrap(),
        3 => _ = handle.join(device_of(&started.seats[2], 1)).await.unwrap(),
        4 => _ = handle.operate(admit("witness")).await.unwrap(),
        5 => {
            handle.report(MediaReport::TrackUp { track: COUNSEL }).await.unwrap();
            let opening = handle.operate(Action::Open);
            let recorder = async {
                // The queue keeps the order: this report comes after the opening was asked for.
                tokio::task::yield_now().await;
                handle.report(MediaReport::Recording { tracks: vec![COUNSEL] }).await.unwrap();
            };
            let (opened, ()) = tokio::join!(opening, recorder);
            opened.unwrap();
        }
        6 => _ = handle.operate(Action::Call { seat: "witness".into() }).await.unwrap(),
        7 => _ = handle.operate(Action::Mute { seat: "counsel".into() }).await.unwrap(),
        8 => _ = handle.operate(Action::GiveFloor { seat: "counsel".into() }).await.unwrap(),
        9 => _ = handle.operate(Action::Recess { reason: crate::hearing::PauseReason::Recess }).await.unwrap(),
        10 => _ = handle.operate(Action::Remove { seat: "witness".into() }).await.unwrap(),
        11 => _ = handle.operate(Action::Close).await.unwrap(),
        _ => unreachable!("the day has twelve steps"),
    }
}

async fn view(registry: &Registry, id: HearingId) -> HearingView {
    registry.find(id).unwrap().show().await.unwrap().view
}

#[tokio::test]
async fn node_that_is_killed_after_any_step_restarts_into_the_same_hearing() {
    for steps in 0..12 {
        let data = tempfile::tempdir().unwrap();
        let registry = open(data.path()).await;
        let started = registry.start("(2022)内0291刑初123号", "small").await.unwrap();
        for n in 0..steps {
            step(&registry, &started, n).await;
        }
        let before = view(&registry, started.id).await;
        // Nothing is closed or flushed: what counts is what is on disk now.
        let copy = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(data.path()).unwrap().map(Result::unwrap) {
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        let back = open(copy.path()).await;
        let after = view(&back, started.id).await;
        assert_eq!(lasting(&after), lasting(&before), "after {steps} steps");
        assert!(after.seq >= before.seq);
        if steps > 1 {
            let joined = back.find(started.id).unwrap().join(device_of(&started.seats[1], 1)).await.unwrap();
            assert_eq!(joined.seat.name, "counsel", "the device comes back after {steps} steps");
            let other = back.find(started.id).unwrap().join(device_of(&started.seats[1], 2)).await;
            assert_eq!(other.unwrap_err(), Refusal::SeatTaken);
        }
        step(&back, &started, steps).await;
    }
}

#[tokio::test]
async fn session_outlives_a_restart_and_resumes_without_a_gap() {
    let data = tempfile::tempdir().unwrap();
    let registry = open(data.path()).await;
    let started = registry.start("case", "small").await.unwrap();
    let joined = registry.find(started.id).unwrap().join(device_of(&started.seats[0], 1)).await.unwrap();
    registry.find(started.id).unwrap().operate(Action::Mute { seat: "witness".into() }).await.unwrap();
    let seen = view(&registry, started.id).await.seq;
    registry.find(started.id).unwrap().join(device_of(&started.seats[1], 1)).await.unwrap();
    drop(registry);
    let back = open(data.path()).await;
    let handle = back.find(started.id).unwrap();
    let mut following = handle.follow(joined.grant.session(), Some(seen)).await.unwrap();
    assert!(following.view.is_none());
    let Some(Update::Entry(Entry { seq, change: Change::Seat(seat), .. })) = following.updates.recv().await else {
        panic!("the entry that was missed comes first");
    };
    assert_eq!((seq, seat.name.as_str()), (seen + 1, "counsel"));
}

#[tokio::test]
async fn plan_revision_grows_across_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let registry = open(data.path()).await;
    let started = registry.start("case", "small").await.unwrap();
    for n in 0..3 {
        step(&registry, &started, n).await;
    }
    let before = registry.find(started.id).unwrap().plans().await.unwrap().borrow().revision;
    drop(registry);
    let back = open(data.path()).await;
    let handle = back.find(started.id).unwrap();
    let mut plans = handle.plans().await.unwrap();
    assert!(plans.borrow_and_update().revision >= before);
    handle.operate(Action::Mute { seat: "counsel".into() }).await.unwrap();
    assert!(plans.borrow().revision > before);
}

#[tokio::test]
async fn deed_that_cannot_be_journaled_is_refused_and_has_not_happened() {
    let data = tempfile::tempdir().unwrap();
    let registry = open(data.path()).await;
    let started = registry.start("case", "small").await.unwrap();
    step(&registry, &started, 0).await;
    let handle = registry.find(started.id).unwrap();
    let before = view(&registry, started.id).await;
    registry.journal().close().await;
    assert!(matches!(handle.operate(Action::Mute { seat: "counsel".into() }).await, Err(Refusal::Journal(_))));
    assert_eq!(view(&registry, started.id).await, before);
    assert!(matches!(registry.start("case", "small").await, Err(Error::Journal(_))));
}

#[tokio::test]
async fn start_needs_a_known_template_a_case_and_a_page_in_every_zone() {
    let data = tempfile::tempdir().unwrap();
    let mut settings = settings(data.path());
    settings.links.remove(&"internet".parse().unwrap());
    let registry = Registry::open(settings).await.unwrap();
    let error = registry.start("case", "civil").await.unwrap_err().to_string();
    assert_eq!(error, "no template is named \"civil\"; known: small");
    assert!(matches!(registry.start(" ", "small").await, Err(Error::BadCase)));
    let Err(Error::NoPage { seat, zone }) = registry.start("case", "small").await else { panic!("a page is missing") };
    assert_eq!((seat.as_str(), zone.as_str()), ("counsel", "internet"));
}

#[tokio::test]
async fn links_lead_to_the_page_of_their_zone() {
    let data = tempfile::tempdir().unwrap();
    let started = open(data.path()).await.start("case", "small").await.unwrap();
    let (page, token) = started.seats[1].link.as_ref().unwrap().split_once("#t=").unwrap();
    assert_eq!(page, format!("https://internet.example/h/{}", started.id));
    assert_eq!(token.len(), 43);
}

#[tokio::test]
async fn a_rehearsal_knows_no_terminals_address_and_has_another_in_its_place_each_time() {
    let data = tempfile::tempdir().unwrap();
    let mut settings = settings(data.path());
    let real = Endpoint::Sip("sip:room3@10.2.0.30".to_owned().try_into().unwrap());
    let camera = Endpoint::Rtsp("rtsp://10.2.0.31/live".to_owned().try_into().unwrap());
    settings.templates[0].seats[1].endpoint = real.clone();
    settings.templates[0].seats[2].endpoint = camera;
    let device = Endpoint::Gb28181("34020000001320000001".to_owned().try_into().unwrap());
    settings.templates[0].seats[0].endpoint = device.clone();
    let registry = Registry::open(settings).await.unwrap();
    let (first, second) =
        (registry.rehearse("x", "small").await.unwrap(), registry.rehearse("x", "small").await.unwrap());
    let stands_in = |started: &Started| match &started.seats[1].endpoint {
        Endpoint::Sip(aor) if aor.is_in_rehearsal() => aor.clone(),
        other => panic!("{other}"),
    };
    assert_ne!(stands_in(&first), stands_in(&second));
    let of_device = |started: &Started| started.seats[0].endpoint.clone();
    assert!(matches!(of_device(&first), Endpoint::Gb28181(id) if id.as_str().starts_with("99")));
    assert!(of_device(&first) != of_device(&second) && of_device(&first) != device);
    assert_eq!((&first.seats[2].endpoint, first.seats[1].link.is_none()), (&Endpoint::Browser, true));
    assert_eq!(registry.start("x", "small").await.unwrap().seats[1].endpoint, real);
}

#[tokio::test]
async fn watcher_sees_the_present_and_what_follows() {
    let data = tempfile::tempdir().unwrap();
    let registry = open(data.path()).await;
    let first = registry.start("one", "small").await.unwrap().id;
    let mut changes = registry.watch();
    let second = registry.start("two", "small").await.unwrap().id;
    let foreign = HearingId::random();
    registry.adopt(foreign, registry.find(first).unwrap(), "elsewhere".parse().unwrap());
    registry.release(foreign);
    registry.find(second).unwrap().operate(Action::Close).await.unwrap();
    for (expected, appears) in [(first, true), (second, true), (foreign, true), (foreign, false), (second, false)] {
        let (id, appeared) = match changes.recv().await.unwrap() {
            RegistryChange::Appeared { id, .. } => (id, true),
            RegistryChange::Gone { id } => (id, false),
        };
        assert_eq!((id, appeared), (expected, appears));
    }
    assert_eq!(view(&registry, second).await.phase, Phase::Sealed, "what is sealed can still be shown");
}

#[tokio::test]
async fn peer_cannot_take_over_a_hearing_that_is_at_home_here() {
    let data = tempfile::tempdir().unwrap();
    let registry = open(data.path()).await;
    let id = registry.start("case", "small").await.unwrap().id;
    let (requests, _served) = tokio::sync::mpsc::channel(1);
    registry.adopt(id, HearingHandle { requests }, "elsewhere".parse().unwrap());
    assert_eq!(view(&registry, id).await.case, "case");
    registry.release(id);
    assert!(registry.find(id).is_some());
}

#[tokio::test]
async fn live_figures_come_at_once_for_a_new_speaker() {
    let data = tempfile::tempdir().unwrap();
    let registry = open(data.path()).await;
    let started = registry.start("case", "small").await.unwrap();
    let handle = registry.find(started.id).unwrap();
    let judge = handle.join(device_of(&started.seats[0], 1)).await.unwrap();
    handle.report(MediaReport::TrackUp { track: TrackId { seat: SeatId(0), kind: Kind::Audio } }).await.unwrap();
    let mut following = handle.follow(judge.grant.session(), None).await.unwrap();
    let quality = SeatQuality { up_kbps: 900, ..SeatQuality::default() };
    handle.report(MediaReport::Quality { seat: SeatId(0), quality }).await.unwrap();
    handle.report(MediaReport::Speaking { seats: vec![SeatId(0)] }).await.unwrap();
    let speaking = async {
        loop {
            match following.updates.recv().await.unwrap() {
                Update::Live(live) if live.iter().any(|seat| seat.speaking) => return live,
                Update::Live(_) | Update::Entry(_) => {}
            }
        }
    };
    let live = tokio::time::timeout(Duration::from_secs(5), speaking).await.unwrap();
    assert_eq!((live[0].quality.up_kbps, live[0].tracks.as_slice()), (900, [Kind::Audio].as_slice()));
}

#[tokio::test]
async fn full_queue_answers_busy() {
    let (requests, _served) = tokio::sync::mpsc::channel(1);
    let handle = HearingHandle { requests };
    handle.report(MediaReport::Speaking { seats: Vec::new() }).await.unwrap();
    assert_eq!(handle.operate(Action::Close).await, Err(Refusal::Busy));
}
