//! What a configuration may not say: each refusal names the file, the key and the remedy.

use std::path::Path;

use hearing_config::{Config, Gb28181Transport, Kind, Layout};

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    refuses(
        &edited("dial = \"10.30.0.5:7443\"", "dail = \"10.30.0.5:7443\""),
        &["node.toml: trunk[0].dail:", "did you mean \"dial\"?"],
    );
}

#[test]
fn an_unknown_key_far_from_all_is_refused_with_the_known_ones() {
    refuses(
        &edited("workers = 1", "colour = 1"),
        &["media.colour: unknown key", "known here: bind, advertise, tcp, workers"],
    );
}

#[test]
fn an_unknown_section_is_refused() {
    refuses(&format!("{EDGE}\n[trunk5]\nlisten = 1\n"), &["trunk5: unknown key", "did you mean"]);
}

#[test]
fn a_key_of_the_second_trunk_is_named_by_its_place() {
    let second = "\n[[trunk]]\npeer = \"other\"\nzone = \"internet\"\ndial = \"nowhere\"\n";
    refuses(&format!("{EDGE}{second}"), &["trunk[1].dial: \"nowhere\" is not an address with a port", "IP:PORT"]);
}

#[test]
fn a_value_of_the_wrong_type_is_named() {
    refuses(&edited("id = \"gov-edge\"", "id = 5"), &["node.id: invalid type: integer `5`", "write a string"]);
}

#[test]
fn an_unknown_role_is_refused_with_the_nearest() {
    refuses(
        &edited("roles = [\"prosecutor\"]", "roles = [\"prosecutr\"]"),
        &["crossing[0].roles[0]: unknown word", "did you mean \"prosecutor\"?"],
    );
}

#[test]
fn a_zone_that_is_no_name_is_refused() {
    refuses(&edited("zone = \"gov\"", "zone = \"Gov Net\""), &["node.zone:", "is not a zone name", "a-z, 0-9"]);
}

#[test]
fn a_missing_key_is_named_with_what_to_write() {
    refuses(&edited("id = \"gov-edge\"\n", ""), &["node.id: is missing", "such as \"court\""]);
    refuses(&edited("revoked = \"revoked.crl\"\n", ""), &["pki.revoked: is missing", "name a file"]);
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    refuses("[node]\nid = \n", &["node.toml:2:", "not TOML"]);
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let text = Config::load(Path::new("/nowhere/node.toml")).unwrap_err().to_string();
    assert!(text.starts_with("/nowhere/node.toml: cannot be read"), "{text}");
}

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
fn a_crossing_of_an_unknown_zone_is_refused() {
    refuses(
        &edited("to = \"tripartite\"", "to = \"tripartit\""),
        &["crossing[0].to: zone tripartit is neither", "did you mean \"tripartite\"?"],
    );
}

#[test]
fn a_crossing_within_a_zone_is_refused() {
    refuses(&edited("to = \"tripartite\"", "to = \"gov\""), &["crossing[0].to:", "within a zone"]);
}

#[test]
fn a_zone_has_one_peer_and_a_peer_one_zone_and_its_lines_say_the_same_of_it() {
    let second = |peer: &str, zone: &str, rest: &str| {
        format!("{EDGE}\n[[trunk]]\npeer = \"{peer}\"\nzone = \"{zone}\"\n{rest}\n")
    };
    let (dial, vouches) = ("dial = \"10.0.0.1:1\"", "vouches = [\"tripartite\"]");
    refuses(
        &second("court", "moon", dial),
        &["trunk[1].peer: a trunk to court in zone tripartite stands above already"],
    );
    refuses(&second("court2", "tripartite", dial), &["trunk[1].zone: a trunk to zone tripartite stands above already"]);
    refuses(
        &format!("{}\n[trunks]\nlisten = \"10.0.0.2:1\"\n", second("court", "tripartite", vouches)),
        &["trunk[1].dial: a trunk to court stands above already"],
    );
    let otherwise = format!("{dial}\nvouches = [\"moon\"]");
    refuses(&second("court", "tripartite", &otherwise), &["trunk[1].vouches", "says otherwise"]);
    let config = parse(&second("court", "tripartite", &format!("{dial}\n{vouches}\nkbps = 5000"))).expect("two lines");
    let lines: Vec<u32> = config.trunks.peers.iter().map(|trunk| trunk.kbps).collect();
    assert_eq!(lines, [20_000, 5_000]);
}

#[test]
fn a_peer_can_not_vouch_for_our_own_zone() {
    refuses(
        &edited("vouches = [\"tripartite\"]", "vouches = [\"tripartite\", \"gov\"]"),
        &["trunk[0].vouches[1]: gov is this node's own zone"],
    );
}

