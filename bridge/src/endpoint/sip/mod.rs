//! SIP terminals (RFC 3261): a registrar and user agent for one zone. A terminal is rung, or calls in, and is then a session with
//! a leg on the router. See docs/guide/terminals.md.

mod inward;
mod level;
mod payload;
mod ports;
mod registrar;
mod sdes;
mod sdp;
mod session;
mod stream;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hearing_config::{Aor, Srtp};
use rsipstack::dialog::dialog::{Dialog, DialogStateReceiver};
use rsipstack::dialog::invitation::InviteOption;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::prelude::*;
use rsipstack::sip::uri::ParamsExt as _;
use rsipstack::sip::{Header, Method, StatusCode, StatusCodeKind, Uri};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::SipAddr;
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::endpoint::terminal::{Call, Ended};
use crate::net::clock::NodeClock;
use crate::net::sip::guard::refuse;
use crate::net::sip::{self, Listen, ListenTls, Stack};
use ports::Ports;
pub use registrar::Device;
use registrar::Registrar;
use sdp::{Chosen, Line, Own, Use};
use session::{Session, Setup};

/// SIP of one zone. Cheap to clone.
#[derive(Clone)]
pub struct Sip(Arc<Core>);

struct Core {
    settings: hearing_config::Sip,
    stack: Stack,
    registrar: Registrar,
    ports: Ports,
    clock: NodeClock,
    /// Seats that are open for a terminal that calls, by its user.
    seats: Mutex<HashMap<String, mpsc::Sender<Incoming>>>,
}

/// A call that a terminal makes, which is allowed to, and offers what can be used.
struct Incoming {
    dialog: InviteDialog,
    states: DialogStateReceiver,
    lines: Vec<Line>,
    chosen: Vec<Chosen>,
}

