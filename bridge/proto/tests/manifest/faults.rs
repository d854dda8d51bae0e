//! Honest records with every fault that is no forgery: none of them is ever called tampered with.

use hearing_proto::manifest::verify::{Code, MANIFEST, Trust, Verdict, verify, witness_lines};
use hearing_proto::manifest::{Entry, HashAlg};
use proptest::prelude::*;

use super::honest::Recording;

#[derive(Debug, Clone)]
enum Event {
    Write {
        track: usize,
        bytes: u16,
        commit: bool,
    },
    Checkpoint {
        witnessed: bool,
    },
    Recess,
    Gap {
        track: usize,
    },
    /// What was missing comes later, whole or not.
    Late {
        track: usize,
        lacks: i64,
    },
    DiskFault,
    Step {
        ms: i64,
    },
    Sheet {
        content: u8,
    },
    Crash {
        torn: u8,
        zeros: bool,
        boot: bool,
        back: bool,
    },
    Segment {
        track: usize,
    },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0..3_usize, 1..2_000_u16, prop::bool::weighted(0.8))
            .prop_map(|(track, bytes, commit)| Event::Write { track, bytes, commit }),
        3 => any::<bool>().prop_map(|witnessed| Event::Checkpoint { witnessed }),
        1 => Just(Event::Recess),
        1 => (0..3_usize).prop_map(|track| Event::Gap { track }),
        1 => (0..3_usize, 0..2_000_i64).prop_map(|(track, lacks)| Event::Late { track, lacks }),
        1 => Just(Event::DiskFault),
        1 => prop_oneof![-5_000_000_i64..5_000_000, -2_000_i64..2_000].prop_map(|ms| Event::Step { ms }),
        1 => any::<u8>().prop_map(|content| Event::Sheet { content }),
        2 => (any::<u8>(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.9))
            .prop_map(|(torn, zeros, boot, back)| Event::Crash { torn, zeros, boot, back }),
        1 => (0..3_usize).prop_map(|track| Event::Segment { track }),
    ]
}

/// What the recorder does; how often it crashed, and whether it came back.
struct Course {
    recording: Recording,
    segments: [u32; 3],
    crashes: usize,
    gaps: usize,
    gone: bool,
}

impl Course {
    fn file(&self, track: usize) -> String {
        format!("{}/{:04}.mkv", TRACKS[track], self.segments[track])
    }

    fn happens(&mut self, event: Event) {
        let recording = &mut self.recording;
        recording.pass(400);
        match event {
            Event::Write { track, bytes, commit } => {
                let file = self.file(track);
                self.recording.write(&file, &vec![track as u8; usize::from(bytes)], 300);
                self.recording.write(&format!("{}/index.jsonl", TRACKS[track]), b"{}\n", 300);
                if commit {
                    self.recording.commit();
                }
            }
            Event::Checkpoint { witnessed } => {
                recording.checkpoint();
                if witnessed {
                    recording.cosign();
                }
            }
            Event::Recess => {
                recording.commit();
                recording.say(Entry::Recess { reason: "mediation".to_owned() });
                recording.pass(100_000);
                recording.say(Entry::Resume {});
            }
            Event::Gap { track } => {
                let from = Some(recording.now.utc);
                recording.pass(7_000);
                self.gaps += 1;
                let (track, to) = (Some(TRACKS[track].to_owned()), Some(recording.now.utc));
                let gap = Entry::Gap { track, reason: "network".to_owned(), from, to, packets: 9, frames: 0 };
                recording.say(gap);
            }
            Event::Late { track, lacks } => {
                recording.pass(4_000);
                recording.gap(TRACKS[track], (4_000, 0));
                // More than half a second missing is a gap still.
                self.gaps += usize::from(lacks > 500);
                self.segments[track] += 1;
                recording.late(TRACKS[track], self.segments[track], (4_000, lacks));
                self.segments[track] += 1;
            }
            Event::DiskFault => {
                let (part, reason) = ("disk".to_owned(), "no space left".to_owned());
                recording.say(Entry::Fault { part: part.clone(), reason: reason.clone(), over: false });
                recording.pass(700);
                recording.say(Entry::Fault { part, reason, over: true });
            }
            Event::Step { ms } => recording.step(ms),
            Event::Sheet { content } => recording.replace_sheet(&format!("{{\"x\":{content}}}")),
            Event::Crash { torn, zeros, boot, back } => self.crash(torn, zeros, boot, back),
            Event::Segment { track } => {
                self.segments[track] += 1;
                let number = self.segments[track];
                self.recording.segment(TRACKS[track], number);
            }
        }
    }

    fn crash(&mut self, torn: u8, zeros: bool, boot: bool, back: bool) {
        let line = format!("{{\"seq\":99,\"prev\":\"{}\",\"utc\":1}}\n", "0".repeat(300));
        let mut torn = line.as_bytes()[..usize::from(torn)].to_vec();
        if zeros && !torn.is_empty() {
            torn = [vec![0; torn.len()], line.into_bytes()].concat();
        }
        self.recording.crash(&torn, boot);
        self.crashes += 1;
        self.gone = !back;
        if back {
            self.recording.pass(2_000);
            self.recording.start();
            self.segments.iter_mut().for_each(|number| *number += 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_honest_record_is_called_forged(
        sm3 in prop::bool::weighted(0.2),
        events in prop::collection::vec(event(), 1..40),
        closes in prop::bool::weighted(0.7),
        witnessed: bool,
    ) {
        let recording = Recording::begin(if sm3 { HashAlg::Sm3 } else { HashAlg::Sha256 });
        let mut course = Course { recording, segments: [1; 3], crashes: 0, gaps: 0, gone: false };
        for event in events {
            if !course.gone {
                course.happens(event);
            }
        }
        if closes && !course.gone {
            course.recording.close(witnessed);
        }
        let mut trust = course.recording.trust();
        let words = witness_lines(&course.recording.witnessed);
        trust.witness = (!words.is_empty()).then_some(words);
        let report = verify(&course.recording.folder, &trust);
        let whole = closes && course.crashes == 0 && course.gaps == 0;
        let alarms: Vec<_> = report.findings.iter().filter(|f| f.code.verdict() == Some(Verdict::Tampered)).collect();
        prop_assert!(alarms.is_empty(), "{alarms:#?}");
        prop_assert!(report.verdict != Verdict::CannotJudge, "{:#?}", report.findings);
        if whole && !report.has(Code::GapUndeclared) {
            prop_assert_eq!(report.verdict, Verdict::Intact, "{:#?}", report.findings);
        }
        if course.crashes > 0 && !course.gone {
            prop_assert!(report.has(Code::Restarted));
        }
        prop_assert_eq!(report.has(Code::NotSealed), !closes || course.gone);
    }

    #[test]
    fn the_reader_never_panics(
        junk in prop::collection::vec(any::<u8>(), 0..400),
        at in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
    ) {
        let recording = super::honest::sealed(HashAlg::Sha256);
        let manifest = &recording.folder.0[MANIFEST];
        let (at, from) = (at.index(manifest.len()), from.index(manifest.len()));
        let mixed = [&manifest[..at], &junk[..], &manifest[from..]].concat();
        for bytes in [junk, mixed] {
            let mut folder = recording.folder.clone();
            folder.0.insert(MANIFEST.to_owned(), bytes);
            let report = verify(&folder, &Trust { threads: 1, ..Trust::default() });
            prop_assert!(report.verdict != Verdict::Intact, "nothing is trusted");
        }
    }
}

const TRACKS: [&str; 3] = ["judge-video", "judge-audio", "counsel-audio"];
