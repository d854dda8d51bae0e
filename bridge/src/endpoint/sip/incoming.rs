//! Calls that terminals make.

use std::collections::HashMap;
use std::sync::Arc;

use hearing_config::Srtp;
use rsipstack::sip::prelude::*;
use rsipstack::sip::{Header, StatusCode};
use rsipstack::transaction::transaction::Transaction;
use tracing::{info, warn};

use super::agreed::Setup;
use super::held::Held;
use super::sdp::{self, Chosen, Line, Own};
use super::timer::{self, Side, Timer};
use super::{Core, sdes};
use crate::net::sip::guard::refuse;

/// A call that a terminal makes, which is allowed to, and offers what can be used, if anything.
pub(super) struct Incoming {
    held: Held,
    offer: Offer,
}

/// Who says first which media there are.
enum Offer {
    Theirs(Vec<Line>, Vec<Chosen>),
    /// The terminal offers nothing, so we do.
    Ours {
        secure: bool,
    },
}

impl Core {
    /// A terminal calls.
    pub(super) async fn invited(self: Arc<Self>, mut tx: Transaction) {
        let from =
            tx.original.from_header().ok().and_then(|from| from.uri().ok()).and_then(|uri| uri.auth).map(|a| a.user);
        if !from.as_deref().is_some_and(|user| self.registrar.knows(user)) {
            metrics::counter!("hearing_sip_strangers_total").increment(1);
            return refuse(&mut tx, StatusCode::Forbidden, Vec::new()).await;
        }
        let Some(user) = self.registrar.authenticate(&mut tx).await else { return };
        if from.as_ref() != Some(&user) {
            warn!(user, "device calls under another's name");
            return refuse(&mut tx, StatusCode::Forbidden, Vec::new()).await;
        }
        let number = tx.original.uri.auth.as_ref().map(|auth| auth.user.clone());
        let permit = match self.seats.find(&user, number.as_deref()) {
            Ok(permit) => permit,
            Err(status) => {
                info!(user, number, %status, "a terminal calls and gets no seat");
                return refuse(&mut tx, status, Vec::new()).await;
            }
        };
        let transport = tx.connection.as_ref().map(|connection| connection.transport().to_string());
        let offer = self.offer(&tx.original.body, transport.as_deref());
        let short = Timer::read(&tx.original.headers, Side::Server).is_some_and(Timer::is_short);
        let usable = match (offer, short) {
            (Some(offer), false) => Ok(offer),
            (Some(_), true) => Err((StatusCode::SessionIntervalTooSmall, timer::least())),
            (None, _) => Err((StatusCode::NotAcceptableHere, Vec::new())),
        };
        let offer = match usable {
            Ok(offer) => offer,
            Err((code, headers)) => {
                // Its acknowledgement is awaited for seconds, in which the seat is free for the next try.
                drop(permit);
                return refuse(&mut tx, code, headers).await;
            }
        };
        let (sender, states) = self.stack.dialogs.new_dialog_state_channel();
        let contact = self.contact(transport.as_deref());
        match self.stack.dialogs.get_or_create_server_invite(&tx, sender, None, contact) {
            Ok(mut dialog) => {
                let held = Held::new(self.stack.dialogs.clone(), dialog.clone(), states);
                permit.send(Incoming { held, offer });
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

    /// Answers a terminal that calls.
    pub(super) async fn answer(&self, incoming: Incoming) -> Result<Setup, String> {
        match incoming.offer {
            Offer::Theirs(lines, chosen) => self.agree(incoming.held, lines, chosen).await,
            Offer::Ours { secure } => self.propose(incoming.held, secure).await,
        }
    }

    /// What a call with this body leads to; `None` when it offers nothing that can be used.
    fn offer(&self, body: &[u8], transport: Option<&str>) -> Option<Offer> {
        if body.is_empty() {
            return Some(Offer::Ours { secure: self.secures(transport) });
        }
        let lines = sdp::read(body)?;
        let chosen = sdp::choose(&lines, self.settings.srtp == Srtp::Required);
        (!chosen.is_empty()).then_some(Offer::Theirs(lines, chosen))
    }

    async fn agree(&self, held: Held, lines: Vec<Line>, chosen: Vec<Chosen>) -> Result<Setup, String> {
        let dialog = held.dialog().ok_or("its dialog is over")?;
        let (mut taken, mut pairs) = (Vec::new(), HashMap::new());
        for chosen in chosen {
            let pair = match self.ports.pair().await {
                Ok(pair) => pair,
                Err(error) => {
                    // It can't fail for a dialog that nobody has answered.
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
        let (timer, updates) = (Timer::read(&request.headers, Side::Server), knows_update(request.headers.iter()));
        let mut headers = vec![Header::ContentType("application/sdp".into())];
        headers.extend(timer.map(Timer::answer).unwrap_or_default());
        let accepted = dialog.accept(Some(headers), Some(answer.into_bytes()));
        accepted.map_err(|error| error.to_string())?;
        Ok(Setup { held, lines, chosen: taken, pairs, id, timer, updates })
    }
}

/// The other end's request or answer says that it takes UPDATE.
pub(super) fn knows_update<'h>(mut headers: impl Iterator<Item = &'h Header>) -> bool {
    headers.any(|header| match header {
        Header::Allow(methods) => methods.value().split(',').any(|method| method.trim() == "UPDATE"),
        _ => false,
    })
}
