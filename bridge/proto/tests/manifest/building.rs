//! The chain: what it gives, what it refuses, and how it goes on after a crash.

use super::parties::{Authority, at, begin, data, keys, note, opening};
use hearing_proto::manifest::{
    Addenda, Chain, Entry, Error, Hash, HashAlg, Line, Opened, SignAlg, Stamp, Torn, Tree, leaf, note as texts,
    unsigned,
};

fn lines(bytes: &[u8]) -> Vec<(Vec<u8>, Line)> {
    assert!(bytes.ends_with(b"\n"));
    let lines = bytes[..bytes.len() - 1].split(|byte| *byte == b'\n');
    lines.map(|line| (line.to_vec(), Line::parse(line).unwrap())).collect()
}

#[test]
fn every_line_names_the_one_before_and_the_checkpoint_signs_them_all() {
    let Opened { mut chain, .. } = begin(&Authority::new().node("tripartite", "court"));
    chain.append(note("one"), at(10)).unwrap();
    chain.append(data("judge-video/0001.mkv", 0, b"abc"), at(20)).unwrap();
    let checkpoint = chain.checkpoint(at(30)).unwrap();
    let (mut tree, mut prev) = (Tree::new(HashAlg::Sha256), Hash::ZERO);
    let all = lines(&chain.take());
    for (n, (bytes, line)) in all.iter().enumerate() {
        assert_eq!((line.seq, line.prev), (n as u64, prev));
        prev = leaf(HashAlg::Sha256, bytes);
        if n < 3 {
            tree.push(prev);
        }
    }
    assert_eq!((checkpoint.size, Some(checkpoint.root)), (3, tree.root(3)));
    let (bytes, line) = &all[3];
    let Entry::Head(head) = &all[0].1.entry else { panic!("no head") };
    let bound = texts::bound(HashAlg::Sha256, "checkpoint", unsigned(bytes));
    let origin = texts::origin("tripartite", "court", &head.hearing);
    let text = texts::checkpoint(&origin, 3, checkpoint.root, &bound);
    let sigs = line.sigs.as_ref().unwrap();
    assert!(SignAlg::Ed25519.verify(&head.keys.ed25519.0, text.as_bytes(), &sigs["ed25519"].0));
    assert_eq!(sigs.len(), 1, "SM2 signs the final checkpoint only");
}

#[test]
fn the_final_checkpoint_has_both_signatures_and_only_cosignatures_and_the_seal_follow() {
    let Opened { mut chain, .. } = begin(&Authority::new().node("tripartite", "court"));
    let final_checkpoint = chain.close("closed", at(100)).unwrap();
    assert!(final_checkpoint.is_final);
    assert_eq!(chain.append(note("too late"), at(110)), Err(Error::Closed));
    let sealed = chain.seal(at(120)).unwrap();
    let all = lines(&sealed.bytes);
    let kinds: Vec<_> = all.iter().map(|(_, line)| line.entry.kind()).collect();
    assert_eq!(kinds, ["head", "end", "checkpoint", "seal"]);
    let Entry::Head(head) = &all[0].1.entry else { panic!("no head") };
    let bound = texts::bound(HashAlg::Sha256, "checkpoint", unsigned(&all[2].0));
    let text =
        texts::checkpoint(&texts::origin("tripartite", "court", &head.hearing), 2, final_checkpoint.root, &bound);
    let sigs = all[2].1.sigs.as_ref().unwrap();
    assert!(SignAlg::Sm2.verify(&head.keys.sm2.0, text.as_bytes(), &sigs["sm2-sm3"].0));
    let Entry::Seal { value, .. } = &all[3].1.entry else { panic!("no seal") };
    assert_eq!(*value, sealed.value.to_string());
}

#[test]
fn spans_leave_nothing_out_and_cover_nothing_twice() {
    let Opened { mut chain, .. } = begin(&Authority::new().node("tripartite", "court"));
    chain.append(data("a/0001.mkv", 0, b"abc"), at(10)).unwrap();
    for from in [0, 2, 4] {
        let refused = chain.append(data("a/0001.mkv", from, b"d"), at(20));
        assert!(matches!(refused, Err(Error::Span { end: 3, .. })), "{from}");
    }
    assert!(matches!(chain.append(data("a/0001.mkv", 3, b""), at(20)), Err(Error::Span { .. })));
    chain.append(data("a/0001.mkv", 3, b"d"), at(20)).unwrap();
}

#[test]
fn a_step_of_the_wall_clock_is_an_entry_of_its_own() {
    let Opened { mut chain, .. } = begin(&Authority::new().node("tripartite", "court"));
    chain.append(note("in time"), at(10)).unwrap();
    let stepped = Stamp { utc: at(20).utc - 90_000_000, ..at(20) };
    chain.append(note("an hour later"), stepped).unwrap();
    chain.append(note("goes on"), Stamp { utc: stepped.utc + 10_000, mono: stepped.mono + 10_000 }).unwrap();
    let all = lines(&chain.take());
    let kinds: Vec<_> = all.iter().map(|(_, line)| line.entry.kind()).collect();
    assert_eq!(kinds, ["head", "note", "clock", "note", "note"]);
    assert_eq!(all[2].1.entry, Entry::Clock { step: -90_000_000 });
}

