//! The manifest of a record as it is made while the hearing goes on: what it covers, in which order, and how it ends.

use std::collections::BTreeMap;

use hearing_config::{Codec, SeatId, Timestamp};
use hearing_proto::manifest::verify::Verdict;
use hearing_proto::manifest::{self, Entry, HashAlg, Identity, Line, Node, Refusal, Signer, Witness};
use hearing_signaling::hearing::{self, Change, Mark, PauseReason, Phase, Presence, Proof, RecordOrder, SeatView};
use hearing_signaling::registry::Journaled;

use super::bench::{AUDIO, Bench, SECOND, VIDEO, judged, meta, pki, signing_under};
use super::source::{self, Packetizer};
use crate::net::tls;
use crate::record::{Judged, RecordEvent, Recorder, Settings};

fn recorded() -> (Bench, i64) {
    let mut bench = Bench::new();
    bench.track(AUDIO, Codec::Opus, 0);
    bench.track(VIDEO, Codec::H264, 0);
    bench.order(RecordOrder::Run, 0);
    bench.play(AUDIO, &source::opus(2), 0, &mut Packetizer::default());
    let end = bench.play(VIDEO, &source::h264("320x180", 2), 0, &mut Packetizer::default());
    (bench, end)
}

fn kinds(lines: &[Line]) -> Vec<&'static str> {
    lines.iter().map(|line| line.entry.kind()).collect()
}

/// Where the spans of each file end; panics where one does not begin where the last one ended, or has another hash.
fn covered(bench: &Bench, lines: &[Line]) -> BTreeMap<String, u64> {
    let mut ends: BTreeMap<String, u64> = BTreeMap::new();
    let mut cover = |file: &str, from: u64, to: u64, hash: manifest::Hash| {
        let end = ends.entry(file.to_owned()).or_default();
        assert_eq!(*end, from, "{file}");
        *end = to;
        let bytes = std::fs::read(bench.folder.join(file)).unwrap();
        assert_eq!(HashAlg::Sha256.hash(&[&bytes[from as usize..to as usize]]), hash, "{file} {from}..{to}");
    };
    for line in lines {
        match &line.entry {
            Entry::Data { spans } | Entry::Late { spans, .. } => {
                spans.iter().for_each(|span| cover(&span.file, span.from, span.to, span.hash))
            }
            Entry::Aside { file, from, to, hash } => cover(file, *from, *to, *hash),
            _ => {}
        }
    }
    ends
}

/// Every file of the record's tracks, with its length.
fn lengths(bench: &Bench) -> BTreeMap<String, u64> {
    let mut lengths = BTreeMap::new();
    for track in ["counsel-audio", "counsel-video"] {
        for file in std::fs::read_dir(bench.folder.join(track)).into_iter().flatten().map(Result::unwrap) {
            let name = format!("{track}/{}", file.file_name().to_string_lossy());
            lengths.insert(name, file.metadata().unwrap().len());
        }
    }
    lengths
}

#[test]
fn a_sealed_record_covers_every_byte_and_its_value_stands_at_its_end() {
    let mut bench = Bench::new();
    bench.track(AUDIO, Codec::Opus, 0);
    bench.track(VIDEO, Codec::H264, 0);
    bench.order(RecordOrder::Run, 0);
    bench.play(AUDIO, &source::opus(2), 0, &mut Packetizer::default());
    let mut packetizer = Packetizer::default();
    let end = bench.play(VIDEO, &source::h264("320x180", 2), 0, &mut packetizer);
    bench.order(RecordOrder::Pause(PauseReason::Recess), end);
    bench.order(RecordOrder::Run, end + 2 * SECOND);
    let end = bench.play(VIDEO, &source::h264("320x180", 1), end + 2 * SECOND, &mut packetizer);
    let seal = bench.close(end);
    let lines = bench.manifest();
    assert_eq!(covered(&bench, &lines), lengths(&bench));
    let Some(Entry::Seal { value, .. }) = lines.last().map(|line| &line.entry) else { panic!("no seal at the end") };
    assert_eq!((value, value.len()), (&seal.integrity, 54));
    let kinds = kinds(&lines);
    assert_eq!(kinds[0], "head");
    assert_eq!(kinds[kinds.len() - 3..], ["end", "checkpoint", "seal"]);
    for file in ["hearing.json", "interruptions.txt"] {
        let text = std::fs::read(bench.folder.join(file)).unwrap();
        let last = lines.iter().rev().find_map(|line| match &line.entry {
            Entry::Replaced { file: name, hash, .. } if name == file => Some(*hash),
            _ => None,
        });
        assert_eq!(last, Some(HashAlg::Sha256.hash(&[&text])), "{file}");
    }
    assert!(!bench.folder.join("explanation.txt").exists(), "nothing has to be explained");
    assert!(!bench.folder.join(".reserve").exists());
    let report = judged(&bench.folder);
    assert_eq!(report.verdict, Verdict::Intact, "{:?}", report.findings);
}

