//! Whether what a rehearsal found is as it should be: every seat has what the plan lets it have, and nothing else. Pure.

use std::collections::{BTreeMap, BTreeSet};

use hearing_config::{Crossing, DenyReason, EndpointKind, HearingId, Kind, SeatId, TrackId, Verdict, Zone};
use hearing_proto::wire::{RehearsePair, RehearseReport, Tone};
use hearing_signaling::access::crossing;
use hearing_signaling::hearing::MediaPlan;
use hearing_signaling::registry::SeatLink;

use super::report::{Pair, RecordCheck, Report, Seat, Way};
use crate::trunk::CrossingVerdict;

/// All that the report is made of.
pub(super) struct Findings<'a> {
    pub(super) hearing: HearingId,
    pub(super) start_ms: u64,
    pub(super) links: &'a [SeatLink],
    pub(super) plan: &'a MediaPlan,
    pub(super) found: &'a RehearseReport,
    pub(super) policy: &'a [Crossing],
    pub(super) verdicts: &'a [CrossingVerdict],
    pub(super) record: Option<RecordCheck>,
    pub(super) faults: Vec<String>,
}

impl Findings<'_> {
    /// Lays what was found against what the plan says.
    pub(super) fn judge(self) -> Report {
        let mut faults = self.faults.clone();
        faults.extend(self.seat_faults());
        faults.extend(self.pair_faults());
        Report {
            ok: faults.is_empty(),
            hearing: self.hearing,
            start_ms: self.start_ms,
            seats: self.seats(),
            pairs: self.found.pairs.iter().filter(|pair| self.knows(pair)).map(|pair| self.pair(pair)).collect(),
            crossings: self.ways(),
            record: self.record,
            faults,
        }
    }

    fn seats(&self) -> Vec<Seat> {
        let seat = |link: &SeatLink| {
            let found = self.found.seats.iter().find(|seat| seat.seat == link.id.0);
            Seat {
                name: link.name.clone(),
                role: link.role,
                zone: link.zone.clone(),
                endpoint: link.endpoint.kind().to_string(),
                joined_ms: found.and_then(|seat| seat.joined_ms),
                first_frame_ms: found.and_then(|seat| seat.first_frame_ms),
            }
        };
        self.links.iter().map(seat).collect()
    }

    fn pair(&self, pair: &RehearsePair) -> Pair {
        let millis = |micros: Option<u32>| micros.map(|micros| f64::from(micros / 100) / 10.0);
        Pair {
            from: self.name(pair.from),
            to: self.name(pair.to),
            frames: pair.frames,
            lost: pair.lost,
            tone: pair.tone == Tone::Heard,
            latency_ms_p50: millis(pair.latency_p50_us),
            latency_ms_p99: millis(pair.latency_p99_us),
        }
    }

    /// Of a mix a tone may ring that is no seat's.
    fn knows(&self, pair: &RehearsePair) -> bool {
        [pair.from, pair.to].iter().all(|seat| self.links.iter().any(|link| link.id == SeatId(*seat)))
    }

    fn seat_faults(&self) -> Vec<String> {
        let fault = |link: &SeatLink| match self.found.seats.iter().find(|seat| seat.seat == link.id.0) {
            None => Some(format!("{}: no participant took the seat", link.name)),
            Some(seat) => seat.fault.as_ref().map(|fault| format!("{}: {fault}", link.name)),
        };
        self.links.iter().filter_map(fault).collect()
    }

    /// What should have arrived and did not, or arrived and should not have. Between zones the way is named, once.
    fn pair_faults(&self) -> Vec<String> {
        let mut faults: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (from, to) in self.links.iter().flat_map(|from| self.links.iter().map(move |to| (from, to))) {
            if from.id == to.id {
                continue;
            }
            let pair = self.found.pairs.iter().find(|pair| pair.from == from.id.0 && pair.to == to.id.0);
            for (kind, what) in [(Kind::Video, picture(pair)), (Kind::Audio, sound(pair))] {
                let allowed = self.plan.audience(TrackId { seat: from.id, kind }).contains(to.id);
                let expected = allowed && takes(to, kind);
                let fault = match (expected, what) {
                    (true, What::Right) | (false, What::Nothing) => continue,
                    (true, What::Nothing) => self.broken(from, to, kind),
                    (_, What::Wrong) => format!("{kind} of {} is not {}'s own", from.name, from.name),
                    (false, What::Right) => format!("{kind} of {} reaches seats that must not have it", from.name),
                };
                faults.entry(fault).or_default().push(format!("{} -> {}", from.name, to.name));
            }
        }
        faults.into_iter().map(|(fault, pairs)| format!("{fault} ({})", pairs.join(", "))).collect()
    }

    fn broken(&self, from: &SeatLink, to: &SeatLink, kind: Kind) -> String {
        if from.zone == to.zone {
            return format!("{kind} of {} does not arrive within zone {}", from.name, from.zone);
        }
        let why = match self.verdict(from, &to.zone, kind) {
            Some(Verdict::Deny(reason)) => format!("denied here: {reason}"),
            Some(Verdict::Inspect) => "allowed here; does the peer's configuration allow it?".to_owned(),
            None => "the gates here never saw it".to_owned(),
        };
        format!("crossing {} -> {} is broken for {kind} of role {}: {why}", from.zone, to.zone, from.role)
    }

    /// What the gates here said, or would say: a track between two edges crosses the home's zone twice.
    fn verdict(&self, from: &SeatLink, to: &Zone, kind: Kind) -> Option<Verdict> {
        if crossing::decide(self.policy, &from.zone, to, from.role, kind) != Verdict::Inspect {
            return Some(Verdict::Deny(DenyReason::NoCrossing));
        }
        let track = TrackId { seat: from.id, kind };
        let said =
            |verdict: &&CrossingVerdict| verdict.hearing == self.hearing && verdict.track == track && verdict.to == *to;
        self.verdicts.iter().rfind(said).map(|verdict| verdict.verdict.clone())
    }

    fn ways(&self) -> Vec<Way> {
        let here = self.verdicts.iter().filter(|verdict| verdict.hearing == self.hearing);
        let way = |verdict: &CrossingVerdict| {
            Some(Way {
                from: verdict.from.to_string(),
                to: verdict.to.to_string(),
                kind: verdict.track.kind,
                role: verdict.role?,
                verdict: match &verdict.verdict {
                    Verdict::Inspect => "inspect".to_owned(),
                    Verdict::Deny(reason) => format!("deny: {reason}"),
                },
            })
        };
        here.filter_map(way).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn name(&self, seat: u8) -> String {
        let named = self.links.iter().find(|link| link.id == SeatId(seat));
        named.map_or_else(|| seat.to_string(), |link| link.name.clone())
    }
}