#[test]
fn a_trunk_that_nobody_dials_is_refused() {
    refuses(&edited("dial = \"10.30.0.5:7443\"\n", ""), &["trunk[0].dial: is missing", "[trunks] listen"]);
}

#[test]
fn templates_and_seats_of_the_same_name_are_refused() {
    let one = template("trial", &[seat("judge", "gov", "")]);
    refuses(&format!("{EDGE}{one}{one}"), &["template[1].name: a template \"trial\" stands above already"]);
    let twice = template("trial", &[seat("judge", "gov", ""), seat("judge", "gov", "")]);
    refuses(&format!("{EDGE}{twice}"), &["template[0].seat[1].name: a seat \"judge\" stands above already"]);
}

#[test]
fn more_than_64_seats_are_refused() {
    let seats: Vec<String> = (0..65).map(|n| seat(&format!("seat{n}"), "gov", "")).collect();
    refuses(&format!("{EDGE}{}", template("full", &seats)), &["template[0].seat: has 65 seats", "1 to 64"]);
    assert!(parse(&format!("{EDGE}{}", template("full", &seats[..64]))).is_ok());
}

#[test]
fn a_template_that_requires_nothing_is_refused() {
    let text = template("trial", &[seat("judge", "gov", "required = []")]);
    refuses(
        &format!("{EDGE}{text}"),
        &["template[0].seat: no seat requires anything", "required = [\"audio\", \"video\"]"],
    );
}

#[test]
fn a_layout_belongs_to_a_sip_terminal_and_has_a_name_that_is_known() {
    let with = |more: &str| format!("{EDGE}{SIP}{}", template("trial", &[seat("judge", "gov", more)]));
    let layout = |more: &str| parse(&with(more)).unwrap().templates[0].seats[0].layout;
    let sip = "endpoint = { sip = \"sip:room3@10.2.0.30\" }";
    assert_eq!(layout(sip), Layout::Exhibit);
    assert_eq!(layout(&format!("{sip}\nlayout = \"judge-and-speaker\"")), Layout::JudgeAndSpeaker);
    refuses(&with("layout = \"equal\""), &["template[0].seat[0].layout:", "for SIP terminals only", "browser"]);
    refuses(&with(&format!("{sip}\nlayout = \"grid\"")), &["template[0].seat[0].layout:", "grid", "judge-and-speaker"]);
}

#[test]
fn a_seat_that_sends_nothing_can_t_be_required_and_needs_nothing_unless_a_camera_stands_there() {
    let judge = seat("judge", "gov", "");
    let with = |role: &str, more: &str| {
        let other = seat("other", "gov", more).replace("role = \"judge\"", &format!("role = \"{role}\""));
        format!("{EDGE}{}", template("trial", &[judge.clone(), other]))
    };
    let required = |text: &str| parse(text).unwrap().templates[0].seats[1].required.clone();
    for role in ["observer", "technician"] {
        refuses(&with(role, "required = [\"video\"]"), &["template[0].seat[1].required:", "sends nothing"]);
        assert_eq!(required(&with(role, "")), []);
    }
    let camera = "endpoint = { rtsp = \"rtsp://10.2.0.31/live\" }\nrequired = [\"video\"]";
    assert_eq!(required(&with("technician", camera)), [Kind::Video]);
}

#[test]
fn a_required_screen_is_refused() {
    let text = template("trial", &[seat("judge", "gov", "required = [\"audio\", \"screen\"]")]);
    refuses(&format!("{EDGE}{text}"), &["template[0].seat[0].required[1]:", "can't be required"]);
}

#[test]
fn a_seat_of_an_unknown_zone_is_refused() {
    let text = template("trial", &[seat("judge", "internet", "")]);
    refuses(&format!("{EDGE}{text}"), &["template[0].seat[0].zone: zone internet is neither", "[[trunk]]"]);
}

#[test]
fn a_seat_whose_zone_has_no_page_is_refused() {
    let text = template("trial", &[seat("judge", "tripartite", "")]);
    refuses(&format!("{EDGE}{text}"), &["trunk[0].web: is missing", "can get no link"]);
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
fn numbers_out_of_range_are_refused() {
    refuses(&edited("workers = 1", "workers = 0"), &["media.workers: 0 is out of range", "1 to 64"]);
    refuses(
        &format!("{EDGE}\n[record]\nrefuse_free_percent = 100\n"),
        &["record.refuse_free_percent: 100 is out of range"],
    );
    refuses(&format!("{EDGE}\n[spool]\nmegabytes = 1\n"), &["spool.megabytes: 1 is out of range"]);
    refuses(&format!("{EDGE}\n[spool]\nminutes = 0\n"), &["spool.minutes: 0 is out of range"]);
}

#[test]
fn a_seat_that_nobody_outside_can_hear_is_a_warning() {
    let seats = [seat("judge", "gov", ""), seat("clerk", "tripartite", "")];
    let web = edited("dial = \"10.30.0.5:7443\"", "dial = \"10.30.0.5:7443\"\nweb = \"https://court.example\"");
    let config = parse(&format!("{web}{}", template("trial", &seats))).unwrap();
    let warnings: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("template[0].seat[0].zone: no crossing lets a judge of zone gov"), "{warnings:?}");
}

