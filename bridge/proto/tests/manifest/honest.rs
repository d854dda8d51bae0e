//! A record as a recorder makes it: files in memory, and the manifest that goes with them.

use std::collections::BTreeMap;
use std::io::{self, Read};

use hearing_proto::manifest::verify::{Files, Listing, MANIFEST, Report, Trust, verify};
use hearing_proto::manifest::{Addenda, Chain, Entry, HashAlg, Identity, Node, Opened, Span, Stamp, Witness};

use super::parties::{Authority, at, keys, opening};

/// A record's folder.
#[derive(Debug, Clone, Default)]
pub(crate) struct Folder(pub(crate) BTreeMap<String, Vec<u8>>);

impl Files for Folder {
    fn list(&self) -> io::Result<Listing> {
        Ok(self.0.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        let bytes = self.0.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(bytes.as_slice()))
    }
}

/// A hearing that is being recorded at a node of the zone `tripartite`, witnessed by a node of the zone `gov`.
pub(crate) struct Recording {
    pub(crate) authority: Authority,
    pub(crate) home: Node,
    pub(crate) witness: Witness,
    pub(crate) folder: Folder,
    /// What the witness wrote into its own file.
    pub(crate) witnessed: Vec<u8>,
    pub(crate) value: Option<String>,
    chain: Option<Chain>,
    /// Bytes that were written and that no line covers yet.
    pending: BTreeMap<String, (u64, Option<(i64, i64)>)>,
    hash: HashAlg,
    since: u64,
    starts: u8,
    pub(crate) now: Stamp,
    boot: u32,
}

impl Recording {
    pub(crate) fn begin(hash: HashAlg) -> Self {
        let authority = Authority::new();
        let home = authority.node("tripartite", "court");
        let witness = Witness::new(authority.node("gov", "gov-1"), 100);
        let mut recording = Self {
            authority,
            home,
            witness,
            folder: Folder::default(),
            witnessed: Vec::new(),
            value: None,
            chain: None,
            pending: BTreeMap::new(),
            hash,
            since: 0,
            starts: 0,
            now: at(0),
            boot: 1,
        };
        recording.start();
        recording.replace_sheet("{\"orders\":[]}");
        recording
    }

    /// The recorder starts, for the first time or after a crash: what no line covers is set aside.
    pub(crate) fn start(&mut self) {
        self.starts += 1;
        let existing = self.folder.0.get(MANIFEST).cloned().unwrap_or_default();
        let opening = hearing_proto::manifest::Opening { boot: format!("boot-{}", self.boot), ..opening(self.hash) };
        let opened = Chain::open(&existing, opening, self.home.clone(), keys(self.starts), self.now).unwrap();
        let Opened { mut chain, covered, replaced } = opened;
        let tails = self.folder.0.iter().filter(|(name, _)| *name != MANIFEST && !replaced.contains_key(*name));
        for (file, bytes) in tails {
            let from = covered.get(file).copied().unwrap_or(0);
            if (bytes.len() as u64) > from {
                let hash = self.hash.hash(&[&bytes[from as usize..]]);
                let aside = Entry::Aside { file: file.clone(), from, to: bytes.len() as u64, hash };
                chain.append(aside, self.now).unwrap();
            }
        }
        self.chain = Some(chain);
        self.flush();
    }

    pub(crate) fn pass(&mut self, ms: i64) {
        self.now = Stamp { utc: self.now.utc + ms * 1_000, mono: self.now.mono + ms * 1_000 };
    }

    /// The wall clock is set.
    pub(crate) fn step(&mut self, ms: i64) {
        self.now.utc += ms * 1_000;
    }

    pub(crate) fn say(&mut self, entry: Entry) {
        self.chain.as_mut().unwrap().append(entry, self.now).unwrap();
        self.flush();
    }

