//! One node: every start-up step, in order, once.

mod error;
mod settings;

use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hearing_config::Config;
use hearing_signaling::http::{self, App, Demands, TrunkView};
use hearing_signaling::registry::{Registry, RegistryChange};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::admin::{self, Admin};
use crate::background::Background;
use crate::endpoint::gb28181::Gb28181;
use crate::endpoint::rtsp::Way;
use crate::endpoint::sip::Sip;
use crate::endpoint::terminal::{Cards, Feeds, Through, Tried};
use crate::endpoint::webrtc::Certificate;
use crate::late;
use crate::net::clock::NodeClock;
use crate::net::http::{Listener, Media, bind_unix};
use crate::net::tls::{self, TrunkTls};
use crate::pipeline::Program;
use crate::pipeline::card::Card;
use crate::pipeline::desk::Desks;
use crate::playback::{self, Playback};
use crate::record::spool::Spool;
use crate::record::{Recorder, keep};
use crate::rehearsal::{self, Rehearsals, Station};
use crate::sessions::{Advertise, Sessions};
use crate::sitting::{Parts, Sittings};
use crate::terminals::{self, Terminals};
use crate::trunk::{TrunkStatus, Trunks};
use crate::workers::Workers;

pub use error::Error;
use settings::{keeping, read_turn, record_settings, registry_settings, second_store, spool_settings, trunk_settings};

/// Runs a node until it is told to stop (SIGINT or SIGTERM).
///
/// # Errors
/// The first step of the start-up that fails, naming the configuration key it is about; or a part that ended by itself.
pub async fn run(config: Config) -> Result<(), Error> {
    let stop = stop_signal()?;
    let config = Arc::new(config);
    let mut node = Node::start(&config).await?;
    info!(node = %config.node.id, zone = %config.node.zone, "node is up");
    tokio::select! {
        ended = node.tasks.join_next() => Err(ended_by_itself(ended)),
        () = stop => node.stop().await,
    }
}

/// A node whose every part runs.
struct Node {
    recorder: Recorder,
    tasks: JoinSet<Result<(), Error>>,
    _background: Background,
}

impl Node {
    /// Starts every part in order; each relies only on those before it.
    async fn start(config: &Arc<Config>) -> Result<Self, Error> {
        let metrics = admin::install_metrics().map_err(|_| Error::Twice)?;
        private_directory(&config.node.data, "node.data")?;
        let doors = Doors::bind(config)?;
        let tls = TrunkTls::load(&config.pki)?;
        let recorder = Recorder::start(record_settings(config, &tls))?;
        let registry = Registry::open(registry_settings(config)).await?;
        let workers = Workers::spawn(config.media.bind, config.media.workers)?;
        let (clock, demands) = (NodeClock::begin(), Demands::default());
        let (trunks, asked) = Trunks::start(trunk_settings(config, clock), tls, registry.clone())?;
        let spool = Spool::start(spool_settings(config)).map_err(Error::Spool)?;
        let desks = desks(config);
        let terminals = terminals(config, clock, (feeds(desks.clone()), cards(desks.clone()))).await?;
        let parts = Parts {
            zone: config.node.zone.clone(),
            workers: workers.clone(),
            trunks: trunks.clone(),
            recorder: recorder.clone(),
            spool: spool.clone(),
            demands: demands.clone(),
            clock,
            desks,
            terminals: terminals.clone(),
        };
        let sittings = Sittings::new(parts);
        let (media, requests) = mpsc::channel(MEDIA_REQUESTS);
        let certificate = Certificate::generate().map_err(Error::Certificate)?;
        let advertise = Advertise { udp: config.media.advertise.clone(), tcp: config.media_over_tcp() };
        let turn = config.turn.as_ref().map(read_turn).transpose()?;
        let sessions = Sessions::new(certificate, advertise, config.node.zone.clone(), clock, sittings.clone());
        let (shown, lines) = watch::channel(Vec::new());
        let app = App {
            demands: demands.clone(),
            registry: registry.clone(),
            media,
            node: config.node.id.clone(),
            zone: config.node.zone.clone(),
            turn: turn.map(Arc::new),
            trunks: lines,
        };
        let lines = trunks.clone();
        let station = Station::of(config, terminals.stand_ins()).map_err(Error::Program)?;
        let rehearse = Rehearsals::new(config, registry.clone(), trunks.clone(), station.clone());
        let copy = second_store(config)?;
        let keeping = keeping(config, copy.clone());
        let media_door = config.media.tcp.then(|| media_door(workers.clone()));
        let admin = Admin::new(config, registry.clone(), trunks, workers, (recorder.clone(), keeping), metrics);

        let background = Background::start().map_err(Error::Threads)?;
        let mut tasks = JoinSet::new();
        endless(&mut tasks, async move { sessions.run(requests).await });
        endless(&mut tasks, async move { station.serve(asked.rehearsals).await });
        endless(&mut tasks, async move { late::serve(asked.late, spool).await });
        let records = Playback::new(config, registry.journal().clone());
        keep_records(&mut tasks, background.handle(), config, copy);
        tasks.spawn(follow(registry, sittings));
        tasks.spawn(show_trunks(lines, shown));
        let rehearse = rehearsal::routes(rehearse).merge(terminals::http::routes(terminals));
        doors.open(&mut tasks, background.handle(), Rooms { app, admin, rehearse, records, media: media_door });
        Ok(Self { recorder, tasks, _background: background })
    }

