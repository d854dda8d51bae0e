//! Media sessions of the API: answers offers, and hangs each session on the router of its hearing.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use hearing_config::{HearingId, SeatId, TrackId, Zone};
use hearing_signaling::access::{Grant, SessionId};
use hearing_signaling::http::{MediaRefusal, MediaRequest, Offer};
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::endpoint::webrtc::{Certificate, Session, Settings};
use crate::net::clock::NodeClock;
use crate::router::{Attach, Command, LegId, Place, WorkerHandle};
use crate::sitting::Sittings;

/// Owns every media session of this node's endpoints.
pub(crate) struct Sessions {
    certificate: Certificate,
    advertise: Vec<IpAddr>,
    zone: Zone,
    clock: NodeClock,
    sittings: Sittings,
    /// The last session of each seat of the hearings that sit here.
    legs: HashMap<(HearingId, SeatId), (SessionId, LegId)>,
}

impl Sessions {
    /// None yet; browsers are told the addresses in `advertise` (never empty) and know the node by `certificate`.
    #[must_use]
    pub(crate) fn new(
        certificate: Certificate,
        advertise: Vec<IpAddr>,
        zone: Zone,
        clock: NodeClock,
        sittings: Sittings,
    ) -> Self {
        Self { certificate, advertise, zone, clock, sittings, legs: HashMap::new() }
    }

    /// Serves requests until the last sender is gone.
    pub(crate) async fn run(mut self, mut requests: mpsc::Receiver<MediaRequest>) {
        while let Some(request) = requests.recv().await {
            match request {
                MediaRequest::Offer(grant, offer, reply) => {
                    // A client that hung up meanwhile leaves a session that ends by itself.
                    let _ = reply.send(self.offer(&grant, &offer));
                }
                MediaRequest::Prefer(grant, seat, kind, size) => {
                    let (hearing, track) = (grant.hearing(), TrackId { seat, kind });
                    self.tell(hearing, Command::Prefer { hearing, seat: grant.seat(), track, size });
                }
                MediaRequest::End(session) => self.end(session),
            }
        }
    }

    fn offer(&mut self, grant: &Grant, offer: &Offer) -> Result<String, MediaRefusal> {
        let hearing = grant.hearing();
        let seated = self.sittings.find(hearing).ok_or(MediaRefusal::NotAdmitted)?;
        if !seated.plans.borrow().seat(grant.seat()).is_some_and(|seat| seat.admitted) {
            return Err(MediaRefusal::NotAdmitted);
        }
        let (session, answer) = self.answer(&seated.worker, offer, grant.seat())?;
        let id = LegId::fresh();
        let place = Place::Seat(grant.seat());
        let attach = Attach { hearing, id, place, ufrag: Some(answer.ufrag), leg: Box::new(session) };
        seated.worker.send(Command::Attach(attach)).map_err(|_| MediaRefusal::Full)?;
        self.legs.retain(|(of, _), _| self.sittings.find(*of).is_some());
        self.legs.insert((hearing, grant.seat()), (grant.session(), id));
        info!(hearing = %hearing, seat = %grant.seat(), "media session answered");
        Ok(answer.sdp)
    }

    fn answer(
        &self,
        worker: &WorkerHandle,
        offer: &Offer,
        seat: SeatId,
    ) -> Result<(Session, crate::endpoint::webrtc::Answer), MediaRefusal> {
        let port = worker.local_addr().port();
        let addresses = self.advertise.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        let settings = Settings { addresses, certificate: self.certificate.clone() };
        let now = Instant::now();
        Session::answer(&settings, offer, seat, self.zone.clone(), now, self.clock.at(now))
    }

    /// A session that is not the last of its seat has been replaced on the router already.
    fn end(&mut self, session: SessionId) {
        let found = self.legs.iter().find(|(_, (of, _))| *of == session).map(|(place, (_, leg))| (*place, *leg));
        if let Some((place, leg)) = found {
            self.legs.remove(&place);
            self.tell(place.0, Command::Detach { hearing: place.0, leg });
        }
    }

    /// A hearing that is gone has taken its legs along.
    fn tell(&self, hearing: HearingId, command: Command) {
        if let Some(seated) = self.sittings.find(hearing)
            && let Err(full) = seated.worker.send(command)
        {
            warn!(hearing = %hearing, %full, "command lost");
        }
    }
}
