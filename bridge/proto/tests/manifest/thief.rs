//! What somebody can do to a record with the disk alone, with the hearing's key, or with the node's as well.

use hearing_proto::manifest::verify::{MANIFEST, Trust, witness_lines};
use hearing_proto::manifest::{
    Checkpoint, Entry, Hash, HashAlg, HearingKeys, Hex, IntegrityValue, Line, Node, SignAlg, Signer, Sigs, Tree, leaf,
    note, unsigned,
};

use super::honest::Recording;
use super::parties::{at, keys, opening};

pub(crate) fn lines(manifest: &[u8]) -> Vec<Vec<u8>> {
    manifest.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}

/// The same lines, read.
pub(crate) fn parsed(recording: &Recording) -> Vec<Line> {
    lines(&recording.folder.0[MANIFEST]).iter().map(|line| Line::parse(line).unwrap()).collect()
}

pub(crate) fn file<'a>(recording: &'a mut Recording, name: &str) -> &'a mut Vec<u8> {
    recording.folder.0.get_mut(name).unwrap()
}

/// Changes the lines as somebody with the disk alone can.
pub(crate) fn edit(recording: &mut Recording, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let mut all = lines(&recording.folder.0[MANIFEST]);
    change(&mut all);
    let bytes = all.into_iter().flat_map(|line| [line, vec![b'\n']].concat()).collect();
    recording.folder.0.insert(MANIFEST.to_owned(), bytes);
}

pub(crate) fn find(lines: &[Vec<u8>], kind: &str) -> usize {
    lines.iter().position(|line| Line::parse(line).is_ok_and(|line| line.entry.kind() == kind)).unwrap()
}

pub(crate) fn replace(line: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(line.clone()).unwrap();
    assert!(text.contains(from), "{text}");
    *line = text.replacen(from, to, 1).into_bytes();
}

/// Appends an addendum as somebody with both keys can.
pub(crate) fn add_with_keys(recording: &mut Recording, entry: Entry) {
    let thief = Thief::of_both(recording);
    let mut all = parsed(recording);
    let last = all.last().unwrap().clone();
    all.push(Line { entry: Entry::Addendum { entry: Box::new(entry) }, ..last });
    recording.folder.0.insert(MANIFEST.to_owned(), thief.sign_all(all));
}

pub(crate) fn bring_witness(recording: &Recording, trust: &mut Trust) {
    trust.witness = Some(witness_lines(&recording.witnessed));
}

/// A recess that was longer than it was.
pub(crate) fn rewrite_gap(line: &mut Line) -> bool {
    if let Entry::Recess { reason } = &mut line.entry {
        *reason = "mediation".to_owned();
    }
    true
}

/// What a thief has.
pub(crate) struct Thief {
    hearing: HearingKeys,
    pub(crate) node: Option<Node>,
    alg: HashAlg,
}

impl Thief {
    pub(crate) fn of_hearing(_: &Recording) -> Self {
        Self { hearing: keys(1), node: None, alg: HashAlg::Sha256 }
    }

    pub(crate) fn of_both(recording: &Recording) -> Self {
        Self { node: Some(recording.home.clone()), ..Self::of_hearing(recording) }
    }

    /// Chains and signs all lines anew with what the thief has.
    pub(crate) fn sign_all(&self, all: Vec<Line>) -> Vec<u8> {
        let (mut tree, mut last, mut out) = (Tree::new(self.alg), Hash::ZERO, Vec::new());
        let mut final_text = String::new();
        for mut line in all {
            (line.seq, line.prev) = (tree.size(), last);
            let root = tree.root(line.seq).unwrap();
            if let Entry::Checkpoint(checkpoint) = &mut line.entry {
                *checkpoint = Checkpoint { size: line.seq, root, ..*checkpoint };
            }
            if let Entry::Seal { size, value } = &mut line.entry {
                *size = final_text.split('\n').nth(1).unwrap().parse().unwrap();
                *value = IntegrityValue::of(self.alg, &final_text).to_string();
            }
            let old = line.sigs.take();
            let mut bytes = serde_json::to_vec(&line).unwrap();
            if let Some(old) = old {
                bytes.pop();
                let (sigs, text) = self.sigs(&line, &bytes, root, old);
                if let Entry::Checkpoint(Checkpoint { is_final: true, .. }) = line.entry {
                    final_text = text;
                }
                bytes.extend(format!(",\"sigs\":{}}}", serde_json::to_string(&sigs).unwrap()).into_bytes());
            }
            assert!(unsigned(&bytes).len() <= bytes.len());
            last = leaf(self.alg, &bytes);
            tree.push(last);
            out.extend(bytes);
            out.push(b'\n');
        }
        out
    }

    fn sigs(&self, line: &Line, unsigned: &[u8], root: Hash, old: Sigs) -> (Sigs, String) {
        let kind = line.entry.kind();
        let origin = note::origin("tripartite", "court", &opening(self.alg).hearing);
        let text = note::checkpoint(&origin, line.seq, root, &note::bound(self.alg, kind, unsigned));
        let sign = |signer: &dyn Signer, message: &[u8]| {
            (signer.algorithm().name().to_owned(), Hex(signer.sign(message).unwrap()))
        };
        let sigs = match (&line.entry, &self.node) {
            (Entry::Head(_) | Entry::Addendum { .. }, Some(node)) => {
                Sigs::from([sign(node.signer.as_ref(), &note::of_node(kind, unsigned))])
            }
            (Entry::Head(_) | Entry::Addendum { .. }, None) => old,
            _ => {
                let mut sigs = Sigs::from([sign(self.hearing.ed25519.as_ref(), text.as_bytes())]);
                if old.contains_key(SignAlg::Sm2.name()) {
                    sigs.extend([sign(self.hearing.sm2.as_ref(), text.as_bytes())]);
                }
                sigs
            }
        };
        (sigs, text)
    }
}

/// Changes each line, drops those for which `keeps` says no, and signs everything anew.
pub(crate) fn forge(recording: &mut Recording, thief: &Thief, mut keeps: impl FnMut(&mut Line) -> bool) {
    let mut all = parsed(recording);
    all.retain_mut(|line| keeps(line));
    recording.folder.0.insert(MANIFEST.to_owned(), thief.sign_all(all));
}

/// The node's key signs a head that calls whole lines torn.
pub(crate) fn hide_lines(recording: &mut Recording, _: &mut Trust) {
    let all = lines(&recording.folder.0[MANIFEST]);
    let mut manifest: Vec<u8> = all[..10].iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect();
    manifest.extend(all[11].iter().chain(b"\n").chain(&all[12]).chain(b"\n"));
    recording.folder.0.insert(MANIFEST.to_owned(), manifest);
    recording.now = at(500_000);
    recording.start();
}
