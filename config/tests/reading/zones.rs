//! What may pass between zones: trunks and crossings.

use super::{EDGE, edited, parse, refuses};

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
