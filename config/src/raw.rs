//! The file as it is written, before anything is judged: every key may be absent, none may be unknown.

use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::endpoint::{DeviceId, Endpoint};
use crate::error::{Error, Fault};
use crate::gb28181::Gb28181Transport;
use crate::layout::Layout;
use crate::media::Kind;
use crate::rtsp::RtspTransport;
use crate::seat::Role;
use crate::sip::{Digest, Srtp};
use crate::value::NodeId;
use crate::zone::Zone;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Raw {
    pub(crate) node: Node,
    pub(crate) web: Web,
    pub(crate) media: Media,
    pub(crate) turn: Option<Turn>,
    pub(crate) admin: Admin,
    pub(crate) pki: Pki,
    pub(crate) trunks: Trunks,
    pub(crate) trunk: Vec<Trunk>,
    pub(crate) crossing: Vec<Crossing>,
    pub(crate) record: Record,
    pub(crate) spool: Spool,
    pub(crate) rtsp: Rtsp,
    pub(crate) sip: Option<Sip>,
    pub(crate) gb28181: Option<Gb28181>,
    pub(crate) template: Vec<Template>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Node {
    pub(crate) id: Option<NodeId>,
    pub(crate) zone: Option<Zone>,
    pub(crate) data: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Web {
    pub(crate) bind: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) tls: Option<WebTls>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WebTls {
    pub(crate) certificate: Option<String>,
    pub(crate) key: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Media {
    pub(crate) bind: Option<String>,
    pub(crate) advertise: Option<Vec<String>>,
    pub(crate) tcp: Option<bool>,
    pub(crate) workers: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Turn {
    pub(crate) urls: Option<Vec<String>>,
    pub(crate) secret: Option<String>,
    pub(crate) minutes: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Admin {
    pub(crate) socket: Option<String>,
    pub(crate) listen: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Pki {
    pub(crate) root: Option<String>,
    pub(crate) certificate: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) revoked: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Trunks {
    pub(crate) listen: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Trunk {
    pub(crate) peer: Option<NodeId>,
    pub(crate) zone: Option<Zone>,
    pub(crate) dial: Option<String>,
    pub(crate) vouches: Option<Vec<Zone>>,
    pub(crate) web: Option<String>,
    pub(crate) kbps: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Crossing {
    pub(crate) from: Option<Zone>,
    pub(crate) to: Option<Zone>,
    pub(crate) roles: Option<Vec<Role>>,
    pub(crate) kinds: Option<Vec<Kind>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) directory: Option<String>,
    pub(crate) spill: Option<String>,
    pub(crate) warn_free_percent: Option<Vec<i64>>,
    pub(crate) refuse_free_percent: Option<i64>,
    pub(crate) emblem: Option<String>,
    pub(crate) keep_days: Option<i64>,
    pub(crate) scrub_hours: Option<i64>,
    pub(crate) backup: Option<Backup>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Backup {
    pub(crate) directory: Option<String>,
    pub(crate) recipients: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Spool {
    pub(crate) directory: Option<String>,
    pub(crate) megabytes: Option<i64>,
    pub(crate) minutes: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rtsp {
    pub(crate) transport: Option<RtspTransport>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Sip {
    pub(crate) udp: Option<String>,
    pub(crate) tcp: Option<String>,
    pub(crate) tls: Option<SipTls>,
    pub(crate) advertise: Option<String>,
    pub(crate) domain: Option<String>,
    pub(crate) rtp: Option<[i64; 2]>,
    pub(crate) srtp: Option<Srtp>,
    pub(crate) digest: Option<Vec<Digest>>,
    pub(crate) device: Vec<SipDevice>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SipTls {
    pub(crate) listen: Option<String>,
    pub(crate) certificate: Option<String>,
    pub(crate) key: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SipDevice {
    pub(crate) user: Option<String>,
    pub(crate) secret: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Gb28181 {
    pub(crate) id: Option<DeviceId>,
    pub(crate) domain: Option<String>,
    pub(crate) udp: Option<String>,
    pub(crate) tcp: Option<String>,
    pub(crate) advertise: Option<String>,
    pub(crate) rtp: Option<[i64; 2]>,
    pub(crate) transport: Option<Gb28181Transport>,
    pub(crate) keepalive: Option<i64>,
    pub(crate) device: Vec<Gb28181Device>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Gb28181Device {
    pub(crate) id: Option<DeviceId>,
    pub(crate) secret: Option<String>,
    pub(crate) transport: Option<Gb28181Transport>,
    pub(crate) talk: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Template {
    pub(crate) name: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) title_en: Option<String>,
    pub(crate) seat: Vec<Seat>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Seat {
    pub(crate) name: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) title_en: Option<String>,
    pub(crate) role: Option<Role>,
    pub(crate) zone: Option<Zone>,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) layout: Option<Layout>,
    pub(crate) required: Option<Vec<Kind>>,
}

impl Raw {
    pub(crate) fn read(text: &str, file: &Path) -> Result<Self, Error> {
        let tree = DeTable::parse(text).map_err(|e| syntax(&e, text, file))?;
        toml::from_str(text).map_err(|e| {
            let key = e.span().and_then(|span| locate(&tree, &span)).unwrap_or_else(|| "(file)".to_owned());
            Error::Key { file: file.to_owned(), fault: explain(key, e.message()) }
        })
    }
}

fn syntax(error: &toml::de::Error, text: &str, file: &Path) -> Error {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or(text);
    Error::Syntax {
        file: file.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before.chars().rev().take_while(|c| *c != '\n').count() + 1,
        problem: error.message().replace('\n', ", "),
    }
}

/// The dotted path of the key whose name or value stands exactly at `span`; the deepest if there are several.
fn locate(tree: &Spanned<DeTable<'_>>, span: &Range<usize>) -> Option<String> {
    tree.get_ref().iter().find_map(|(key, value)| locate_in(key.get_ref().as_ref(), key.span(), value, span))
}

fn locate_in(path: &str, name: Range<usize>, value: &Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<String> {
    let below = match value.get_ref() {
        DeValue::Table(table) => table
            .iter()
            .find_map(|(key, value)| locate_in(&format!("{path}.{}", key.get_ref()), key.span(), value, span)),
        DeValue::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(n, value)| locate_in(&format!("{path}[{n}]"), value.span(), value, span)),
        _ => None,
    };
    below.or_else(|| (name == *span || value.span() == *span).then(|| path.to_owned()))
}

/// Turns serde's words into a problem and a remedy.
fn explain(key: String, message: &str) -> Fault {
    let mut words = message.split('`').skip(1).step_by(2);
    let unknown = ["unknown field", "unknown variant"].iter().any(|start| message.starts_with(start));
    match (unknown, words.next()) {
        (true, Some(word)) => {
            let known: Vec<&str> = words.collect();
            let what = if message.starts_with("unknown field") { "unknown key" } else { "unknown word" };
            Fault::new(key, format!("{what} {word:?}"), suggest(word, &known))
        }
        _ => {
            let wanted = message.split_once(", expected ").map(|(_, wanted)| format!("write {wanted}"));
            Fault::new(
                key,
                message.replace('\n', ", "),
                wanted.unwrap_or_else(|| "write a value as described".to_owned()),
            )
        }
    }
}

/// Names the nearest known word, or all of them when none is near.
pub(crate) fn suggest(word: &str, known: &[&str]) -> String {
    let near = known.iter().map(|k| (distance(word, k), *k)).min();
    match near {
        Some((far, nearest)) if far <= 2.max(word.chars().count() / 3) => format!("did you mean {nearest:?}?"),
        _ => format!("known here: {}", known.join(", ")),
    }
}

/// Levenshtein's distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