    /// Stops in an order in which nothing that was taken in is lost: first what brings in, then the record.
    async fn stop(mut self) -> Result<(), Error> {
        info!("node stops");
        self.tasks.shutdown().await;
        Ok(self.recorder.stop().await?)
    }
}

/// The terminals of this node's zone, over the protocols that the configuration names.
async fn terminals(config: &Config, clock: NodeClock, (feeds, cards): (Feeds, Cards)) -> Result<Terminals, Error> {
    let sip = match &config.sip {
        Some(settings) => Some(Sip::start(settings, clock).await?),
        None => None,
    };
    let gb28181 = match &config.gb28181 {
        Some(settings) => Some(Gb28181::start(settings, clock).await?),
        None => None,
    };
    let (zone, cameras) = (config.node.zone.clone(), Way::of(config.rtsp.transport));
    Ok(Terminals::new(terminals::Parts { zone, feeds, cards, clock, cameras, sip, gb28181 }))
}

/// Runs a part that ends only with the node.
fn endless(tasks: &mut JoinSet<Result<(), Error>>, part: impl Future<Output = ()> + Send + 'static) {
    tasks.spawn(async move {
        part.await;
        Ok(())
    });
}

/// The node's listeners.
struct Doors {
    web: Listener,
    metrics: Listener,
    operator: tokio::net::UnixListener,
}

impl Doors {
    fn bind(config: &Config) -> Result<Self, Error> {
        let certificate = config.web.tls.as_ref().map(|files| tls::web(&files.certificate, &files.key)).transpose()?;
        let listener = |key: &'static str, at: SocketAddr, tls| {
            Listener::bind(at, tls).map_err(|source| Error::Listen { key, at: at.to_string(), source })
        };
        let socket = &config.admin.socket;
        if let Some(directory) = socket.parent() {
            private_directory(directory, "admin.socket")?;
        }
        Ok(Self {
            web: listener("web.bind", config.web.bind, certificate)?,
            metrics: listener("admin.listen", config.admin.listen, None)?,
            operator: bind_unix(socket).map_err(|source| Error::Listen {
                key: "admin.socket",
                at: socket.display().to_string(),
                source,
            })?,
        })
    }

    fn open(self, tasks: &mut JoinSet<Result<(), Error>>, on: &Handle, rooms: Rooms) {
        let Rooms { app, admin, rehearse, records, media } = rooms;
        let operator =
            admin.operator(http::admin(app.clone())).merge(rehearse).merge(playback::operator(records.clone()));
        let public = http::public(app, playback::public(records));
        tasks.spawn_on(async move { self.web.serve(public, media).await.map_err(Error::Server) }, on);
        tasks.spawn_on(async move { self.metrics.serve(admin.observer(), None).await.map_err(Error::Server) }, on);
        tasks.spawn_on(async move { axum::serve(self.operator, operator).await.map_err(Error::Server) }, on);
    }
}

/// What the listeners lead to.
struct Rooms {
    app: App,
    admin: Admin,
    rehearse: Router,
    records: Playback,
    media: Option<Media>,
}

/// Media that comes to the page's port is led to its worker.
fn media_door(workers: Workers) -> Media {
    Arc::new(move |accepted, request| workers.adopt(accepted, request))
}

