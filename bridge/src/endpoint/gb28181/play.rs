//! What a device shows and lets hear: the invitation (`s=Play`), and the media that comes of it.

use std::time::Instant;

use hearing_proto::gb28181::sdp::{self, Play};
use tokio::sync::mpsc;

use super::Core;
use super::dialog::{Held, Said};
use super::inlet::{self, Arrived, Reader};
use super::intake::{Got, Intake};
use super::roster::{Target, host};
use super::socket::{Peer, Socket, answer, way};

/// A device that was invited and has answered.
pub(super) struct Playing {
    held: Held,
    arrivals: mpsc::Receiver<Arrived>,
    _reader: Reader,
    pub(super) intake: Intake,
    /// When the last packet came.
    pub(super) heard: Instant,
}

/// What comes of it.
pub(super) enum Came {
    Media(Vec<Got>),
    /// Something that the device says within the call.
    Message(Vec<u8>),
}

impl Playing {
    /// Invites a device.
    pub(super) async fn invite(core: &Core, target: &Target) -> Result<Self, String> {
        let transport = core.transport(target.device);
        let socket = Socket::open(&core.ports, transport).await.map_err(|error| error.to_string())?;
        let ssrc = sdp::ssrc(core.id, core.number() as u16);
        let play = Play {
            platform: core.id,
            address: core.settings.advertise,
            port: socket.port(),
            ssrc,
            transport: way(transport),
        };
        let option = core.invitation(target, ssrc, play.offer()).map_err(|error| error.to_string())?;
        let (held, body) = Held::invite(&core.stack.dialogs, option).await?;
        let answer = answer(&body, transport)?;
        let (out, arrivals) = mpsc::channel(ARRIVALS);
        let reader = inlet::read(socket, Peer::new(host(&target.at), &answer), ssrc, out);
        let now = Instant::now();
        let intake = Intake::new(answer.payload.unwrap_or(PAYLOAD), now);
        Ok(Self { held, arrivals, _reader: reader, intake, heard: now })
    }

    /// What comes next; the reason when nothing comes any more. Cancelling it loses nothing.
    pub(super) async fn next(&mut self, core: &Core) -> Result<Came, String> {
        tokio::select! {
            said = self.held.next() => match said {
                Said::Over(why) => Err(why),
                Said::Message(body) => Ok(Came::Message(body)),
            },
            arrived = self.arrivals.recv() => match arrived {
                Some(Arrived::Packet(packet)) => {
                    let now = Instant::now();
                    self.heard = now;
                    self.intake.take((now, core.clock.at(now)), &packet).map(Came::Media).map_err(|cut| cut.to_string())
                }
                Some(Arrived::Over(why)) => Err(why),
                None => Err("its media is read no more".to_owned()),
            },
        }
    }
}

/// What was offered.
const PAYLOAD: u8 = 96;
/// Packets that may wait: half a second of a good picture.
const ARRIVALS: usize = 512;
