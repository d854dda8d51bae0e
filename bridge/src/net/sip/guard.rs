//! Who may register and call: credentials by digest, and no ear for addresses that guess.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hearing_config::{Digest, Timestamp};
use rsipstack::sip::{Header, Method, StatusCode};
use rsipstack::transaction::transaction::Transaction;
use tracing::warn;

use super::digest::{Denied, Verifier};

/// The credentials of one realm.
pub struct Guard {
    secrets: HashMap<String, String>,
    counters: Counters,
    state: Mutex<State>,
}

/// The names under which a guard counts.
#[derive(Debug, Clone, Copy)]
pub struct Counters {
    /// Wrong answers to a challenge.
    pub wrong: &'static str,
    /// Requests from addresses that are shut out.
    pub banned: &'static str,
}

struct State {
    verifier: Verifier,
    /// Passwords, by user, of those who are let in for a while and stand in no configuration.
    guests: HashMap<String, String>,
    /// Wrong answers by address, and when the last came.
    wrong: HashMap<IpAddr, (u32, Instant)>,
}

impl Guard {
    /// For a realm; `digest` are the algorithms that are asked for, `secrets` passwords by user.
    #[must_use]
    pub fn new(realm: &str, digest: Vec<Digest>, secrets: HashMap<String, String>, counters: Counters) -> Self {
        let state = State { verifier: Verifier::new(realm, digest), guests: HashMap::new(), wrong: HashMap::new() };
        Self { secrets, counters, state: Mutex::new(state) }
    }

    /// True for a user of the configuration, and for a guest.
    #[must_use]
    pub fn knows(&self, user: &str) -> bool {
        self.secrets.contains_key(user) || self.state().guests.contains_key(user)
    }

    /// Lets somebody in until he is dismissed. A user of the configuration keeps his own password.
    pub fn admit(&self, user: &str, secret: &str) {
        self.state().guests.insert(user.to_owned(), secret.to_owned());
    }

    /// A guest is nobody again.
    pub fn dismiss(&self, user: &str) {
        self.state().guests.remove(user);
    }

    /// The users of the configuration, in no order.
    pub fn users(&self) -> impl Iterator<Item = &String> {
        self.secrets.keys()
    }

    /// Who sends this request; answers it when nobody who may.
    pub async fn authenticate(&self, tx: &mut Transaction) -> Option<String> {
        if self.turns_away(tx).await {
            return None;
        }
        let value = tx.original.headers.iter().find_map(|header| match header {
            Header::Authorization(value) => Some(value.value().to_owned()),
            _ => None,
        });
        let (now, at, method) = (Instant::now(), Timestamp::now(), tx.original.method.to_string());
        match self.verify((now, at), &method, value.as_deref()) {
            Ok(user) => {
                peer(tx).iter().for_each(|ip| _ = self.state().wrong.remove(ip));
                Some(user)
            }
            Err(denied) => {
                self.deny(peer(tx), denied);
                // Terminals over libre give up at once when a second challenge names an algorithm that they do not know: so the
                // court says which are asked for.
                let stale = denied == Denied::Challenge { stale: true };
                let asked = self.state().verifier.challenges(at, stale).into_iter();
                let headers = asked.map(|value| Header::WwwAuthenticate(value.into())).collect();
                refuse(tx, StatusCode::Unauthorized, headers).await;
                None
            }
        }
    }

    /// Answers a request from an address that is shut out; true when it was one.
    pub async fn turns_away(&self, tx: &mut Transaction) -> bool {
        let banned = peer(tx).is_some_and(|ip| self.is_banned(ip, Instant::now()));
        if banned {
            metrics::counter!(self.counters.banned).increment(1);
            refuse(tx, StatusCode::Forbidden, Vec::new()).await;
        }
        banned
    }

    /// From now on nothing of this address is listened to, for five minutes.
    pub fn shut_out(&self, ip: IpAddr) {
        let now = Instant::now();
        for _ in 0..TRIES {
            self.count(ip, now);
        }
    }

    fn verify(&self, clocks: (Instant, Timestamp), method: &str, value: Option<&str>) -> Result<String, Denied> {
        let mut state = self.state();
        let State { verifier, guests, .. } = &mut *state;
        verifier.verify(clocks, method, value, |user| self.secrets.get(user).or_else(|| guests.get(user)).cloned())
    }

    fn deny(&self, peer: Option<IpAddr>, denied: Denied) {
        let (Denied::Wrong, Some(ip)) = (denied, peer) else { return };
        metrics::counter!(self.counters.wrong).increment(1);
        self.count(ip, Instant::now());
    }

    fn count(&self, ip: IpAddr, now: Instant) {
        let mut state = self.state();
        state.wrong.retain(|_, (_, at)| now.saturating_duration_since(*at) < BAN);
        if state.wrong.len() < WRONG_LIMIT || state.wrong.contains_key(&ip) {
            let (count, at) = state.wrong.entry(ip).or_insert((0, now));
            (*count, *at) = (count.saturating_add(1), now);
        }
    }

    fn is_banned(&self, ip: IpAddr, now: Instant) -> bool {
        let state = self.state();
        let wrong = state.wrong.get(&ip);
        wrong.is_some_and(|(count, at)| *count >= TRIES && now.saturating_duration_since(*at) < BAN)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A final answer; for an INVITE the acknowledgement is awaited, so that it is not sent again.
pub async fn refuse(tx: &mut Transaction, code: StatusCode, headers: Vec<Header>) {
    let is_invite = tx.original.method == Method::Invite;
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

/// Where a request comes from.
#[must_use]
pub fn peer(tx: &Transaction) -> Option<IpAddr> {
    let at = tx.connection.as_ref()?.get_remote_addr()?;
    at.addr.host.to_string().parse().ok()
}

/// Wrong answers after which an address is not listened to.
const TRIES: u32 = 5;
const BAN: Duration = Duration::from_secs(300);
const WRONG_LIMIT: usize = 4_096;
const ACK_LIMIT: Duration = Duration::from_secs(32);

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard::new("court", vec![Digest::Md5], HashMap::new(), Counters { wrong: "wrong", banned: "banned" })
    }

    #[test]
    fn a_guest_is_known_until_he_is_dismissed_and_is_no_user_of_the_configuration() {
        let guard = guard();
        guard.admit("guest", "secret");
        assert!(guard.knows("guest") && !guard.knows("other"));
        assert_eq!(guard.users().count(), 0);
        guard.dismiss("guest");
        assert!(!guard.knows("guest"));
    }

    #[test]
    fn an_address_that_guesses_is_shut_out_for_five_minutes_and_no_other() {
        let (guard, now) = (guard(), Instant::now());
        let [guesser, other] = ["10.0.0.1", "10.0.0.2"].map(|ip| ip.parse().unwrap());
        for _ in 0..TRIES - 1 {
            guard.count(guesser, now);
        }
        assert!(!guard.is_banned(guesser, now));
        guard.count(guesser, now);
        assert!(guard.is_banned(guesser, now) && !guard.is_banned(other, now));
        assert!(!guard.is_banned(guesser, now + BAN));
    }

    #[test]
    fn what_is_shut_out_need_not_guess_and_an_old_challenge_is_no_guess() {
        let guard = guard();
        let ip = "10.0.0.1".parse().unwrap();
        (0..9).for_each(|_| guard.deny(Some(ip), Denied::Challenge { stale: true }));
        assert!(!guard.is_banned(ip, Instant::now()));
        guard.shut_out(ip);
        assert!(guard.is_banned(ip, Instant::now()));
    }
}