/// Seats every hearing that appears, wherever it is at home.
async fn follow(registry: Registry, sittings: Sittings) -> Result<(), Error> {
    let mut changes = registry.watch();
    while let Some(change) = changes.recv().await {
        match change {
            RegistryChange::Appeared { id, handle, home } => {
                if let Err(refusal) = sittings.begin(id, handle, home).await {
                    warn!(hearing = %id, %refusal, "the hearing could not sit here");
                }
            }
            // Its plans end, and with them its sitting.
            RegistryChange::Gone { id } => info!(hearing = %id, "hearing is over here"),
        }
    }
    Ok(())
}

/// Keeps the operator's view of the trunks fresh.
async fn show_trunks(trunks: Trunks, shown: watch::Sender<Vec<TrunkView>>) -> Result<(), Error> {
    let view = |t: TrunkStatus| {
        let TrunkStatus { peer, zone, up, rtt_ms, standby, lost, shed, held, .. } = t;
        TrunkView { peer, zone, up, rtt_ms, standby, lost, shed, held }
    };
    let mut tick = tokio::time::interval(TRUNKS_SHOWN);
    loop {
        tick.tick().await;
        let now = trunks.status().into_iter().map(view).collect::<Vec<_>>();
        shown.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
    }
}

/// Copies records to the second store, and verifies them again on schedule.
fn keep_records(tasks: &mut JoinSet<Result<(), Error>>, on: &Handle, config: &Config, copy: Option<keep::Store>) {
    let directory = config.record.directory.clone();
    if let Some(store) = copy {
        let backup = keep::Backup::new(keep::BackupSettings { directory: directory.clone(), store });
        let copies = async move {
            backup.run().await;
            Ok(())
        };
        tasks.spawn_on(copies, on);
    }
    let root = config.pki.root.clone();
    let scrub = keep::scrub::Settings { directory, root, hours: config.record.scrub_hours };
    let looks = async move {
        keep::scrub::run(scrub).await;
        Ok(())
    };
    tasks.spawn_on(looks, on);
}

fn private_directory(path: &Path, key: &'static str) -> Result<(), Error> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| Error::Directory { key, path: path.to_owned(), source })
}

/// Resolves when the process is asked to stop.
fn stop_signal() -> Result<impl Future<Output = ()>, Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn ended_by_itself(ended: Option<Result<Result<(), Error>, tokio::task::JoinError>>) -> Error {
    match ended {
        Some(Ok(Err(error))) => error,
        Some(Err(crash)) => Error::Ended(crash.to_string()),
        Some(Ok(Ok(()))) | None => Error::Ended("a part of it ended".to_owned()),
    }
}

/// What makes pictures and sound for terminals; `None`, with a warning, where there is no media child.
fn desks(config: &Config) -> Option<Desks> {
    let program = Program::find().inspect_err(|error| warn!(%error, "nothing can be coded anew here")).ok()?;
    let emblem = config.record.emblem.as_deref().and_then(|file| std::fs::read(file).ok()).map(Into::into);
    Some(Desks::new(Arc::new(program), emblem))
}

/// A terminal gets a composed picture and a mix; where nothing can be coded, whoever speaks as he comes.
fn feeds(desks: Option<Desks>) -> Feeds {
    Arc::new(move |seat, takes| {
        let desk = desks.as_ref().and_then(|desks| desks.feed(seat.hearing, seat.seat, &takes));
        desk.unwrap_or_else(|| Box::new(Through::new(takes)))
    })
}

/// A terminal that is tried gets a test picture and a tone; a camera is looked at.
fn cards(desks: Option<Desks>) -> Cards {
    Arc::new(move |tried, watcher| {
        let desks = desks.as_ref().ok_or("this node has no hearing-media, which makes the test picture")?;
        let card = match tried {
            Tried::Terminal(takes) => Card::start(&desks.program(), takes, watcher),
            Tried::Camera { sound, picture } => Card::watch(&desks.program(), (sound, picture), watcher),
        };
        let card = card.map_err(|error| error.to_string())?;
        Ok(Box::new(card))
    })
}

/// How often the operator's view of the trunks is made anew.
const TRUNKS_SHOWN: Duration = Duration::from_millis(200);
/// Media requests of the API that may wait; more are refused as busy.
const MEDIA_REQUESTS: usize = 256;
