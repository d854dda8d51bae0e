//! Are the ports free, and do the peers answer?

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use hearing_config::{Config, Trunk};
use serde_json::Value;

use super::Finding;

/// Binds every address once; a node that runs has them itself.
pub(super) fn ports(config: &Config, running: bool) -> Finding {
    if running {
        return Finding::ok(PORTS, "节点正在运行 the node is running and holds them");
    }
    let platform = config.gb28181.as_ref();
    let tcp = [("web.bind", config.web.bind), ("admin.listen", config.admin.listen)];
    let tcp = tcp.into_iter().chain(platform.and_then(|platform| Some(("gb28181.tcp", platform.tcp?))));
    let udp = (0..config.media.workers)
        .map(|n| ("media.bind", config.media.worker(n)))
        .chain(config.trunks.listen.map(|listen| ("trunks.listen", listen)))
        .chain(platform.and_then(|platform| Some(("gb28181.udp", platform.udp?))));
    let taken = tcp
        .map(|(key, at)| (key, at, TcpListener::bind(at).err()))
        .chain(udp.map(|(key, at)| (key, at, UdpSocket::bind(at).err())))
        .find_map(|(key, at, error)| Some((key, at, error?)));
    match taken {
        None => Finding::ok(PORTS, "空闲 free"),
        Some((key, at, error)) => Finding::fail(PORTS, format!("{key}: {at}: {error}"), mend(&error)),
    }
}

/// A node that runs knows its trunks; else each peer that is dialled is asked whether QUIC answers there.
pub(super) async fn trunks(config: &Config, running: Option<&Value>) -> Vec<Finding> {
    if config.trunks.peers.is_empty() {
        return vec![Finding::ok(TRUNKS, "未配置 none configured")];
    }
    let mut findings = Vec::new();
    for trunk in &config.trunks.peers {
        findings.push(match (running, trunk.dial) {
            (Some(node), _) => up(trunk, node),
            (None, Some(peer)) => reachable(trunk, peer).await,
            (None, None) => Finding::warn(
                TRUNKS,
                format!("{}/{} dials this node, which is not running", trunk.zone, trunk.peer),
                "start the node and check again",
            ),
        });
    }
    findings
}

fn up(trunk: &Trunk, node: &Value) -> Finding {
    let known = node["trunks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let name = format!("{}/{}", trunk.zone, trunk.peer);
    match known.iter().find(|known| known["peer"] == trunk.peer.as_str()) {
        Some(known) if known["up"] == true => {
            let figure = |key: &str| known[key].as_u64().unwrap_or(0);
            let (standby, lost, shed, held) = (figure("standby"), figure("lost"), figure("shed"), figure("held"));
            let text = format!(
                "{name}: 往返 round trip {} ms, 备用 standby {standby}, 丢失 lost {lost}, 舍弃 shed {shed}, 暂停画面 pictures held {held}",
                known["rtt_ms"]
            );
            Finding::ok(TRUNKS, text)
        }
        _ => Finding::fail(
            TRUNKS,
            format!("{name} is down"),
            "see the node's log; check the peer, the line, and both certificates",
        ),
    }
}

async fn reachable(trunk: &Trunk, peer: SocketAddr) -> Finding {
    let name = format!("{}/{} at {peer}", trunk.zone, trunk.peer);
    let answer = tokio::task::spawn_blocking(move || speaks_quic(peer)).await;
    match answer.unwrap_or_else(|e| Err(io::Error::other(e))) {
        Ok(true) => Finding::ok(TRUNKS, format!("{name} answers")),
        Ok(false) => Finding::fail(
            TRUNKS,
            format!("{name} does not answer"),
            format!("is the peer running, and does every firewall between pass UDP {} both ways?", peer.port()),
        ),
        Err(error) => Finding::fail(TRUNKS, format!("{name}: {error}"), "check the route to the peer's network"),
    }
}

/// A QUIC server answers a version that it does not know with those that it does (RFC 9000, section 6), without any state.
fn speaks_quic(peer: SocketAddr) -> io::Result<bool> {
    let any: SocketAddr =
        if peer.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.connect(peer)?;
    socket.set_read_timeout(Some(Duration::from_millis(700)))?;
    let mut answer = [0; 1500];
    for _ in 0..3 {
        socket.send(&unknown_version())?;
        match socket.recv(&mut answer) {
            // A long header with version 0 is a version negotiation (section 17.2.1).
            Ok(length) if length > 7 && answer[0] & 0x80 != 0 && answer[1..5] == [0; 4] => return Ok(true),
            Ok(_) => {}
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::ConnectionRefused
                ) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(false)
}

/// A long header of a reserved version (section 15), as large as a first packet must be (section 14.1).
fn unknown_version() -> [u8; 1200] {
    let mut packet = [0; 1200];
    packet[0] = 0xc0;
    packet[1..5].copy_from_slice(&[0x1a, 0x2a, 0x3a, 0x4a]);
    packet[5] = 8;
    packet[6..14].copy_from_slice(&rand::random::<[u8; 8]>());
    packet[14] = 8;
    packet[15..23].copy_from_slice(&rand::random::<[u8; 8]>());
    packet
}

fn mend(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "stop what listens there, or choose another port",
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address; correct it",
        io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE, or choose a higher one",
        _ => "correct the address",
    }
}

const PORTS: &str = "端口 ports";
const TRUNKS: &str = "线路 trunks";

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_port_in_use_is_named_with_its_key() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = demo();
        config.web.bind = taken.local_addr().unwrap();
        let finding = ports(&config, false);
        assert_eq!(finding.state, super::super::State::Fail);
        assert!(finding.text.starts_with("web.bind: 127.0.0.1:"), "{finding:?}");
        assert!(finding.remedy.unwrap().contains("stop what listens there"));
    }

    #[test]
    fn a_running_node_holds_its_ports_itself() {
        assert_eq!(ports(&demo(), true).state, super::super::State::Ok);
    }

    #[test]
    fn a_quic_server_is_told_from_silence_and_from_noise() {
        let versions = [&[0x80, 0, 0, 0, 0, 8][..], &[7; 8], &[8], &[9; 8], &[0, 0, 0, 1]].concat();
        assert!(speaks_quic(answering(versions)).unwrap());
        assert!(!speaks_quic(answering(b"hello, who is there?".to_vec())).unwrap());
    }

    #[test]
    fn a_trunk_that_is_down_is_named() {
        let config = demo();
        let node = serde_json::json!({"trunks": [{"peer": "gov", "up": true, "rtt_ms": 3}, {"peer": "internet", "up": false}]});
        let states: Vec<_> = config.trunks.peers.iter().map(|trunk| up(trunk, &node).state).collect();
        assert_eq!(states, [super::super::State::Ok, super::super::State::Fail]);
    }

    fn answering(answer: Vec<u8>) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        thread::spawn(move || {
            let mut packet = [0; 1500];
            for _ in 0..3 {
                let (length, from) = socket.recv_from(&mut packet).unwrap();
                assert_eq!(length, 1200);
                socket.send_to(&answer, from).unwrap();
            }
        });
        at
    }

    fn demo() -> Config {
        Config::load(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples/demo.toml")).unwrap()
    }
}
