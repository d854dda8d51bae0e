//! The witness: what it signs, and what it refuses.

use super::honest::Recording;
use super::parties::{Authority, at, begin, keys, note, opening};
use hearing_proto::manifest::verify::{MANIFEST, Verdict};
use hearing_proto::manifest::{Addenda, Chain, Entry, Error, HashAlg, Identity, Node, Opened, Refusal, Witness};

fn peer(node: &Node) -> Identity {
    Identity { zone: node.zone.clone(), node: node.node.clone() }
}

#[test]
fn a_witness_signs_what_goes_on_from_what_it_saw() {
    let authority = Authority::new();
    let home = authority.node("tripartite", "court");
    let mut witness = Witness::new(authority.node("gov", "gov-1"), 10);
    let Opened { mut chain, .. } = begin(&home);
    let mut since = 0;
    for n in 0..5 {
        chain.append(note("more"), at(n * 1_000 + 10)).unwrap();
        chain.checkpoint(at(n * 1_000 + 20)).unwrap();
        let (word, _) = witness.cosign(&chain.request(since).unwrap(), &peer(&home), 1_795_488_000).unwrap();
        assert!(word.is_signed());
        since = word.size;
        chain.cosign(word, at(n * 1_000 + 30)).unwrap();
    }
}

#[test]
fn a_record_with_another_history_is_not_cosigned() {
    let authority = Authority::new();
    let home = authority.node("tripartite", "court");
    let mut witness = Witness::new(authority.node("gov", "gov-1"), 10);
    let [mut told, mut changed] = [begin(&home).chain, begin(&home).chain];
    told.append(note("what was said"), at(10)).unwrap();
    told.checkpoint(at(20)).unwrap();
    let (word, _) = witness.cosign(&told.request(0).unwrap(), &peer(&home), 1).unwrap();
    changed.append(note("what was never said"), at(10)).unwrap();
    changed.append(note("more"), at(15)).unwrap();
    changed.checkpoint(at(20)).unwrap();
    assert_eq!(witness.cosign(&changed.request(0).unwrap(), &peer(&home), 2), Err(Refusal::Since(2)));
    let refused = witness.cosign(&changed.request(2).unwrap(), &peer(&home), 2);
    assert_eq!(refused, Err(Refusal::Inconsistent(2)));
    assert!(matches!(changed.cosign(word, at(30)), Err(Error::Cosignature { .. })));
}

#[test]
fn a_witness_that_restarts_knows_from_its_file_what_it_saw() {
    let authority = Authority::new();
    let (home, gov) = (authority.node("tripartite", "court"), authority.node("gov", "gov-1"));
    let mut witness = Witness::new(gov.clone(), 10);
    let Opened { mut chain, .. } = begin(&home);
    chain.checkpoint(at(20)).unwrap();
    let (_, mut file) = witness.cosign(&chain.request(0).unwrap(), &peer(&home), 1).unwrap();
    file.extend(b"a line that a crash cut o");
    let mut again = Witness::new(gov, 10);
    again.restore(&file);
    chain.checkpoint(at(30)).unwrap();
    assert_eq!(again.cosign(&chain.request(0).unwrap(), &peer(&home), 2), Err(Refusal::Since(1)));
    assert!(again.cosign(&chain.request(1).unwrap(), &peer(&home), 2).is_ok());
}

#[test]
fn only_the_node_at_the_other_end_of_the_trunk_is_served_and_only_with_its_own_key() {
    let authority = Authority::new();
    let (home, other) = (authority.node("tripartite", "court"), authority.node("internet", "edge"));
    let mut witness = Witness::new(authority.node("gov", "gov-1"), 1);
    let Opened { mut chain, .. } = begin(&home);
    chain.checkpoint(at(20)).unwrap();
    let request = chain.request(0).unwrap();
    assert!(matches!(witness.cosign(&request, &peer(&other), 1), Err(Refusal::Head(_))));
    let mut unsigned = request.clone();
    unsigned.sigs.clear();
    assert_eq!(witness.cosign(&unsigned, &peer(&home), 1), Err(Refusal::Signature));
    let mut grown = request.clone();
    grown.size += 1;
    assert_eq!(witness.cosign(&grown, &peer(&home), 1), Err(Refusal::Signature));
    assert!(witness.cosign(&request, &peer(&home), 1).is_ok());
    let mut second = opening(HashAlg::Sha256);
    second.hearing = "0198c0de-0000-7000-8000-000000000002".to_owned();
    let mut chain = Chain::open(b"", second, home.clone(), keys(1), at(0)).unwrap().chain;
    chain.checkpoint(at(10)).unwrap();
    assert_eq!(witness.cosign(&chain.request(0).unwrap(), &peer(&home), 1), Err(Refusal::Full(1)));
}

#[test]
fn after_a_crash_the_new_key_is_accepted_and_the_history_goes_on() {
    let authority = Authority::new();
    let home = authority.node("tripartite", "court");
    let mut witness = Witness::new(authority.node("gov", "gov-1"), 10);
    let Opened { mut chain, .. } = begin(&home);
    chain.checkpoint(at(20)).unwrap();
    let (word, _) = witness.cosign(&chain.request(0).unwrap(), &peer(&home), 1).unwrap();
    let file = chain.take();
    let mut chain = Chain::open(&file, opening(HashAlg::Sha256), home.clone(), keys(2), at(900)).unwrap().chain;
    chain.cosign(word, at(910)).unwrap();
    chain.checkpoint(at(920)).unwrap();
    assert!(witness.cosign(&chain.request(1).unwrap(), &peer(&home), 2).is_ok());
}

#[test]
fn a_record_that_was_sealed_without_a_witness_is_cosigned_by_one_that_comes_later() {
    let mut recording = Recording::begin(HashAlg::Sha256);
    recording.pass(1_000);
    recording.write("judge-video/0001.mkv", &[1; 10], 1_000);
    recording.close(false);
    let before = recording.verify();
    assert_eq!((before.verdict, before.uncosigned.len()), (Verdict::Intact, 1));
    let home = recording.home.clone();
    let open = |recording: &Recording| {
        Addenda::open(&recording.folder.0[MANIFEST], home.clone(), "boot-7".to_owned(), recording.now).unwrap()
    };
    let mut addenda = open(&recording);
    let (word, _) = recording.witness.cosign(&addenda.request(0).unwrap(), &peer(&home), 1_795_488_100).unwrap();
    let mut foreign = word.clone();
    foreign.size -= 1;
    assert!(matches!(addenda.append(Entry::Cosign(Box::new(foreign)), recording.now), Err(Error::Cosignature { .. })));
    let line = addenda.append(Entry::Cosign(Box::new(word)), recording.now).unwrap();
    recording.folder.0.get_mut(MANIFEST).unwrap().extend(line);
    assert_eq!((addenda.request(0), open(&recording).request(0)), (None, None), "nobody has to be asked any more");
    let after = recording.verify();
    assert_eq!(
        (after.verdict, after.value, after.witnesses),
        (Verdict::Intact, before.value, vec!["gov/gov-1".to_owned()])
    );
    assert!(after.uncosigned.is_empty());
}
