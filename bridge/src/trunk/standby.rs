//! Links that wait: a line of several to the same peer carries, the others are ready to. The end that dials decides, and says
//! `Take` over the line that is to carry from now on.

use std::sync::Arc;

use hearing_proto::wire::{Message, Take};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tracing::info;

use super::cause::Cause;
use super::control::{self, Greeted};
use super::event::Event;
use super::peer::Peer;
use super::status::Gauges;
use super::transport;

/// One link that waits. Dropped, its connection is closed.
pub(super) struct Standby {
    number: u64,
    /// The serial number of the peer's certificate.
    serial: Vec<u8>,
    /// Lets it carry; taken when it was told to.
    go: Option<oneshot::Sender<()>>,
    task: AbortHandle,
}

impl Drop for Standby {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    /// Both ends have welcomed each other over a line.
    pub(super) fn stand_by(&mut self, greeted: Greeted) {
        let Some(events) = self.events.upgrade() else { return };
        if self.standbys.len() >= LIMIT {
            self.standbys.remove(0);
        }
        self.next_standby += 1;
        let (number, serial) = (self.next_standby, greeted.serial.clone());
        let (go, going) = oneshot::channel();
        let task = tokio::spawn(wait(number, greeted, going, events, self.gauges.clone())).abort_handle();
        self.standbys.push(Standby { number, serial, go: Some(go), task });
        self.promote();
    }

    /// A link that waited is to carry.
    pub(super) async fn take_over(&mut self, number: u64, greeted: Greeted) {
        self.standbys.retain(|standby| standby.number != number);
        self.begin_link(greeted).await;
        self.gauges.set_standby(self.standbys.len());
    }

    /// A link that waited is over.
    pub(super) fn standby_lost(&mut self, number: u64, cause: &Cause) {
        info!(peer = %self.settings.identity, %cause, "a line that stood by is down");
        self.standbys.retain(|standby| standby.number != number);
        self.promote();
    }

    /// Lets the link that has waited longest carry if none does. Where the peer dials, the peer decides.
    pub(super) fn promote(&mut self) {
        let going = self.standbys.iter().any(|standby| standby.go.is_none());
        if self.settings.dials()
            && self.link.is_none()
            && !going
            && let Some(go) = self.standbys.first_mut().and_then(|standby| standby.go.take())
        {
            // One that has just ended tells so itself.
            let _ = go.send(());
        }
        self.gauges.set_standby(self.standbys.len());
    }

    /// Those whose certificate was revoked go.
    pub(super) fn revoke_standbys(&mut self) {
        let tls = &self.shared.tls;
        self.standbys.retain(|standby| !tls.is_revoked(&standby.serial));
        self.promote();
    }
}

async fn wait(
    number: u64,
    mut greeted: Greeted,
    going: oneshot::Receiver<()>,
    events: mpsc::Sender<Event>,
    gauges: Arc<Gauges>,
) {
    let mut guard = Closing(Some(greeted.connection.clone()));
    let connection = greeted.connection.clone();
    let taken = tokio::select! {
        gone = going, if greeted.opens => match gone {
            Ok(()) => control::say(&mut greeted.send, &Take {}.into()).await,
            Err(_) => Err(Cause::Shutdown),
        },
        said = greeted.receive.next() => match said {
            Ok(Message::Take(_)) if !greeted.opens => Ok(()),
            Ok(_) => Err(Cause::Protocol("something was said over a line that stands by")),
            Err(cause) => Err(cause),
        },
        cause = transport::watch(&connection, &gauges) => Err(cause),
    };
    let event = match taken {
        Ok(()) => {
            guard.0 = None;
            Event::Taken(number, greeted)
        }
        Err(cause) => {
            guard.0 = None;
            control::close(&connection, &cause);
            Event::StandbyLost(number, cause)
        }
    };
    drop(events.send(event).await);
}

/// A standby that is given up is closed, so that the dialler sees it.
struct Closing(Option<quinn::Connection>);

impl Drop for Closing {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            control::close(connection, &Cause::Superseded);
        }
    }
}

/// Links to one peer that wait.
const LIMIT: usize = 4;
