//! SIP terminals (RFC 3261): a registrar and user agent for one zone. A terminal is rung, or calls in, and is then a session with
//! a leg on the router. See docs/guide/terminals.md.

mod agreed;
mod alive;
mod decoder;
mod delayed;
mod dial;
mod events;
mod g722;
mod held;
mod incoming;
mod inward;
mod level;
mod pace;
mod payload;
mod ports;
mod refresh;
mod registrar;
mod sdes;
mod sdp;
mod seats;
mod session;
mod stream;
mod timer;
mod trial;
mod unserved;
mod visitor;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hearing_config::{Aor, HearingId};
use metrics::gauge;
use rsipstack::dialog::dialog::Dialog;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::prelude::*;
use rsipstack::sip::{Header, Method, StatusCode, Uri};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transaction::transaction::Transaction;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::warn;

use crate::endpoint::terminal::{Call, Ended};
use crate::net::clock::NodeClock;
use crate::net::sip::guard::refuse;
use crate::net::sip::{self, Account, Listen, ListenTls, Stack};
use incoming::Incoming;
use ports::Ports;
pub use registrar::Device;
use registrar::Registrar;
use seats::Seats;
use session::Session;
pub use visitor::{Door, Pass, Visitor};

/// SIP of one zone. Cheap to clone.
#[derive(Clone)]
pub struct Sip(Arc<Core>);

struct Core {
    settings: hearing_config::Sip,
    stack: Stack,
    registrar: Registrar,
    ports: Ports,
    clock: NodeClock,
    seats: Seats<Incoming>,
    /// Who calls from here, where this is no node.
    account: Option<Account>,
}

impl Sip {
    /// Binds the addresses and serves them until the last clone is dropped.
    ///
    /// # Errors
    /// An address that can't be bound, a file that can't be read.
    pub async fn start(settings: &hearing_config::Sip, clock: NodeClock) -> Result<Self, sip::Error> {
        let mut secrets = HashMap::new();
        for (n, device) in settings.devices.iter().enumerate() {
            let secret = sip::secret(&device.secret, || format!("sip.device[{n}].secret"))?;
            secrets.insert(device.user.clone(), secret);
        }
        let (stack, requests) = Stack::start(listen(settings)?).await?;
        let core = Arc::new(Core {
            registrar: Registrar::new(&settings.domain, settings.digest.clone(), secrets),
            ports: Ports::new(settings.advertise, settings.rtp),
            settings: settings.clone(),
            stack,
            clock,
            seats: Seats::default(),
            account: None,
        });
        tokio::spawn(serve(Arc::downgrade(&core), requests));
        tokio::spawn(alive::watch(Arc::downgrade(&core)));
        Ok(Self(core))
    }

    /// The devices that may register, by user.
    #[must_use]
    pub fn devices(&self) -> Vec<Device> {
        self.0.registrar.devices()
    }

    /// Lets a terminal in that stands in no configuration, for as long as what this returns lives. It may call into a seat that is
    /// for its user, and do nothing else.
    #[must_use]
    pub fn admit(&self, account: &Account) -> Pass {
        Pass::new(&self.0, account)
    }

    /// Where such a terminal calls; `None` where the node listens nowhere.
    #[must_use]
    pub fn door(&self) -> Option<Door> {
        Door::of(&self.0.settings)
    }

    /// A hearing sits at this node: terminals may dial its code until what this returns is dropped.
    pub fn sit(&self, hearing: HearingId) -> impl Drop + Send + '_ {
        self.0.seats.sit(hearing)
    }

    /// Connects the terminal `aor` to a seat, once: rings it, or takes its call.
    pub async fn keep(&self, aor: &Aor, call: Call) -> Ended {
        let (open, mut incoming) = mpsc::channel(1);
        let _open = self.0.seats.open(aor.user(), call.seat.hearing, open);
        let from = Instant::now() + call.wait;
        let connecting = async {
            tokio::select! {
                Some(incoming) = incoming.recv() => self.0.answer(incoming).await,
                setup = self.0.ring(aor, from) => setup,
            }
        };
        let setup = tokio::select! {
            () = call.stop.cancelled() => return Ended::Stopped,
            setup = connecting => setup,
        };
        // From here on its calls find the seat taken; one that came meanwhile is told so.
        drop(incoming);
        match setup {
            Ok(setup) => Session::run(&self.0, setup, call).await,
            Err(why) => Ended::Gone(why),
        }
    }
}

