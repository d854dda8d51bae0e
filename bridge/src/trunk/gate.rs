//! Trunk gate: no track passes that zone policy does not allow. Both ends ask it; every verdict is logged, counted and kept.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use hearing_config::{Crossing, DenyReason, HearingId, Role, Timestamp, TrackId, Verdict, Zone};
use hearing_signaling::access::crossing::decide;
use hearing_signaling::hearing::MediaPlan;
use tokio::sync::broadcast;
use tracing::{info, warn};

use crate::router::TrackInfo;

/// What a gate said of one track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrossingVerdict {
    /// The hearing.
    pub hearing: HearingId,
    /// The track.
    pub track: TrackId,
    /// The publishing seat's role by the plan; `None` when the plan has no such seat.
    pub role: Option<Role>,
    /// The zone where the track entered the hearing.
    pub from: Zone,
    /// The zone that it wanted to enter.
    pub to: Zone,
    /// Whether it may.
    pub verdict: Verdict,
    /// Whose gate said so.
    pub gate: GateSide,
    /// When.
    pub at: Timestamp,
}

/// Whose gate it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateSide {
    /// This node's, on the way out.
    Egress,
    /// This node's, on the way in.
    Ingress,
    /// The peer's, on its way out to here.
    PeerEgress,
    /// The peer's, on the way in there.
    PeerIngress,
}

/// This node's rules, and what became of them.
#[derive(Debug)]
pub(super) struct Gate {
    own: Zone,
    policy: Vec<Crossing>,
    kept: Mutex<VecDeque<CrossingVerdict>>,
    /// Who wants to hear of each; nobody may.
    told: broadcast::Sender<CrossingVerdict>,
}

impl Gate {
    pub(super) fn new(own: Zone, policy: Vec<Crossing>) -> Self {
        Self { own, policy, kept: Mutex::new(VecDeque::new()), told: broadcast::Sender::new(KEPT_LIMIT) }
    }

    /// Every verdict from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<CrossingVerdict> {
        self.told.subscribe()
    }

    /// Whether a track may leave for `to`.
    pub(super) fn egress(&self, plan: &MediaPlan, info: &TrackInfo, to: &Zone) -> Verdict {
        match plan.seat(info.id.seat) {
            Some(seat) if seat.zone == info.origin => decide(&self.policy, &info.origin, to, seat.role, info.id.kind),
            Some(_) | None => Verdict::Deny(DenyReason::NotVouched),
        }
    }

    /// Whether a track of a peer may come in: the peer vouches for its origin, the origin is the seat's zone, and a
    /// crossing allows it.
    pub(super) fn ingress(&self, plan: &MediaPlan, info: &TrackInfo, vouches: &[Zone]) -> Verdict {
        if !vouches.contains(&info.origin) {
            return Verdict::Deny(DenyReason::NotVouched);
        }
        self.egress(plan, info, &self.own)
    }

    /// Whether a track of a hearing that has no plan any more may go from `origin` to `to`.
    pub(super) fn lets(&self, origin: &Zone, to: &Zone, role: Role, track: TrackId) -> bool {
        decide(&self.policy, origin, to, role, track.kind) == Verdict::Inspect
    }

    /// Logs, counts and keeps a verdict; one that is kept already is replaced.
    pub(super) fn note(&self, verdict: CrossingVerdict) {
        log(&verdict);
        // Nobody may be listening.
        _ = self.told.send(verdict.clone());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |old: &CrossingVerdict| {
            (old.hearing, old.track, &old.from, &old.to, old.gate)
                == (verdict.hearing, verdict.track, &verdict.from, &verdict.to, verdict.gate)
        };
        kept.retain(|old| !same(old));
        if kept.len() >= KEPT_LIMIT {
            kept.pop_front();
        }
        kept.push_back(verdict);
    }

    /// The verdicts that are kept, oldest first.
    pub(super) fn verdicts(&self) -> Vec<CrossingVerdict> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

fn log(v: &CrossingVerdict) {
    let role = v.role.map_or("unknown", Role::as_str);
    let (kind, gate) = (v.track.kind.as_str(), v.gate.as_str());
    let word = match v.verdict {
        Verdict::Inspect => {
            info!(hearing = %v.hearing, track = %v.track, from = %v.from, to = %v.to, role, gate, "crossing allowed");
            "inspect"
        }
        Verdict::Deny(reason) => {
            warn!(hearing = %v.hearing, track = %v.track, from = %v.from, to = %v.to, role, gate, %reason, "crossing denied");
            "deny"
        }
    };
    metrics::counter!("hearing_crossings_total", "verdict" => word, "gate" => gate, "kind" => kind,
        "from" => v.from.to_string(), "to" => v.to.to_string())
    .increment(1);
}