    pub(crate) fn segment(&mut self, track: &str, number: u32) {
        self.say(Entry::Segment {
            track: track.to_owned(),
            file: format!("{track}/{number:04}.mkv"),
            codec: "vp8".to_owned(),
            size: Some([1280, 720]),
            reason: "first".to_owned(),
            captured: self.now.utc,
        });
    }

    /// Writes frames of the last `ms` milliseconds; no line covers them yet.
    pub(crate) fn write(&mut self, file: &str, bytes: &[u8], ms: i64) {
        let content = self.folder.0.entry(file.to_owned()).or_default();
        let from = content.len() as u64;
        content.extend(bytes);
        let times = file.ends_with(".mkv").then_some((self.now.utc - ms * 1_000, self.now.utc));
        let pending = self.pending.entry(file.to_owned()).or_insert((from, times));
        pending.1 = pending.1.zip(times).map(|((first, _), (_, last))| (first, last));
    }

    /// What was written is durable: one line for all of it.
    pub(crate) fn commit(&mut self) {
        let spans = std::mem::take(&mut self.pending).into_iter().map(|(file, (from, times))| {
            let bytes = &self.folder.0[&file];
            let hash = self.hash.hash(&[&bytes[from as usize..]]);
            let (first, last) = times.unzip();
            Span { to: bytes.len() as u64, file, from, hash, first, last }
        });
        let spans: Vec<_> = spans.collect();
        if !spans.is_empty() {
            self.say(Entry::Data { spans });
        }
    }

    /// Nothing of a track came between two moments, in milliseconds before now.
    pub(crate) fn gap(&mut self, track: &str, (from, to): (i64, i64)) {
        let (track, reason) = (Some(track.to_owned()), "network".to_owned());
        let (from, to) = (Some(self.now.utc - from * 1_000), Some(self.now.utc - to * 1_000));
        self.say(Entry::Gap { track, reason, from, to, packets: 9, frames: 0 });
    }

    /// What was captured of a track between two moments, in milliseconds before now, comes from its edge.
    pub(crate) fn late(&mut self, track: &str, number: u32, (from, to): (i64, i64)) {
        self.late_entries(track, number, (from, to)).into_iter().for_each(|entry| self.say(entry));
    }

    /// The same, once the record is sealed.
    pub(crate) fn add(&mut self, track: &str, number: u32, span: (i64, i64)) {
        self.late_entries(track, number, span).into_iter().for_each(|entry| self.say_later(entry));
    }

    /// Appends an addendum.
    pub(crate) fn say_later(&mut self, entry: Entry) {
        let manifest = self.folder.0.get_mut(MANIFEST).unwrap();
        let mut addenda = Addenda::open(manifest, self.home.clone(), "boot-9".to_owned(), self.now).unwrap();
        manifest.extend(addenda.append(entry, self.now).unwrap());
    }

    fn late_entries(&mut self, track: &str, number: u32, (from, to): (i64, i64)) -> [Entry; 2] {
        let (first, last) = (self.now.utc - from * 1_000, self.now.utc - to * 1_000);
        let (file, content) = (format!("{track}/{number:04}.mkv"), vec![number as u8; 300]);
        let (codec, reason) = ("opus".to_owned(), "late".to_owned());
        let (track, edge) = (track.to_owned(), "internet".to_owned());
        let (of, name) = (track.clone(), file.clone());
        let segment = Entry::Segment { track: of, file: name, codec, size: None, reason, captured: first };
        let hash = self.hash.hash(&[&content]);
        let span = Span { file: file.clone(), from: 0, to: 300, hash, first: Some(first), last: Some(last) };
        self.folder.0.insert(file, content);
        [segment, Entry::Late { track, edge, spans: vec![span] }]
    }

    pub(crate) fn replace_sheet(&mut self, text: &str) {
        let (size, hash) = (text.len() as u64, self.hash.hash(&[text.as_bytes()]));
        self.say(Entry::Replaced { file: SHEET.to_owned(), size, hash });
        self.folder.0.insert(SHEET.to_owned(), text.as_bytes().to_vec());
    }

