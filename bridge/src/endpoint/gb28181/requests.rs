//! What devices ask and tell: every request that belongs to no call, and those that begin one.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use hearing_proto::gb28181::{self as gb, Code, Message, Page};
use rsipstack::dialog::dialog::Dialog;
use rsipstack::sip::prelude::*;
use rsipstack::sip::{Header, Method, StatusCode};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transaction::transaction::Transaction;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{info, warn};

use super::talk::{Fetch, Offer};
use super::{Core, user_of};
use crate::net::sip::guard::{peer, refuse};

pub(super) async fn serve(core: Weak<Core>, mut requests: TransactionReceiver) {
    while let Some(tx) = requests.recv().await {
        let Some(core) = core.upgrade() else { return };
        tokio::spawn(core.request(tx));
    }
}

impl Core {
    async fn request(self: Arc<Self>, mut tx: Transaction) {
        let method = tx.original.method;
        let in_dialog = tx.original.to_header().ok().and_then(|to| to.tag().ok().flatten()).is_some();
        let result = match (in_dialog, method) {
            (_, Method::Notify) if !self.is_in_call(&tx) => return self.notified(tx).await,
            (true, _) => match self.stack.dialogs.match_dialog(&tx) {
                Some(Dialog::Invite(mut dialog)) => dialog.handle(&mut tx).await,
                Some(mut dialog) => dialog.handle(&mut tx).await,
                None if method == Method::Ack => Ok(()),
                None => tx.reply(StatusCode::CallTransactionDoesNotExist).await,
            },
            (false, Method::Register) => return self.register(&mut tx).await,
            (false, Method::Message) => return self.told(tx).await,
            (false, Method::Invite) => return self.invited(tx).await,
            (false, Method::Ack | Method::Cancel) => Ok(()),
            (false, Method::Options) => tx.reply_with(StatusCode::OK, abilities(), None).await,
            (false, _) => tx.reply_with(StatusCode::MethodNotAllowed, abilities(), None).await,
        };
        if let Err(error) = result {
            warn!(%method, %error, "a device's request went wrong");
        }
    }

    fn is_in_call(&self, tx: &Transaction) -> bool {
        matches!(self.stack.dialogs.match_dialog(tx), Some(Dialog::Invite(_)))
    }

    /// The device that sends a request, if it is registered and where it is registered; anybody else is answered.
    async fn sender(&self, tx: &mut Transaction) -> Option<(Code, IpAddr)> {
        if self.guard.turns_away(tx).await {
            return None;
        }
        let named = tx.original.from_header().ok().and_then(|from| from.uri().ok());
        let (code, ip) = (named.as_ref().and_then(user_of), peer(tx));
        let (Some(code), Some(ip)) = (code, ip) else {
            metrics::counter!("hearing_gb28181_strangers_total").increment(1);
            refuse(tx, StatusCode::Forbidden, Vec::new()).await;
            return None;
        };
        let known = self.roster().is_from(code, ip, Instant::now());
        let speaks_for = if known { Some(code) } else { self.device_of(code, ip) };
        if speaks_for.is_none() {
            // A device of ours that is offline for us registers again when it is told so.
            metrics::counter!("hearing_gb28181_strangers_total").increment(1);
            refuse(tx, StatusCode::Forbidden, Vec::new()).await;
        }
        Some((speaks_for?, ip))
    }

    /// The device by whose channel a request was sent: some devices sign with it.
    fn device_of(&self, channel: Code, ip: IpAddr) -> Option<Code> {
        let (now, roster) = (Instant::now(), self.roster());
        let device = roster.target(channel, now)?.device;
        roster.is_from(device, ip, now).then_some(device)
    }

    /// A message of a device.
    async fn told(&self, mut tx: Transaction) {
        let Some((device, ip)) = self.sender(&mut tx).await else { return };
        let code = match self.take(device, ip, &tx.original.body) {
            Ok(()) => StatusCode::OK,
            Err(()) => StatusCode::BadRequest,
        };
        refuse(&mut tx, code, Vec::new()).await;
    }

    /// A device tells what has changed, as it was asked to.
    async fn notified(&self, mut tx: Transaction) {
        let call = tx.original.call_id_header().ok().map(|call| call.value().to_owned()).unwrap_or_default();
        let followed = self.subscriptions().get(&call).copied();
        let Some((device, ip)) = self.sender(&mut tx).await else { return };
        if followed != Some(device) {
            return refuse(&mut tx, StatusCode::CallTransactionDoesNotExist, Vec::new()).await;
        }
        let code = match gb::parse(&tx.original.body) {
            Ok(Message::Catalog(page)) => {
                self.changed(device, page);
                StatusCode::OK
            }
            Ok(_) => StatusCode::OK,
            // The first notice of a subscription may have nothing in it.
            Err(_) if tx.original.body.is_empty() => StatusCode::OK,
            Err(_) => {
                self.malformed(device, ip);
                StatusCode::BadRequest
            }
        };
        refuse(&mut tx, code, Vec::new()).await;
    }

