//! One client's connection: ICE, DTLS, SRTP, what it sends and what it receives, behind the router's trait.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_config::{Kind, SeatId, Timestamp, TrackId, Zone};
use hearing_signaling::hearing::SeatQuality;
use hearing_signaling::http::{MediaRefusal, Offer};
use rand::Rng;

use super::batch::Batch;
use super::budget::Budget;
use super::clock::Clock;
use super::dtls::{self, Dtls};
use super::egress::Egress;
use super::ice::{Credentials, Ice};
use super::ingest::Ingest;
use super::limit::Limit;
use super::negotiation::{self, Answer, Restartable, Settings};
use super::pulse::{Pulse, State};
use super::quality::Quality;
use super::rtcp::{self, Report};
use super::rtp::Header;
use super::sdp::{self, Accepted, Remote, Section};
use super::srtp::{Refused, Srtp};
use crate::router::{CodecSet, Control, Delivery, Frame, IceRestart, LayerSet, Leg, Output, Packet, Path, TrackInfo};

/// One client's media connection.
pub struct Session {
    clock: Clock,
    ice: Ice,
    dtls: Dtls,
    srtp: Option<Box<Srtp>>,
    ingest: Ingest,
    egress: Egress,
    batch: Batch,
    limit: Limit,
    pulse: Pulse,
    /// Datagrams with reports, and packets to send again.
    reports: Budget,
    repairs: Budget,
    quality: Quality,
    outputs: VecDeque<Output>,
    time: Instant,
    rtt: Duration,
    over: bool,
}

impl Session {
    /// Answers an offer. `origin` is the zone of the seat, `wall` the wall-clock time at `now`.
    ///
    /// # Errors
    ///
    /// When the SDP cannot be read, or has nothing in common with what this endpoint can do.
    pub fn answer(
        settings: &Settings,
        offer: &Offer,
        seat: SeatId,
        origin: Zone,
        now: Instant,
        wall: Timestamp,
    ) -> Result<(Self, Answer, Restartable), MediaRefusal> {
        let remote = Remote::read(&offer.sdp).map_err(|error| MediaRefusal::BadSdp(error.to_string()))?;
        let sections = sdp::negotiate(&remote, offer)?;
        let credentials = Credentials::random();
        let answer = negotiation::write(settings, &credentials, &sections);
        let accepted: Vec<&Accepted> = sections
            .iter()
            .filter_map(|section| match section {
                Section::Rejected { .. } => None,
                Section::Accepted(accepted) => Some(accepted),
            })
            .collect();
        let clock = Clock::new(now, wall);
        let provider = settings.certificate.provider().clone();
        let session = Self {
            clock,
            ice: Ice::new(credentials, Credentials { ufrag: remote.ufrag, pwd: remote.pwd }, provider),
            dtls: Dtls::new(settings.certificate.clone(), remote.fingerprint.clone()),
            srtp: None,
            ingest: Ingest::new(clock, seat, origin, rand::rng().random_range(1..u32::MAX), &accepted),
            egress: Egress::new(clock, &accepted),
            batch: Batch::default(),
            limit: Limit::default(),
            pulse: Pulse::new(now),
            reports: Budget::new(now, REPORTS, REPORTS * 2),
            repairs: Budget::new(now, REPAIRS, REPAIRS),
            quality: Quality::new(now),
            outputs: VecDeque::new(),
            time: now,
            rtt: Duration::from_millis(100),
            over: false,
        };
        let restartable = Restartable { fingerprint: remote.fingerprint, sections };
        Ok((session, answer, restartable))
    }

