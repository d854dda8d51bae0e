//! Media sessions of the API: answers offers, and hangs each session on the router of its hearing.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hearing_config::{HearingId, SeatId, TrackId, Zone};
use hearing_signaling::access::{Grant, SessionId};
use hearing_signaling::http::{MediaRefusal, MediaRequest, Offer};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use crate::endpoint::webrtc::{Answer, Certificate, Restartable, Session, Settings};
use crate::net::clock::NodeClock;
use crate::router::{self, Attach, Command, LegId, Place, WorkerHandle};
use crate::sitting::{Seated, Sittings};

/// Owns every media session of this node's endpoints.
pub(crate) struct Sessions {
    certificate: Certificate,
    advertise: Advertise,
    zone: Zone,
    clock: NodeClock,
    sittings: Sittings,
    /// The last session of each seat of the hearings that sit here.
    legs: HashMap<(HearingId, SeatId), Hung>,
}

/// What browsers are told of where media is.
pub(crate) struct Advertise {
    /// Addresses of the workers' UDP ports; never empty.
    pub(crate) udp: Vec<IpAddr>,
    /// Where TCP is taken, if it is.
    pub(crate) tcp: Vec<SocketAddr>,
}

/// A session's leg.
struct Hung {
    session: SessionId,
    leg: LegId,
    restartable: Restartable,
    /// Where it lives: the worker that owns the hearing, or another one.
    worker: WorkerHandle,
}

impl Sessions {
    /// None yet; browsers are told the addresses in `advertise` and know the node by `certificate`.
    #[must_use]
    pub(crate) fn new(
        certificate: Certificate,
        advertise: Advertise,
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
                MediaRequest::Restart(grant, sdp, reply) => _ = reply.send(self.restart(&grant, &sdp).await),
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
        self.legs.retain(|(of, _), _| self.sittings.find(*of).is_some());
        let place = (hearing, grant.seat());
        // Whoever comes again leaves the place he has.
        let others = |worker: &WorkerHandle| {
            let of =
                |(at, hung): &(&(HearingId, SeatId), &Hung)| at.0 == hearing && **at != place && hung.worker.is(worker);
            self.legs.iter().filter(of).count()
        };
        let at = self.sittings.workers().for_session(&seated.worker, others);
        let (sdp, hung) = match self.hang(&seated, &at, grant, offer) {
            Err(MediaRefusal::Full) if !at.is(&seated.worker) => self.hang(&seated, &seated.worker, grant, offer)?,
            hung => hung?,
        };
        self.legs.insert(place, hung);
        info!(hearing = %hearing, seat = %grant.seat(), "media session answered");
        Ok(sdp)
    }

    /// A new session, living on the worker `at`, on the router of the hearing.
    fn hang(
        &self,
        seated: &Seated,
        at: &WorkerHandle,
        grant: &Grant,
        offer: &Offer,
    ) -> Result<(String, Hung), MediaRefusal> {
        let (session, answer, restartable) = self.answer(at, offer, grant.seat())?;
        let id = LegId::fresh();
        let (hearing, place) = (grant.hearing(), Place::Seat(grant.seat()));
        let attach = Attach { hearing, id, place, ufrag: Some(answer.ufrag), leg: Box::new(session) };
        router::attach(attach, &seated.worker, at).map_err(|_| MediaRefusal::Full)?;
        Ok((answer.sdp, Hung { session: grant.session(), leg: id, restartable, worker: at.clone() }))
    }

    /// The client's network has changed: new credentials for the leg that is there.
    async fn restart(&mut self, grant: &Grant, sdp: &str) -> Result<String, MediaRefusal> {
        self.sittings.find(grant.hearing()).ok_or(MediaRefusal::NotAdmitted)?;
        let place = (grant.hearing(), grant.seat());
        let hung = self.legs.get(&place).filter(|hung| hung.session == grant.session());
        let hung = hung.ok_or(MediaRefusal::CannotRestart)?;
        let (answer, restart) = hung.restartable.restart(&self.settings(&hung.worker), sdp)?;
        let (reply, there) = oneshot::channel();
        let command = Command::Restart { hearing: grant.hearing(), leg: hung.leg, restart, reply };
        hung.worker.send(command).map_err(|_| MediaRefusal::Full)?;
        match tokio::time::timeout(WORKER_LIMIT, there).await {
            Ok(Ok(true)) => Ok(answer.sdp),
            Ok(Ok(false) | Err(_)) => {
                self.legs.remove(&place);
                Err(MediaRefusal::CannotRestart)
            }
            Err(_) => Err(MediaRefusal::Full),
        }
    }

    fn answer(
        &self,
        worker: &WorkerHandle,
        offer: &Offer,
        seat: SeatId,
    ) -> Result<(Session, Answer, Restartable), MediaRefusal> {
        let now = Instant::now();
        Session::answer(&self.settings(worker), offer, seat, self.zone.clone(), now, self.clock.at(now))
    }

    fn settings(&self, worker: &WorkerHandle) -> Settings {
        let port = worker.local_addr().port();
        let addresses = self.advertise.udp.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        Settings { addresses, tcp: self.advertise.tcp.clone(), certificate: self.certificate.clone() }
    }

    /// A session that is not the last of its seat has been replaced on the router already.
    fn end(&mut self, session: SessionId) {
        let found = self.legs.iter().find(|(_, hung)| hung.session == session).map(|(place, hung)| (*place, hung.leg));
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

/// How long a worker may take to take a restart; it does so in its next round.
const WORKER_LIMIT: Duration = Duration::from_millis(500);