#[test]
fn one_commit_of_the_hearing_is_one_line_and_not_one_for_each_track() {
    let (mut bench, end) = recorded();
    bench.settled_turn(end);
    let spans: Vec<usize> = bench
        .manifest()
        .iter()
        .filter_map(|line| if let Entry::Data { spans } = &line.entry { Some(spans.len()) } else { None })
        .collect();
    assert_eq!(spans, [4], "two tracks and their indexes");
}

#[test]
fn what_is_not_durable_is_in_no_line() {
    let (mut bench, end) = recorded();
    bench.turn(end);
    let lines = bench.manifest();
    assert!(!kinds(&lines).contains(&"data"), "{:?}", kinds(&lines));
    bench.settled_turn(end);
    assert!(kinds(&bench.manifest()).contains(&"data"));
}

#[test]
fn a_checkpoint_comes_every_five_seconds() {
    let mut bench = Bench::new();
    bench.track(AUDIO, Codec::Opus, 0);
    bench.order(RecordOrder::Run, 0);
    let (clip, mut packetizer) = (source::opus(1), Packetizer::default());
    for second in 0..16 {
        let end = bench.play(AUDIO, &clip, second * SECOND, &mut packetizer);
        bench.settled_turn(end);
    }
    let count = kinds(&bench.manifest()).iter().filter(|kind| **kind == "checkpoint").count();
    assert!((3..=4).contains(&count), "{count}");
}

#[test]
fn after_a_crash_what_no_line_covers_is_set_aside_and_the_record_goes_on_with_fresh_keys() {
    let (mut bench, end) = recorded();
    bench.settled_turn(end);
    // What follows is written and not durable when the process ends.
    bench.play(AUDIO, &source::opus(1), end, &mut Packetizer { next: 900 });
    let uncovered = lengths(&bench);
    let mut back = Bench::at(&bench.folder, 60);
    back.track(AUDIO, Codec::Opus, 0);
    let end = back.play(AUDIO, &source::opus(1), 0, &mut Packetizer { next: 2_000 });
    back.close(end);
    let lines = back.manifest();
    let heads: Vec<_> = lines
        .iter()
        .filter_map(|line| if let Entry::Head(head) = &line.entry { Some(head.clone()) } else { None })
        .collect();
    assert_eq!(heads.len(), 2);
    assert_ne!(heads[0].keys, heads[1].keys);
    assert_eq!(heads[1].resumes.as_ref().map(|resumes| resumes.head), Some(Some(0)));
    let aside: Vec<_> = lines
        .iter()
        .filter_map(
            |line| if let Entry::Aside { file, to, .. } = &line.entry { Some((file.clone(), *to)) } else { None },
        )
        .collect();
    assert!(aside.contains(&("counsel-audio/0001.mkv".to_owned(), uncovered["counsel-audio/0001.mkv"])), "{aside:?}");
    assert_eq!(covered(&back, &lines), lengths(&back));
    let gaps = |line: &Line| matches!(&line.entry, Entry::Gap { reason, .. } if reason == "restart");
    assert_eq!(lines.iter().filter(|line| gaps(line)).count(), 1);
    let explanation = std::fs::read_to_string(back.folder.join("explanation.txt")).unwrap();
    assert!(explanation.contains("审判长") && explanation.contains("录制程序中断后恢复"), "{explanation}");
    let report = judged(&back.folder);
    assert_eq!(report.verdict, Verdict::Incomplete, "{:?}", report.findings);
}

#[test]
fn other_crossings_than_before_the_recorder_started_again_are_named_and_the_same_ones_are_not() {
    let (mut bench, end) = recorded();
    bench.settled_turn(end);
    for (policy, later, told) in [("policy", 60, 0), ("no crossing", 120, 1), ("no crossing", 180, 1)] {
        let mut back = Bench::with_signing(&bench.folder, None, later, signing_under(policy));
        back.track(AUDIO, Codec::Opus, 0);
        let end = back.play(AUDIO, &source::opus(1), 0, &mut Packetizer { next: 1_000 * later });
        back.settled_turn(end);
        let lines = back.manifest();
        let head = lines.iter().rev().find_map(|line| line.entry.as_head()).unwrap();
        let policies = lines.iter().filter_map(|line| match &line.entry {
            Entry::Policy { hash, text } => Some((*hash, text.as_str())),
            _ => None,
        });
        let policies: Vec<_> = policies.collect();
        assert_eq!(policies.len(), told);
        assert!(policies.iter().all(|policy| *policy == (head.policy, "no crossing")), "{policies:?}");
    }
}

