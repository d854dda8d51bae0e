//! Who may register and call, and where whoever registered is (RFC 3261, section 10).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hearing_config::{Digest, Timestamp};
use rsipstack::sip::prelude::*;
use rsipstack::sip::{Header, StatusCode, Uri};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::SipAddr;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::net::sip::digest::{Denied, Verifier};

/// The devices of a zone.
pub(super) struct Registrar {
    secrets: HashMap<String, String>,
    digest: Vec<Digest>,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

struct State {
    verifier: Verifier,
    bindings: HashMap<String, Binding>,
    /// Wrong answers by address, and when the last came.
    wrong: HashMap<IpAddr, (u32, Instant)>,
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
}

/// Where a device is.
#[derive(Debug, Clone)]
pub(super) struct Binding {
    pub(super) contact: Uri,
    /// Where its packets come from, which is where it is reached, whatever its contact says.
    pub(super) at: SipAddr,
    until: Instant,
}

impl Registrar {
    pub(super) fn new(realm: &str, digest: Vec<Digest>, secrets: HashMap<String, String>) -> Self {
        let state = State { verifier: Verifier::new(realm), bindings: HashMap::new(), wrong: HashMap::new() };
        Self { secrets, digest, state: Mutex::new(state), changed: watch::Sender::new(0) }
    }

    /// True for a device of the configuration.
    pub(super) fn knows(&self, user: &str) -> bool {
        self.secrets.contains_key(user)
    }

    /// Where a device is now.
    pub(super) fn binding(&self, user: &str) -> Option<Binding> {
        self.state().bindings.get(user).filter(|binding| binding.until > Instant::now()).cloned()
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
            }
        };
        let mut devices: Vec<_> = self.secrets.keys().map(device).collect();
        devices.sort_by(|a, b| a.user.cmp(&b.user));
        devices
    }

    /// Changes whenever somebody registers.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Who sends this request; answers it when nobody who may.
    pub(super) async fn authenticate(&self, tx: &mut Transaction) -> Option<String> {
        let peer = peer(tx);
        if peer.is_some_and(|ip| self.is_banned(ip)) {
            metrics::counter!("hearing_sip_banned_total").increment(1);
            refuse(tx, StatusCode::Forbidden, Vec::new()).await;
            return None;
        }
        let value = tx.original.headers.iter().find_map(|header| match header {
            Header::Authorization(value) => Some(value.value().to_owned()),
            _ => None,
        });
        let (now, at, method) = (Instant::now(), Timestamp::now(), tx.original.method.to_string());
        let verdict =
            self.state().verifier.verify((now, at), &method, value.as_deref(), |user| self.secrets.get(user).cloned());
        match verdict {
            Ok(user) => {
                peer.iter().for_each(|ip| _ = self.state().wrong.remove(ip));
                Some(user)
            }
            Err(denied) => {
                self.deny(peer, denied);
                // Terminals over libre give up at once when a second challenge names an algorithm that they do not know: so the
                // court says which are asked for.
                let stale = denied == Denied::Challenge { stale: true };
                let challenge = |algorithm: &Digest| self.state().verifier.challenge(*algorithm, at, stale);
                let headers =
                    self.digest.iter().map(challenge).map(|value| Header::WwwAuthenticate(value.into())).collect();
                refuse(tx, StatusCode::Unauthorized, headers).await;
                None
            }
        }
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
        state.bindings.insert(user.to_owned(), Binding { contact: contact.uri.clone(), at, until });
        Some(vec![Header::Contact(format!("<{}>;expires={seconds}", contact.uri).into())])
    }

    fn deny(&self, peer: Option<IpAddr>, denied: Denied) {
        let (Denied::Wrong, Some(ip)) = (denied, peer) else { return };
        metrics::counter!("hearing_sip_wrong_credentials_total").increment(1);
        let (now, mut state) = (Instant::now(), self.state());
        state.wrong.retain(|_, (_, at)| now.saturating_duration_since(*at) < BAN);
        if state.wrong.len() < WRONG_LIMIT || state.wrong.contains_key(&ip) {
            let (count, at) = state.wrong.entry(ip).or_insert((0, now));
            (*count, *at) = (count.saturating_add(1), now);
        }
    }

    fn is_banned(&self, ip: IpAddr) -> bool {
        let state = self.state();
        state.wrong.get(&ip).is_some_and(|(count, at)| *count >= TRIES && at.elapsed() < BAN)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A final answer; for an INVITE the acknowledgement is awaited, so that it is not sent again.
pub(super) async fn refuse(tx: &mut Transaction, code: StatusCode, headers: Vec<Header>) {
    let is_invite = tx.original.method == rsipstack::sip::Method::Invite;
    if let Err(error) = tx.reply_with(code, headers, None).await {
        warn!(%error, "a SIP request was not answered");
        return;
    }
    if is_invite {
        let acknowledged = async { while tx.receive().await.is_some() {} };
        // Whoever does not acknowledge costs this task no longer than the transaction lasts.
        let _ = tokio::time::timeout(ACK_LIMIT, acknowledged).await;
    }
}

fn peer(tx: &Transaction) -> Option<IpAddr> {
    let at = tx.connection.as_ref()?.get_remote_addr()?;
    at.addr.host.to_string().parse().ok()
}

/// Seconds for which a registration lasts.
const SHORTEST: u32 = 60;
const LONGEST: u32 = 3_600;
/// A registration that is renewed a little late still holds.
const GRACE: Duration = Duration::from_secs(10);
/// Wrong answers after which an address is not listened to.
const TRIES: u32 = 5;
const BAN: Duration = Duration::from_secs(300);
const WRONG_LIMIT: usize = 4_096;
const ACK_LIMIT: Duration = Duration::from_secs(32);
