//! Who may register and call, and where whoever registered is (RFC 3261, section 10).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hearing_config::Digest;
use rsipstack::sip::prelude::*;
use rsipstack::sip::transport::Transport;
use rsipstack::sip::{Header, StatusCode, Uri};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::SipAddr;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::net::sip::guard::{Counters, Guard, refuse};

/// The devices of a zone.
pub(super) struct Registrar {
    guard: Guard,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    bindings: HashMap<String, Binding>,
}

/// A device, for the operator.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Device {
    /// Its user.
    pub user: String,
    /// Where it is registered; `None` while it is not.
    pub address: Option<String>,
    /// For how long the registration is good, seconds.
    pub seconds: u64,
    /// Whether it answers when it is asked if it is there; `None` while it has not been asked there, or never answers such a question.
    pub answers: Option<bool>,
}

/// Where a device is.
#[derive(Debug, Clone)]
pub(super) struct Binding {
    pub(super) contact: Uri,
    /// Where its packets come from, which is where it is reached, whatever its contact says.
    pub(super) at: SipAddr,
    until: Instant,
    /// How often in a row it did not answer; `None` until it has answered once, for there are some that never do.
    missed: Option<u32>,
}

impl Binding {
    /// The connection by which it came is gone, so it is not to be asked there any more: it comes back by another one.
    pub(super) fn is_cut(&self) -> bool {
        let connected = matches!(self.at.r#type, Some(Transport::Tcp | Transport::Tls));
        connected && self.missed.is_some_and(|missed| missed >= MOST_MISSED)
    }
}

impl Registrar {
    pub(super) fn new(realm: &str, digest: Vec<Digest>, secrets: HashMap<String, String>) -> Self {
        let guard = Guard::new(realm, digest, secrets, COUNTERS);
        Self { guard, state: Mutex::default(), changed: watch::Sender::new(0) }
    }

    /// A device that stands in no configuration may call until it is dismissed.
    pub(super) fn admit(&self, user: &str, secret: &str) {
        self.guard.admit(user, secret);
    }

    /// It may not any more, and is not where it registered.
    pub(super) fn dismiss(&self, user: &str) {
        self.guard.dismiss(user);
        self.state().bindings.remove(user);
    }

    /// True for a device of the configuration, and for one that is let in for a while.
    pub(super) fn knows(&self, user: &str) -> bool {
        self.guard.knows(user)
    }

    /// Where a device is now.
    pub(super) fn binding(&self, user: &str) -> Option<Binding> {
        self.state().bindings.get(user).filter(|binding| binding.until > Instant::now()).cloned()
    }

    /// Whoever is registered now, and where.
    pub(super) fn bindings(&self) -> Vec<(String, Binding)> {
        let (now, state) = (Instant::now(), self.state());
        let valid = state.bindings.iter().filter(|(_, binding)| binding.until > now);
        valid.map(|(user, binding)| (user.clone(), binding.clone())).collect()
    }

    /// A device that was asked there has answered.
    pub(super) fn answered(&self, user: &str, at: &SipAddr) {
        if let Some(binding) = self.state().bindings.get_mut(user).filter(|binding| binding.at == *at) {
            binding.missed = Some(0);
        }
    }

    /// It has not. Its registration stands all the same: after a cut of the line it does not know that it should register anew.
    pub(super) fn silent(&self, user: &str, at: &SipAddr) {
        let mut state = self.state();
        let Some(binding) = state.bindings.get_mut(user).filter(|binding| binding.at == *at) else { return };
        binding.missed = binding.missed.map(|missed| missed.saturating_add(1));
        if binding.missed == Some(MOST_MISSED) {
            warn!(user, at = %at.addr, "device does not answer any more");
        }
    }

    /// Every device, by its user.
    pub(super) fn devices(&self) -> Vec<Device> {
        let (now, state) = (Instant::now(), self.state());
        let device = |user: &String| {
            let binding = state.bindings.get(user).filter(|binding| binding.until > now);
            Device {
                user: user.clone(),
                address: binding.map(|binding| binding.at.to_string()),
                seconds: binding.map_or(0, |binding| binding.until.saturating_duration_since(now).as_secs()),
                answers: binding.and_then(|binding| binding.missed).map(|missed| missed < MOST_MISSED),
            }
        };
        let mut devices: Vec<_> = self.guard.users().map(device).collect();
        devices.sort_by(|a, b| a.user.cmp(&b.user));
        devices
    }

    /// Changes whenever somebody registers.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Who sends this request; answers it when nobody who may.
    pub(super) async fn authenticate(&self, tx: &mut Transaction) -> Option<String> {
        self.guard.authenticate(tx).await
    }

