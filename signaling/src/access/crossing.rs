//! The gate's rule: default-deny between zones. Pure; both ends of a trunk ask it.

use hearing_config::{DenyReason, Kind, Role, Verdict, Zone};

/// One allowed way from a zone to another; parsed from a `[[crossing]]`.
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

/// What the policy says of a track of `role` and `kind` from `origin` that wants to enter `to`. A track stays free within its own zone.
#[must_use]
pub fn decide(policy: &[Crossing], origin: &Zone, to: &Zone, role: Role, kind: Kind) -> Verdict {
    let named = |c: &Crossing| c.from == *origin && c.to == *to && c.roles.contains(&role) && c.kinds.contains(&kind);
    if origin == to || policy.iter().any(named) { Verdict::Inspect } else { Verdict::Deny(DenyReason::NoCrossing) }
}