#[test]
fn a_record_that_is_sealed_is_not_opened_again() {
    let (mut bench, end) = recorded();
    let seal = bench.close(end);
    let before = bench.manifest().len();
    let mut back = Bench::at(&bench.folder, 60);
    let again = back.close(0);
    assert_eq!((again.integrity, back.manifest().len()), (seal.integrity, before));
}

#[test]
fn a_wall_clock_that_steps_is_named_and_record_times_do_not_move() {
    let (mut bench, end) = recorded();
    bench.settled_turn(end);
    bench.clocks.set_forward(-90 * SECOND);
    let end = bench.play(AUDIO, &source::opus(1), end, &mut Packetizer { next: 100 });
    bench.close(end);
    let lines = bench.manifest();
    let steps: Vec<i64> = lines
        .iter()
        .filter_map(|line| if let Entry::Clock { step } = line.entry { Some(step) } else { None })
        .collect();
    assert!(matches!(steps[..], [step] if (step + 90 * SECOND).abs() < SECOND), "{steps:?}");
    assert!(!kinds(&lines).contains(&"gap"));
    let log = std::fs::read_to_string(bench.folder.join("interruptions.txt")).unwrap();
    assert!(log.contains("系统时钟跳变"), "{log}");
}

fn journaled(cause: &str, change: Change) -> Journaled {
    let entry = hearing::Entry { seq: 1, at: Timestamp::now().plus(SECOND), change };
    Journaled { cause: cause.to_owned(), entry }
}

fn seat(presence: Presence, edit: impl FnOnce(&mut SeatView)) -> Change {
    let mut seat = SeatView {
        id: SeatId(1),
        name: "counsel".into(),
        title: "辩护人".into(),
        title_en: "Counsel".into(),
        role: hearing_config::Role::Counsel,
        zone: "internet".parse().unwrap(),
        endpoint: hearing_config::EndpointKind::Browser,
        presence,
        identity: None,
        muted: false,
        apart: false,
        hand: false,
        microphone_off: false,
        camera_off: false,
        left: false,
        required: Vec::new(),
    };
    edit(&mut seat);
    Change::Seat(seat)
}

#[test]
fn people_orders_marks_and_verdicts_stand_in_the_manifest_and_an_order_is_signed_at_once() {
    let mut bench = Bench::new();
    let now = bench.instant(0);
    bench.hearing.books.journaled(now, &journaled("media", seat(Presence::Connected, |_| {})));
    let judged = Judged {
        track: VIDEO,
        from: "internet".parse().unwrap(),
        to: "court".parse().unwrap(),
        verdict: hearing_config::Verdict::Inspect,
    };
    bench.hearing.crossing(&judged);
    bench.order(RecordOrder::Run, 0);
    let mark = Mark { note: false, seat: Some(SeatId(1)), text: "质证".into() };
    for (cause, change) in [
        ("media", Change::Phase(Phase::InSession)),
        ("operator", seat(Presence::Connected, |seat| seat.muted = true)),
        ("seat/counsel", Change::Mark(mark)),
        ("operator", Change::Phase(Phase::Recess(PauseReason::ClosedEvidence))),
        ("operator", Change::Phase(Phase::InSession)),
        ("media", seat(Presence::Admitted, |seat| seat.muted = true)),
        ("operator", Change::Phase(Phase::Signing)),
    ] {
        bench.hearing.books.journaled(now, &journaled(cause, change));
    }
    bench.settled_turn(0);
    let lines = bench.manifest();
    let told: Vec<&Line> =
        lines.iter().filter(|line| !matches!(line.entry.kind(), "head" | "replaced" | "clock")).collect();
    let expected = [
        "join",
        "crossing",
        "note",
        "checkpoint",
        "mute",
        "mark",
        "recess",
        "checkpoint",
        "resume",
        "checkpoint",
        "leave",
        "note",
        "checkpoint",
    ];
    assert_eq!(told.iter().map(|line| line.entry.kind()).collect::<Vec<_>>(), expected);
    assert!(matches!(&told[5].entry, Entry::Mark { text, by, .. } if text == "质证" && by == "counsel"));
    assert!(matches!(&told[10].entry, Entry::Leave { reason, .. } if reason == "connection-lost"));
    let Entry::Checkpoint(last) = &told[12].entry else { panic!("signing is signed at once") };
    let binding = bench.events().into_iter().rev().find_map(|event| match event {
        RecordEvent::Proof(Proof { binding, .. }) => binding,
        _ => None,
    });
    assert_eq!(binding, Some(last.root.to_string()));
    assert_eq!(meta().seats.len(), 2);
}