    fn handle_stun(&mut self, now: Instant, path: Path, datagram: &[u8]) -> Result<(), &'static str> {
        let before = self.ice.selected();
        let reply = self.ice.handle(path, datagram)?;
        self.beat(now);
        if let Some(reply) = reply {
            if reply.new {
                self.outputs.push_back(Output::Bind(path));
            }
            self.outputs.push_back(Output::Transmit { path, datagrams: reply.response, segment: None });
        }
        if before.is_some() && before != self.ice.selected() {
            // What was sent the old way was probably lost.
            self.egress.resume();
        }
        self.flush_dtls();
        Ok(())
    }

    fn handle_dtls(&mut self, now: Instant, path: Path, datagram: &[u8]) -> Result<(), &'static str> {
        // Only whoever passed a check may begin a handshake; the client repeats what came before its check.
        if !self.ice.knows(path) {
            return Err("path_unknown");
        }
        let event = self.dtls.handle(now, datagram);
        self.take_dtls(event)
    }

    fn take_dtls(&mut self, event: dtls::Event) -> Result<(), &'static str> {
        self.flush_dtls();
        match event {
            dtls::Event::Nothing => Ok(()),
            dtls::Event::Dropped(reason) => Err(reason),
            dtls::Event::Keys(srtp) => {
                self.srtp = Some(srtp);
                self.outputs.push_back(Output::Connected);
                Ok(())
            }
            dtls::Event::Goodbye => {
                self.end(Output::Left);
                Ok(())
            }
            dtls::Event::Closed(reason) => {
                self.end(Output::Closed(reason));
                Ok(())
            }
        }
    }

    fn flush_dtls(&mut self) {
        let Some(path) = self.ice.selected() else { return };
        while let Some(message) = self.dtls.poll_transmit() {
            self.outputs.push_back(Output::Transmit { path, datagrams: message.freeze(), segment: None });
        }
    }

    fn handle_srtp(&mut self, now: Instant, path: Path, datagram: &[u8]) -> Result<(), &'static str> {
        if !self.ice.knows(path) && !self.srtp.as_ref().is_some_and(|srtp| srtp.knows(datagram)) {
            return Err("path_unknown");
        }
        let srtp = self.srtp.as_mut().ok_or("srtp_early")?;
        let refused = |refused| match refused {
            Refused::Forged => "srtp_forged",
            Refused::Sources => "srtp_sources",
        };
        if matches!(datagram.get(1), Some(192..=223)) {
            let plain = srtp.open_rtcp(datagram).map_err(refused)?;
            self.hear(now, path);
            if !self.reports.spend(now, 1) {
                return Err("rtcp_flood");
            }
            return self.handle_rtcp(now, &plain.freeze());
        }
        let header = Header::read(datagram).ok_or("rtp_malformed")?;
        let plain = srtp.open(datagram, &header).map_err(refused)?;
        self.hear(now, path);
        self.ingest.handle(now, &header, &plain, &mut self.outputs)
    }

    fn handle_rtcp(&mut self, now: Instant, plain: &Bytes) -> Result<(), &'static str> {
        let mut well = true;
        let whole = rtcp::read(plain, |report| match report {
            Report::Sender { ssrc, ntp, rtp } => self.ingest.report(now, ssrc, ntp, rtp),
            Report::Goodbye { ssrc } => self.ingest.goodbye(ssrc),
            Report::KeyFrame { media } => self.egress.want_key(media),
            Report::Nack { media, pairs } => {
                if !self.repairs.spend(now, rtcp::missing(pairs).count()) {
                    metrics::counter!("hearing_webrtc_repair_refused_total").increment(1);
                } else if let Some(srtp) = &mut self.srtp {
                    self.egress.repair(now, self.rtt, (media, pairs), (srtp, &mut self.batch));
                }
            }
            Report::Transport(body) => well &= self.egress.feedback(now, self.rtt, body, &mut self.outputs),
            Report::Reception(reception) => {
                self.egress.report(now, reception, &mut self.outputs);
                let rtt = reception.round_trip(self.clock.at(now));
                if let Some(rtt) = rtt {
                    self.rtt = rtt;
                    self.ingest.set_rtt(rtt);
                }
                self.quality.reception(reception.fraction, rtt);
            }
        });
        self.batch.close();
        if whole && well { Ok(()) } else { Err("rtcp_malformed") }
    }

    /// The client was heard on `path`: it is the one, even where it has checked nothing, but nothing is sent there before it answers.
    fn hear(&mut self, now: Instant, path: Path) {
        self.beat(now);
        if let Some(check) = self.ice.probe(now, path) {
            self.outputs.push_back(Output::Bind(path));
            self.outputs.push_back(Output::Transmit { path, datagrams: check, segment: None });
        }
    }

    /// The client was heard.
    fn beat(&mut self, now: Instant) {
        if self.pulse.beat(now) == State::Lost && self.srtp.is_some() {
            self.egress.resume();
            self.outputs.push_back(Output::Connected);
        }
    }

    fn look_for_silence(&mut self, now: Instant) {
        match self.pulse.handle_timeout(now) {
            Some(State::Quiet) => self.quality.hurry(now),
            Some(State::Lost) if self.srtp.is_some() => {
                let silence = self.pulse.silence(now).as_millis();
                self.outputs.push_back(Output::Lost(format!("the client is silent for {silence} ms")));
            }
            Some(State::Lost | State::Heard) | None => {}
        }
    }

    fn send_rtcp(&mut self, packets: &[Box<dyn rtc_rtcp::Packet>]) {
        let (Some(path), Some(srtp)) = (self.ice.selected(), &mut self.srtp) else { return };
        if self.pulse.state() == State::Lost {
            return;
        }
        if let Some(sealed) = rtcp::write(packets).and_then(|plain| srtp.seal_rtcp(&plain)) {
            self.outputs.push_back(Output::Transmit { path, datagrams: sealed.freeze(), segment: None });
        }
    }

    fn report(&mut self, now: Instant) {
        if !self.quality.is_due(now) {
            return;
        }
        let (up, down) = (self.ingest.bytes, self.egress.bytes);
        let silent = self.pulse.state() != State::Heard;
        let quality = self.quality.take(now, (up, down), self.ingest.totals(), silent);
        if self.srtp.is_some() {
            let (line_kbps, relief) = self.egress.thrift(now);
            let quality = SeatQuality { line_kbps, relief, ..quality };
            self.outputs.push_back(Output::Quality(quality));
        }
    }

    fn end(&mut self, last: Output) {
        if !self.over {
            self.over = true;
            self.outputs.push_back(last);
        }
    }

    fn settle(&mut self, now: Instant) {
        self.time = now;
        // To a client that is not heard nothing is sent: nobody consents to it.
        if self.ice.selected().is_none() || self.pulse.state() == State::Lost {
            self.batch.clear();
        }
    }
}

