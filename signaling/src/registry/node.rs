//! The registry of one node: which hearings it knows, and who wants to hear of it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hearing_config::{
    Aor, DeviceId, Endpoint, HearingId, NodeId, Role, SeatId, Template, TemplateSeat, Timestamp, Zone,
};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::HearingHandle;
use super::home::Home;
use crate::access::JoinToken;
use crate::hearing::{Hearing, Kept, Seating, Sitting, Window};
use crate::store::{self, Journal};
use crate::sync::Log;

/// Every hearing that this node knows. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry {
    settings: Arc<Settings>,
    journal: Journal,
    known: Arc<Known>,
    /// Where hearings run, wherever they are begun from: pages may be served by threads that yield to media.
    runtime: Handle,
}

/// What a registry needs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This node.
    pub node: NodeId,
    /// Its zone.
    pub zone: Zone,
    /// What hearings can be made from.
    pub templates: Vec<Template>,
    /// Where the journal lies; must exist.
    pub data: PathBuf,
    /// The address of the page in each zone, such as `https://court.example`.
    pub links: HashMap<Zone, String>,
}

/// A hearing that was just made. The links are shown once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Its id.
    pub id: HearingId,
    /// Its seats, in order of their ids.
    pub seats: Vec<SeatLink>,
}

/// A seat and the link to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatLink {
    /// Its id.
    pub id: SeatId,
    /// Its slug.
    pub name: String,
    /// Its title in Chinese.
    pub title: String,
    /// Its title in English.
    pub title_en: String,
    /// Its role.
    pub role: Role,
    /// Its zone.
    pub zone: Zone,
    /// What stands on it.
    pub endpoint: Endpoint,
    /// The link, with its secret; a terminal has none.
    pub link: Option<String>,
}

/// A hearing that the node knows.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its id.
    pub id: HearingId,
    /// Reaches it.
    pub handle: HearingHandle,
    /// The node at which it is at home; `None`: here.
    pub home: Option<NodeId>,
}

/// What happens to the list of hearings.
#[derive(Debug, Clone)]
pub enum RegistryChange {
    /// A hearing is known from now on.
    Appeared {
        /// Its id.
        id: HearingId,
        /// Reaches it.
        handle: HearingHandle,
        /// The node at which it is at home; `None`: here.
        home: Option<NodeId>,
    },
    /// A hearing is no longer carried: it was sealed, or its home no longer offers it.
    Gone {
        /// Its id.
        id: HearingId,
    },
}

/// Why a registry can't open or a hearing can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] store::Error),
    /// No such template.
    #[error("no template is named {name:?}; known: {known}")]
    UnknownTemplate {
        /// As asked for.
        name: String,
        /// The names of the known templates.
        known: String,
    },
    /// The case number is empty or too long.
    #[error("a case number has 1 to 100 characters")]
    BadCase,
    /// A seat's zone has no page.
    #[error("seat {seat:?} is in zone {zone}, whose page address (web) no [[trunk]] and not this node's [web] names")]
    NoPage {
        /// The seat.
        seat: String,
        /// Its zone.
        zone: Zone,
    },
}

impl Registry {
    /// Opens the journal and brings back every hearing that was at home here.
    ///
    /// # Errors
    /// [`Error::Journal`].
    pub async fn open(settings: Settings) -> Result<Self, Error> {
        let journal = Journal::open(&settings.data).await?;
        let registry =
            Self { settings: Arc::new(settings), journal, known: Arc::default(), runtime: Handle::current() };
        for kept in registry.journal.hearings(SEALED_SHOWN).await? {
            registry.bring_back(kept).await?;
        }
        Ok(registry)
    }

    /// Makes a hearing from a template.
    ///
    /// # Errors
    /// Every [`Error`].
    pub async fn start(&self, case: &str, template: &str) -> Result<Started, Error> {
        self.convene(case, self.template(template)?).await
    }