fn witness() -> (Witness, Identity) {
    let pki = pki();
    let (chain, signer) = tls::signing(&pki.file("edge.pem"), &pki.file("edge.key")).unwrap();
    let signer: std::sync::Arc<dyn Signer> = std::sync::Arc::new(signer);
    let node = Node { node: "edge".into(), zone: "inet".into(), chain, signer };
    (Witness::new(node, 16), Identity { zone: "court".into(), node: "home".into() })
}

/// Hands every checkpoint that is to be cosigned to the witness, and its word back.
fn cosign(bench: &mut Bench, witness: &mut Witness, peer: &Identity, at: i64) -> usize {
    let mut words = 0;
    loop {
        let asked = bench.events().into_iter().rev().find_map(|event| match event {
            RecordEvent::Cosign(request) => Some(request),
            _ => None,
        });
        let Some(request) = asked else { return words };
        let answer = match witness.cosign(&request, peer, 1_800_000_000) {
            Ok((word, _)) => {
                words += 1;
                Ok(word)
            }
            Err(Refusal::Since(size)) => Err(size),
            Err(refusal) => panic!("{refusal}"),
        };
        bench.hearing.books.witnessed(bench.instant(at), answer);
        bench.settled_turn(at);
    }
}

#[test]
fn a_node_of_another_zone_cosigns_and_a_line_that_was_down_costs_nothing_of_that() {
    let (mut bench, end) = recorded();
    let (mut witness, peer) = witness();
    bench.settled_turn(end);
    assert_eq!(cosign(&mut bench, &mut witness, &peer, end), 1);
    // The line is down for a while: nobody answers.
    let mut packetizer = Packetizer { next: 900 };
    let end = bench.play(AUDIO, &source::opus(8), end, &mut packetizer);
    bench.settled_turn(end);
    bench.events();
    let end = bench.play(AUDIO, &source::opus(8), end, &mut packetizer);
    bench.settled_turn(end);
    assert_eq!(cosign(&mut bench, &mut witness, &peer, end), 1);
    let lines = bench.manifest();
    let last =
        lines.iter().rev().find_map(|line| if let Entry::Cosign(word) = &line.entry { Some(word.size) } else { None });
    assert!(last.unwrap() as usize + 20 > lines.len(), "all that came meanwhile is cosigned");
    // After a crash nobody remembers up to where the witness has seen the record.
    let mut back = Bench::at(&bench.folder, 60);
    back.track(AUDIO, Codec::Opus, 0);
    let end = back.play(AUDIO, &source::opus(6), 0, &mut Packetizer { next: 9_000 });
    back.settled_turn(end);
    assert_eq!(cosign(&mut back, &mut witness, &peer, end), 1);
}

#[test]
fn a_record_without_a_witness_is_sealed_after_three_seconds_and_says_that_nobody_cosigned_it() {
    let (mut bench, end) = recorded();
    assert_eq!(bench.close(end).witness, None);
}

#[test]
fn a_node_that_starts_finds_the_records_that_no_witness_saw_to_their_end() {
    let (mut bench, end) = recorded();
    let seal = bench.close(end);
    let directory = bench.folder.parent().unwrap().to_owned();
    let settings = Settings { directory, spill: None, signing: signing_under("policy"), warn: vec![], refuse: 0 };
    let recorder = Recorder::start(settings).unwrap();
    let found = recorder.unwitnessed().unwrap();
    let [record] = &found[..] else { panic!("{found:?}") };
    let (mut witness, peer) = witness();
    let request = record.request(0).unwrap().unwrap();
    let (word, _) = witness.cosign(&request, &peer, 1_800_000_000).unwrap();
    record.cosigned(word).unwrap();
    assert!(recorder.unwitnessed().unwrap().is_empty(), "nobody has to be asked any more");
    let report = judged(&bench.folder);
    assert!(report.uncosigned.is_empty() && report.value == Some(seal.integrity), "{report:?}");
}
