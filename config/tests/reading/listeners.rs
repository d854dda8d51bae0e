//! Where a node listens, and under which addresses it is reached.

use std::path::Path;

use super::{EDGE, edited, parse, refuses};

#[test]
fn plain_http_is_for_loopback_only() {
    refuses(&edited("bind = \"127.0.0.2:8080\"", "bind = \"10.0.0.1:8080\""), &["web.tls: is missing", "tls = {"]);
    refuses(&edited("url = \"http://127.0.0.2:8080\"", "url = \"http://court.example\""), &["web.url:", "https"]);
}

#[test]
fn ports_that_clash_are_refused() {
    refuses(
        &edited("listen = \"127.0.0.2:9100\"", "listen = \"127.0.0.2:8080\""),
        &["admin.listen: 127.0.0.2:8080 is taken by web.bind"],
    );
    let clash = edited("[pki]", "[trunks]\nlisten = \"0.0.0.0:40001\"\n\n[pki]").replace("workers = 1", "workers = 2");
    refuses(&clash, &["trunks.listen:", "taken by media.bind"]);
}

#[test]
fn the_same_port_for_udp_and_tcp_is_no_clash() {
    assert!(parse(&edited("bind = \"127.0.0.2:40000\"", "bind = \"127.0.0.2:8080\"")).is_ok());
}

#[test]
fn a_socket_path_that_the_system_can_not_hold_is_refused() {
    let long = "x".repeat(120);
    refuses(&edited("[admin]", &format!("[admin]\nsocket = \"/run/{long}\"")), &["admin.socket:", "shorter path"]);
}

#[test]
fn every_address_wanted_but_none_named_is_refused() {
    refuses(&edited("bind = \"127.0.0.2:40000\"", "bind = \"0.0.0.0:40000\""), &["media.advertise: names no address"]);
}

#[test]
fn media_comes_to_the_port_of_the_page_as_participants_reach_it() {
    let over_tcp =
        |text: &str| -> Vec<String> { parse(text).unwrap().media_over_tcp().iter().map(ToString::to_string).collect() };
    let public = EDGE
        .replace("bind = \"127.0.0.2:8080\"", "bind = \"10.1.0.5:8443\"\ntls = { certificate = \"c\", key = \"k\" }")
        .replace("http://127.0.0.2:8080", "https://court.example.cn")
        .replace("workers = 1", "advertise = [\"203.0.113.7\"]");
    assert_eq!(over_tcp(&public), ["203.0.113.7:443"]);
    assert_eq!(over_tcp(&public.replace("court.example.cn", "court.example.cn:8443")), ["203.0.113.7:8443"]);
    assert_eq!(over_tcp(&public.replace("[media]\n", "[media]\ntcp = false\n")), [""; 0]);
    assert_eq!(over_tcp(EDGE), ["127.0.0.2:8080"], "a page on loopback without TLS is reached where it listens");
    let behind_proxy = EDGE.replace("workers = 1", "advertise = [\"203.0.113.7\"]");
    assert_eq!(over_tcp(&behind_proxy), [""; 0], "a proxy for HTTP hands no media on");
}

#[test]
fn a_relay_is_named_by_turn_addresses_and_has_a_secret() {
    let with = |turn: &str| format!("{EDGE}\n[turn]\n{turn}\n");
    refuses(&with("secret = \"turn.secret\""), &["turn.urls: is missing", "turns:turn.example.cn:443"]);
    refuses(&with("urls = []\nsecret = \"s\""), &["turn.urls: names 0 servers"]);
    refuses(&with("urls = [\"https://turn\"]\nsecret = \"s\""), &["turn.urls[0]: \"https://turn\" is no TURN server"]);
    refuses(&with("urls = [\"turns:turn\"]"), &["turn.secret: is missing", "name a file"]);
    refuses(&with("urls = [\"turns:turn\"]\nsecret = \"s\"\nminutes = 1"), &["turn.minutes: 1 is out of range"]);
    let turn = parse(&with("urls = [\"turns:turn\"]\nsecret = \"turn.secret\"")).unwrap().turn.unwrap();
    assert_eq!((turn.secret.as_path(), turn.minutes), (Path::new("/etc/hearing/turn.secret"), 240));
}