    pub(crate) fn checkpoint(&mut self) {
        self.chain.as_mut().unwrap().checkpoint(self.now).unwrap();
        self.flush();
    }

    /// The line to the witness works: it cosigns the last checkpoint.
    pub(crate) fn cosign(&mut self) {
        let chain = self.chain.as_mut().unwrap();
        let Some(request) = chain.request(self.since) else { return };
        let peer = Identity { zone: self.home.zone.clone(), node: self.home.node.clone() };
        let time = self.now.utc as u64 / 1_000_000 + 1;
        let (word, line) = self.witness.cosign(&request, &peer, time).unwrap();
        self.witnessed.extend(line);
        self.since = word.size;
        chain.cosign(word, self.now).unwrap();
        self.flush();
    }

    /// The process dies; `torn` bytes of a line reach the disk. With `boot` the machine starts anew.
    pub(crate) fn crash(&mut self, torn: &[u8], boot: bool) {
        self.chain = None;
        self.pending.clear();
        self.folder.0.get_mut(MANIFEST).unwrap().extend(torn);
        if boot {
            self.boot += 1;
            self.now.mono = 1_000_000;
        }
    }

    pub(crate) fn close(&mut self, with_witness: bool) {
        self.commit();
        self.chain.as_mut().unwrap().close("closed", self.now).unwrap();
        if with_witness {
            self.cosign();
        }
        self.flush();
        let sealed = self.chain.take().unwrap().seal(self.now).unwrap();
        self.folder.0.get_mut(MANIFEST).unwrap().extend(sealed.bytes);
        self.value = Some(sealed.value.to_string());
        self.pass(1_000);
        let mut addenda = sealed.addenda;
        let note = Entry::Note { text: "explained".to_owned(), by: Some("judge".to_owned()) };
        self.folder.0.get_mut(MANIFEST).unwrap().extend(addenda.append(note, self.now).unwrap());
    }

    pub(crate) fn trust(&self) -> Trust {
        let hearing = Some(opening(self.hash).hearing);
        Trust { roots: vec![self.authority.root.clone()], threads: 2, hearing, ..Trust::default() }
    }

    pub(crate) fn verify(&self) -> Report {
        verify(&self.folder, &self.trust())
    }

    fn flush(&mut self) {
        let bytes = self.chain.as_mut().unwrap().take();
        self.folder.0.entry(MANIFEST.to_owned()).or_default().extend(bytes);
    }
}

/// Half a minute of two tracks, with a recess, a gap that late media fills, and a witness, sealed.
pub(crate) fn sealed(hash: HashAlg) -> Recording {
    let mut recording = Recording::begin(hash);
    for track in ["judge-video", "counsel-audio"] {
        recording.segment(track, 1);
    }
    for second in 0..20_u8 {
        recording.pass(1_000);
        if second == 8 {
            recording.say(Entry::Recess { reason: "recess".to_owned() });
            recording.pass(60_000);
            recording.say(Entry::Resume {});
            recording.segment("judge-video", 2);
            continue;
        }
        let number = if second < 8 { 1 } else { 2 };
        recording.write(&format!("judge-video/{number:04}.mkv"), &[second; 500], 1_000);
        match second {
            13..15 => {}
            _ => recording.write("counsel-audio/0001.mkv", &[second, 1, 2, 3], 1_000),
        }
        if second == 15 {
            recording.pass(20);
            recording.gap("counsel-audio", (3_000, 1_000));
            recording.late("counsel-audio", 2, (3_000, 1_000));
        }
        recording.write("judge-video/index.jsonl", b"{\"line\":\"cluster\"}\n", 1_000);
        recording.commit();
        if second % 5 == 4 {
            recording.checkpoint();
            recording.cosign();
        }
    }
    recording.replace_sheet("{\"orders\":[\"run\",\"off\"]}");
    recording.close(true);
    recording
}

pub(crate) const SHEET: &str = "hearing.json";
