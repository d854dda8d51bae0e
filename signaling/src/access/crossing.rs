//! The gate's rule: default-deny between zones. Pure; both ends of a trunk ask it.

pub use hearing_config::Crossing;
use hearing_config::{DenyReason, Kind, Role, Verdict, Zone};

/// What the policy says of a track of `role` and `kind` from `origin` that wants to enter `to`. A track stays free within its own zone.
#[must_use]
pub fn decide(policy: &[Crossing], origin: &Zone, to: &Zone, role: Role, kind: Kind) -> Verdict {
    let named = |c: &Crossing| c.from == *origin && c.to == *to && c.roles.contains(&role) && c.kinds.contains(&kind);
    if origin == to || policy.iter().any(named) { Verdict::Inspect } else { Verdict::Deny(DenyReason::NoCrossing) }
}
