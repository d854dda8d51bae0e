//! GB/T 28181-2016 and -2022 devices: the platform of one zone. Cameras and recorders register here; one that a hearing has a seat
//! for is invited, and is then a session with a leg on the router. See docs/guide/terminals.md.

mod ask;
mod dialog;
mod flow;
mod inlet;
mod intake;
mod mouth;
mod order;
mod play;
mod rate;
mod registrar;
mod requests;
mod roster;
mod session;
mod socket;
mod speech;
mod talk;
mod track;
mod visitor;
mod voice;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use hearing_config::{DeviceId, Digest, Gb28181Device, Gb28181Transport};
use hearing_proto::gb28181::{Code, Control, Ptz, sdp};
use rsipstack::dialog::invitation::InviteOption;
use rsipstack::sip::{Header, Transport, Uri};
use tokio::sync::{broadcast, watch};
use tracing::warn;

use crate::endpoint::terminal::{Call, Ended};
use crate::net::clock::NodeClock;
use crate::net::sip::guard::{Counters, Guard};
use crate::net::sip::{self, Listen, Stack};
use ask::Answers;
pub use ask::Unheard;
use rate::Rate;
use roster::{Roster, Target};
use socket::Ports;
use talk::Announced;
pub use visitor::{Door, Pass, Visitor};

/// The platform of one zone. Cheap to clone.
#[derive(Clone)]
pub struct Gb28181(Arc<Core>);

struct Core {
    settings: hearing_config::Gb28181,
    id: Code,
    stack: Stack,
    guard: Guard,
    roster: Mutex<Roster>,
    /// Grows when a device comes, goes, or has something else.
    changed: watch::Sender<u64>,
    answers: Answers,
    /// Devices that tell what changes, by the Call-ID under which they do.
    subscriptions: Mutex<HashMap<String, Code>>,
    /// Whose media has ended, as the devices say.
    ended: broadcast::Sender<Code>,
    announced: Announced,
    rubbish: Mutex<HashMap<Code, Rate>>,
    ports: Ports,
    clock: NodeClock,
    /// Of questions, orders and media.
    numbers: AtomicU32,
}

/// A device, for the operator.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Device {
    /// Its identity.
    pub user: String,
    /// Where it is registered; `None` while it is offline.
    pub address: Option<String>,
    /// For how long the registration is good, seconds.
    pub seconds: u64,
    /// Its name, empty until it told it; likewise the following.
    pub name: String,
    /// Who made it.
    pub manufacturer: String,
    /// Its model.
    pub model: String,
    /// Its firmware.
    pub firmware: String,
    /// The version of the standard: `2.0` is that of 2016, `3.0` that of 2022.
    pub version: Option<String>,
    /// Whether it says that it is well.
    pub well: Option<bool>,
    /// Whether it says that it records.
    pub records: Option<bool>,
    /// What it has.
    pub channels: Vec<Channel>,
}

/// Something that a device has.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Channel {
    /// Its identity.
    pub id: String,
    /// Its name.
    pub name: String,
    /// It can be used.
    pub on: bool,
    /// It can be turned.
    pub turns: bool,
}

/// Why an order did not reach a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undone {
    /// Nobody registered is it or has it.
    #[error("no device that is registered here is {0} or has it")]
    Absent(String),
    /// It did not take it.
    #[error(transparent)]
    Unheard(#[from] Unheard),
}

impl Gb28181 {
    /// Binds the addresses and serves them until the last clone is dropped.
    ///
    /// # Errors
    /// An address that can't be bound, a file that can't be read.
    pub async fn start(settings: &hearing_config::Gb28181, clock: NodeClock) -> Result<Self, sip::Error> {
        let secrets = secrets(settings)?;
        let listen = Listen { udp: settings.udp, tcp: settings.tcp, tls: None, domain: settings.domain.clone() };
        let (stack, requests) = Stack::start(listen).await?;
        let devices = settings.devices.iter().map(|device| code(&device.id));
        let core = Arc::new(Core {
            id: code(&settings.id),
            guard: Guard::new(&settings.domain, vec![Digest::Md5], secrets, COUNTERS),
            roster: Mutex::new(Roster::new(devices, Duration::from_secs(settings.keepalive.into()))),
            changed: watch::Sender::new(0),
            answers: Answers::default(),
            subscriptions: Mutex::default(),
            ended: broadcast::Sender::new(ENDED),
            announced: Announced::default(),
            rubbish: Mutex::default(),
            ports: Ports::new(settings.advertise, settings.rtp),
            // Devices count their own messages from 1: ours are told apart from them by the way.
            numbers: AtomicU32::new(rand::random::<u32>() >> 8 | 1 << 20),
            settings: settings.clone(),
            stack,
            clock,
        });
        tokio::spawn(requests::serve(Arc::downgrade(&core), requests));
        tokio::spawn(sweep(Arc::downgrade(&core)));
        Ok(Self(core))
    }

    /// The devices that may register, by identity, and what they have.
    #[must_use]
    pub fn devices(&self) -> Vec<Device> {
        self.0.roster().list(Instant::now()).into_iter().map(Device::from).collect()
    }

    /// Lets a device in that stands in no configuration, for as long as what this returns lives. It is spoken to, and sends its media by
    /// UDP.
    #[must_use]
    pub fn admit(&self, device: &DeviceId, secret: &str) -> Pass {
        Pass::new(&self.0, device.clone(), secret)
    }

    /// Where such a device registers.
    #[must_use]
    pub fn door(&self) -> Option<Door> {
        Door::of(&self.0.settings)
    }

