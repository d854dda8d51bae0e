//! What stands between a browser and the node: firewalls, translators of addresses, networks that come and go.

use std::io::Write as _;
use std::process::Stdio;

use super::netns;

/// Puts `rules` (nft's own words) into force in `namespace` in place of what was there.
pub(crate) fn rules(namespace: &str, rules: &str) {
    let mut nft = netns::command(namespace, "nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("nftables is installed by scripts/setup");
    let mut input = nft.stdin.take().expect("stdin is piped");
    write!(input, "flush ruleset\n{rules}\n").expect("nft listens");
    drop(input);
    assert!(nft.wait().expect("nft ends").success(), "nft refuses: {rules}");
}

/// Lets nothing but TCP to port 443 out of `namespace`.
pub(crate) fn only_tcp_443(namespace: &str) {
    rules(namespace, &filter("oifname \"lo\" accept\ntcp dport 443 accept\ndrop"));
}

/// Lets nothing but TCP and UDP to port 443 out of `namespace`.
pub(crate) fn only_443(namespace: &str) {
    rules(namespace, &filter("oifname \"lo\" accept\nmeta l4proto { tcp, udp } th dport 443 accept\ndrop"));
}

/// Lets no UDP out of `namespace`, nor in.
pub(crate) fn no_udp_either_way(namespace: &str) {
    rules(
        namespace,
        "table inet wall {\nchain out {\ntype filter hook output priority filter\noifname != \"lo\" meta l4proto udp drop\n}\n\
         chain in {\ntype filter hook input priority filter\niifname != \"lo\" meta l4proto udp drop\n}\n}",
    );
}

/// Lets no UDP out of `namespace`; what comes in still does.
pub(crate) fn no_udp(namespace: &str) {
    rules(namespace, &filter("oifname != \"lo\" meta l4proto udp drop"));
}

/// Lets nothing out of `namespace`.
pub(crate) fn nothing(namespace: &str) {
    rules(namespace, &filter("oifname != \"lo\" drop"));
}

/// So many of a thousand packets that come to `namespace` over the lines between a node and its clients are lost. They are dropped where they
/// arrive: whoever sends one that is dropped on its way out is told so by its own system, which no line does.
pub(crate) fn loses(namespace: &str, of_a_thousand: u32) {
    rules(
        namespace,
        &format!(
            "table inet line {{\nchain in {{\ntype filter hook input priority filter\n\
             iifname \"access*\" numgen random mod 1000 < {of_a_thousand} drop\n}}\n}}"
        ),
    );
}

/// Translates what `namespace` sends over UDP to ports from `first` on, as a router does; mappings that were there are forgotten.
pub(crate) fn translated(namespace: &str, address: &str, first: u16) {
    let last = first + 999;
    rules(
        namespace,
        &format!(
            "table ip translator {{\nchain out {{\ntype nat hook postrouting priority srcnat\n\
             oifname != \"lo\" meta l4proto udp snat to {address}:{first}-{last}\n}}\n}}"
        ),
    );
    let flushed =
        netns::command(namespace, "conntrack").arg("-F").output().expect("conntrack is installed by scripts/setup");
    assert!(flushed.status.success(), "conntrack: {}", String::from_utf8_lossy(&flushed.stderr));
}

fn filter(rules: &str) -> String {
    format!("table inet wall {{\nchain out {{\ntype filter hook output priority filter\n{rules}\n}}\n}}")
}
