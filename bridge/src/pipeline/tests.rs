//! The node's end of real children: they start, die, come back, and never make anybody wait.

use super::*;
use hearing_proto::child::{Codec, Generate, PICTURE, PictureShape, Stream};
use rustix::process::{Pid, Signal, kill_process};

fn program() -> Program {
    let exe = std::env::current_exe().unwrap();
    Program::at(exe.parent().unwrap().with_file_name(NAME)).expect("cargo build -p hearing-media comes first")
}

fn generator(seat: u8) -> Job {
    let picture = Some(PictureShape { codec: Codec::Vp8, width: 320, height: 180, fps: 30, kbps: 200 });
    Job::Generate(Generate { seat, picture, sound: None })
}

async fn up(events: &mut Events) {
    assert_eq!(events.next().await, Some(Event::Up));
}

async fn frame(events: &mut Events) -> Coded {
    loop {
        match events.next().await.expect("the child lives") {
            Event::Said(FromChild::Frame(frame)) => return frame,
            Event::Said(_) => {}
            event => panic!("{event:?}"),
        }
    }
}

async fn down(events: &mut Events) -> (String, Option<Duration>) {
    loop {
        if let Event::Down { reason, again } = events.next().await.expect("an end") {
            return (reason, again);
        }
    }
}

fn kill(feed: &Feed, signal: Signal) {
    let pid = Pid::from_raw(feed.pid().unwrap().cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
}

#[tokio::test]
async fn a_child_killed_or_crashed_is_started_anew_and_others_go_on() {
    let (feed, mut events) = program().spawn(generator(1), Life::Kept).unwrap();
    let (_other_feed, mut other) = program().spawn(generator(2), Life::Kept).unwrap();
    up(&mut events).await;
    up(&mut other).await;
    for (signal, reason) in [(Signal::KILL, "killed by signal 9"), (Signal::ABORT, "killed by signal 6")] {
        let before = frame(&mut other).await.pts;
        frame(&mut events).await;
        kill(&feed, signal);
        let (why, again) = down(&mut events).await;
        assert_eq!(why, reason);
        assert!(again.is_some());
        up(&mut events).await;
        assert!(frame(&mut events).await.key);
        assert!(frame(&mut other).await.pts > before);
    }
}

#[tokio::test]
async fn a_child_that_is_wanted_once_stays_dead() {
    let (feed, mut events) = program().spawn(generator(1), Life::Once).unwrap();
    up(&mut events).await;
    kill(&feed, Signal::KILL);
    assert_eq!(down(&mut events).await, ("killed by signal 9".to_owned(), None));
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn dropping_the_feed_ends_the_child() {
    let (feed, mut events) = program().spawn(generator(1), Life::Kept).unwrap();
    up(&mut events).await;
    drop(feed);
    assert_eq!(down(&mut events).await, ("finished".to_owned(), None));
}

#[tokio::test]
async fn what_is_fed_before_the_start_is_decoded_and_told() {
    let (_generator, mut source) = program().spawn(generator(33), Life::Once).unwrap();
    up(&mut source).await;
    let streams = vec![Stream { id: PICTURE, codec: Codec::Vp8 }];
    let (feed, mut events) = program().spawn(Job::Observe(streams), Life::Once).unwrap();
    for _ in 0..3 {
        feed.give(frame(&mut source).await).await.unwrap();
    }
    feed.stop().await.unwrap();
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        if let Event::Said(FromChild::Seen { counter, seat, .. }) = event {
            seen.push((counter, seat));
        }
    }
    let next = |by: u16| (seen[0].0 + by) % hearing_proto::testcard::COUNTERS;
    assert_eq!(seen, [(next(0), 33), (next(1), 33), (next(2), 33)]);
}

#[tokio::test]
async fn a_child_that_hangs_costs_frames_that_are_counted_and_nothing_else() {
    let (feed, mut events) =
        program().spawn(Job::Observe(vec![Stream { id: PICTURE, codec: Codec::Vp8 }]), Life::Once).unwrap();
    up(&mut events).await;
    kill(&feed, Signal::STOP);
    let big = Coded { stream: PICTURE, pts: 0, key: true, bytes: vec![0; 64 << 10].into() };
    let taken = (0..2 * INPUT_QUEUE).filter(|_| feed.offer(big.clone())).count();
    assert!(taken < 2 * INPUT_QUEUE, "the queue is bounded");
    kill(&feed, Signal::KILL);
    assert_eq!(down(&mut events).await.1, None);
}

#[test]
fn a_missing_program_is_named() {
    let error = Program::at("/nowhere/hearing-media".into()).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/hearing-media is missing"));
}