impl GateSide {
    /// The word for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Egress => "egress",
            Self::Ingress => "ingress",
            Self::PeerEgress => "peer_egress",
            Self::PeerIngress => "peer_ingress",
        }
    }
}

/// Verdicts that are kept; the oldest go first.
const KEPT_LIMIT: usize = 1_024;

#[cfg(test)]
mod tests {
    use hearing_config::{Codec, Kind, SeatId};
    use hearing_signaling::hearing::{PlannedSeat, RecordOrder};

    use super::*;
    use crate::router::LayerSet;

    fn zone(name: &str) -> Zone {
        name.parse().unwrap()
    }

    fn gate() -> Gate {
        let crossing = |from: &str, to: &str, roles: &[Role]| Crossing {
            from: zone(from),
            to: zone(to),
            roles: roles.to_vec(),
            kinds: vec![Kind::Audio],
        };
        Gate::new(
            zone("court"),
            vec![crossing("inet", "court", &[Role::Counsel]), crossing("court", "inet", &Role::ALL)],
        )
    }

    fn plan() -> MediaPlan {
        let seat = |(id, role, at): (u8, Role, &str)| PlannedSeat {
            id: SeatId(id),
            name: format!("s{id}"),
            role,
            zone: zone(at),
            admitted: true,
            required: Vec::new(),
            terminal: None,
        };
        let seats = [(0, Role::Judge, "court"), (1, Role::Counsel, "inet"), (2, Role::Party, "inet")];
        MediaPlan { revision: 1, seats: seats.map(seat).into(), rows: Vec::new(), record: RecordOrder::Off }
    }

    fn track(seat: u8, kind: Kind, origin: &str) -> TrackInfo {
        let id = TrackId { seat: SeatId(seat), kind };
        TrackInfo { id, codec: Codec::Opus, origin: zone(origin), layers: LayerSet(1) }
    }

    #[test]
    fn only_what_a_crossing_names_passes_either_way() {
        let (gate, plan, vouches) = (gate(), plan(), [zone("inet")]);
        let none = Verdict::Deny(DenyReason::NoCrossing);
        assert_eq!(gate.ingress(&plan, &track(1, Kind::Audio, "inet"), &vouches), Verdict::Inspect);
        assert_eq!(gate.ingress(&plan, &track(1, Kind::Video, "inet"), &vouches), none);
        assert_eq!(gate.ingress(&plan, &track(2, Kind::Audio, "inet"), &vouches), none);
        assert_eq!(gate.egress(&plan, &track(0, Kind::Audio, "court"), &zone("inet")), Verdict::Inspect);
        assert_eq!(gate.egress(&plan, &track(0, Kind::Audio, "court"), &zone("gov")), none);
    }

    #[test]
    fn a_peer_cannot_vouch_for_an_origin_it_was_not_given_nor_for_one_that_is_not_the_seats() {
        let (gate, plan) = (gate(), plan());
        let not = Verdict::Deny(DenyReason::NotVouched);
        assert_eq!(gate.ingress(&plan, &track(1, Kind::Audio, "inet"), &[zone("gov")]), not);
        assert_eq!(gate.ingress(&plan, &track(0, Kind::Audio, "inet"), &[zone("inet")]), not);
        assert_eq!(gate.ingress(&plan, &track(9, Kind::Audio, "inet"), &[zone("inet")]), not);
    }

    #[test]
    fn the_list_of_verdicts_is_bounded_and_keeps_the_last_word_of_each() {
        let gate = gate();
        let verdict = |n: u128, verdict| CrossingVerdict {
            hearing: HearingId(uuid::Uuid::from_u128(n)),
            track: TrackId { seat: SeatId(0), kind: Kind::Audio },
            role: None,
            from: zone("a"),
            to: zone("b"),
            verdict,
            gate: GateSide::Egress,
            at: Timestamp(0),
        };
        for n in 0..2_000 {
            gate.note(verdict(n, Verdict::Inspect));
        }
        gate.note(verdict(1_999, Verdict::Deny(DenyReason::NoCrossing)));
        let kept = gate.verdicts();
        assert_eq!(kept.len(), KEPT_LIMIT);
        assert_eq!(kept.last().map(|v| &v.verdict), Some(&Verdict::Deny(DenyReason::NoCrossing)));
    }
}
