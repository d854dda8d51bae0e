//! What a device shows and lets hear: the invitation (`s=Play`), and the media that comes of it.

use std::net::SocketAddr;
use std::time::Instant;

use hearing_config::Gb28181Transport;
use hearing_proto::gb28181::sdp::{self, Media, Play, Transport};
use tokio::sync::mpsc;

use super::Core;
use super::dialog::{Held, Said};
use super::inlet::{Arrived, Inlet, Reader, Source};
use super::intake::{Got, Intake};
use super::roster::{Target, host};

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
        let transport = core.device(target.device).map_or(Gb28181Transport::Udp, |device| device.transport);
        let inlet = Inlet::open(&core.ports, transport).await.map_err(|error| error.to_string())?;
        let ssrc = sdp::ssrc(core.id, core.number() as u16);
        let play = Play {
            platform: core.id,
            address: core.settings.advertise,
            port: inlet.port(),
            ssrc,
            transport: way(transport),
        };
        let option = core.invitation(target, ssrc, play.offer()).map_err(|error| error.to_string())?;
        let (held, body) = Held::invite(&core.stack.dialogs, option).await?;
        let answer = answer(&body, transport).inspect_err(|_| {
            metrics::counter!("hearing_gb28181_sdp_malformed_total").increment(1);
        })?;
        let (out, arrivals) = mpsc::channel(ARRIVALS);
        let reader = inlet.read(source(target, &answer, ssrc), out);
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

/// What the device answers, if it fits what it was asked.
fn answer(body: &[u8], asked: Gb28181Transport) -> Result<Media, String> {
    let media = sdp::read(&String::from_utf8_lossy(body)).ok_or("its answer names no media")?;
    let fits = (media.transport == Transport::Udp) == (asked == Gb28181Transport::Udp);
    match (media.port, fits) {
        (0, _) => Err("it refuses the media".to_owned()),
        (_, false) => Err("it answers with another transport than was asked for".to_owned()),
        (_, true) => Ok(media),
    }
}

fn source(target: &Target, answer: &Media, ssrc: u32) -> Source {
    let known: Vec<_> = host(&target.at).into_iter().chain(answer.address).collect();
    let told = answer.address.or(known.first().copied()).map(|ip| SocketAddr::new(ip, answer.port));
    Source { known, told, ssrc }
}

const fn way(transport: Gb28181Transport) -> Transport {
    match transport {
        Gb28181Transport::Udp => Transport::Udp,
        Gb28181Transport::TcpPassive => Transport::TcpPassive,
        Gb28181Transport::TcpActive => Transport::TcpActive,
    }
}

/// What was offered.
const PAYLOAD: u8 = 96;
/// Packets that may wait: half a second of a good picture.
const ARRIVALS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str =
        "v=0\r\nc=IN IP4 10.0.0.9\r\nm=video 15060 TCP/RTP/AVP 96\r\na=setup:active\r\ny=0200000001\r\n";

    #[test]
    fn an_answer_that_is_none_refuses_or_has_another_transport_is_told_apart() {
        let refused = |text: &str, asked| answer(text.as_bytes(), asked).unwrap_err();
        assert!(answer(ANSWER.as_bytes(), Gb28181Transport::TcpPassive).is_ok());
        assert!(refused(ANSWER, Gb28181Transport::Udp).contains("another transport"));
        assert!(refused("v=0\r\n", Gb28181Transport::Udp).contains("no media"));
        assert!(refused(&ANSWER.replace("15060", "0"), Gb28181Transport::TcpActive).contains("refuses"));
    }

    #[test]
    fn media_may_come_from_where_the_device_signals_and_from_where_it_says() {
        let at: SocketAddr = "10.0.0.8:5060".parse().unwrap();
        let code = "34020000001320000001".parse().unwrap();
        let target = Target { device: code, channel: code, at: at.into(), epoch: 1 };
        let source = source(&target, &answer(ANSWER.as_bytes(), Gb28181Transport::TcpActive).unwrap(), 7);
        assert_eq!(source.told, Some("10.0.0.9:15060".parse().unwrap()));
        assert_eq!(source.known, ["10.0.0.8", "10.0.0.9"].map(|ip| ip.parse::<std::net::IpAddr>().unwrap()));
    }
}
