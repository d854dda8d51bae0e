//! One m-line at work: its sockets, its keys, what goes out and what comes in (RFC 3550, RFC 3711).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hearing_config::{Codec, Kind, Timestamp};
use metrics::counter;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::events::Events;
use super::inward::Inward;
use super::pace::Pace;
use super::payload::payloads;
use super::ports::Pair;
use super::sdes::Srtp;
use super::sdp::{Asked, Chosen, Format, Line, Use};
use crate::endpoint::media::clock::{ntp, ntp_micros, ticks};
use crate::endpoint::media::timeline::SenderClock;
use crate::net::rtp::{self, Block, Header, Rtcp, Sent};
use crate::router::{Frame, Packet};

/// A datagram of one of a call's sockets.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) used: Use,
    pub(super) is_rtcp: bool,
    pub(super) from: SocketAddr,
    pub(super) datagram: Vec<u8>,
}

/// One m-line at work.
pub(super) struct Stream {
    pub(super) used: Use,
    /// Its place among the m-lines.
    pub(super) at: usize,
    pub(super) format: Format,
    /// The peer takes what we send.
    pub(super) receives: bool,
    /// The peer sends.
    pub(super) sends: bool,
    /// How the peer is asked for a key frame.
    pub(super) asked: Asked,
    /// When something was heard of the peer.
    pub(super) heard: Instant,
    /// When media came of it.
    pub(super) spoke: Instant,
    /// What comes is published.
    pub(super) published: bool,
    sockets: Arc<Pair>,
    readers: [AbortHandle; 2],
    remote: Remote,
    srtp: Option<Srtp>,
    out: Outward,
    pace: Pace,
    inward: Inward,
    /// The payload type of pressed keys, and what came of it.
    keys: Option<u8>,
    events: Events,
}

/// Packets of both directions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figures {
    pub(super) sent: u64,
    pub(super) received: u64,
    /// Of those that were to come.
    pub(super) lost: u64,
    /// In ticks of the codec's clock.
    pub(super) jitter: u32,
}

/// Where the peer is: what it says, and once it was heard, where it was heard. That stays.
#[derive(Debug)]
struct Remote {
    told: [SocketAddr; 2],
    latched: [Option<SocketAddr>; 2],
}

/// What goes out.
#[derive(Debug)]
struct Outward {
    ssrc: u32,
    sequence: u16,
    /// Of full intra requests.
    requests: u8,
    /// RTP time minus media time.
    shift: i64,
    last: Option<(i64, Timestamp, i64)>,
    packets: u32,
    bytes: u32,
}

impl Stream {
    /// With its sockets being read into `arrivals`.
    pub(super) fn new(
        (chosen, line): (&Chosen, &Line),
        pair: Pair,
        srtp: Option<Srtp>,
        arrivals: &mpsc::Sender<Arrived>,
        now: Instant,
    ) -> Option<Self> {
        let (sockets, used) = (Arc::new(pair), chosen.used);
        let readers = [false, true]
            .map(|is_rtcp| tokio::spawn(read(Arc::clone(&sockets), used, is_rtcp, arrivals.clone())).abort_handle());
        let codec = chosen.format.codec;
        let inward = Inward::new(codec);
        let out = Outward {
            ssrc: rand::random(),
            sequence: rand::random(),
            requests: 0,
            shift: i64::from(rand::random::<u32>()),
            last: None,
            packets: 0,
            bytes: 0,
        };
        Some(Self {
            used,
            at: chosen.at,
            format: chosen.format.clone(),
            receives: line.receives,
            sends: line.sends,
            asked: line.asked,
            heard: now,
            spoke: now,
            published: false,
            sockets,
            readers,
            remote: Remote::of(line)?,
            srtp,
            out,
            pace: Pace::new(now),
            inward,
            keys: chosen.events.map(|(number, _)| number),
            events: Events::default(),
        })
    }

    /// The kind of track that it carries.
    pub(super) const fn kind(&self) -> Kind {
        match self.used {
            Use::Sound => Kind::Audio,
            Use::Picture => Kind::Video,
            Use::Slides => Kind::Screen,
        }
    }

    /// The peer describes itself anew: it holds, goes on, has moved or seals with another key.
    pub(super) fn update(&mut self, line: &Line) {
        (self.receives, self.sends, self.asked) = (line.receives, line.sends, line.asked);
        if !self.receives {
            self.pace.clear();
        }
        if let (Some(srtp), Some(theirs)) = (&mut self.srtp, &line.crypto)
            && !srtp.rekey(theirs)
        {
            counter!("hearing_sip_datagrams_refused_total").increment(1);
        }
        let Some(remote) = Remote::of(line) else { return };
        if remote.told != self.remote.told {
            self.remote = remote;
        }
    }