    /// What a device says; an error when it can't be read.
    fn take(&self, device: Code, ip: IpAddr, body: &[u8]) -> Result<(), ()> {
        let message = gb::parse(body).map_err(|why| {
            tracing::debug!(%device, %why, "a device's message is not understood");
            self.malformed(device, ip);
        })?;
        let sn = match &message {
            Message::Keepalive { well, .. } => {
                self.roster().alive(device, ip, Instant::now());
                if !well {
                    info!(%device, "a device says that it is at fault");
                }
                return Ok(());
            }
            Message::MediaStatus { device: channel, .. } => {
                // Nobody listens when no call is up.
                let _ = self.ended.send(*channel);
                return Ok(());
            }
            Message::Alarm(alarm) => {
                info!(%device, priority = alarm.priority, method = alarm.method, "a device raises an alarm");
                return Ok(());
            }
            Message::Catalog(page) => page.sn,
            Message::DeviceInfo { sn, .. }
            | Message::DeviceStatus { sn, .. }
            | Message::Broadcast { sn, .. }
            | Message::Presets { sn, .. }
            | Message::Done { sn, .. } => *sn,
            Message::Other { .. } => return Ok(()),
        };
        if let Some(Message::Catalog(page)) = self.answers.hand(device, sn, message)
            && page.items.iter().any(|item| item.event.is_some())
        {
            self.changed(device, page);
        }
        Ok(())
    }

    fn changed(&self, device: Code, page: Page) {
        info!(%device, items = page.items.len(), "a device has something else");
        self.roster().change(device, page);
        self.tell_change();
    }

    /// A device that sends nothing but rubbish is cut off.
    fn malformed(&self, device: Code, ip: IpAddr) {
        metrics::counter!("hearing_gb28181_messages_malformed_total").increment(1);
        let mut rubbish = self.rubbish.lock().unwrap_or_else(PoisonError::into_inner);
        if rubbish.entry(device).or_default().add(1, Instant::now()) {
            warn!(%device, "a device sends more than a hundred malformed messages a second and is shut out");
            self.guard.shut_out(ip);
            self.roster().leave(device);
            self.tell_change();
        }
    }

    /// A device fetches what it was told to hear.
    async fn invited(&self, mut tx: Transaction) {
        let Some((device, ip)) = self.sender(&mut tx).await else { return };
        let Some(fetches) = self.announced.by(device) else {
            info!(%device, "a device calls that was not asked to");
            return refuse(&mut tx, StatusCode::NotFound, Vec::new()).await;
        };
        let Some(offer) = Offer::read(&tx.original.body, ip) else {
            metrics::counter!("hearing_gb28181_sdp_malformed_total").increment(1);
            return refuse(&mut tx, StatusCode::NotAcceptableHere, Vec::new()).await;
        };
        let Ok(permit) = fetches.try_reserve_owned() else {
            return refuse(&mut tx, StatusCode::BusyHere, Vec::new()).await;
        };
        let (sender, states) = self.stack.dialogs.new_dialog_state_channel();
        let transport = tx.connection.as_ref().map(|connection| connection.transport());
        let contact = self.contact(transport).ok();
        match self.stack.dialogs.get_or_create_server_invite(&tx, sender, None, contact) {
            Ok(mut dialog) => {
                let (answered, answer) = oneshot::channel();
                permit.send(Fetch { dialog: dialog.clone(), states, offer, answered });
                // Some devices take "100 Trying" for a refusal: none is sent when the answer is there first.
                let _ = timeout(AT_ONCE, answer).await;
                if let Err(error) = dialog.handle(&mut tx).await {
                    warn!(%device, %error, "a device's call went wrong");
                }
            }
            Err(error) => {
                warn!(%device, %error, "a device's call can't be taken");
                refuse(&mut tx, StatusCode::BadRequest, Vec::new()).await;
            }
        }
    }
}

/// Within which an answer is at hand; a device repeats itself after half a second.
const AT_ONCE: Duration = Duration::from_millis(400);

fn abilities() -> Vec<Header> {
    vec![
        Header::Allow("INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, MESSAGE, NOTIFY, REGISTER".into()),
        Header::Accept("application/sdp, Application/MANSCDP+xml".into()),
    ]
}