impl Leg for Session {
    fn delivery(&self) -> Delivery {
        Delivery::Packets
    }

    fn takes(&self, kind: Kind) -> CodecSet {
        self.egress.takes(kind)
    }

    fn handle_track(&mut self, now: Instant, info: &TrackInfo) {
        self.egress.begin(now, info, &mut self.outputs);
        self.settle(now);
    }

    fn handle_track_end(&mut self, now: Instant, track: TrackId) {
        self.egress.end(now, track, &mut self.outputs);
        self.settle(now);
    }

    fn handle_packet(&mut self, now: Instant, track: TrackId, packet: &Packet) {
        if let Some(srtp) = &mut self.srtp {
            self.egress.send(now, track, packet, (srtp, &mut self.batch), &mut self.outputs);
        }
        self.settle(now);
    }

    fn handle_frame(&mut self, now: Instant, track: TrackId, frame: &Frame) {
        frame.packets.iter().for_each(|packet| self.handle_packet(now, track, packet));
    }

    fn handle_control(&mut self, now: Instant, control: Control) {
        match control {
            Control::KeyFrame(track, layer) => self.ingest.want_key(track, layer),
            Control::Prefer(track, size) => self.egress.show(now, track, size, &mut self.outputs),
            Control::Rates(track, kbps) => self.egress.set_rates(track, kbps),
            Control::Protect(protected) => self.egress.protect(now, protected, &mut self.outputs),
            Control::Demand(track, layers) => self.ingest.demand(now, track, layers),
        }
        self.settle(now);
    }

    fn handle_datagram(&mut self, now: Instant, path: Path, datagram: &[u8]) {
        self.time = now;
        if self.over || !self.limit.allows(now, path.remote) {
            return;
        }
        // RFC 7983: what a datagram is shows in its first byte.
        let taken = match datagram.first() {
            Some(0..=3) => self.handle_stun(now, path, datagram),
            Some(20..=63) => self.handle_dtls(now, path, datagram),
            Some(128..=191) => self.handle_srtp(now, path, datagram),
            _ => Err("unknown_protocol"),
        };
        if let Err(reason) = taken {
            metrics::counter!("hearing_webrtc_dropped_total", "reason" => reason).increment(1);
            if !HARMLESS.contains(&reason) {
                self.limit.bad(now, path.remote);
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.time = now;
        self.batch.close();
        if self.over {
            return;
        }
        if self.pulse.silence(now) >= EXPIRY {
            self.dtls.close(now);
            self.flush_dtls();
            self.end(Output::Closed(format!("the client was silent for {} s", EXPIRY.as_secs())));
            return;
        }
        self.look_for_silence(now);
        let event = self.dtls.handle_timeout(now);
        if let Err(reason) = self.take_dtls(event) {
            metrics::counter!("hearing_webrtc_dropped_total", "reason" => reason).increment(1);
        }
        for packet in self.ingest.handle_timeout(now, &mut self.outputs) {
            self.send_rtcp(&[packet]);
        }
        if let Some(srtp) = &mut self.srtp {
            self.egress.pad(now, (srtp, &mut self.batch));
        }
        for compound in self.egress.handle_timeout(now, &mut self.outputs) {
            self.send_rtcp(&compound);
        }
        self.report(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.over {
            return None;
        }
        let end = self.time + EXPIRY.saturating_sub(self.pulse.silence(self.time));
        let alive = [Some(end), self.pulse.poll_timeout(), Some(self.quality.due())];
        let own = [self.batch.due(), self.dtls.poll_timeout()].into_iter().chain(alive);
        let media = [self.ingest.poll_timeout(self.time), self.egress.poll_timeout(self.time)];
        own.chain(media).flatten().min()
    }

    fn handle_restart(&mut self, now: Instant, restart: IceRestart) -> bool {
        let remote = Credentials { ufrag: restart.remote_ufrag, pwd: restart.remote_pwd };
        self.ice.restart(Credentials { ufrag: restart.ufrag, pwd: restart.pwd }, remote);
        self.settle(now);
        true
    }

    fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        self.batch.pop(self.ice.selected()?)
    }

    fn wanted(&self, track: TrackId) -> LayerSet {
        self.egress.wanted(track)
    }
}

/// A client that is silent for so long has to make a new session; before, it may come back into this one.
const EXPIRY: Duration = Duration::from_secs(40);
/// Datagrams with reports in a second: browsers send about 30, on a bad line 100.
const REPORTS: u32 = 400;
/// Packets that a client may ask for again in a second: a fifth of sixteen seats' pictures and sounds, twice over.
const REPAIRS: u32 = 2_000;
/// Drops that honest clients cause: what crosses a change of path, and what comes twice or late.
const HARMLESS: [&str; 7] =
    ["rtcp_flood", "path_unknown", "srtp_early", "dtls_early", "rtp_duplicate", "rtp_late", "rtp_oversize"];