    /// Connects the device or channel `id` to a seat, once, as soon as it is there.
    pub async fn keep(&self, id: &DeviceId, call: Call) -> Ended {
        let mut changed = self.0.changed.subscribe();
        let target = loop {
            if let Some(target) = self.0.target(code(id)) {
                break target;
            }
            tokio::select! {
                () = call.stop.cancelled() => return Ended::Stopped,
                // The sender lives as long as this.
                _ = changed.changed() => {}
            }
        };
        session::run(&self.0, &target, &call).await
    }

    /// Tells a camera to move, to stop, or something about a preset.
    ///
    /// # Errors
    /// [`Undone`] when it is not there, or does not take the order.
    pub async fn move_camera(&self, id: &DeviceId, order: Ptz) -> Result<(), Undone> {
        let target = self.0.target(code(id)).ok_or_else(|| Undone::Absent(id.as_str().to_owned()))?;
        let Target { device, channel, at, .. } = target;
        Ok(self.0.order(Control::Ptz(order), (device, channel), &at).await?)
    }
}

impl Core {
    fn roster(&self) -> MutexGuard<'_, Roster> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscriptions(&self) -> MutexGuard<'_, HashMap<String, Code>> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn target(&self, wanted: Code) -> Option<Target> {
        self.roster().target(wanted, Instant::now())
    }

    /// Which presence of a device this is; `None` while it is offline.
    fn epoch(&self, device: Code) -> Option<u64> {
        self.roster().binding(device, Instant::now()).map(|binding| binding.epoch)
    }

    fn device(&self, device: Code) -> Option<&Gb28181Device> {
        self.settings.devices.iter().find(|known| known.id.as_str() == device.as_str())
    }

    /// Whether it is spoken to; one that is let in for a while is.
    fn talks_to(&self, device: Code) -> bool {
        self.device(device).is_none_or(|device| device.talk)
    }

    /// How media travels between us.
    fn transport(&self, device: Code) -> Gb28181Transport {
        self.device(device).map_or(Gb28181Transport::Udp, |device| device.transport)
    }

    fn tell_change(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    fn number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed) & 0x7fff_ffff
    }

    /// Where devices reach us over a transport.
    fn own(&self, transport: Option<Transport>) -> SocketAddr {
        let (udp, tcp) = (self.settings.udp, self.settings.tcp);
        let at = if transport == Some(Transport::Tcp) { tcp.or(udp) } else { udp.or(tcp) };
        SocketAddr::new(self.settings.advertise, at.map_or(5060, |at| at.port()))
    }

    /// An invitation of a device to one call. Our address in it stays ours: GB/T 28181 has no early media, so whoever answers is who
    /// was invited.
    fn invitation(&self, target: &Target, ssrc: u32, offer: String) -> Result<InviteOption, rsipstack::sip::Error> {
        let Target { channel, at, .. } = target;
        Ok(InviteOption {
            caller: self.uri()?,
            callee: Uri::try_from(format!("sip:{channel}@{}", at.addr).as_str())?,
            destination: Some(at.clone()),
            contact: self.contact(at.r#type)?,
            content_type: Some("APPLICATION/SDP".to_owned()),
            offer: Some(offer.into_bytes()),
            headers: Some(vec![Header::Subject(sdp::subject(*channel, ssrc, self.id).into())]),
            ..InviteOption::default()
        })
    }

    fn contact(&self, transport: Option<Transport>) -> Result<Uri, rsipstack::sip::Error> {
        let parameter = if transport == Some(Transport::Tcp) { ";transport=tcp" } else { "" };
        Uri::try_from(format!("sip:{}@{}{parameter}", self.id, self.own(transport)).as_str())
    }

    fn uri(&self) -> Result<Uri, rsipstack::sip::Error> {
        Uri::try_from(format!("sip:{}@{}", self.id, self.settings.domain).as_str())
    }
}

impl From<roster::Entry> for Device {
    fn from(entry: roster::Entry) -> Self {
        let roster::Entry { device, at, seconds, about, items } = entry;
        let channel = |item: hearing_proto::gb28181::Item| Channel {
            id: item.code.to_string(),
            name: item.name,
            on: item.on,
            turns: item.turns,
        };
        Self {
            user: device.to_string(),
            address: at.map(|at| at.to_string()),
            seconds,
            name: about.name,
            manufacturer: about.manufacturer,
            model: about.model,
            firmware: about.firmware,
            version: about.version,
            well: about.online,
            records: about.records,
            channels: items.into_iter().map(channel).collect(),
        }
    }
}

/// Notices devices that have become silent.
async fn sweep(core: Weak<Core>) {
    let mut tick = tokio::time::interval(SWEEP);
    loop {
        tick.tick().await;
        let Some(core) = core.upgrade() else { return };
        let gone = core.roster().sweep(Instant::now());
        for device in &gone {
            metrics::counter!("hearing_gb28181_offline_total").increment(1);
            warn!(%device, "device is offline");
        }
        if !gone.is_empty() {
            core.tell_change();
        }
    }
}

fn secrets(settings: &hearing_config::Gb28181) -> Result<HashMap<String, String>, sip::Error> {
    let devices = settings.devices.iter().enumerate();
    let secret = |(n, device): (usize, &Gb28181Device)| {
        let secret = sip::secret(&device.secret, || format!("gb28181.device[{n}].secret"))?;
        Ok((device.id.as_str().to_owned(), secret))
    };
    devices.map(secret).collect()
}

fn code(id: &DeviceId) -> Code {
    id.as_str().parse().expect("a device id has twenty digits")
}

/// The identity in an address.
fn user_of(uri: &Uri) -> Option<Code> {
    uri.auth.as_ref()?.user.parse().ok()
}

const COUNTERS: Counters =
    Counters { wrong: "hearing_gb28181_wrong_credentials_total", banned: "hearing_gb28181_banned_total" };
/// How often silence is looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// Ends of media that may wait to be noticed.
const ENDED: usize = 64;
