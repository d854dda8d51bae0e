//! Keys, words and values: what is none is refused with the nearest that is one, and what is left out has its default.

use std::path::Path;

use hearing_config::Config;

use super::{EDGE, edited, parse, refuses};

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
fn what_is_not_toml_is_told_with_its_line() {
    refuses("[node]\nid = \n", &["node.toml:2:", "not TOML"]);
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let text = Config::load(Path::new("/nowhere/node.toml")).unwrap_err().to_string();
    assert!(text.starts_with("/nowhere/node.toml: cannot be read"), "{text}");
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
