//! Everything that somebody may do to a record, with the disk, with the hearing's key, or with the node's as well.

use hearing_proto::manifest::verify::{Code, MANIFEST, Trust, Verdict};
use hearing_proto::manifest::{Entry, HashAlg, Hex, Span, note};
use rcgen::date_time_ymd;

use super::honest::{Recording, SHEET, sealed};
use super::parties::Authority;
use super::thief::{
    Thief, add_with_keys, bring_witness, edit, file, find, forge, hide_lines, lines, parsed, replace, rewrite_gap,
};

/// One deed, and what must be found.
pub(crate) struct Deed {
    pub(crate) name: &'static str,
    /// Changes the record, and what is held against it.
    pub(crate) does: fn(&mut Recording, &mut Trust),
    pub(crate) verdict: Verdict,
    pub(crate) code: Code,
}

pub(crate) const DEEDS: &[Deed] = &[
    tampered("a byte of a picture is changed", Code::FileEdited, |r, _| file(r, VIDEO)[2_222] ^= 1),
    tampered("a byte of an index is changed", Code::FileEdited, |r, _| file(r, "judge-video/index.jsonl")[9] ^= 1),
    tampered("the sheet is changed", Code::FileEdited, |r, _| file(r, SHEET)[4] ^= 1),
    tampered("the sheet is put back to an earlier one", Code::FileEdited, |r, _| {
        *file(r, SHEET) = b"{\"orders\":[]}".to_vec();
    }),
    tampered("a word of the manifest is changed", Code::LineEdited, |r, _| {
        edit(r, |lines| {
            let n = find(lines, "recess");
            replace(&mut lines[n], "\"recess\"}", "\"mediation\"}");
        });
    }),
    tampered("a line of the manifest is made unreadable", Code::LineDamaged, |r, _| {
        edit(r, |lines| lines[5][0] = b'[');
    }),
    tampered("a segment is deleted", Code::FileMissing, |r, _| drop(r.folder.0.remove("judge-video/0002.mkv"))),
    tampered("a segment is cut short", Code::FileTruncated, |r, _| file(r, VIDEO).truncate(1_800)),
    tampered("something is appended to a segment", Code::FileExtended, |r, _| file(r, VIDEO).extend(b"more")),
    tampered("two segments are exchanged", Code::FilesSwapped, |r, _| {
        let (one, two) = (file(r, VIDEO).clone(), file(r, "judge-video/0002.mkv").clone());
        *file(r, VIDEO) = two;
        *file(r, "judge-video/0002.mkv") = one;
    }),
    tampered("a segment of another hearing takes the place of one", Code::FileEdited, |r, _| {
        let length = file(r, VIDEO).len();
        *file(r, VIDEO) = vec![9; length];
    }),
    tampered("a file is added", Code::FileExtra, |r, _| {
        r.folder.0.insert("judge-video/0003.mkv".to_owned(), b"never recorded".to_vec());
    }),
    tampered("a byte of what came late is changed", Code::FileEdited, |r, _| file(r, LATE)[77] ^= 1),
    tampered("what came late is deleted", Code::FileMissing, |r, _| drop(r.folder.0.remove(LATE))),
    tampered("late media is passed off as another track's", Code::LineEdited, |r, _| {
        edit(r, |lines| {
            let n = find(lines, "late");
            replace(&mut lines[n], "\"counsel-audio\"", "\"judge-audio\"");
        });
    }),
    tampered("the line of late media is deleted", Code::LinesMissing, |r, _| {
        edit(r, |lines| drop(lines.remove(find(lines, "late"))));
    }),
    tampered(
        "the hearing's key is stolen: late media is passed off as having come in time",
        Code::CosignatureForged,
        |r, _| {
            forge(r, &Thief::of_hearing(r), |line| {
                if let Entry::Late { spans, .. } = &line.entry {
                    line.entry = Entry::Data { spans: spans.clone() };
                }
                !matches!(line.entry, Entry::Gap { .. })
            });
        },
    ),
    tampered("a line is deleted", Code::LinesMissing, |r, _| edit(r, |lines| drop(lines.remove(7)))),
    tampered("two lines change places", Code::LinesMissing, |r, _| edit(r, |lines| lines.swap(7, 8))),
    tampered("a line is repeated", Code::LineForeign, |r, _| edit(r, |lines| lines.insert(9, lines[7].clone()))),
    tampered("a line of another record is put in", Code::LineForeign, |r, _| {
        let foreign = lines(&sealed(HashAlg::Sm3).folder.0[MANIFEST])[4].clone();
        edit(r, |lines| lines.insert(9, foreign));
    }),
    tampered("the head is replayed at the end", Code::LineForeign, |r, _| {
        edit(r, |lines| lines.push(lines[0].clone()))
    }),
    tampered("a cosignature is removed", Code::LinesMissing, |r, _| {
        edit(r, |lines| drop(lines.remove(find(lines, "cosign"))));
    }),
    tampered("a signature is changed", Code::LineEdited, |r, _| {
        edit(r, |lines| {
            let n = find(lines, "checkpoint");
            let at = lines[n].windows(11).position(|w| w == b"\"ed25519\":\"").unwrap() + 20;
            let byte = &mut lines[n][at];
            *byte = if *byte == b'0' { b'1' } else { b'0' };
        });
    }),
    tampered("the integrity value in the seal is changed", Code::SignatureInvalid, |r, _| {
        edit(r, |lines| {
            let n = find(lines, "seal");
            let at = lines[n].windows(9).position(|w| w == b"\"value\":\"").unwrap() + 9;
            lines[n][at] = if lines[n][at] == b'0' { b'1' } else { b'0' };
        });
    }),
    tampered("the end is cut off, and a witness saw it", Code::WitnessSawMore, |r, t| {
        edit(r, |lines| lines.truncate(20));
        bring_witness(r, t);
    }),
    tampered("what was signed is another integrity value", Code::ValueDiffers, |_, t| {
        t.value = sealed(HashAlg::Sm3).value.unwrap().parse().ok();
    }),
    tampered("the seal is taken off, and parties signed the value", Code::ValueDiffers, |r, t| {
        t.value = r.value.clone().unwrap().parse().ok();
        edit(r, |lines| lines.truncate(find(lines, "seal")));
    }),
    tampered("the record is passed off as another hearing's", Code::OtherHearing, |_, t| {
        t.hearing = Some("0198c0de-0000-7000-8000-00000000ffff".to_owned());
    }),
    tampered(
        "the hearing's key is stolen: a line is changed and all is signed anew",
        Code::CosignatureForged,
        |r, _| {
            forge(r, &Thief::of_hearing(r), rewrite_gap);
        },
    ),
    tampered(
        "the hearing's key is stolen: without cosignatures, but a witness saw it",
        Code::WitnessDisagrees,
        |r, t| {
            bring_witness(r, t);
            forge(r, &Thief::of_hearing(r), |line| rewrite_gap(line) && !matches!(line.entry, Entry::Cosign(_)));
        },
    ),
    tampered("both keys are stolen: the head is changed too, but a witness saw it", Code::WitnessDisagrees, |r, t| {
        bring_witness(r, t);
        forge(r, &Thief::of_both(r), |line| {
            if let Entry::Head(head) = &mut line.entry {
                head.case = "another case".to_owned();
            }
            !matches!(line.entry, Entry::Cosign(_))
        });
    }),
    tampered("the hearing's key is stolen: the clock is set back", Code::ClockUndeclared, |r, _| {
        forge(r, &Thief::of_hearing(r), |line| {
            line.utc -= if line.seq > 20 { 3_600_000_000 } else { 0 };
            true
        });
    }),
    tampered("the hearing's key is stolen: the machine is another", Code::ClockImpossible, |r, _| {
        forge(r, &Thief::of_hearing(r), |line| {
            if line.seq > 20 {
                line.boot = "boot-9".to_owned();
            }
            true
        });
    }),
    tampered("the hearing's key is stolen: a span leaves bytes out", Code::SpansBroken, |r, _| {
        forge(r, &Thief::of_hearing(r), |line| {
            if let (8, Entry::Data { spans }) = (line.seq, &mut line.entry) {
                spans.remove(0);
            }
            true
        });
    }),
    tampered("the hearing's key is stolen: the head is changed", Code::HeadForged, |r, _| {
        forge(r, &Thief::of_hearing(r), |line| {
            if let Entry::Head(head) = &mut line.entry {
                head.case = "another case".to_owned();
            }
            true
        });
    }),
    tampered("a node that was not there signs the head", Code::HeadForged, |r, _| {
        let mut thief = Thief::of_hearing(r);
        thief.node = Some(r.authority.node("internet", "edge"));
        let chain = thief.node.clone().unwrap().chain;
        forge(r, &thief, |line| {
            if let Entry::Head(head) = &mut line.entry {
                head.chain.clone_from(&chain);
            }
            true
        });
    }),
    tampered("a node of the same zone cosigns", Code::CosignatureForged, |r, _| {
        let accomplice = r.authority.node("tripartite", "court-2");
        forge(r, &Thief::of_hearing(r), |line| {
            if let Entry::Cosign(word) = &mut line.entry {
                (word.node, word.zone, word.chain) =
                    (accomplice.node.clone(), accomplice.zone.clone(), accomplice.chain.clone());
                word.sig = Hex(accomplice.signer.sign(note::cosigned(word).as_bytes()).unwrap());
            }
            true
        });
    }),
    tampered("something is added after the seal", Code::AddendumForged, |r, _| {
        edit(r, |lines| {
            let last = lines.last_mut().unwrap();
            replace(last, "explained", "excused");
        });
    }),
    tampered("lines come after the seal as if it was not there", Code::LineMisplaced, |r, _| {
        let (thief, mut lines) = (Thief::of_both(r), parsed(r));
        let mut more = lines[5].clone();
        (more.utc, more.mono) = (lines[lines.len() - 1].utc, lines[lines.len() - 1].mono);
        lines.push(more);
        r.folder.0.insert(MANIFEST.to_owned(), thief.sign_all(lines));
    }),
    tampered("a byte of what was added after the seal is changed", Code::FileEdited, |r, _| {
        r.add("counsel-audio", 3, (3_000, 2_000));
        file(r, ADDED)[77] ^= 1;
    }),
    tampered("a sealed file goes on in an addendum, with the node's key", Code::LineMisplaced, |r, _| {
        let from = file(r, VIDEO).len() as u64;
        file(r, VIDEO).extend(b"never recorded");
        let hash = HashAlg::Sha256.hash(&[b"never recorded"]);
        let span = Span { file: VIDEO.to_owned(), from, to: from + 14, hash, first: None, last: None };
        let (track, edge) = ("judge-video".to_owned(), "internet".to_owned());
        add_with_keys(r, Entry::Late { track, edge, spans: vec![span] });
    }),
    tampered("a sealed file is replaced in an addendum, with the node's key", Code::LineMisplaced, |r, _| {
        *file(r, SHEET) = b"{}".to_vec();
        let hash = HashAlg::Sha256.hash(&[b"{}"]);
        add_with_keys(r, Entry::Replaced { file: SHEET.to_owned(), size: 2, hash });
    }),
    Deed {
        name: "what was added after the seal is deleted, which looks like a crash before its file was there",
        does: |r, _| {
            r.add("counsel-audio", 3, (3_000, 2_000));
            r.folder.0.remove(ADDED);
        },
        verdict: Verdict::Incomplete,
        code: Code::AdditionMissing,
    },
    tampered("lines are hidden as torn, with the node's key", Code::LinesMissing, hide_lines),
    tampered("the certificate had ended", Code::CertificateInvalid, |r, _| {
        let mut thief = Thief::of_both(r);
        let node = r.authority.node_until("tripartite", "court", 2026);
        thief.node = Some(node.clone());
        forge(r, &thief, |line| {
            if let Entry::Head(head) = &mut line.entry {
                head.chain.clone_from(&node.chain);
            }
            true
        });
    }),
    tampered("the certificate had been revoked", Code::CertificateInvalid, |r, t| {
        t.revoked = vec![r.authority.revoking(date_time_ymd(2026, 11, 1))];
    }),
    Deed {
        name: "another authority signs everything",
        does: |_, t| t.roots = vec![Authority::new().root],
        verdict: Verdict::CannotJudge,
        code: Code::NotTrusted,
    },
    Deed {
        name: "there is no root to trust",
        does: |_, t| t.roots.clear(),
        verdict: Verdict::CannotJudge,
        code: Code::NotTrusted,
    },
    Deed {
        name: "the manifest is deleted",
        does: |r, _| drop(r.folder.0.remove(MANIFEST)),
        verdict: Verdict::CannotJudge,
        code: Code::NoManifest,
    },
    Deed {
        name: "the witness's file is that of other records",
        does: |_, t| t.witness = Some(Vec::new()),
        verdict: Verdict::CannotJudge,
        code: Code::WitnessSilent,
    },
    Deed {
        name: "the last lines are cut off at a checkpoint, which looks like a crash without a witness",
        does: |r, _| {
            *file(r, SHEET) = b"{\"orders\":[]}".to_vec();
            edit(r, |lines| lines.truncate(20));
        },
        verdict: Verdict::Incomplete,
        code: Code::UncoveredTail,
    },
];

const fn tampered(name: &'static str, code: Code, does: fn(&mut Recording, &mut Trust)) -> Deed {
    Deed { name, does, verdict: Verdict::Tampered, code }
}

pub(crate) const VIDEO: &str = "judge-video/0001.mkv";
/// What came late, of counsel.
const LATE: &str = "counsel-audio/0002.mkv";
/// What was added after the seal.
const ADDED: &str = "counsel-audio/0003.mkv";