#[test]
fn a_required_track_that_can_not_reach_the_record_is_a_warning() {
    let back = "\n[[crossing]]\nfrom = \"tripartite\"\nto = \"gov\"\nroles = [\"judge\"]\nkinds = [\"audio\"]\n";
    let web = edited("dial = \"10.30.0.5:7443\"", "dial = \"10.30.0.5:7443\"\nweb = \"https://court.example\"");
    let config = parse(&format!("{web}{back}{}", template("trial", &[seat("judge", "tripartite", "")]))).unwrap();
    let warnings = config.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].to_string().starts_with("template[0].seat[0].required: its video is required"), "{warnings:?}");
}

#[test]
fn a_crossing_for_which_nobody_vouches_is_a_warning() {
    let config = parse(
        &edited("vouches = [\"tripartite\"]", "vouches = [\"internet\"]")
            .replace("from = \"gov\"\nto = \"tripartite\"", "from = \"tripartite\"\nto = \"gov\""),
    )
    .unwrap();
    assert!(
        config.warnings()[0].to_string().starts_with("crossing[0].from: no trunk may vouch"),
        "{:?}",
        config.warnings()
    );
}

#[test]
fn relative_paths_start_at_the_file() {
    let config = parse(EDGE).unwrap();
    assert_eq!(config.pki.root, Path::new("/etc/hearing/root.pem"));
    assert_eq!(config.admin.socket, Path::new("/etc/hearing/data/admin.sock"));
    assert_eq!(config.record.directory, Path::new("/etc/hearing/data/record"));
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = parse(EDGE).unwrap();
    assert_eq!(config.trunks.peers[0].kbps, 20_000);
    assert_eq!(config.media.advertise, [config.media.bind.ip()]);
    assert_eq!((config.spool.bytes, config.spool.age.as_secs()), (4_096 << 20, 7 * 24 * 3_600));
    assert_eq!((config.record.warn_free_percent, config.record.refuse_free_percent), (vec![20, 10, 5], 10));
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
fn a_terminals_address_is_read_or_refused_with_its_key_and_value() {
    let with = |endpoint: &str| {
        format!("{EDGE}{}", template("small", &[seat("room", "gov", &format!("endpoint = {endpoint}"))]))
    };
    let key = "template[0].seat[0].endpoint";
    refuses(&with("{ sip = \"room3\" }"), &[key, "\"room3\" is not the address of a SIP terminal"]);
    refuses(&with("{ gb28181 = \"12\" }"), &[key, "\"12\" is not a GB/T 28181 identity"]);
    refuses(&with("{ rtsp = \"http://camera\" }"), &[key, "is not the address of a camera"]);
    refuses(&with("\"telephone\""), &[key, "unknown word \"telephone\""]);
    refuses(&with("{ sip = \"sip:room3@10.2.0.30\" }"), &[key, "this node has no [sip]"]);
    refuses(&with("{ gb28181 = \"34020000001320000001\" }"), &[key, "this node has no [gb28181]"]);
}

#[test]
fn sip_needs_a_listener_an_address_and_a_range_of_ports() {
    let with = |keys: &str| format!("{EDGE}\n[sip]\n{keys}\n");
    refuses(&with("domain = \"court\""), &["sip: is missing", "sip.udp"]);
    refuses(&with("udp = \"0.0.0.0:5060\""), &["sip.advertise:", "no address that a terminal can reach"]);
    refuses(&with("udp = \"127.0.0.2:5060\"\nrtp = [30001, 30999]"), &["sip.rtp: 30001 to 30999 is no range"]);
    refuses(&with("udp = \"127.0.0.2:5060\"\nsrtp = \"never\""), &["sip.srtp: unknown word", "required"]);
    let twice = "udp = \"127.0.0.2:5060\"\n[[sip.device]]\nuser = \"a\"\nsecret = \"s\"\n[[sip.device]]\nuser = \"a\"\nsecret = \"s\"";
    refuses(&with(twice), &["sip.device[1].user:", "stands above already"]);
}

#[test]
fn a_gb28181_platform_needs_an_identity_a_listener_and_devices_that_differ() {
    let own = "id = \"34020000002000000001\"\nudp = \"127.0.0.2:5060\"";
    let with = |keys: &str| format!("{EDGE}\n[gb28181]\n{keys}\n");
    let device = |id: &str, more: &str| format!("[[gb28181.device]]\nid = \"{id}\"\nsecret = \"s\"\n{more}\n");
    refuses(&with("udp = \"127.0.0.2:5060\""), &["gb28181.id: is missing", "20 digits"]);
    refuses(&with("id = \"12\""), &["gb28181.id:", "\"12\" is not a GB/T 28181 identity"]);
    refuses(&with("id = \"34020000002000000001\""), &["gb28181: is missing", "gb28181.udp"]);
    let anywhere = own.replace("127.0.0.2", "0.0.0.0");
    refuses(&with(&anywhere), &["gb28181.advertise:", "no address that a device can reach"]);
    refuses(&with(&format!("{own}\nrtp = [31000, 31003]")), &["gb28181.rtp: 31000 to 31003 is no range"]);
    refuses(&with(&format!("{own}\nkeepalive = 0")), &["gb28181.keepalive: 0 is out of range", "1 to 3600"]);
    refuses(&with(&format!("{own}\ntransport = \"sctp\"")), &["gb28181.transport: unknown word", "tcp-active"]);
    let id = "34020000001320000001";
    let twice = format!("{own}\n{}{}", device(id, ""), device(id, ""));
    refuses(&with(&twice), &["gb28181.device[1].id:", "stands above already"]);
    let itself = format!("{own}\n{}", device("34020000002000000001", ""));
    refuses(&with(&itself), &["gb28181.device[0].id:", "stands above already"]);
    let unsaid = format!("{own}\n[[gb28181.device]]\nid = \"{id}\"");
    refuses(&with(&unsaid), &["gb28181.device[0].secret: is missing"]);
    let sip = "\n[sip]\nudp = \"127.0.0.2:5070\"\nrtp = [31998, 32010]\n";
    refuses(&(with(own) + sip), &["gb28181.rtp: 31000 to 31999 is taken by sip.rtp"]);
    refuses(&(with(own) + &sip.replace("5070", "5060")), &["gb28181.udp: 127.0.0.2:5060 is taken by sip.udp"]);
}

#[test]
fn what_a_device_does_not_say_is_as_the_platform_has_it() {
    let text = format!(
        "{EDGE}\n[gb28181]\nid = \"34020000002000000001\"\ntcp = \"127.0.0.2:5060\"\ntransport = \"tcp-passive\"\n\
         [[gb28181.device]]\nid = \"34020000001320000001\"\nsecret = \"s\"\n\
         [[gb28181.device]]\nid = \"34020000001320000002\"\nsecret = \"s\"\ntransport = \"udp\"\ntalk = false\n"
    );
    let platform = parse(&text).expect("a configuration").gb28181.expect("a platform");
    assert_eq!((platform.domain.as_str(), platform.keepalive), ("3402000000", 60));
    let devices: Vec<_> = platform.devices.iter().map(|device| (device.transport, device.talk)).collect();
    assert_eq!(devices, [(Gb28181Transport::TcpPassive, true), (Gb28181Transport::Udp, false)]);
}

fn parse(text: &str) -> Result<Config, hearing_config::Error> {
    Config::parse(text, Path::new("/etc/hearing/node.toml"))
}

/// The edge's configuration with one piece replaced.
fn edited(from: &str, to: &str) -> String {
    assert!(EDGE.contains(from), "{from}");
    EDGE.replacen(from, to, 1)
}

fn refuses(text: &str, pieces: &[&str]) {
    let error = parse(text).expect_err("must be refused").to_string();
    assert!(error.starts_with("/etc/hearing/node.toml:"), "{error}");
    for piece in pieces {
        assert!(error.contains(piece), "{piece:?} is not in: {error}");
    }
}

fn template(name: &str, seats: &[String]) -> String {
    format!("\n[[template]]\nname = \"{name}\"\ntitle = \"庭审\"\ntitle_en = \"Hearing\"\n{}", seats.concat())
}

fn seat(name: &str, zone: &str, more: &str) -> String {
    format!(
        "\n[[template.seat]]\nname = \"{name}\"\ntitle = \"席\"\ntitle_en = \"Seat\"\nrole = \"judge\"\nzone = \"{zone}\"\n{more}\n"
    )
}

const SIP: &str = "[sip]\nudp = \"127.0.0.2:5060\"\n";
const EDGE: &str = r#"
[node]
id = "gov-edge"
zone = "gov"
data = "data"

[web]
bind = "127.0.0.2:8080"
url = "http://127.0.0.2:8080"

[media]
bind = "127.0.0.2:40000"
workers = 1

[admin]
listen = "127.0.0.2:9100"

[pki]
root = "root.pem"
certificate = "gov-edge.pem"
key = "gov-edge.key"
revoked = "revoked.crl"

[[trunk]]
peer = "court"
zone = "tripartite"
dial = "10.30.0.5:7443"
vouches = ["tripartite"]

[[crossing]]
from = "gov"
to = "tripartite"
roles = ["prosecutor"]
kinds = ["audio", "video"]
"#;
