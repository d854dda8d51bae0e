//! A relay over TLS as the last way out, and what it does not relay.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::browser::Browser;
use crate::harness::court::Court;
use crate::harness::firewall;
use crate::harness::media::Card;
use crate::harness::netns;
use crate::harness::sitting::{Sitting, number};
use crate::harness::zones::INTERNET;

#[test]
fn a_browser_that_reaches_media_by_a_tls_relay_only_joins_and_the_relay_serves_nobody_else() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let secret = files.path().join("turn.secret");
    fs::write(&secret, SECRET).expect("the secret is written");
    let media = format!(
        "tcp = false\n[turn]\nurls = [\"turns:{RELAY}:443?transport=tcp\"]\nsecret = \"{}\"\n",
        secret.display()
    );
    let mut sitting = Sitting::convene(Sitting::court(&media));
    sitting.seat("judge");
    let _relay = Relay::begin(&sitting.court, files.path());
    let client = sitting.court.zones.client(INTERNET);
    firewall::only_tcp_443(&client);
    let card = Card::draw(&sitting.court.path(""), number("counsel"));
    let took = sitting.seat_in("counsel", Browser::chromium(&client, &card));
    assert!(took < Duration::from_secs(3), "counsel was connected {took:?} after being let in");
    let way = sitting.browser("counsel").evaluate(
        "(async () => { const all = [...(await window.hearing.pc.getStats()).values()]; \
         const chosen = all.find((s) => s.type === 'transport').selectedCandidatePairId; \
         const own = all.find((s) => s.id === all.find((s) => s.id === chosen).localCandidateId); \
         return `${own.candidateType} ${own.relayProtocol}` })()",
    );
    assert_eq!(way, "relay tls");
    let seen = sitting.observe(SECONDS);
    Sitting::assert_meet(&seen["judge"], "judge", "counsel", SECONDS);
    Sitting::assert_meet(&seen["counsel"], "counsel", "judge", SECONDS);
    for elsewhere in ["127.0.0.1", "10.20.0.1", "203.0.113.2"] {
        assert!(asked_for(&client, elsewhere).contains("403"), "the relay serves {elsewhere}");
    }
}

/// coturn as the guide configures it, on an address of its own beside the node.
struct Relay(Child);

impl Relay {
    fn begin(court: &Court, files: &std::path::Path) -> Self {
        let node = court.zones.node(INTERNET);
        netns::ip(&["-n", &node, "addr", "add", &format!("{RELAY}/24"), "dev", "access"]);
        let (certificate, key) = (court.path("pki/internet-edge.pem"), court.path("pki/internet-edge.key"));
        let configuration = format!(
            "listening-ip={RELAY}\nrelay-ip={RELAY}\nlistening-port=3478\ntls-listening-port=443\ncert={}\npkey={}\n\
             realm=court.test\nuse-auth-secret\nstatic-auth-secret={SECRET}\nno-cli\nno-multicast-peers\nno-tcp-relay\nno-udp\n\
             denied-peer-ip=0.0.0.0-255.255.255.255\nallowed-peer-ip={}\nuser-quota=4\ntotal-quota=400\n\
             log-file=stdout\npidfile={}\nuserdb={}\n",
            certificate.display(),
            key.display(),
            INTERNET.address,
            files.join("turn.pid").display(),
            files.join("turn.db").display(),
        );
        let file = files.join("turn.conf");
        fs::write(&file, configuration).expect("the relay's configuration is written");
        let child = netns::command(&node, "turnserver")
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("coturn is installed by scripts/setup");
        let relay = Self(child);
        court.until("the relay listens", || {
            let listening = netns::command(&node, "ss").args(["-Hltn", "src", RELAY]).output().ok()?;
            String::from_utf8_lossy(&listening.stdout).contains(":443").then_some(())
        });
        relay
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // One that ended by itself needs no killing; the test has judged that by then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the relay answers to one who knows the secret and wants to reach `peer`.
fn asked_for(namespace: &str, peer: &str) -> String {
    let output = Command::new("timeout")
        .args(["20", "ip", "netns", "exec", namespace, "turnutils_uclient", "-S", "-t", "-n", "1", "-m", "1"])
        .args(["-e", peer, "-W", SECRET, "-u", "tester", "-p", "443", RELAY])
        .output()
        .expect("coturn's own client is installed with it");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

const RELAY: &str = "203.0.113.3";
const SECRET: &str = "a-secret-for-tests-only";
const SECONDS: u32 = 4;
