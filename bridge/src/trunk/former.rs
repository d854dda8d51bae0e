//! Hearings of peers that this node has carried: also when one is over here, its home may ask for what entered here and is not in
//! its record. Kept in a small file, because the node may have been restarted meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use hearing_config::{HearingId, NodeId, Role, SeatId, Timestamp, Zone};
use hearing_signaling::hearing::MediaPlan;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tracing::warn;

/// What is known of them. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Former {
    path: PathBuf,
    known: Arc<Mutex<BTreeMap<HearingId, Carried>>>,
    /// The file is written by one at a time.
    writing: Arc<Mutex<()>>,
}

/// What the gate has to know of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Carried {
    home: NodeId,
    /// When it came.
    at: Timestamp,
    /// The seats of this node's zone.
    seats: Vec<(SeatId, Role)>,
}

impl Former {
    /// What `path` holds from before; one that can't be read is begun anew.
    pub(super) fn open(path: PathBuf) -> Self {
        let known = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                warn!(path = %path.display(), %error, "hearings that were carried here before are forgotten");
                BTreeMap::new()
            }),
            Err(_) => BTreeMap::new(),
        };
        Self { path, known: Arc::new(Mutex::new(known)), writing: Arc::default() }
    }

    /// A hearing that is at home at `home` is carried here. The file is written elsewhere: no disk keeps a trunk waiting.
    pub(super) fn note(&self, hearing: HearingId, home: &NodeId, own: &Zone, plan: &MediaPlan) {
        let here = plan.seats.iter().filter(|seat| seat.zone == *own).map(|seat| (seat.id, seat.role));
        let carried = Carried { home: home.clone(), at: Timestamp::now(), seats: here.collect() };
        self.remember(hearing, carried);
        let own = self.clone();
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || own.write())),
            Err(_) => own.write(),
        }
    }

    fn remember(&self, hearing: HearingId, carried: Carried) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(hearing, carried);
        while known.len() > LIMIT
            && let Some(oldest) = known.iter().min_by_key(|(_, carried)| carried.at).map(|(hearing, _)| *hearing)
        {
            known.remove(&oldest);
        }
    }

    /// What is known now, whole or not at all.
    fn write(&self) {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let text = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            serde_json::to_vec(&*known).expect("ids, roles and numbers")
        };
        let next = self.path.with_extension("next");
        if let Err(error) = fs::write(&next, text).and_then(|()| fs::rename(&next, &self.path)) {
            warn!(path = %self.path.display(), %error, "after a restart this node will not know which hearings it carried");
        }
    }

    /// The role of a seat of this zone in a hearing that `home` had here; `None` for anybody else's.
    pub(super) fn role(&self, hearing: HearingId, home: &NodeId, seat: SeatId) -> Option<Role> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let carried = known.get(&hearing).filter(|carried| carried.home == *home)?;
        carried.seats.iter().find(|(id, _)| *id == seat).map(|(_, role)| *role)
    }
}

/// The most hearings that are remembered; the oldest go first.
const LIMIT: usize = 4_096;

#[cfg(test)]
mod tests {
    use hearing_signaling::hearing::{PlannedSeat, RecordOrder};

    use super::*;

    fn plan() -> MediaPlan {
        let seat = |id: u8, role, zone: &str| PlannedSeat {
            id: SeatId(id),
            name: format!("seat-{id}"),
            role,
            zone: zone.parse().unwrap(),
            admitted: true,
            required: Vec::new(),
            terminal: None,
        };
        let seats = vec![seat(0, Role::Judge, "court"), seat(1, Role::Counsel, "inet")];
        MediaPlan { revision: 1, seats, rows: Vec::new(), record: RecordOrder::Off }
    }

    #[test]
    fn only_the_home_of_a_hearing_finds_its_seats_here_also_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("former.json");
        let (hearing, home): (_, NodeId) = (HearingId::random(), "home".parse().unwrap());
        Former::open(path.clone()).note(hearing, &home, &"inet".parse().unwrap(), &plan());
        let former = Former::open(path.clone());
        assert_eq!(former.role(hearing, &home, SeatId(1)), Some(Role::Counsel));
        assert_eq!(former.role(hearing, &home, SeatId(0)), None, "a seat of another zone");
        assert_eq!(former.role(hearing, &"other".parse().unwrap(), SeatId(1)), None, "another node's hearing");
        assert_eq!(former.role(HearingId::random(), &home, SeatId(1)), None);
        fs::write(&path, "{").unwrap();
        assert_eq!(Former::open(path).role(hearing, &home, SeatId(1)), None);
    }
}
