//! SIP terminals, GB/T 28181 devices and cameras.

use hearing_config::Gb28181Transport;

use super::{EDGE, parse, refuses, seat, template};

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
