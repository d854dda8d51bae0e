//! What may pass from one zone to another.

use std::fmt;

use serde::{Deserialize, Serialize};

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
