//! Devices register (GB/T 28181-2016, section 9.1), and are asked what they are and have once they are there.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use hearing_proto::gb28181::{Code, Message, Query};
use rsipstack::sip::prelude::*;
use rsipstack::sip::{Header, StatusCode};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::SipAddr;
use tracing::{info, warn};

use super::ask::Thread;
use super::{Core, user_of};
use crate::net::sip::guard::refuse;

impl Core {
    /// A device tells where it is, or that it goes.
    pub(super) async fn register(self: &Arc<Self>, tx: &mut Transaction) {
        // Some devices name the platform where their own address belongs (To): who registers is who sends.
        let named = tx.original.from_header().ok().and_then(|from| from.uri().ok());
        let named = named.as_ref().and_then(user_of).filter(|code| self.roster().knows(*code));
        let Some(device) = named else {
            metrics::counter!("hearing_gb28181_strangers_total").increment(1);
            return refuse(tx, StatusCode::Forbidden, Vec::new()).await;
        };
        let Some(user) = self.guard.authenticate(tx).await else { return };
        if user != device.as_str() {
            warn!(user, "device registers under another's identity");
            return refuse(tx, StatusCode::Forbidden, Vec::new()).await;
        }
        let lasts = expires(tx);
        let Some(at) = tx.connection.as_ref().and_then(|connection| connection.get_remote_addr().cloned()) else {
            return refuse(tx, StatusCode::BadRequest, Vec::new()).await;
        };
        let changed = self.bind(device, &at, lasts, version(tx));
        if let Err(error) = tx.reply_with(StatusCode::OK, welcome(tx, lasts), None).await {
            warn!(user, %error, "registration not answered");
        }
        // Whoever is asked something before it knows that it is registered does not answer.
        if let Bound::Came(epoch) = changed {
            tokio::spawn(acquaint(Arc::downgrade(self), device, (at, epoch)));
        }
        if changed != Bound::Stays {
            self.tell_change();
        }
    }

    /// Notes where a device is for so many seconds, 0 when it has gone.
    fn bind(&self, device: Code, at: &SipAddr, seconds: u32, version: Option<String>) -> Bound {
        let mut roster = self.roster();
        if seconds == 0 {
            info!(%device, "device has gone");
            return if roster.leave(device) { Bound::Left } else { Bound::Stays };
        }
        if let (Some(about), Some(version)) = (roster.about(device), version) {
            about.version = Some(version);
        }
        match roster.register(device, at.clone(), Duration::from_secs(seconds.into()), Instant::now()) {
            Some(epoch) => {
                info!(%device, at = %at.addr, seconds, "device is registered");
                Bound::Came(epoch)
            }
            None => Bound::Stays,
        }
    }
}

/// What a registration has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    /// The device was not there, or elsewhere.
    Came(u64),
    Stays,
    Left,
}

/// Gets to know a device that has just come, and follows what changes, as long as it stays.
async fn acquaint(core: Weak<Core>, device: Code, (at, epoch): (SipAddr, u64)) {
    let Some(strong) = core.upgrade() else { return };
    let mut changed = strong.changed.subscribe();
    strong.learn(device, &at).await;
    let mut thread = Thread::named(format!("{}@{}", uuid::Uuid::new_v4(), strong.settings.domain));
    let _followed = Followed::new(&core, thread.call.clone().unwrap_or_default(), device);
    drop(strong);
    loop {
        let Some(strong) = core.upgrade() else { return };
        if strong.epoch(device) != Some(epoch) {
            return;
        }
        if let Err(why) = strong.subscribe(device, &at, &mut thread, SUBSCRIBED).await {
            info!(%device, %why, "a device does not tell what changes");
        }
        drop(strong);
        let renew = tokio::time::sleep(Duration::from_secs(u64::from(SUBSCRIBED) * 4 / 5));
        let gone = async {
            while changed.changed().await.is_ok() {
                if core.upgrade().is_none_or(|core| core.epoch(device) != Some(epoch)) {
                    return;
                }
            }
        };
        tokio::select! {
            () = renew => {}
            () = gone => return,
        }
    }
}

/// A subscription whose notices are listened to; not any more when it is dropped.
struct Followed {
    core: Weak<Core>,
    call: String,
}

impl Followed {
    fn new(core: &Weak<Core>, call: String, device: Code) -> Self {
        if let Some(core) = core.upgrade() {
            core.subscriptions().insert(call.clone(), device);
        }
        Self { core: core.clone(), call }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade() {
            core.subscriptions().remove(&self.call);
        }
    }
}

impl Core {
    /// What a device is, how it is, and what it has.
    async fn learn(&self, device: Code, at: &SipAddr) {
        match self.catalog(device, at).await {
            Ok(items) => {
                info!(%device, items = items.len(), "device has told what it has");
                self.roster().learn(device, items);
                self.tell_change();
            }
            Err(why) => info!(%device, %why, "a device does not tell what it has"),
        }
        if let Ok(Message::DeviceInfo { name, manufacturer, model, firmware, .. }) =
            self.ask(Query::DeviceInfo, device, at).await
            && let Some(about) = self.roster().about(device)
        {
            (about.name, about.manufacturer, about.model, about.firmware) = (name, manufacturer, model, firmware);
        }
        if let Ok(Message::DeviceStatus { online, records, .. }) = self.ask(Query::DeviceStatus, device, at).await
            && let Some(about) = self.roster().about(device)
        {
            (about.online, about.records) = (Some(online), Some(records));
        }
    }
}

/// For how long a device wants to be registered, within what is allowed.
fn expires(tx: &Transaction) -> u32 {
    let header = tx.original.headers.iter().find_map(|header| match header {
        Header::Expires(value) => value.value().trim().parse::<u32>().ok(),
        _ => None,
    });
    let contacts = tx.original.typed_contact_headers().ok();
    let told = contacts.as_ref().and_then(|contacts| contacts.first()).and_then(|contact| contact.expires()).or(header);
    match told.unwrap_or(LONGEST) {
        0 => 0,
        seconds => seconds.clamp(SHORTEST, LONGEST),
    }
}

/// The version of the standard that a device speaks.
fn version(tx: &Transaction) -> Option<String> {
    let told = tx.original.headers.iter().find_map(|header| match header {
        Header::Other(name, value) if name.eq_ignore_ascii_case(VERSION.0) => Some(value.trim()),
        _ => None,
    });
    told.filter(|told| told.len() <= 8).map(str::to_owned)
}

/// What a device is told when it is registered; it sets its clock by it (section 9.10).
fn welcome(tx: &Transaction, seconds: u32) -> Vec<Header> {
    let contact = tx.original.headers.iter().find_map(|header| match header {
        Header::Contact(contact) => Some(Header::Contact(contact.clone())),
        _ => None,
    });
    let now = jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string();
    let mut headers = vec![Header::Expires(seconds.into()), Header::Date(now.as_str().into())];
    headers.push(Header::Other(VERSION.0.to_owned(), VERSION.1.to_owned()));
    headers.extend(contact);
    headers
}

/// The header by which both tell which version of the standard they speak (GB/T 28181-2022, annex I).
const VERSION: (&str, &str) = ("X-GB-Ver", "3.0");
/// Seconds for which a registration lasts.
const SHORTEST: u32 = 60;
const LONGEST: u32 = 86_400;
/// Seconds for which changes are followed before it is asked again: a device that reboots forgets that it was.
const SUBSCRIBED: u32 = 600;
