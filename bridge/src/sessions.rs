//! Media sessions of the API: answers offers, and hangs each session on the router of its hearing.

use std::collections::HashMap;
use std::time::Instant;

use hearing_config::{HearingId, Timestamp, TrackId, Zone};
use hearing_signaling::access::{Grant, SessionId};
use hearing_signaling::http::{MediaRefusal, MediaRequest, Offer};
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::endpoint::webrtc::{Session, Settings};
use crate::router::{Attach, Command, LegId, Place};
use crate::sitting::{Seated, Sittings};

/// Owns every media session of this node's endpoints.
pub struct Sessions {
    settings: Settings,
    zone: Zone,
    sittings: Sittings,
    legs: HashMap<SessionId, (HearingId, LegId)>,
}

impl Sessions {
    /// None yet; `settings` are those of every WebRTC session here.
    #[must_use]
    pub fn new(settings: Settings, zone: Zone, sittings: Sittings) -> Self {
        Self { settings, zone, sittings, legs: HashMap::new() }
    }

    /// Serves requests until the last sender is gone.
    pub async fn run(mut self, mut requests: mpsc::Receiver<MediaRequest>) {
        while let Some(request) = requests.recv().await {
            match request {
                MediaRequest::Offer(grant, offer, reply) => {
                    // The client may have hung up; its session then ends by itself.
                    let _ = reply.send(self.offer(&grant, &offer));
                }
                MediaRequest::Prefer(grant, seat, kind, size) => {
                    let (hearing, track) = (grant.hearing(), TrackId { seat, kind });
                    if let Some(seated) = self.sittings.find(hearing) {
                        seated.worker.tell(Command::Prefer { hearing, seat: grant.seat(), track, size });
                    }
                }
                MediaRequest::End(session) => self.end(session),
            }
        }
    }

    fn offer(&mut self, grant: &Grant, offer: &Offer) -> Result<String, MediaRefusal> {
        let hearing = grant.hearing();
        let seated = self.sittings.find(hearing).ok_or(MediaRefusal::NotAdmitted)?;
        admitted(&seated, grant)?;
        let (session, answer) = Session::answer(
            &self.settings.on(seated.worker.local_addr().port()),
            offer,
            grant.seat(),
            self.zone.clone(),
            Instant::now(),
            Timestamp::now(),
        )?;
        let id = LegId::fresh();
        self.end(grant.session());
        self.legs.insert(grant.session(), (hearing, id));
        let leg = Box::new(session);
        let place = Place::Seat(grant.seat());
        seated.worker.tell(Command::Attach(Attach { hearing, id, place, ufrag: Some(answer.ufrag), leg }));
        info!(hearing = %hearing, seat = %grant.seat(), "media session answered");
        Ok(answer.sdp)
    }

    fn end(&mut self, session: SessionId) {
        let Some((hearing, leg)) = self.legs.remove(&session) else { return };
        if let Some(seated) = self.sittings.find(hearing) {
            seated.worker.tell(Command::Detach { hearing, leg });
        } else {
            warn!(hearing = %hearing, "a media session outlived its hearing");
        }
    }
}

fn admitted(seated: &Seated, grant: &Grant) -> Result<(), MediaRefusal> {
    let plan = seated.plans.borrow();
    match plan.seat(grant.seat()) {
        Some(seat) if seat.admitted => Ok(()),
        _ => Err(MediaRefusal::NotAdmitted),
    }
}