/// Why SIP does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address.
    #[error(transparent)]
    Listen(#[from] sip::Error),
    /// A file.
    #[error("{key}: cannot read {}: {source}; check the path and who may read it", path.display())]
    File {
        /// The configuration key.
        key: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Sip {
    /// Binds the addresses and serves them until the last clone is dropped.
    ///
    /// # Errors
    /// An address that can't be bound, a file that can't be read.
    pub async fn start(settings: &hearing_config::Sip, clock: NodeClock) -> Result<Self, Error> {
        let mut secrets = HashMap::new();
        for (n, device) in settings.devices.iter().enumerate() {
            let secret = file(&device.secret, || format!("sip.device[{n}].secret"))?;
            secrets.insert(device.user.clone(), String::from_utf8_lossy(&secret).trim().to_owned());
        }
        let (stack, requests) = Stack::start(listen(settings)?).await?;
        let core = Arc::new(Core {
            registrar: Registrar::new(&settings.domain, secrets),
            ports: Ports::new(settings.advertise, settings.rtp),
            settings: settings.clone(),
            stack,
            clock,
            seats: Mutex::default(),
        });
        tokio::spawn(serve(Arc::downgrade(&core), requests));
        Ok(Self(core))
    }

    /// The devices that may register, by user.
    #[must_use]
    pub fn devices(&self) -> Vec<Device> {
        self.0.registrar.devices()
    }

    /// Connects the terminal `aor` to a seat, once: rings it, or takes its call.
    pub async fn keep(&self, aor: &Aor, call: Call) -> Ended {
        let (open, mut incoming) = mpsc::channel(1);
        let _open = Open::new(&self.0, aor.user(), open);
        let mut changed = self.0.registrar.watch();
        loop {
            let target = self.0.target(aor);
            let dialling = async {
                match target {
                    Some((callee, at)) => self.0.dial(callee, at).await,
                    // A device that has not registered is awaited.
                    None => std::future::pending().await,
                }
            };
            let setup = tokio::select! {
                () = call.stop.cancelled() => return Ended::Stopped,
                Some(incoming) = incoming.recv() => self.0.answer(incoming).await,
                setup = dialling => setup,
                Ok(()) = changed.changed() => continue,
            };
            drop(incoming);
            return match setup {
                Ok(setup) => Session::run(&self.0, setup, call).await,
                Err(why) => Ended::Gone(why),
            };
        }
    }
}

/// A seat that awaits a call; not any more when it is dropped.
struct Open<'a> {
    core: &'a Core,
    user: &'a str,
    open: mpsc::WeakSender<Incoming>,
}

impl<'a> Open<'a> {
    fn new(core: &'a Core, user: &'a str, open: mpsc::Sender<Incoming>) -> Self {
        core.seats().insert(user.to_owned(), open.clone());
        Self { core, user, open: open.downgrade() }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let mut seats = self.core.seats();
        // Another hearing may have a seat for the same terminal by now.
        let own = self.open.upgrade();
        if seats.get(self.user).zip(own.as_ref()).is_some_and(|(open, own)| open.same_channel(own)) {
            seats.remove(self.user);
        }
    }
}

impl Core {
    fn seats(&self) -> MutexGuard<'_, HashMap<String, mpsc::Sender<Incoming>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whom to call, and where; `None` while a device of the configuration is not registered.
    fn target(&self, aor: &Aor) -> Option<(Uri, Option<SipAddr>)> {
        if self.registrar.knows(aor.user()) {
            let binding = self.registrar.binding(aor.user())?;
            return Some((binding.contact, Some(binding.at)));
        }
        Some((Uri::try_from(aor.as_str()).ok()?, None))
    }

    fn contact(&self, transport: Option<&str>) -> Option<Uri> {
        let tls = self.settings.tls.as_ref().map(|tls| tls.listen);
        let (listen, parameter) = match transport {
            Some("tls" | "TLS") => (tls, ";transport=tls"),
            Some("tcp" | "TCP") => (self.settings.tcp, ";transport=tcp"),
            _ => (self.settings.udp.or(self.settings.tcp).or(tls), ""),
        };
        let at = SocketAddr::new(self.settings.advertise, listen?.port());
        Uri::try_from(format!("sip:hearing@{at}{parameter}").as_str()).ok()
    }

    /// Rings a terminal until it answers.
    async fn dial(&self, callee: Uri, at: Option<SipAddr>) -> Result<Setup, String> {
        let transport = at.as_ref().and_then(|at| at.r#type).or(callee.transport().copied()).map(|t| t.to_string());
        let secure =
            self.settings.srtp == Srtp::Required || transport.as_deref().is_some_and(|t| t.eq_ignore_ascii_case("tls"));
        let mut pairs = HashMap::new();
        let mut own = Vec::new();
        for used in [Use::Sound, Use::Picture] {
            let pair = self.ports.pair().await.map_err(|error| error.to_string())?;
            let crypto = if secure { sdes::Crypto::offer() } else { Vec::new() };
            own.push(Own { used, port: pair.port, crypto });
            pairs.insert(used, pair);
        }
        let id = rand::random::<u32>().into();
        let offer = sdp::offer(self.settings.advertise, (id, 1), &own);
        let caller = format!("sip:hearing@{}", self.settings.domain);
        let option = InviteOption {
            caller: Uri::try_from(caller.as_str()).map_err(|error| error.to_string())?,
            callee,
            destination: at,
            contact: self
                .contact(transport.as_deref())
                .ok_or("this node does not listen on the terminal's transport")?,
            content_type: Some("application/sdp".to_owned()),
            offer: Some(offer.into_bytes()),
            headers: Some(session::timer_headers()),
            ..InviteOption::default()
        };
        let (sender, states) = self.stack.dialogs.new_dialog_state_channel();
        let invited = self.stack.dialogs.do_invite(option, sender).await.map_err(|error| error.to_string())?;
        let (dialog, Some(response)) = invited else { return Err("the terminal does not answer".to_owned()) };
        if response.status_code.kind() != StatusCodeKind::Successful {
            return Err(format!("the terminal refuses: {}", response.status_code));
        }
        let expires = session::expires(response.headers.iter(), "uac");
        let setup = self.taken_up(&response.body, own, pairs);
        match setup {
            Some((lines, chosen, pairs)) => Ok(Setup { dialog, states, lines, chosen, pairs, id, expires }),
            None => {
                let _ = dialog.bye().await;
                self.stack.dialogs.remove_dialog(&dialog.id());
                Err("the terminal has no codec in common, or no keys".to_owned())
            }
        }
    }

    /// What of our offer the answer takes up.
    fn taken_up(&self, body: &[u8], own: Vec<Own>, mut pairs: HashMap<Use, ports::Pair>) -> Option<session::Taken> {
        let lines = sdp::read(body)?;
        let chosen: Vec<_> = sdp::choose(&lines, self.settings.srtp == Srtp::Required);
        let mut taken = Vec::new();
        let mut kept = HashMap::new();
        for chosen in chosen {
            let Some(own) = own.iter().find(|own| own.used == chosen.used) else { continue };
            let crypto = match (&lines[chosen.at].crypto, own.crypto.is_empty()) {
                (Some(theirs), false) => vec![sdes::Crypto::taken(&own.crypto, theirs)?.clone()],
                (None, true) => Vec::new(),
                (Some(_), true) | (None, false) => return None,
            };
            kept.insert(chosen.used, pairs.remove(&chosen.used)?);
            taken.push((chosen, Own { crypto, ..own.clone() }));
        }
        (!taken.is_empty()).then_some((lines, taken, kept))
    }

    /// Answers a terminal that calls.
    async fn answer(&self, incoming: Incoming) -> Result<Setup, String> {
        let Incoming { dialog, states, lines, chosen } = incoming;
        let (mut taken, mut pairs) = (Vec::new(), HashMap::new());
        for chosen in chosen {
            let pair = match self.ports.pair().await {
                Ok(pair) => pair,
                Err(error) => {
                    let _ = dialog.reject(Some(StatusCode::ServiceUnavailable), None);
                    return Err(error.to_string());
                }
            };
            let crypto = lines[chosen.at].crypto.iter().map(sdes::Crypto::answer).collect();
            let own = Own { used: chosen.used, port: pair.port, crypto };
            pairs.insert(chosen.used, pair);
            taken.push((chosen, own));
        }
        let id = rand::random::<u32>().into();
        let answer = sdp::answer(self.settings.advertise, (id, 1), &lines, &taken);
        let request = dialog.initial_request();
        let expires = session::expires(request.headers.iter(), "uas");
        let mut headers = vec![Header::ContentType("application/sdp".into())];
        headers.extend(session::timer_answer(expires));
        let accepted = dialog.accept(Some(headers), Some(answer.into_bytes()));
        accepted.map_err(|error| error.to_string())?;
        Ok(Setup { dialog, states, lines, chosen: taken, pairs, id, expires })
    }

    async fn request(self: Arc<Self>, mut tx: Transaction) {
        let in_dialog = tx.original.to_header().ok().and_then(|to| to.tag().ok().flatten()).is_some();
        let method = tx.original.method;
        let result = match (in_dialog, method) {
            (true, _) => match self.stack.dialogs.match_dialog(&tx) {
                Some(Dialog::Invite(mut dialog)) => dialog.handle(&mut tx).await,
                Some(mut dialog) => dialog.handle(&mut tx).await,
                None if method == Method::Ack => Ok(()),
                None => tx.reply(StatusCode::CallTransactionDoesNotExist).await,
            },
            (false, Method::Register) => return self.registrar.register(&mut tx).await,
            (false, Method::Invite) => return self.invited(tx).await,
            (false, Method::Ack | Method::Cancel) => Ok(()),
            (false, Method::Options) => tx.reply_with(StatusCode::OK, abilities(), None).await,
            (false, _) => tx.reply_with(StatusCode::MethodNotAllowed, abilities(), None).await,
        };
        if let Err(error) = result {
            warn!(%method, %error, "a SIP request went wrong");
        }
    }

    /// A terminal calls.
    async fn invited(self: Arc<Self>, mut tx: Transaction) {
        let from =
            tx.original.from_header().ok().and_then(|from| from.uri().ok()).and_then(|uri| uri.auth).map(|a| a.user);
        if !from.as_deref().is_some_and(|user| self.registrar.knows(user)) {
            metrics::counter!("hearing_sip_strangers_total").increment(1);
            return refuse(&mut tx, StatusCode::Forbidden, Vec::new()).await;
        }
        let Some(user) = self.registrar.authenticate(&mut tx).await else { return };
        let seat = self.seats().get(&user).cloned();
        let Some(seat) = seat.filter(|_| from.as_ref() == Some(&user)) else {
            info!(user, "a terminal calls for which no hearing has a seat");
            return refuse(&mut tx, StatusCode::NotFound, Vec::new()).await;
        };
        let Ok(permit) = seat.try_reserve_owned() else {
            return refuse(&mut tx, StatusCode::BusyHere, Vec::new()).await;
        };
        let lines = sdp::read(&tx.original.body).unwrap_or_default();
        let chosen = sdp::choose(&lines, self.settings.srtp == Srtp::Required);
        if chosen.is_empty() {
            return refuse(&mut tx, StatusCode::NotAcceptableHere, Vec::new()).await;
        }
        let (sender, states) = self.stack.dialogs.new_dialog_state_channel();
        let transport = tx.connection.as_ref().map(|connection| connection.transport().to_string());
        let contact = self.contact(transport.as_deref());
        match self.stack.dialogs.get_or_create_server_invite(&tx, sender, None, contact) {
            Ok(mut dialog) => {
                permit.send(Incoming { dialog: dialog.clone(), states, lines, chosen });
                if let Err(error) = dialog.handle(&mut tx).await {
                    warn!(user, %error, "a call went wrong");
                }
            }
            Err(error) => {
                warn!(user, %error, "a call can't be taken");
                refuse(&mut tx, StatusCode::BadRequest, Vec::new()).await;
            }
        }
    }
}

async fn serve(core: std::sync::Weak<Core>, mut requests: TransactionReceiver) {
    while let Some(tx) = requests.recv().await {
        let Some(core) = core.upgrade() else { return };
        tokio::spawn(core.request(tx));
    }
}

fn abilities() -> Vec<Header> {
    vec![
        Header::Allow("INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, REGISTER".into()),
        Header::Accept("application/sdp, application/media_control+xml".into()),
    ]
}

fn listen(settings: &hearing_config::Sip) -> Result<Listen, Error> {
    let tls = settings.tls.as_ref().map(|tls| {
        let certificate = file(&tls.certificate, || "sip.tls.certificate".to_owned())?;
        let key = file(&tls.key, || "sip.tls.key".to_owned())?;
        Ok::<_, Error>(ListenTls { at: tls.listen, certificate, key })
    });
    Ok(Listen { udp: settings.udp, tcp: settings.tcp, tls: tls.transpose()?, domain: settings.domain.clone() })
}

fn file(path: &std::path::Path, key: impl FnOnce() -> String) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::File { key: key(), path: path.to_owned(), source })
}