    /// Sends a frame to the peer, unless it holds: sound at once, a large picture by and by.
    pub(super) fn send(&mut self, now: Instant, frame: &Frame) {
        if !self.receives {
            return;
        }
        let head = frame.head();
        let time = self.out.time(head, self.format.codec);
        let payloads = payloads(frame, &self.format);
        let Some(payloads) = payloads else {
            counter!("hearing_sip_frames_unfit_total").increment(1);
            return;
        };
        let last = payloads.len().saturating_sub(1);
        let mut packets = Vec::with_capacity(payloads.len());
        for (n, payload) in payloads.iter().enumerate() {
            let header = Header {
                marker: self.used != Use::Sound && n == last,
                payload_type: self.format.number,
                sequence: self.out.sequence,
                timestamp: time as u32,
                ssrc: self.out.ssrc,
            };
            self.out.sequence = self.out.sequence.wrapping_add(1);
            self.out.packets = self.out.packets.wrapping_add(1);
            self.out.bytes = self.out.bytes.wrapping_add(payload.len() as u32);
            packets.push(header.write(payload));
        }
        let at_once = self.pace.frame(now, packets);
        at_once.into_iter().for_each(|packet| self.transmit(packet, false));
    }

    /// When more of a picture is to be sent; `None` while there is nothing.
    pub(super) fn due(&self) -> Option<Instant> {
        self.pace.next()
    }

    /// Sends what is due of a picture.
    pub(super) fn go_on(&mut self, now: Instant) {
        let due = self.pace.due(now);
        due.into_iter().for_each(|packet| self.transmit(packet, false));
    }

    /// A datagram came: the packets of it, none if it is not the peer's.
    pub(super) fn handle_rtp(
        &mut self,
        (now, wall): (Instant, Timestamp),
        from: SocketAddr,
        datagram: &[u8],
        sender: &SenderClock,
    ) -> Vec<Packet> {
        let Some(plain) = self.admit(from, datagram, false) else { return Vec::new() };
        let read = Header::read(&plain);
        if let Some((header, place)) = read.clone().filter(|(header, _)| Some(header.payload_type) == self.keys) {
            self.heard = now;
            self.inward.pass_over(header);
            self.events.take(header.timestamp, &plain[place]);
            return Vec::new();
        }
        let Some((header, place)) = read.filter(|(header, _)| header.payload_type == self.format.number) else {
            // Comfort noise has a type of its own.
            counter!("hearing_sip_rtp_ignored_total").increment(1);
            return Vec::new();
        };
        self.remote.latched[0] = Some(from);
        (self.heard, self.spoke) = (now, now);
        let payload = Bytes::copy_from_slice(&plain[place]);
        self.inward.take(wall, header, payload, sender)
    }

    /// True once after something that the peer sent was lost.
    pub(super) fn has_lost(&mut self, wall: Timestamp) -> bool {
        self.inward.has_lost(wall)
    }

    /// A report came: whether a key frame is wanted, and whether the peer reports on us.
    pub(super) fn handle_rtcp(
        &mut self,
        (now, wall): (Instant, Timestamp),
        from: SocketAddr,
        datagram: &[u8],
        sender: &mut SenderClock,
    ) -> (bool, Option<Block>) {
        let Some(plain) = self.admit(from, datagram, true) else { return (false, None) };
        let said = rtp::read_rtcp(&plain);
        if said.is_empty() {
            return (false, None);
        }
        self.remote.latched[1] = Some(from);
        self.heard = now;
        let mut block = None;
        for rtcp in &said {
            match rtcp {
                Rtcp::Sender { ssrc, ntp, rtp } if self.inward.ssrc() == Some(*ssrc) => {
                    sender.report(ntp_micros(*ntp), wall);
                    self.inward.report(now, *ntp, *rtp);
                }
                Rtcp::Received(of) if of.ssrc == self.out.ssrc => block = Some(*of),
                Rtcp::Sender { .. } | Rtcp::Received(_) | Rtcp::KeyFrame | Rtcp::Bye => {}
            }
        }
        (said.contains(&Rtcp::KeyFrame), block)
    }