    /// A device tells where it is, or that it goes.
    pub(super) async fn register(&self, tx: &mut Transaction) {
        let Some(user) = self.authenticate(tx).await else { return };
        let named = tx.original.to_header().ok().and_then(|to| to.uri().ok()).and_then(|uri| uri.auth).map(|a| a.user);
        if named.as_deref() != Some(user.as_str()) {
            warn!(user, "device registers under another's name");
            return refuse(tx, StatusCode::Forbidden, Vec::new()).await;
        }
        let headers = match self.bind(&user, tx) {
            Some(headers) => headers,
            None => return refuse(tx, StatusCode::BadRequest, Vec::new()).await,
        };
        if let Err(error) = tx.reply_with(StatusCode::OK, headers, None).await {
            warn!(user, %error, "registration not answered");
        }
        self.changed.send_modify(|n| *n += 1);
    }

    fn bind(&self, user: &str, tx: &Transaction) -> Option<Vec<Header>> {
        let asked = tx.original.headers.iter().find_map(|header| match header {
            Header::Expires(value) => value.value().trim().parse::<u32>().ok(),
            _ => None,
        });
        let at = tx.connection.as_ref().and_then(|connection| connection.get_remote_addr().cloned());
        let mut state = self.state();
        let contacts = tx.original.typed_contact_headers().ok();
        let Some(contact) = contacts.as_ref().and_then(|contacts| contacts.first()) else {
            // `Contact: *` takes all bindings away; without a contact the present one is asked for.
            if asked == Some(0) {
                state.bindings.remove(user);
            }
            return Some(Vec::new());
        };
        let seconds = contact.expires().or(asked).unwrap_or(LONGEST);
        if seconds == 0 {
            state.bindings.remove(user);
            info!(user, "device has gone");
            return Some(Vec::new());
        }
        let seconds = seconds.clamp(SHORTEST, LONGEST);
        let until = Instant::now() + Duration::from_secs(u64::from(seconds)) + GRACE;
        let at = match at {
            Some(at) => at,
            None => SipAddr::try_from(&contact.uri).ok()?,
        };
        info!(user, at = %at.addr, seconds, "device is registered");
        state.bindings.insert(user.to_owned(), Binding { contact: contact.uri.clone(), at, until, missed: None });
        Some(vec![Header::Contact(format!("<{}>;expires={seconds}", contact.uri).into())])
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Questions without an answer, one after the other, after which a device that has answered before is said not to answer.
const MOST_MISSED: u32 = 3;
/// Seconds for which a registration lasts.
const SHORTEST: u32 = 60;
const LONGEST: u32 = 3_600;
/// A registration that is renewed a little late still holds.
const GRACE: Duration = Duration::from_secs(10);
const COUNTERS: Counters =
    Counters { wrong: "hearing_sip_wrong_credentials_total", banned: "hearing_sip_banned_total" };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_answered_before_is_said_not_to_after_three_questions_and_stays_registered() {
        let secrets = ["talks", "deaf"].map(|user| (user.to_owned(), "secret".to_owned()));
        let registrar = Registrar::new("court", vec![Digest::Md5], secrets.into());
        let at = |port: u16| SipAddr::from(std::net::SocketAddr::from(([10, 0, 0, 9], port)));
        let contact = Uri::try_from("sip:room@10.0.0.9").unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        for user in ["talks", "deaf"] {
            let binding = Binding { contact: contact.clone(), at: at(5060), until, missed: None };
            registrar.state().bindings.insert(user.to_owned(), binding);
        }
        let answers = || registrar.devices().iter().map(|device| device.answers).collect::<Vec<_>>();
        let silence = |port| ["talks", "deaf"].iter().for_each(|user| registrar.silent(user, &at(port)));
        registrar.answered("talks", &at(5060));
        (0..2).for_each(|_| silence(5060));
        silence(5070);
        assert_eq!(answers(), [None, Some(true)], "it is asked elsewhere no more");
        silence(5060);
        assert_eq!(answers(), [None, Some(false)]);
        let cut = |r#type| {
            Binding { at: SipAddr { r#type: Some(r#type), ..at(5060) }, ..registrar.binding("talks").unwrap() }.is_cut()
        };
        assert_eq!([Transport::Udp, Transport::Tcp, Transport::Tls].map(cut), [false, true, true]);
        assert_eq!(registrar.bindings().len(), 2);
        registrar.answered("talks", &at(5060));
        assert_eq!(answers(), [None, Some(true)]);
    }
}