    /// Makes a hearing in which nobody is rung or invited: where the template has a SIP terminal or a GB/T 28181 device, one stands in
    /// for it that comes by itself; browsers sit where it has cameras.
    ///
    /// # Errors
    /// Every [`Error`].
    pub async fn rehearse(&self, case: &str, template: &str) -> Result<Started, Error> {
        let mut template = self.template(template)?.clone();
        template.seats.iter_mut().for_each(|seat| seat.endpoint = in_rehearsal(&seat.endpoint));
        self.convene(case, &template).await
    }

    async fn convene(&self, case: &str, template: &Template) -> Result<Started, Error> {
        if case.trim().is_empty() || case.chars().count() > CASE_LIMIT {
            return Err(Error::BadCase);
        }
        let (id, window) = (HearingId::random(), Window::day(Timestamp::now()));
        let mut seats = Vec::new();
        let mut links = Vec::new();
        for (seat, number) in template.seats.iter().zip(0..) {
            let token = JoinToken::random();
            let page = self.settings.links.get(&seat.zone);
            let page = page.ok_or_else(|| Error::NoPage { seat: seat.name.clone(), zone: seat.zone.clone() })?;
            let link = || format!("{}/h/{id}#t={}", page.trim_end_matches('/'), token.reveal());
            links.push(seat_link(seat, SeatId(number), (!seat.endpoint.is_terminal()).then(link)));
            seats.push(seating(seat, &token, window));
        }
        let hearing =
            Hearing::new(Sitting { id, case: case.trim().to_owned(), template: template.name.clone(), seats });
        self.journal.write(hearing.kept(), &[]).await?;
        self.run(Home::new(hearing, self.journal.clone(), Vec::new(), Arc::downgrade(&self.known)), id, false);
        Ok(Started { id, seats: links })
    }

    /// Every hearing that is known here, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let state = self.known.state();
        state
            .hearings
            .iter()
            .map(|(id, at)| Listed { id: *id, handle: at.handle.clone(), home: at.home.clone() })
            .collect()
    }

    /// The hearing with this id.
    #[must_use]
    pub fn find(&self, id: HearingId) -> Option<HearingHandle> {
        self.known.state().hearings.get(&id).map(|at| at.handle.clone())
    }

    /// A hearing at home at `home` can be reached from here by `handle`. A hearing at home here is never replaced.
    pub fn adopt(&self, id: HearingId, handle: HearingHandle, home: NodeId) {
        let mut state = self.known.state();
        if state.hearings.get(&id).is_some_and(|at| at.home.is_none()) {
            tracing::warn!(hearing = %id, peer = %home, "peer claims a hearing that is at home here");
            return;
        }
        state.hearings.insert(id, At { handle: handle.clone(), home: Some(home.clone()), sealed: false });
        state.tell(&RegistryChange::Appeared { id, handle, home: Some(home) });
    }

    /// A hearing at home elsewhere can no longer be reached.
    pub fn release(&self, id: HearingId) {
        let mut state = self.known.state();
        if state.hearings.get(&id).is_some_and(|at| at.home.is_some()) {
            state.hearings.remove(&id);
            state.tell(&RegistryChange::Gone { id });
        }
    }

    /// Every hearing that is carried now, and what changes from then on. It ends when the receiver lags by more than its
    /// bound, which is counted; watch again then.
    #[must_use]
    pub fn watch(&self) -> mpsc::Receiver<RegistryChange> {
        let mut state = self.known.state();
        let (sender, receiver) = mpsc::channel(state.hearings.len() + WATCHER_BOUND);
        for (id, at) in state.hearings.iter().filter(|(_, at)| !at.sealed) {
            let appeared = RegistryChange::Appeared { id: *id, handle: at.handle.clone(), home: at.home.clone() };
            sender.try_send(appeared).expect("the channel was made large enough for the present");
        }
        state.watchers.push(sender);
        receiver
    }

    /// The templates that hearings can be made from.
    #[must_use]
    pub fn templates(&self) -> &[Template] {
        &self.settings.templates
    }

    fn template(&self, name: &str) -> Result<&Template, Error> {
        let known = &self.settings.templates;
        known.iter().find(|template| template.name == name).ok_or_else(|| {
            let known = known.iter().map(|template| template.name.as_str()).collect::<Vec<_>>().join(", ");
            Error::UnknownTemplate { name: name.to_owned(), known }
        })
    }

    async fn bring_back(&self, kept: Kept) -> Result<(), Error> {
        let (id, sealed) = (kept.id(), kept.is_sealed());
        let entries = if sealed { Vec::new() } else { self.journal.entries(id, Log::ENTRIES).await? };
        let mut home = Home::new(Hearing::restore(kept), self.journal.clone(), entries, Arc::downgrade(&self.known));
        if !sealed {
            home.restart().await;
        }
        let sealed = home.is_sealed();
        self.run(home, id, sealed);
        Ok(())
    }

    fn run(&self, home: Home, id: HearingId, sealed: bool) {
        let (requests, served) = mpsc::channel(HearingHandle::BOUND);
        let handle = HearingHandle { requests };
        self.runtime.spawn(home.run(served));
        let mut state = self.known.state();
        state.hearings.insert(id, At { handle: handle.clone(), home: None, sealed });
        if !sealed {
            state.tell(&RegistryChange::Appeared { id, handle, home: None });
        }
    }
}