    /// Sends a report, and with it the wish for a key frame.
    pub(super) fn report(&mut self, (now, wall): (Instant, Timestamp), key_frame: bool) {
        let rate = self.format.codec.clock_rate();
        let sent = self.out.last.filter(|_| self.receives).map(|(_, captured, time)| Sent {
            ntp: ntp(wall),
            rtp: (time + ticks(wall.since(captured), rate)) as u32,
            packets: self.out.packets,
            bytes: self.out.bytes,
        });
        let mut report = rtp::write_report(self.out.ssrc, "hearing", sent, self.inward.block(now));
        match self.inward.ssrc().filter(|_| key_frame) {
            Some(media) if self.asked == Asked::Fir => {
                self.out.requests = self.out.requests.wrapping_add(1);
                report.extend_from_slice(&rtp::write_fir(self.out.ssrc, media, self.out.requests));
            }
            Some(media) => report.extend_from_slice(&rtp::write_pli(self.out.ssrc, media)),
            None => {}
        }
        self.transmit(report, true);
    }

    /// The share of packets that were lost on the way here before the last report, 0.0 to 1.0.
    pub(super) fn loss(&self) -> f32 {
        f32::from(self.inward.lost()) / 256.0
    }

    /// Bytes of payload that were sent and packets that were received so far.
    pub(super) const fn counts(&self) -> (u32, u64) {
        (self.out.bytes, self.inward.received())
    }

    /// What went and came so far.
    pub(super) fn figures(&self) -> Figures {
        let (received, lost, jitter) = self.inward.figures();
        Figures { sent: self.out.packets.into(), received, lost, jitter }
    }

    /// The datagram in the clear; `None` when it is another's or forged.
    fn admit(&mut self, from: SocketAddr, datagram: &[u8], is_rtcp: bool) -> Option<Vec<u8>> {
        let latched = self.remote.latched[usize::from(is_rtcp)];
        let plain = match &mut self.srtp {
            Some(srtp) => srtp.open(datagram, is_rtcp),
            None => Some(datagram.to_vec()),
        };
        if plain.is_none() || latched.is_some_and(|latched| latched != from) {
            counter!("hearing_sip_datagrams_refused_total").increment(1);
            return None;
        }
        plain
    }

    fn transmit(&mut self, packet: Vec<u8>, is_rtcp: bool) {
        let sealed = match &mut self.srtp {
            Some(srtp) => srtp.seal(&packet, is_rtcp),
            None => Some(packet),
        };
        let (socket, to) =
            if is_rtcp { (&self.sockets.rtcp, self.remote.at(1)) } else { (&self.sockets.rtp, self.remote.at(0)) };
        if sealed.is_none_or(|packet| socket.try_send_to(&packet, to).is_err()) {
            counter!("hearing_sip_datagrams_unsent_total").increment(1);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.readers.iter().for_each(AbortHandle::abort);
    }
}

impl Remote {
    fn of(line: &Line) -> Option<Self> {
        let ip = line.address?;
        Some(Self { told: [SocketAddr::new(ip, line.port), SocketAddr::new(ip, line.rtcp)], latched: [None; 2] })
    }

    fn at(&self, n: usize) -> SocketAddr {
        self.latched[n].unwrap_or(self.told[n])
    }
}

impl Outward {
    /// The RTP time of a frame: it goes on where the last track stopped when another one is sent.
    fn time(&mut self, head: &Packet, codec: Codec) -> i64 {
        let rate = codec.clock_rate();
        if let Some((media, captured, time)) = self.last {
            let by_capture = ticks(head.captured.since(captured), rate).max(1);
            let by_media = head.media_time - media;
            if (by_media - by_capture).abs() > i64::from(rate) / 2 {
                self.shift = time + by_capture - head.media_time;
            }
        }
        let time = head.media_time + self.shift;
        self.last = Some((head.media_time, head.captured, time));
        time
    }
}

/// Until more of a picture is to be sent on one of them, or it is `at`.
pub(super) fn due(streams: &[Stream], at: Option<Instant>) -> impl Future<Output = ()> + Send + use<> {
    let at = streams.iter().filter_map(Stream::due).chain(at).min();
    async move {
        match at {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    }
}

async fn read(sockets: Arc<Pair>, used: Use, is_rtcp: bool, arrivals: mpsc::Sender<Arrived>) {
    let socket = if is_rtcp { &sockets.rtcp } else { &sockets.rtp };
    let mut buffer = vec![0; 2_048];
    loop {
        // An error tells of a datagram that could not be delivered, and concerns none that comes.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let datagram = buffer[..length].to_vec();
        if arrivals.try_send(Arrived { used, is_rtcp, from, datagram }).is_err() {
            counter!("hearing_sip_datagrams_lost_total").increment(1);
        }
    }
}
