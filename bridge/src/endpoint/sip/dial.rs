//! Calls that we make.

use std::collections::HashMap;

use hearing_config::{Aor, Srtp};
use rsipstack::dialog::dialog::DialogStateReceiver;
use rsipstack::dialog::invitation::InviteOption;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::uri::ParamsExt as _;
use rsipstack::sip::{Header, Response, StatusCodeKind, Uri};
use rsipstack::transport::SipAddr;
use tokio::sync::watch;
use tokio::time::Instant;

use super::agreed::{self, Setup};
use super::held::Held;
use super::incoming::knows_update;
use super::sdp::{self, Own, Use};
use super::timer::{self, Side, Timer};
use super::{Core, ports, sdes};
use crate::net::sip::Account;

/// Whom to call, and where; `None` while a device of the configuration is not registered.
pub(super) type Place = Option<(Uri, Option<SipAddr>)>;

/// A final answer to a call.
type Answered = (InviteDialog, DialogStateReceiver, Response);

impl Core {
    /// Rings a terminal until it answers, no earlier than at `from`: where it is registered, and anew where it moves to.
    pub(super) async fn ring(&self, aor: &Aor, from: Instant) -> Result<Setup, String> {
        tokio::time::sleep_until(from).await;
        let mut changed = self.registrar.watch();
        loop {
            let place = self.place(aor);
            let dialling = async {
                match place.clone() {
                    Some((callee, at)) => self.dial(callee, at).await,
                    // A device that has not registered is awaited.
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                setup = dialling => return setup,
                () = self.moved(aor, &place, &mut changed) => {}
            }
        }
    }

    /// Until the terminal is elsewhere than it was. Registrations of others and those that are only renewed change nothing.
    async fn moved(&self, aor: &Aor, from: &Place, changed: &mut watch::Receiver<u64>) {
        while changed.changed().await.is_ok() {
            if self.place(aor) != *from {
                return;
            }
        }
        std::future::pending().await
    }

    pub(super) fn place(&self, aor: &Aor) -> Place {
        if self.registrar.knows(aor.user()) {
            let binding = self.registrar.binding(aor.user())?;
            return Some((binding.contact, Some(binding.at)));
        }
        // Who stands in for a terminal calls by itself, and can't be rung.
        (!aor.is_in_rehearsal()).then_some(())?;
        Some((Uri::try_from(aor.as_str()).ok()?, None))
    }

    /// Rings a terminal until it answers.
    pub(super) async fn dial(&self, callee: Uri, at: Option<SipAddr>) -> Result<Setup, String> {
        let transport = at.as_ref().and_then(|at| at.r#type).or(callee.transport().copied()).map(|t| t.to_string());
        let (own, pairs) = self.lines(self.secures(transport.as_deref())).await?;
        let id = rand::random::<u32>().into();
        let offer = sdp::offer(self.settings.advertise, (id, 1), &own);
        let contact = self.contact(transport.as_deref());
        let contact = contact.ok_or("this node does not listen on the terminal's transport")?;
        let option = self.invitation((callee, at), contact, offer)?;
        let (dialog, states, response) = match &self.account {
            Some(account) => self.invite_as(account, option).await?,
            None => self.invite(option).await?,
        };
        if response.status_code.kind() != StatusCodeKind::Successful {
            let who = if self.account.is_some() { "node" } else { "terminal" };
            return Err(format!("the {who} refuses: {}", response.status_code));
        }
        let held = Held::new(self.stack.dialogs.clone(), dialog, states);
        let (timer, updates) = (Timer::read(&response.headers, Side::Client), knows_update(response.headers.iter()));
        match self.taken_up(&response.body, own, pairs) {
            Some((lines, chosen, pairs)) => Ok(Setup { held, lines, chosen, pairs, id, timer, updates }),
            None => Err("the terminal has no codec in common, or no keys".to_owned()),
        }
    }

    /// Our media is keyed, whether we were called or call: by demand, or because the keys are safe on their way.
    pub(super) fn secures(&self, transport: Option<&str>) -> bool {
        self.settings.srtp == Srtp::Required || transport.is_some_and(|t| t.eq_ignore_ascii_case("tls"))
    }

    /// What we offer, with its sockets.
    pub(super) async fn lines(&self, secure: bool) -> Result<(Vec<Own>, HashMap<Use, ports::Pair>), String> {
        let (mut own, mut pairs) = (Vec::new(), HashMap::new());
        for used in [Use::Sound, Use::Picture] {
            let pair = self.ports.pair().await.map_err(|error| error.to_string())?;
            let crypto = if secure { sdes::Crypto::offer() } else { Vec::new() };
            own.push(Own { used, port: pair.port, crypto });
            pairs.insert(used, pair);
        }
        Ok((own, pairs))
    }

    fn invitation(
        &self,
        (callee, destination): (Uri, Option<SipAddr>),
        contact: Uri,
        offer: String,
    ) -> Result<InviteOption, String> {
        let user = self.account.as_ref().map_or("hearing", |account| &account.user);
        let caller = format!("sip:{user}@{}", self.settings.domain);
        Ok(InviteOption {
            caller: Uri::try_from(caller.as_str()).map_err(|error| error.to_string())?,
            callee,
            destination,
            contact,
            content_type: Some("application/sdp".to_owned()),
            offer: Some(offer.into_bytes()),
            // Nobody refreshes a call that stands in for a terminal's.
            headers: self.account.is_none().then(timer::wish),
            ..InviteOption::default()
        })
    }

    async fn invite(&self, option: InviteOption) -> Result<Answered, String> {
        let (sender, states) = self.stack.dialogs.new_dialog_state_channel();
        let invited = self.stack.dialogs.do_invite(option, sender).await.map_err(|error| error.to_string())?;
        let (dialog, Some(response)) = invited else { return Err("the terminal does not answer".to_owned()) };
        Ok((dialog, states, response))
    }

    /// Once more with the account's proof, when it is asked for.
    async fn invite_as(&self, account: &Account, option: InviteOption) -> Result<Answered, String> {
        let answered = self.invite(option.clone()).await?;
        let Some(proof) = account.proof(&answered.2, "INVITE", &option.callee.to_string()) else { return Ok(answered) };
        let headers = Some(vec![Header::Authorization(proof.into())]);
        self.invite(InviteOption { headers, ..option }).await
    }

    /// What of our offer the answer takes up.
    pub(super) fn taken_up(
        &self,
        body: &[u8],
        own: Vec<Own>,
        mut pairs: HashMap<Use, ports::Pair>,
    ) -> Option<agreed::Taken> {
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
}