impl Registry {
    /// The journal that it is kept in.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }
}

/// The list, shared with the tasks of the hearings.
#[derive(Debug, Default)]
pub(super) struct Known {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    hearings: BTreeMap<HearingId, At>,
    watchers: Vec<mpsc::Sender<RegistryChange>>,
}

#[derive(Debug)]
struct At {
    handle: HearingHandle,
    home: Option<NodeId>,
    sealed: bool,
}

impl Known {
    /// A hearing's record is final: it can still be shown, but is no longer carried.
    pub(super) fn sealed(&self, id: HearingId) {
        let mut state = self.state();
        if let Some(at) = state.hearings.get_mut(&id)
            && !at.sealed
        {
            at.sealed = true;
            state.tell(&RegistryChange::Gone { id });
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tell(&mut self, change: &RegistryChange) {
        self.watchers.retain(|watcher| match watcher.try_send(change.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                metrics::counter!("hearing_registry_watchers_lagged_total").increment(1);
                false
            }
        });
    }
}

/// What takes the place of an endpoint in a rehearsal: never the same terminal or device, and never one of another rehearsal.
fn in_rehearsal(endpoint: &Endpoint) -> Endpoint {
    let stand_in = || Aor::in_rehearsal(&format!("{:032x}", rand::random::<u128>())).ok();
    match endpoint {
        Endpoint::Sip(_) => stand_in().map_or(Endpoint::Browser, Endpoint::Sip),
        Endpoint::Gb28181(_) => Endpoint::Gb28181(DeviceId::in_rehearsal(rand::random())),
        Endpoint::Browser | Endpoint::Rtsp(_) => Endpoint::Browser,
    }
}

fn seat_link(seat: &TemplateSeat, id: SeatId, link: Option<String>) -> SeatLink {
    SeatLink {
        id,
        name: seat.name.clone(),
        title: seat.title.clone(),
        title_en: seat.title_en.clone(),
        role: seat.role,
        zone: seat.zone.clone(),
        endpoint: seat.endpoint.clone(),
        link,
    }
}

fn seating(seat: &TemplateSeat, token: &JoinToken, valid: Window) -> Seating {
    Seating {
        name: seat.name.clone(),
        title: seat.title.clone(),
        title_en: seat.title_en.clone(),
        role: seat.role,
        zone: seat.zone.clone(),
        endpoint: seat.endpoint.clone(),
        layout: seat.layout,
        required: seat.required.clone(),
        token: token.hash(),
        valid,
    }
}

/// How many sealed hearings are shown after a start; the journal keeps all of them.
const SEALED_SHOWN: u32 = 256;

/// The most changes that wait for one watcher.
const WATCHER_BOUND: usize = 256;

/// The most characters of a case number.
const CASE_LIMIT: usize = 100;