/// A GB/T 28181 device has a loudspeaker and no screen.
fn takes(to: &SeatLink, kind: Kind) -> bool {
    kind == Kind::Audio || to.endpoint.kind() != EndpointKind::Gb28181
}

/// What arrived of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Nothing,
    Right,
    Wrong,
}

fn picture(pair: Option<&RehearsePair>) -> What {
    if pair.is_some_and(|pair| pair.frames > 0) { What::Right } else { What::Nothing }
}

fn sound(pair: Option<&RehearsePair>) -> What {
    match pair.map(|pair| pair.tone) {
        Some(Tone::Heard) => What::Right,
        Some(Tone::Wrong) => What::Wrong,
        Some(Tone::Silent) | None => What::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use hearing_config::{Endpoint, Role};
    use hearing_proto::wire::RehearsedSeat;
    use hearing_signaling::hearing::{PlannedSeat, RecordOrder, Row, SeatSet};

    use super::*;

    fn zone(name: &str) -> Zone {
        name.parse().unwrap()
    }

    fn link(id: u8, name: &str, role: Role, at: &str) -> SeatLink {
        let (name, at) = (name.to_owned(), zone(at));
        let (title, title_en, endpoint, link) = (name.clone(), name.clone(), Endpoint::Browser, None);
        SeatLink { id: SeatId(id), name, title, title_en, role, zone: at, endpoint, link }
    }

    fn links() -> Vec<SeatLink> {
        vec![
            link(0, "judge", Role::Judge, "tripartite"),
            link(1, "counsel", Role::Counsel, "internet"),
            link(2, "witness", Role::Witness, "internet"),
        ]
    }

    /// Judge and counsel see and hear each other; nobody the witness, who waits apart.
    fn plan() -> MediaPlan {
        let row = |from: u8, to: u8, kind| {
            let mut audience = SeatSet::EMPTY;
            audience.insert(SeatId(to));
            Row { track: TrackId { seat: SeatId(from), kind }, audience, recorded: true }
        };
        let both = |from, to| [row(from, to, Kind::Audio), row(from, to, Kind::Video)];
        let rows = [both(0, 1), both(1, 0)].concat();
        MediaPlan { revision: 1, seats: Vec::<PlannedSeat>::new(), rows, record: RecordOrder::Run }
    }

    fn pair(from: u8, to: u8) -> RehearsePair {
        let latency = Some(31_250);
        RehearsePair {
            from,
            to,
            frames: 90,
            lost: 0,
            tone: Tone::Heard,
            latency_p50_us: latency,
            latency_p99_us: latency,
        }
    }

    fn found(pairs: Vec<RehearsePair>) -> RehearseReport {
        let seat = |seat| RehearsedSeat { seat, joined_ms: Some(5), first_frame_ms: Some(200), fault: None };
        RehearseReport { seats: (0..3).map(seat).collect(), pairs }
    }

    fn judge(found: &RehearseReport, policy: &[Crossing]) -> Report {
        judge_of(&links(), found, policy)
    }

    fn judge_of(links: &[SeatLink], found: &RehearseReport, policy: &[Crossing]) -> Report {
        let (plan, hearing) = (plan(), HearingId::random());
        let (start_ms, plan, verdicts, record, faults) = (3, &plan, &[], None, Vec::new());
        Findings { hearing, start_ms, links, plan, found, policy, verdicts, record, faults }.judge()
    }

    fn policy() -> Vec<Crossing> {
        let way = |from, to| Crossing {
            from: zone(from),
            to: zone(to),
            roles: Role::ALL.to_vec(),
            kinds: vec![Kind::Audio, Kind::Video],
        };
        vec![way("internet", "tripartite"), way("tripartite", "internet")]
    }

    #[test]
    fn a_rehearsal_in_which_everybody_has_what_the_plan_says_is_well() {
        let report = judge(&found(vec![pair(0, 1), pair(1, 0)]), &policy());
        assert!(report.ok, "{:?}", report.faults);
        assert_eq!((report.pairs[0].from.as_str(), report.pairs[0].latency_ms_p50), ("judge", Some(31.2)));
    }

    #[test]
    fn a_crossing_that_is_not_configured_fails_it_and_is_named() {
        let report = judge(&found(vec![pair(0, 1)]), &policy()[1..]);
        assert!(!report.ok);
        let named = "crossing internet -> tripartite is broken for video of role counsel: denied here: no_crossing (counsel -> judge)";
        assert!(report.faults.contains(&named.to_owned()), "{:?}", report.faults);
    }

    #[test]
    fn a_witness_who_hears_before_being_called_fails_it() {
        let report = judge(&found(vec![pair(0, 1), pair(1, 0), pair(0, 2)]), &policy());
        assert!(
            report.faults.iter().any(|fault| fault.contains("must not have it (judge -> witness)")),
            "{:?}",
            report.faults
        );
    }

    #[test]
    fn a_foreign_tone_fails_it() {
        let wrong = RehearsePair { tone: Tone::Wrong, ..pair(1, 0) };
        let report = judge(&found(vec![pair(0, 1), wrong]), &policy());
        assert_eq!(report.faults, ["audio of counsel is not counsel's own (counsel -> judge)"]);
    }

    #[test]
    fn a_terminal_that_does_not_hear_somebody_fails_it_and_a_tone_of_no_seat_is_nobodys() {
        let mut links = links();
        links[0].endpoint = Endpoint::Sip("sip:rehearsal-1f@rehearsal.invalid".to_owned().try_into().unwrap());
        let unheard = RehearsePair { tone: Tone::Silent, ..pair(1, 0) };
        let ghost = RehearsePair { frames: 0, ..pair(9, 0) };
        let report = judge_of(&links, &found(vec![pair(0, 1), unheard, ghost]), &policy());
        assert_eq!((report.seats[0].endpoint.as_str(), report.pairs.len()), ("sip", 2));
        let named = "crossing internet -> tripartite is broken for audio of role counsel: the gates here never saw it (counsel -> judge)";
        assert_eq!(report.faults, [named]);
    }

    #[test]
    fn a_device_is_asked_for_sound_alone_and_for_no_picture() {
        let mut links = links();
        links[1].endpoint = Endpoint::Gb28181("99000000001320000007".to_owned().try_into().unwrap());
        let deaf = RehearsePair { frames: 0, tone: Tone::Silent, ..pair(0, 1) };
        let report = |to_device| judge_of(&links, &found(vec![to_device, pair(1, 0)]), &policy());
        let well = report(RehearsePair { tone: Tone::Heard, ..deaf });
        assert!(well.ok, "{:?}", well.faults);
        let named = "crossing tripartite -> internet is broken for audio of role judge: the gates here never saw it (judge -> counsel)";
        assert_eq!(report(deaf).faults, [named]);
    }

    #[test]
    fn a_seat_that_nobody_took_fails_it() {
        let mut found = found(vec![pair(0, 1), pair(1, 0)]);
        found.seats.pop();
        assert_eq!(judge(&found, &policy()).faults, ["witness: no participant took the seat"]);
    }
}
