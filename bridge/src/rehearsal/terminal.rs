//! One built-in SIP terminal: calls the node for the seat of a terminal that is not to be rung, sends the seat's test card and
//! tone, and reads everybody else's from the composed picture and the mix until the node hangs up.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::found::Found;
use super::participant::Attended;
use crate::endpoint::sip::{Door, Visitor};
use crate::net::sip::Account;
use crate::pipeline::Program;

/// A seat that is taken by a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phone {
    /// Its id.
    pub seat: u8,
    /// The node.
    pub door: Door,
    /// Who calls.
    pub account: Account,
}

/// Takes a seat until the node hangs up, at most for the second of the times; media is to flow for the first.
pub(super) async fn attend(phone: Phone, program: &Program, times: (Duration, Duration)) -> Attended {
    let found = Found::default();
    found.clone().attend(phone.seat, call(&phone, program, &found), times).await
}

/// Calls until the node takes the call: it knows of the seat a moment later than the order to rehearse.
async fn call(phone: &Phone, program: &Program, found: &Found) -> Result<(), String> {
    let visitor = Visitor::start(&phone.door, phone.account.clone()).await.map_err(|error| error.to_string())?;
    let until = Instant::now() + TAKEN;
    loop {
        match visitor.call(|takes| found.booth(program, (phone.seat, true), takes)).await {
            Err(why) if found.has_joined() || Instant::now() > until => return Err(why),
            Err(_) => sleep(AGAIN).await,
            Ok(()) => return Ok(()),
        }
    }
}

/// How long the node may refuse.
const TAKEN: Duration = Duration::from_secs(15);
const AGAIN: Duration = Duration::from_millis(250);
