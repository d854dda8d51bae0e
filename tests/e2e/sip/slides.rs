//! What a terminal shows beside its camera (RFC 4796, `content:slides`). Room systems ask for a floor first (BFCP, RFC 8855 and 8856);
//! nobody here gives floors away, and the exhibit is seen without.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};

use super::{SIP, device, left_with, phone, start_of, user};
use crate::harness::browser::Browser;
use crate::harness::media::Card;
use crate::harness::netns;
use crate::harness::node::{Node, Site, until};
use crate::harness::phone::Phone;

#[test]
fn slides_of_a_terminal_whose_floor_is_refused_are_an_exhibit_on_the_judge_s_page_until_it_hangs_up() {
    let node = court();
    let started = start_of(&node);
    let mut judge = Browser::chromium(&node.site.room().namespace, &Card::draw(&node.site.path(""), 0));
    judge.join(started["seats"][0]["link"].as_str().expect("a link"));
    let mut phone = phone(&node, 1);
    let (sound, main) = phone.media("RTP/AVP 8");
    let sockets =
        [phone.media("").0, phone.media("").0].map(|socket| (socket.local_addr().expect("a port").port(), socket));
    let offer = format!("{main}{}", pictures(sockets[0].0, sockets[1].0));
    let mut talk = until("its seat is open", || {
        let (status, talk) = phone.call("hearing", &offer);
        (status == 200).then_some(talk)
    });
    let lines: Vec<_> = talk.answer.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        (lines.len(), lines[2]),
        (4, "m=application 0 TCP/BFCP *"),
        "each is answered, in order: {}",
        talk.answer
    );
    let slides = lines[3].split(' ').nth(1).and_then(|port| port.parse().ok()).expect("a port");
    assert!(talk.answer.contains("a=content:slides\r\na=recvonly"), "{}", talk.answer);

    let card = Card::draw(&node.site.path(""), EXHIBIT).video;
    let projector = Projector::show(&card, &phone, (node.site.address, slides).into());
    judge.wait("window.hearing?.slots['room1/screen']?.srcObject != null");
    let seen = judge.observe(5);
    let exhibit = &seen["room1/screen"];
    assert!(exhibit.frames >= 25 && exhibit.seat == i32::from(EXHIBIT), "the exhibit: {exhibit:?}");
    drop(projector);
    assert_eq!(phone.bye(&mut talk), 200);
    drop(sound);
    left_with(&node, 0);
}

/// A camera that is switched off, a floor, and slides.
fn pictures(camera: u16, slides: u16) -> String {
    let h264 = "a=rtpmap:97 H264/90000\r\na=fmtp:97 profile-level-id=42e01f;packetization-mode=1\r\n";
    format!(
        "m=video {camera} RTP/AVP 97\r\n{h264}a=content:main\r\na=label:1\r\na=recvonly\r\n\
         m=application 9 TCP/BFCP *\r\na=floorctrl:c-s\r\na=confid:1\r\na=userid:2\r\na=floorid:1 mstrm:3\r\na=setup:actpass\r\na=connection:new\r\n\
         m=video {slides} RTP/AVP 97\r\n{h264}a=content:slides\r\na=label:3\r\na=sendrecv\r\n"
    )
}

/// Real H.264 over RTP by ffmpeg, as long as it lives.
struct Projector(Child);

impl Projector {
    fn show(card: &Path, phone: &Phone, to: SocketAddr) -> Self {
        let child = netns::command(&phone.room.namespace, "ffmpeg")
            .args(["-loglevel", "error", "-re", "-stream_loop", "-1", "-i"])
            .arg(card)
            .args(["-an", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline"])
            .args([
                "-pix_fmt",
                "yuv420p",
                "-g",
                "15",
                "-b:v",
                "500k",
                "-maxrate",
                "500k",
                "-bufsize",
                "250k",
                "-payload_type",
                "97",
                "-f",
                "rtp",
            ])
            .arg(format!("rtp://{to}?pkt_size=1200"))
            .stdout(Stdio::null())
            .spawn()
            .expect("ffmpeg is installed by scripts/setup");
        Self(child)
    }
}

impl Drop for Projector {
    fn drop(&mut self) {
        // One that ended already needs no killing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A judge in a browser, and a prosecutors' room with a terminal.
fn court() -> Node {
    let mut site = Site::with_rooms();
    let (address, device) = (site.address, device(&site, &user(1)));
    let seat = |name: &str, role: &str, endpoint: &str| {
        format!(
            "[[template.seat]]\nname = \"{name}\"\ntitle = \"席位\"\ntitle_en = \"Seat\"\nrole = \"{role}\"\nzone = \"tripartite\"\n\
             endpoint = {endpoint}\n"
        )
    };
    site.rest += &format!(
        "\n[sip]\nudp = \"{address}:{SIP}\"\nrtp = [30000, 30199]\n{device}\n[[template]]\nname = \"rooms\"\ntitle = \"远程提讯\"\n\
         title_en = \"Rooms\"\n{}{}",
        seat("judge", "judge", "\"browser\""),
        seat("room1", "prosecutor", &format!("{{ sip = \"sip:{}@court\" }}", user(1)))
    );
    site.run()
}

/// The number that the exhibit shows, which is nobody's seat.
const EXHIBIT: u8 = 9;
