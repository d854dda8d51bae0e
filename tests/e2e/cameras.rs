//! Cameras that are pulled by RTSP.

use std::net::Ipv4Addr;

use crate::harness::camera::{Camera, Setup};
use crate::harness::node::{Node, Site, until};

#[test]
fn a_camera_with_another_password_never_takes_its_seat_and_the_log_shows_no_password() {
    let bench = Bench::with("h264", "pcma", "digest", "tcp", "wrong");
    let camera = Camera::start(&bench.setup, &bench.clip);
    let (hearing, _) = bench.node.convene();
    until("the camera has refused", || bench.node.site.log_text().contains("401").then_some(()));
    assert_eq!(bench.node.presence(&hearing, SEAT), "absent");
    let log = bench.node.site.log_text();
    assert!(!log.contains("c%40urt1") && !log.contains("c@urt1"), "{log}");
    drop(camera);
}

/// A node of whose template the witness is a camera.
struct Bench {
    node: Node,
    setup: Setup,
    clip: std::path::PathBuf,
}

impl Bench {
    fn with(
        picture: &'static str,
        sound: &'static str,
        access: &'static str,
        lower: &'static str,
        spoil: &str,
    ) -> Self {
        let mut site = Site::court();
        // GStreamer sends datagrams from the first address of the interface, wherever it was asked.
        let address = if lower == "udp" { Ipv4Addr::LOCALHOST } else { site.address };
        let setup = Setup { address, picture, sound, access, lower };
        let named = format!("name = \"{SEAT}\"\n");
        let url = setup.url().replace("urt1@", &format!("urt1{spoil}@"));
        site.rest = site.rest.replace(&named, &format!("{named}endpoint = {{ rtsp = \"{url}\" }}\n"));
        // A witness would wait apart.
        site.rest = site.rest.replace("role = \"witness\"", "role = \"guard\"");
        let clip = setup.clip(&site.path(""), NUMBER, 60);
        Self { node: site.run(), setup, clip }
    }
}

impl Drop for Bench {
    #[expect(clippy::print_stderr, reason = "a test that failed shows what its node said")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.node.site.log_text());
        }
    }
}

const SEAT: &str = "witness";
/// As it is drawn into the pictures.
const NUMBER: u8 = 1;
