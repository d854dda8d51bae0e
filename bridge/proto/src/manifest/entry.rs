//! What a line of the manifest says; docs/ref/record.md. Times are microseconds since 1970 by the recorder's clock.

use serde::{Deserialize, Serialize};

use super::hash::{Der, Hash, HashAlg, Hex};

/// What happened. The first kinds are the recorder's to append; the last five are made by [`Chain`](super::Chain) alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Entry {
    /// A media file begins.
    Segment {
        /// The track: `<seat>-<kind>`.
        track: String,
        /// Its file.
        file: String,
        /// How it is coded.
        codec: String,
        /// Width and height in pixels; `None` for sound.
        size: Option<[u16; 2]>,
        /// Why it begins.
        reason: String,
        /// When its first frame was captured.
        captured: i64,
    },
    /// Bytes were appended to files, and are durable: one entry for one commit of the whole hearing.
    Data {
        /// Which bytes.
        spans: Vec<Span>,
    },
    /// A file is replaced as a whole. The line is durable before the file is.
    Replaced {
        /// Its name.
        file: String,
        /// Its length in bytes.
        size: u64,
        /// The hash of its content.
        hash: Hash,
    },
    /// Something is not there.
    Gap {
        /// Which track; `None` for all.
        track: Option<String>,
        /// Why; the words of the track's index.
        reason: String,
        /// The last frame before it; `None` when there is none.
        from: Option<i64>,
        /// The first frame after it; `None` while it lasts.
        to: Option<i64>,
        /// Packets that never came, as far as they could be counted.
        packets: u64,
        /// Frames that came and were not written.
        frames: u64,
    },
    /// Somebody takes a seat.
    Join {
        /// The seat's slug.
        seat: String,
        /// The zone from which.
        zone: String,
        /// How the identity was found, such as a certificate's name or `join link`.
        identity: String,
    },
    /// Somebody leaves a seat.
    Leave {
        /// The seat's slug.
        seat: String,
        /// Why, such as `left`, `removed`, `connection-lost`.
        reason: String,
    },
    /// A seat's sound is switched off or on.
    Mute {
        /// The seat's slug.
        seat: String,
        /// True when off.
        muted: bool,
        /// Who did it.
        by: String,
    },
    /// The record is paused by order.
    Recess {
        /// `recess`, `closed-evidence` or `mediation` (法释〔2017〕5号, article 3).
        reason: String,
    },
    /// The record goes on after a recess.
    Resume {},
    /// The wall clock left the monotonic clock by more than 500 ms since the last head or clock entry.
    Clock {
        /// By how much it stepped forward, in microseconds.
        step: i64,
    },
    /// The policy under which the hearing is held changed.
    Policy {
        /// The hash of its text.
        hash: Hash,
        /// What changed, in words.
        text: String,
    },
    /// A zone's border judged a track.
    Crossing {
        /// The track: `<seat>-<kind>`.
        track: String,
        /// The zone that it comes from.
        origin: String,
        /// The zone that it goes to.
        destination: String,
        /// `deny`, `inspect` or `reconstruct`.
        verdict: String,
        /// True when the picture or sound was decoded and made anew.
        reconstructed: bool,
        /// Why it was denied, or the profile by which it was made anew.
        reason: Option<String>,
    },
    /// A remark.
    Note {
        /// What.
        text: String,
        /// Whose.
        by: Option<String>,
    },
    /// A moment that somebody wants to find again (打点).
    Mark {
        /// When.
        at: i64,
        /// What.
        text: String,
        /// Whose.
        by: String,
    },
    /// Media that came later, from the spool of the node at which it entered.
    Late {
        /// The track: `<seat>-<kind>`.
        track: String,
        /// The node that kept it.
        edge: String,
        /// Where it is; the spans carry when it was captured.
        spans: Vec<Span>,
    },
    /// Bytes that were found after a crash and that no line had covered: kept, and held from here on, but not vouched for.
    Aside {
        /// Its name.
        file: String,
        /// Where the bytes begin.
        from: u64,
        /// Where they end.
        to: u64,
        /// Their hash.
        hash: Hash,
    },
    /// Something did not work.
    Fault {
        /// Which part, such as `disk`, `clock`, `recorder`.
        part: String,
        /// What, in words.
        reason: String,
        /// True when it works again.
        over: bool,
    },
    /// The hearing is closed.
    End {
        /// Why, such as `closed`.
        reason: String,
    },
    /// The beginning, or the going on after a crash. Signed by the node.
    Head(Box<Head>),
    /// The hearing's key signs all lines before this one.
    Checkpoint(Checkpoint),
    /// A node of another zone has seen the checkpoint.
    Cosign(Box<Cosignature>),
    /// Nothing of the hearing comes after it. Signed by the hearing's key, which is then gone.
    Seal {
        /// The size of the final checkpoint.
        size: u64,
        /// The integrity value over that checkpoint, in groups.
        value: String,
    },
    /// Something that came after the seal. Signed by the node.
    Addendum {
        /// What.
        entry: Box<Entry>,
    },
}

/// Bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The file, relative to the record's folder, with `/` between folder and name.
    pub file: String,
    /// Where the bytes begin: where the last span of this file ended.
    pub from: u64,
    /// Where they end.
    pub to: u64,
    /// Their hash.
    pub hash: Hash,
    /// When the first frame in them was captured; only for media.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<i64>,
    /// When the last frame in them was captured; only for media.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<i64>,
}

/// What a chain begins with, and goes on with after a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// [`FORMAT`].
    pub format: String,
    /// Hashes lines and files.
    pub hash: HashAlg,
    /// The hearing's id.
    pub hearing: String,
    /// The case number.
    pub case: String,
    /// The node that records.
    pub node: String,
    /// Its zone.
    pub zone: String,
    /// Its certificate, and those up to the root; the root itself may be left out.
    pub chain: Vec<Der>,
    /// The recorder's name and version.
    pub software: String,
    /// The hash of the program that records, if it is known.
    pub build: Option<Hash>,
    /// The hash of the policy (zones and crossings) under which the hearing is held.
    pub policy: Hash,
    /// The hearing's public keys; the signature of this line by the node's key certifies them.
    pub keys: Keys,
    /// The hearing that this node sealed before.
    pub previous: Option<Previous>,
    /// The head goes on with a record that ended without a seal.
    pub resumes: Option<Resumes>,
}

/// The hearing's public keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// 32 bytes.
    pub ed25519: Hex,
    /// An uncompressed point, 65 bytes.
    #[serde(rename = "sm2-sm3")]
    pub sm2: Hex,
}

/// The last record that a node sealed before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// The hearing's id.
    pub hearing: String,
    /// The root of its final checkpoint.
    pub root: Hash,
}

/// How a head hangs on what was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumes {
    /// The line of the head before it; `None` when the crash came before the first was whole.
    pub head: Option<u64>,
    /// Bytes of the manifest that are no whole lines: what the crash left.
    pub torn: Option<Torn>,
}

/// Bytes of the manifest that belong to no line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Torn {
    /// Where they begin in the file.
    pub from: u64,
    /// Where they end; the end of line that follows is not among them.
    pub to: u64,
    /// Their hash.
    pub hash: Hash,
}

/// The root over all lines before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// How many lines that is: the number of the checkpoint's own line.
    pub size: u64,
    /// Their root (RFC 6962).
    pub root: Hash,
    /// The last of the hearing: nothing but cosignatures and the seal follow, unless a crash comes between.
    #[serde(rename = "final")]
    pub is_final: bool,
}

/// A witness's word: it has seen this checkpoint, and it goes on from the last one of this record that it saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cosignature {
    /// The log: [`origin`](super::origin).
    pub origin: String,
    /// The checkpoint's size.
    pub size: u64,
    /// The checkpoint's root.
    pub root: Hash,
    /// The last line of the checkpoint's text.
    pub bound: String,
    /// When the witness signed, in seconds since 1970 by its own clock.
    pub time: u64,
    /// The witness.
    pub node: String,
    /// Its zone.
    pub zone: String,
    /// Its certificate, and those up to the root.
    pub chain: Vec<Der>,
    /// How it signs.
    pub alg: String,
    /// Its signature of [`note::cosigned`](super::note::cosigned).
    pub sig: Hex,
}

/// The version of the format.
pub const FORMAT: &str = "court-rec/1";
