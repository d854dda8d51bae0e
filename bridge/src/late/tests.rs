//! Two nodes with everything but pages, and a line between them that is cut while a hearing is recorded.

mod node;
mod pair;
mod record;

use std::collections::BTreeSet;

use hearing_proto::manifest::Entry;
use hearing_proto::manifest::verify::{Code, Verdict};

use self::pair::{COUNSEL, Pair};
use self::record::{index, is_unfetched, is_whole, late_entries, manifest, numbers};
use crate::router::Command;
use crate::trunk::tests::harness::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_of_the_line_leaves_late_media_in_the_record_and_not_a_hole() {
    let pair = Pair::start().await;
    let started = pair.session().await;
    let folders = pair.recorded(started.id).await;
    pair.cut().await;
    assert!(pair.inet.disk.path().join("spool").join(started.id.to_string()).is_dir());
    pair.inet.keeps(started.id, 1, 100).await;
    pair.repair().await;
    until("what was missing came", || folders.iter().all(|folder| index(folder).contains("\"line\":\"late\""))).await;
    pair.close(started.id).await;
    let late = late_entries(&pair.court.track(started.id, ""));
    assert!(COUNSEL.iter().all(|track| late.contains(*track)), "{late:?}");
    for folder in folders {
        let (numbers, index) = (numbers(&folder), index(&folder));
        assert!(is_whole(&numbers) && numbers.len() > 150, "{}: {numbers:?}\n{index}", folder.display());
        // Pictures go on between two key frames, where the line was cut.
        let reason = if folder.ends_with("counsel-video") { "late-delta" } else { "late" };
        assert!(index.contains(&format!("\"reason\":\"{reason}\"")), "{index}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_starts_again_still_has_what_home_lacks() {
    let pair = Pair::start().await;
    let started = pair.session().await;
    let folders = pair.recorded(started.id).await;
    pair.cut().await;
    let before = folders.each_ref().map(|folder| *numbers(folder).last().unwrap());
    pair.inet.keeps(started.id, 1, 60).await;
    let pair = pair.restart_edge(started.id).await;
    pair.repair().await;
    pair.inet.send(started.id, 1).await;
    for (folder, before) in folders.iter().zip(before) {
        let fetched = || {
            let all = numbers(folder);
            // The new endpoint counts from the beginning again.
            let last = all.windows(2).find(|pair| pair[1] < pair[0]).map_or(0, |pair| pair[0]);
            let ordered = all.windows(2).all(|pair| pair[1] == pair[0] + 1 || pair[0] == last);
            index(folder).contains("\"line\":\"late\"") && ordered && last >= before + 50
        };
        until("every frame from before the restart came", fetched).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_track_that_does_not_come_back_is_fetched_at_the_close() {
    let pair = Pair::start().await;
    let started = pair.session().await;
    let folders = pair.recorded(started.id).await;
    pair.cut().await;
    let before = folders.each_ref().map(|folder| *numbers(folder).last().unwrap());
    pair.inet.keeps(started.id, 1, 60).await;
    let pair = pair.restart_edge(started.id).await;
    pair.repair().await;
    pair.close(started.id).await;
    for (folder, before) in folders.iter().zip(before) {
        let all = numbers(folder);
        assert!(is_whole(&all), "{all:?}");
        assert!(*all.last().unwrap() >= before + 50, "{before} {all:?}");
    }
    assert!(!manifest(&pair.court.track(started.id, "")).iter().any(is_unfetched));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_track_of_which_nothing_reached_home_is_fetched_at_the_close() {
    let pair = Pair::start().await;
    let started = pair.court.registry.start("(2022)内0291刑初123号", "trial").await.unwrap();
    pair.court.sit(&pair.court, &started, (0, "judge")).await;
    pair.inet.join(&pair.court, &started, (1, "counsel")).await;
    pair.open(started.id).await;
    pair.cut().await;
    let leg = pair.inet.send(started.id, 1).await;
    pair.inet.keeps(started.id, 1, 100).await;
    pair.inet.workers.of(started.id).send(Command::Detach { hearing: started.id, leg }).unwrap();
    pair.repair().await;
    pair.close(started.id).await;
    for name in COUNSEL {
        let all = numbers(&pair.court.track(started.id, name));
        assert!(all.len() > 80 && is_whole(&all), "{name}: {all:?}");
    }
    let late = late_entries(&pair.court.track(started.id, ""));
    assert!(late.iter().map(String::as_str).eq(COUNSEL), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_edge_could_not_be_asked_for_before_the_close_is_named_as_a_gap() {
    let pair = Pair::start().await;
    let started = pair.session().await;
    pair.recorded(started.id).await;
    pair.cut().await;
    pair.inet.keeps(started.id, 1, 60).await;
    pair.close(started.id).await;
    let entries = manifest(&pair.court.track(started.id, ""));
    let gaps = entries.iter().filter(|entry| is_unfetched(entry)).map(|entry| match entry {
        Entry::Gap { track: Some(track), from: Some(from), to: Some(to), .. } if to - from > 1_000_000 => {
            track.as_str()
        }
        other => panic!("{other:?}"),
    });
    let gaps: BTreeSet<_> = gaps.collect();
    assert_eq!(gaps, BTreeSet::from(COUNSEL));
    let told = |entry: &Entry| matches!(entry, Entry::Fault { part, reason, .. } if part == "trunk" && reason.contains("counsel-screen"));
    assert!(entries.iter().any(told), "what never came may be missing too");
    let form = std::fs::read_to_string(pair.court.track(started.id, "").join("explanation.txt")).unwrap();
    assert!(form.contains("闭庭前未能取回 unfetched"), "the presiding judge is asked to explain: {form}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_sealed_while_the_line_was_down_is_cosigned_when_it_is_back() {
    let pair = Pair::start().await;
    let started = pair.session().await;
    pair.cut().await;
    pair.close(started.id).await;
    let folder = pair.court.track(started.id, "");
    let last = manifest(&folder).iter().rev().find_map(|entry| match entry {
        Entry::Checkpoint(checkpoint) => Some(checkpoint.size),
        _ => None,
    });
    let seen =
        |entry: &Entry| matches!(entry.matter(), Entry::Cosign(word) if Some(word.size) == last && word.zone == "inet");
    assert!(!manifest(&folder).iter().any(seen));
    pair.repair().await;
    until("the witness has seen the end", || manifest(&folder).iter().any(seen)).await;
    let report = pair.judged(&folder);
    let seal = manifest(&folder).iter().position(|entry| matches!(entry, Entry::Seal { .. })).unwrap() as u64;
    // What is added behind the seal no witness has seen.
    let is_cosigned = report.uncosigned.iter().all(|bare| bare.first > seal);
    assert!(report.verdict == Verdict::Incomplete && is_cosigned, "{:?}", report.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_edge_could_not_be_asked_for_is_added_behind_the_seal_once_it_can_be_reached() {
    let pair = Pair::start().await;
    let started = pair.session().await;
    let folders = pair.recorded(started.id).await;
    pair.cut().await;
    let before = folders.each_ref().map(|folder| *numbers(folder).last().unwrap());
    pair.inet.keeps(started.id, 1, 100).await;
    pair.close(started.id).await;
    let folder = pair.court.track(started.id, "");
    let sealed = pair.judged(&folder);
    assert!(sealed.verdict == Verdict::Incomplete && sealed.has(Code::GapDeclared), "{:?}", sealed.findings);
    // The edge starts anew: it knows of the hearing only what is on its disk.
    let pair = pair.restart_edge(started.id).await;
    pair.repair().await;
    let added = |name: &str| {
        let of = |entry: &Entry| matches!(entry, Entry::Addendum { entry } if matches!(&**entry, Entry::Late { track, .. } if track == name));
        manifest(&folder).iter().any(of)
    };
    until("both tracks were added to", || added("counsel-audio") && added("counsel-video")).await;
    let shelf = folder.with_file_name(".late");
    until("nothing is lacking any more", || std::fs::read_dir(&shelf).unwrap().next().is_none()).await;
    for (folder, before) in folders.iter().zip(before) {
        let all = numbers(folder);
        assert!(is_whole(&all), "{}: {all:?}", folder.display());
        assert!(*all.last().unwrap() >= before + 50, "{before} {all:?}");
    }
    let report = pair.judged(&folder);
    assert!(!report.has(Code::GapDeclared) && report.has(Code::GapFilledLater), "{:?}", report.findings);
    assert_eq!((report.verdict, report.value), (Verdict::Incomplete, sealed.value), "what was signed stays as it was");
    let spool = pair.inet.disk.path().join("spool").join(started.id.to_string());
    until("the edge lets go of what home has", || !spool.exists()).await;
}