impl Core {
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

    async fn request(self: Arc<Self>, mut tx: Transaction) {
        if let Some((code, headers)) = unserved::refusal(&tx.original) {
            return refuse(&mut tx, code, headers).await;
        }
        let in_dialog = tx.original.to_header().ok().and_then(|to| to.tag().ok().flatten()).is_some();
        let method = tx.original.method;
        let result = match (in_dialog, method) {
            (true, _) => match self.stack.dialogs.match_dialog(&tx) {
                Some(Dialog::Invite(dialog)) if is_early(&dialog, method).await => {
                    tx.reply(StatusCode::RequestPending).await
                }
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
}

/// Our answer to an offer as if a call with it were taken, `None` for one that is refused; `datagram` is opened with its first key.
/// Nothing is bound or sent: it is there to be fuzzed.
#[must_use]
pub fn dry_answer(offer: &[u8], datagram: &[u8]) -> Option<String> {
    let lines = sdp::read(offer)?;
    let own = |chosen: sdp::Chosen| {
        let crypto: Vec<_> = lines[chosen.at].crypto.iter().map(sdes::Crypto::answer).collect();
        let keys = crypto.first().zip(lines[chosen.at].crypto.as_ref());
        if let Some(mut srtp) = keys.and_then(|(ours, theirs)| sdes::Srtp::new(ours, theirs)) {
            let _ = (srtp.open(datagram, false), srtp.open(datagram, true));
        }
        let _ = decoder::limits(&chosen.format.parameters);
        let used = chosen.used;
        (chosen, sdp::Own { used, port: 30_000, crypto })
    };
    let chosen: Vec<_> = sdp::choose(&lines, false).into_iter().map(own).collect();
    (!chosen.is_empty()).then(|| sdp::answer(std::net::Ipv4Addr::LOCALHOST.into(), (1, 1), &lines, &chosen))
}

/// True for a request that came before the ACK of the call that it concerns, and for which that did not come soon. The stack would
/// not answer it at all.
async fn is_early(dialog: &InviteDialog, method: Method) -> bool {
    let needs_ack = matches!(method, Method::Invite | Method::Update | Method::Info);
    for _ in 0..LOOKS {
        if !needs_ack || !dialog.state().waiting_ack() {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
    true
}

async fn serve(core: std::sync::Weak<Core>, mut requests: TransactionReceiver) {
    let mut tick = tokio::time::interval(COUNTED);
    loop {
        let request = tokio::select! {
            request = requests.recv() => request,
            _ = tick.tick() => {
                let Some(core) = core.upgrade() else { return };
                gauge!("hearing_sip_dialogs").set(core.stack.dialogs.len() as f64);
                continue;
            }
        };
        let (Some(tx), Some(core)) = (request, core.upgrade()) else { return };
        tokio::spawn(core.request(tx));
    }
}

fn abilities() -> Vec<Header> {
    vec![
        Header::Allow("INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, REGISTER".into()),
        Header::Accept("application/sdp, application/media_control+xml".into()),
    ]
}

fn listen(settings: &hearing_config::Sip) -> Result<Listen, sip::Error> {
    let tls = settings.tls.as_ref().map(|tls| {
        let certificate = sip::file(&tls.certificate, || "sip.tls.certificate".to_owned())?;
        let key = sip::file(&tls.key, || "sip.tls.key".to_owned())?;
        Ok::<_, sip::Error>(ListenTls { at: tls.listen, certificate, key })
    });
    Ok(Listen { udp: settings.udp, tcp: settings.tcp, tls: tls.transpose()?, domain: settings.domain.clone() })
}

/// How often, and how long, it is looked for an ACK that was overtaken.
const LOOKS: u32 = 50;
const LOOK: Duration = Duration::from_millis(10);
/// How often the dialogs are counted.
const COUNTED: Duration = Duration::from_secs(1);
