//! What a node asks a device of our own: what it is, to show something, to listen.

use std::sync::{Arc, Weak};

use hearing_proto::gb28181::device::{self, Asked};
use hearing_proto::gb28181::{Code, sdp};
use rsipstack::dialog::dialog::{Dialog, DialogStateReceiver};
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::prelude::*;
use rsipstack::sip::{Header, Method, StatusCode};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transaction::transaction::Transaction;
use tokio::sync::mpsc;
use tracing::info;

use super::post::Post;
use crate::net::sip::guard::{peer, refuse};

/// What the node wants.
pub(super) enum Ask {
    /// To be shown something.
    Play(Invitation),
    /// A picture that stands alone.
    KeyFrame,
    /// To speak: this one is to be invited.
    Broadcast(Code),
}

/// A call that is not answered yet; refused when it is dropped before.
pub(super) struct Invitation {
    pub(super) media: sdp::Media,
    pub(super) states: DialogStateReceiver,
    dialog: Option<InviteDialog>,
}

impl Invitation {
    /// Its dialog, from now on the caller's to end.
    pub(super) fn take(&mut self) -> Option<InviteDialog> {
        self.dialog.take()
    }
}

impl Drop for Invitation {
    fn drop(&mut self) {
        if let Some(dialog) = &self.dialog {
            // One that has ended needs no answer.
            let _ = dialog.reject(Some(StatusCode::BusyHere), None);
        }
    }
}

pub(super) async fn serve(post: Weak<Post>, mut requests: TransactionReceiver, asks: mpsc::Sender<Ask>) {
    while let Some(tx) = requests.recv().await {
        let Some(post) = post.upgrade() else { return };
        tokio::spawn(post.request(tx, asks.clone()));
    }
}

impl Post {
    async fn request(self: Arc<Self>, mut tx: Transaction, asks: mpsc::Sender<Ask>) {
        if peer(&tx) != Some(self.door.at.ip()) {
            return refuse(&mut tx, StatusCode::Forbidden, Vec::new()).await;
        }
        let in_dialog = tx.original.to_header().ok().and_then(|to| to.tag().ok().flatten()).is_some();
        let result = match (in_dialog, tx.original.method) {
            (_, Method::Subscribe) => return self.subscribed(tx).await,
            (true, method) => match self.stack.dialogs.match_dialog(&tx) {
                Some(Dialog::Invite(mut dialog)) => dialog.handle(&mut tx).await,
                Some(mut dialog) => dialog.handle(&mut tx).await,
                None if method == Method::Ack => Ok(()),
                None => tx.reply(StatusCode::CallTransactionDoesNotExist).await,
            },
            (false, Method::Message) => return self.told(tx, &asks).await,
            (false, Method::Invite) => return self.invited(tx, &asks).await,
            (false, Method::Ack | Method::Cancel) => Ok(()),
            (false, Method::Options) => tx.reply(StatusCode::OK).await,
            (false, _) => tx.reply(StatusCode::MethodNotAllowed).await,
        };
        if let Err(error) = result {
            info!(%error, "a request to the built-in device went wrong");
        }
    }

    async fn told(&self, mut tx: Transaction, asks: &mpsc::Sender<Ask>) {
        let said = device::asked(&tx.original.body);
        let code = if said.is_ok() { StatusCode::OK } else { StatusCode::BadRequest };
        refuse(&mut tx, code, Vec::new()).await;
        match said {
            Ok(Asked::Query { query, sn }) => self.answer(query, sn).await,
            Ok(Asked::KeyFrame) => hand(asks, Ask::KeyFrame).await,
            Ok(Asked::Broadcast { sn, source, target }) if target == self.id => {
                self.say(device::listens(self.id, sn)).await;
                hand(asks, Ask::Broadcast(source)).await;
            }
            Ok(Asked::Broadcast { .. } | Asked::Other { .. }) => {}
            Err(why) => info!(%why, "the node's message is not understood"),
        }
    }

    /// Nothing ever changes at it: it has nothing to tell.
    async fn subscribed(&self, mut tx: Transaction) {
        let wished = tx.original.headers.iter().find(|header| matches!(header, Header::Expires(_))).cloned();
        let contact = self.contact().map(|contact| Header::Contact(format!("<{contact}>").into()));
        let headers = wished.into_iter().chain(contact).collect();
        refuse(&mut tx, StatusCode::OK, headers).await;
    }

    async fn invited(&self, mut tx: Transaction, asks: &mpsc::Sender<Ask>) {
        let media = sdp::read(&String::from_utf8_lossy(&tx.original.body));
        let fits = |media: &sdp::Media| {
            !media.sound && media.transport == sdp::Transport::Udp && media.port != 0 && media.ssrc.is_some()
        };
        let Some(media) = media.filter(fits) else {
            return refuse(&mut tx, StatusCode::NotAcceptableHere, Vec::new()).await;
        };
        let (sender, states) = self.stack.dialogs.new_dialog_state_channel();
        match self.stack.dialogs.get_or_create_server_invite(&tx, sender, None, self.contact().ok()) {
            Ok(mut dialog) => {
                hand(asks, Ask::Play(Invitation { media, states, dialog: Some(dialog.clone()) })).await;
                if let Err(error) = dialog.handle(&mut tx).await {
                    info!(%error, "a call to the built-in device went wrong");
                }
            }
            Err(error) => {
                info!(%error, "a call to the built-in device can't be taken");
                refuse(&mut tx, StatusCode::BadRequest, Vec::new()).await;
            }
        }
    }
}

/// To the device itself, as soon as it has time; one that is gone wants nothing any more.
async fn hand(asks: &mpsc::Sender<Ask>, ask: Ask) {
    let _ = asks.send(ask).await;
}
