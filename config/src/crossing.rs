//! What may pass from one zone to another, and what the gate says of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Fault;
use crate::media::Kind;
use crate::raw;
use crate::read::{repeated, required};
use crate::seat::Role;
use crate::zone::Zone;

/// One allowed way from a zone to another. What no crossing names does not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    /// The origin zone of the track.
    pub from: Zone,
    /// The zone it may enter.
    pub to: Zone,
    /// The roles whose tracks may pass.
    pub roles: Vec<Role>,
    /// The kinds that may pass.
    pub kinds: Vec<Kind>,
}

impl Crossing {
    pub(crate) fn parse(raw: raw::Crossing, n: usize) -> Result<Self, Fault> {
        let key = |name: &str| format!("crossing[{n}].{name}");
        let from = required(raw.from, &key("from"), "name the zone in which the tracks begin")?;
        let to = required(raw.to, &key("to"), "name the zone that they may enter")?;
        if from == to {
            let problem = format!("goes from {from} to {to}; within a zone everything passes anyway");
            return Err(Fault::new(key("to"), problem, "name another zone, or remove this crossing"));
        }
        let roles =
            words(raw.roles, &key("roles"), "list the roles whose tracks may pass, such as [\"judge\", \"clerk\"]")?;
        let kinds = words(raw.kinds, &key("kinds"), "list what may pass: \"audio\", \"video\", \"screen\"")?;
        Ok(Self { from, to, roles, kinds })
    }
}

fn words<T: PartialEq>(list: Option<Vec<T>>, key: &str, remedy: &str) -> Result<Vec<T>, Fault> {
    let list = required(list, key, remedy)?;
    if list.is_empty() {
        return Err(Fault::new(key, "is empty", remedy));
    }
    match repeated(&list) {
        Some(n) => Err(Fault::new(format!("{key}[{n}]"), "stands there twice", "remove one of the two")),
        None => Ok(list),
    }
}

/// What the gate says of one track that wants to go from its origin zone to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It does not pass.
    Deny(DenyReason),
    /// It passes as coded; its framing is inspected and rebuilt, its headers are not carried over.
    Inspect,
}

/// Why the gate lets something not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DenyReason {
    /// No `[[crossing]]` names this origin, destination, role and kind.
    NoCrossing,
    /// The peer may not vouch for tracks of this origin zone.
    NotVouched,
    /// No seat of the destination zone may see or hear it now.
    Inaudible,
}

impl fmt::Display for DenyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCrossing => "no_crossing",
            Self::NotVouched => "not_vouched",
            Self::Inaudible => "inaudible",
        })
    }
}
