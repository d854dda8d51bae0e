//! How QUIC is set for a dedicated line: no migration, no 0-RTT, small buffers, quick to see that the line is dead.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hearing_proto::wire;
use quinn::crypto::rustls::{NoInitialCipherSuite, QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, ServerConfig, TransportConfig, VarInt};
use rustls::pki_types::CertificateDer;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::cause::Cause;
use super::rate::Booking;
use super::status::Gauges;
use crate::net::tls::{Identity, TrunkTls};

/// Bytes in a second of a line that is booked for `kbps`.
pub(super) fn rate(kbps: u32) -> f64 {
    f64::from(kbps) * 125.0
}

/// Bytes of pictures that may wait before QUIC: 200 ms of the booked rate.
pub(super) fn outbox_limit(kbps: u32) -> usize {
    ((rate(kbps) * 0.2) as usize).clamp(256 << 10, 8 << 20)
}

pub(super) fn client(tls: &TrunkTls, kbps: u32) -> Result<ClientConfig, NoInitialCipherSuite> {
    let crypto = QuicClientConfig::try_from(tls.client(wire::ALPN))?;
    let mut config = ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport(kbps)));
    Ok(config)
}

/// `kbps` is that of the largest trunk: who dials is known only after the handshake.
pub(super) fn server(tls: &TrunkTls, kbps: u32) -> Result<ServerConfig, NoInitialCipherSuite> {
    let crypto = QuicServerConfig::try_from(tls.server(wire::ALPN))?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport(kbps)));
    config.migration(false);
    Ok(config)
}

/// Who the other end is by its certificate, and the certificate's serial number.
pub(super) fn identity(connection: &Connection) -> Result<(Identity, Vec<u8>), Cause> {
    let none = || Cause::NoIdentity("the peer showed no certificate".to_owned());
    let chain = connection.peer_identity().ok_or_else(none)?;
    let chain = chain.downcast::<Vec<CertificateDer<'static>>>().map_err(|_| none())?;
    let read = || Ok((TrunkTls::identity_of(&chain)?, TrunkTls::serial_of(&chain)?));
    read().map_err(|error: crate::net::tls::Error| Cause::NoIdentity(error.to_string()))
}

/// Comes back when the connection is over, or nothing was heard over it for a second; sooner when another line stands by.
pub(super) async fn watch(connection: &Connection, gauges: &Gauges) -> Cause {
    let mut ticks = interval(WATCH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut heard, mut since) = (connection.stats().udp_rx.datagrams, Instant::now());
    loop {
        tokio::select! {
            error = connection.closed() => return Cause::of(error),
            now = ticks.tick() => {
                let count = connection.stats().udp_rx.datagrams;
                if count != heard {
                    (heard, since) = (count, now);
                } else if now.duration_since(since) >= if gauges.has_standby() { SHORT_SILENCE } else { SILENCE } {
                    return Cause::Silence;
                }
            }
        }
    }
}

/// Where to bind in order to dial `to`.
pub(super) fn any_address(to: SocketAddr) -> SocketAddr {
    match to {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0; 16], 0).into(),
    }
}

fn transport(kbps: u32) -> TransportConfig {
    let mut config = TransportConfig::default();
    let window = ((rate(kbps) * 0.15) as u64).clamp(256 << 10, 4 << 20);
    config
        .initial_mtu(MTU)
        .min_mtu(MTU)
        .initial_rtt(Duration::from_millis(100))
        .max_idle_timeout(Some(VarInt::from_u32(IDLE_MS).into()))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_concurrent_uni_streams(VarInt::from_u32(4_096))
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .stream_receive_window(VarInt::from_u32(2 << 20))
        .receive_window(VarInt::from_u32(16 << 20))
        .send_window(window)
        .datagram_send_buffer_size(96 << 10)
        .datagram_receive_buffer_size(Some(128 << 10))
        .congestion_controller_factory(Arc::new(Booking { rate: rate(kbps) }));
    config
}

/// A packet of 1,200 bytes and its head fit; QUIC never goes below it, so a false black hole can't stop media.
const MTU: u16 = 1_280;
const IDLE_MS: u32 = 4_000;
/// What a line that stands by is known to live by.
const KEEP_ALIVE: Duration = Duration::from_millis(300);
const WATCH_EVERY: Duration = Duration::from_millis(100);
const SILENCE: Duration = Duration::from_secs(1);
const SHORT_SILENCE: Duration = Duration::from_millis(700);
