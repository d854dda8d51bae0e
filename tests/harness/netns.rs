//! Network namespaces, which need root: what stands in one has addresses and ports of its own, and no line but those that it is given.

use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::LinkNameSpaceType;

/// One end of a line: a namespace, what the device is called there, and its address in the words of `ip addr`.
pub(crate) type End<'a> = (&'a str, &'a str, &'a [&'a str]);

/// The beginning of names that no other test gives its namespaces.
pub(crate) fn tag() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("hb{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Makes a namespace, in which nothing but itself is reached.
pub(crate) fn add(namespace: &str) {
    ip(&["netns", "add", namespace]);
    // An IPv6 address that comes up by itself seconds later is a change of network to a browser, which then drops what it loads.
    // Whether packets are passed on is inherited from the machine.
    let script = "cd /proc/sys/net; echo 1 > ipv6/conf/all/disable_ipv6; echo 1 > ipv6/conf/default/disable_ipv6; \
                  echo 0 > ipv4/ip_forward";
    ip(&["netns", "exec", namespace, "sh", "-c", script]);
    ip(&["-n", namespace, "link", "set", "lo", "up"]);
}

/// Removes a namespace; it is gone with the last process in it.
pub(crate) fn remove(namespace: &str) {
    // Nothing is to be done about one that does not go away; the next run uses other names.
    let _ = Command::new("ip").args(["netns", "del", namespace]).output();
}

/// Lays a line between two namespaces.
pub(crate) fn line(ends: [End<'_>; 2]) {
    let [(near, here, _), (far, there, _)] = ends;
    ip(&["link", "add", here, "netns", near, "type", "veth", "peer", "name", there, "netns", far]);
    for (namespace, device, address) in ends {
        ip(&[&["-n", namespace, "addr", "add"], address, &["dev", device]].concat());
        ip(&["-n", namespace, "link", "set", device, "up"]);
    }
}

/// A command that runs in `namespace`.
pub(crate) fn command(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, program]);
    command
}

/// Moves the calling thread into `namespace`; sockets that it opens from now on are there.
pub(crate) fn enter(namespace: &str) {
    let file = std::fs::File::open(format!("/run/netns/{namespace}")).expect("the namespace is there");
    rustix::thread::move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .expect("tests run as root");
}

/// What `act` gives in `namespace`, on a thread that enters it; sockets stay where they were opened.
pub(crate) fn within<T: Send>(namespace: &str, act: impl FnOnce() -> T + Send) -> T {
    let there = || {
        enter(namespace);
        act()
    };
    std::thread::scope(|scope| scope.spawn(there).join()).expect("what is done there goes well")
}

/// Runs `ip` with these arguments.
pub(crate) fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("iproute2 is installed by scripts/setup");
    assert!(
        output.status.success(),
        "ip {} failed (namespaces need root): {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
}
