//! Calls that come without an offer (RFC 3261, section 13.2.1), as gateways from H.323 and conference units make them: ours goes out
//! with the 200, and the terminal's answer comes with its ACK.

use metrics::counter;
use rsipstack::dialog::dialog::DialogState;
use rsipstack::sip::prelude::*;
use rsipstack::sip::{Header, Request};

use super::agreed::Setup;
use super::held::Held;
use super::incoming::knows_update;
use super::timer::{Side, Timer};
use super::{Core, sdp};

impl Core {
    /// Answers a terminal that offered nothing. Dropping it hangs up.
    pub(super) async fn propose(&self, mut held: Held, secure: bool) -> Result<Setup, String> {
        let dialog = held.dialog().cloned().ok_or("its dialog is over")?;
        let (own, pairs) = self.lines(secure).await?;
        let id = rand::random::<u32>().into();
        let offer = sdp::offer(self.settings.advertise, (id, 1), &own);
        let request = dialog.initial_request();
        let (timer, updates) = (Timer::read(&request.headers, Side::Server), knows_update(request.headers.iter()));
        let mut headers = vec![Header::ContentType("application/sdp".into())];
        headers.extend(timer.map(Timer::answer).unwrap_or_default());
        let accepted = dialog.accept(Some(headers), Some(offer.into_bytes()));
        accepted.map_err(|error| error.to_string())?;
        let ack = acknowledged(&mut held).await?;
        match self.taken_up(&ack.body, own, pairs) {
            Some((lines, chosen, pairs)) => Ok(Setup { held, lines, chosen, pairs, id, timer, updates }),
            None => {
                held.because(unanswered());
                Err("its ACK has no answer that can be used".to_owned())
            }
        }
    }
}

/// The number of a request within its dialog.
pub(super) fn number(request: &Request) -> Option<u32> {
    request.cseq_header().ok()?.seq().ok()
}

/// Counts an ACK without an answer to our offer, and with one that can't be used; the reason for the BYE that follows.
pub(super) fn unanswered() -> &'static str {
    counter!("hearing_sip_answers_bad_total").increment(1);
    "SIP ;cause=488 ;text=\"the ACK has no answer that can be used\""
}

/// Its ACK. The stack hangs up by itself when none comes in 32 s.
async fn acknowledged(held: &mut Held) -> Result<Request, String> {
    while let Some(state) = held.states.recv().await {
        match state {
            DialogState::Confirmed(..) => break,
            DialogState::Terminated(_, why) => return Err(format!("the terminal gave up ({why:?})")),
            // Of what else may be asked the stack lets nothing through before the ACK.
            _ => {}
        }
    }
    held.dialog()
        .and_then(rsipstack::dialog::invite_dialog::InviteDialog::last_remote_ack)
        .ok_or_else(|| "its dialog is over".to_owned())
}
