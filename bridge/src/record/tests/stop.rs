//! A node that is stopped while a record ends: it is sealed, or left so that the next start seals it.

use hearing_config::Codec;
use hearing_proto::manifest::Entry;
use hearing_proto::manifest::verify::{Code, Verdict};
use hearing_signaling::hearing::RecordOrder;
use tokio::sync::oneshot;

use super::bench::{AUDIO, Bench, SECOND, judged};
use super::source::{self, Packetizer};

fn closing() -> (Bench, super::bench::Closed, i64) {
    let mut bench = Bench::new();
    bench.track(AUDIO, Codec::Opus, 0);
    bench.order(RecordOrder::Run, 0);
    let end = bench.play(AUDIO, &source::opus(2), 0, &mut Packetizer::default());
    bench.order(RecordOrder::Off, end);
    let (reply, closed) = oneshot::channel();
    bench.hearing.end(bench.instant(end), reply);
    (bench, closed, end)
}

fn is_final(bench: &Bench) -> bool {
    bench.manifest().iter().any(|line| matches!(&line.entry, Entry::Checkpoint(last) if last.is_final))
}

#[test]
fn a_node_that_stops_while_a_record_waits_for_its_witness_seals_it_at_once() {
    let (mut bench, mut closed, end) = closing();
    let mut at = end;
    while !is_final(&bench) {
        at += 80_000;
        assert!(at < end + 3 * SECOND, "no final checkpoint");
        bench.settled_turn(at);
    }
    let (reply, mut stopped) = oneshot::channel();
    bench.hearing.stop(bench.instant(at), reply);
    for turn in 1..5 {
        bench.settled_turn(at + turn * 12_000);
    }
    let seal = closed.try_recv().expect("the end is told").unwrap().expect("the record had begun");
    assert_eq!(stopped.try_recv().expect("the stop is told").unwrap(), Some(seal.clone()));
    let report = judged(&bench.folder);
    assert_eq!((report.verdict, report.value), (Verdict::Intact, Some(seal.integrity)), "{:?}", report.findings);
}

#[test]
fn a_node_that_stops_before_a_record_takes_its_last_steps_leaves_it_to_the_next_start() {
    let (mut bench, mut closed, end) = closing();
    let (reply, mut stopped) = oneshot::channel();
    bench.hearing.stop(bench.instant(end), reply);
    for turn in 1..5 {
        bench.settled_turn(end + turn * 12_000);
    }
    assert_eq!(stopped.try_recv().expect("the stop is told").unwrap(), None);
    assert!(closed.try_recv().is_err(), "it is not sealed");
    let report = judged(&bench.folder);
    assert!(report.verdict == Verdict::Incomplete && report.has(Code::NotSealed), "{:?}", report.findings);
    let mut next = Bench::at(&bench.folder, 60);
    let seal = next.close(0);
    let report = judged(&bench.folder);
    assert!(report.has(Code::Restarted) && report.verdict == Verdict::Incomplete, "{:?}", report.findings);
    assert_eq!(report.value, Some(seal.integrity));
}