#[test]
fn the_recorder_cant_append_what_only_the_chain_makes() {
    let Opened { mut chain, .. } = begin(&Authority::new().node("tripartite", "court"));
    let seal = Entry::Seal { size: 0, value: String::new() };
    assert_eq!(chain.append(seal, at(10)), Err(Error::Reserved("seal")));
    assert_eq!(chain.append(Entry::Clock { step: 0 }, at(10)), Err(Error::Reserved("clock")));
}

#[test]
fn after_a_crash_a_new_head_hangs_on_the_last_whole_line_and_names_the_torn_bytes() {
    let node = Authority::new().node("tripartite", "court");
    let Opened { mut chain, .. } = begin(&node);
    chain.append(data("a/0001.mkv", 0, b"abc"), at(10)).unwrap();
    chain.checkpoint(at(20)).unwrap();
    let mut file = chain.take();
    let whole = file.len() as u64;
    file.extend(br#"{"seq":3,"prev":"00"#);
    let resumed = Chain::open(&file, opening(HashAlg::Sha256), node.clone(), keys(2), at(5_000)).unwrap();
    assert_eq!(resumed.covered["a/0001.mkv"], 3);
    let mut chain = resumed.chain;
    chain.append(note("goes on"), at(5_010)).unwrap();
    file.extend(chain.take());
    let parts: Vec<&[u8]> = file.split(|byte| *byte == b'\n').collect();
    let head = Line::parse(parts[4]).unwrap();
    assert_eq!((head.seq, head.prev), (3, leaf(HashAlg::Sha256, parts[2])));
    let Entry::Head(head) = head.entry else { panic!("no head") };
    let resumes = head.resumes.unwrap();
    let torn = Torn { from: whole, to: whole + 19, hash: HashAlg::Sha256.hash(&[parts[3]]) };
    assert_eq!((resumes.head, resumes.torn), (Some(0), Some(torn)));
    let again = Chain::open(&file, opening(HashAlg::Sha256), node, keys(3), at(9_000)).unwrap();
    assert_eq!(again.chain.size(), 6, "a second crash finds all lines of both");
}

#[test]
fn a_crash_before_the_first_line_was_whole_is_no_obstacle() {
    let node = Authority::new().node("tripartite", "court");
    let mut file = b"{\"seq\":0".to_vec();
    let mut chain = Chain::open(&file, opening(HashAlg::Sm3), node, keys(1), at(0)).unwrap().chain;
    file.extend(chain.take());
    let head = Line::parse(file.split(|byte| *byte == b'\n').nth(1).unwrap()).unwrap();
    let Entry::Head(head) = head.entry else { panic!("no head") };
    let torn = head.resumes.unwrap().torn.unwrap();
    assert_eq!((torn.from, torn.to, head.hash), (0, 8, HashAlg::Sm3));
}

#[test]
fn what_was_begun_with_one_hash_goes_on_with_it() {
    let node = Authority::new().node("tripartite", "court");
    let mut chain = Chain::open(b"", opening(HashAlg::Sm3), node.clone(), keys(1), at(0)).unwrap().chain;
    let file = chain.take();
    let resumed = Chain::open(&file, opening(HashAlg::Sha256), node, keys(1), at(10)).unwrap();
    assert_eq!(resumed.chain.hash(), HashAlg::Sm3);
}

#[test]
fn a_sealed_record_takes_addenda_and_nothing_else() {
    let node = Authority::new().node("tripartite", "court");
    let Opened { mut chain, .. } = begin(&node);
    chain.close("closed", at(100)).unwrap();
    let sealed = chain.seal(at(120)).unwrap();
    let mut file = sealed.bytes;
    let refused = Chain::open(&file, opening(HashAlg::Sha256), node.clone(), keys(1), at(200));
    assert!(matches!(refused, Err(Error::Sealed)));
    let mut addenda = sealed.addenda;
    file.extend(addenda.append(note("explained"), at(300)).unwrap());
    let mut again = Addenda::open(&file, node.clone(), "boot-2".to_owned(), at(400)).unwrap();
    file.extend(again.append(note("explained again"), at(400)).unwrap());
    let all = lines(&file);
    let (bytes, line) = &all[5];
    assert_eq!((line.seq, line.prev), (5, leaf(HashAlg::Sha256, &all[4].0)));
    let message = texts::of_node("addendum", unsigned(bytes));
    let sig = &line.sigs.as_ref().unwrap()["ecdsa-p256-sha256"];
    assert!(SignAlg::EcdsaP256.verify(&node.signer.public_key(), &message, &sig.0));
}
