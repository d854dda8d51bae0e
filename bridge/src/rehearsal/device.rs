//! One built-in GB/T 28181 device: registers with the node for the seat of a device that is not to be invited, shows the seat's test
//! card and tone when it is invited, and reads everybody else's tone from the mix that it is told, until the node hangs up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::found::Found;
use super::participant::Attended;
use crate::endpoint::gb28181::{Door, Visitor};
use crate::net::sip::Account;
use crate::pipeline::Program;

/// A seat that is taken by a device.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Camera {
    /// Its id.
    pub seat: u8,
    /// The node.
    pub door: Door,
    /// Who registers.
    pub account: Account,
}

/// Takes a seat until the node hangs up, at most for the second of the times; media is to flow for the first.
pub(super) async fn attend(camera: Camera, program: &Program, times: (Duration, Duration)) -> Attended {
    let (found, seat) = (Found::default(), camera.seat);
    let call = async {
        let visitor = Visitor::start(&camera.door, camera.account.clone()).await?;
        visitor.attend(|takes| found.booth(program, (seat, false), takes)).await
    };
    found.clone().attend(seat, call, times).await
}
