//! With what a terminal proves who it is (RFC 7616): SHA-256 where the node asks for it, and nothing less.

use super::{PLAIN, await_seat, court_with, left_with, phone, start};

#[test]
fn a_node_that_asks_for_sha_256_takes_a_call_with_it_and_none_with_md5() {
    let node = court_with("digest = [\"SHA-256\"]\n", 1);
    start(&node);
    let mut phone = phone(&node, 0);
    await_seat(&mut phone);
    let (_media, sdp) = phone.media(PLAIN);
    let (status, mut talk) = phone.call("hearing", &sdp);
    assert_eq!((status, phone.bye(&mut talk)), (200, 200));
    phone.knows = &["MD5"];
    assert_eq!(phone.call("hearing", &sdp).0, 401, "its password is right");
    left_with(&node, 0);
}

#[test]
fn a_node_that_asks_for_either_offers_sha_256_first_and_takes_both() {
    let node = court_with("digest = [\"SHA-256\", \"MD5\"]\n", 1);
    start(&node);
    let mut phone = phone(&node, 0);
    let (_media, sdp) = phone.media(PLAIN);
    let mut talk = phone.talk("hearing");
    phone.tell(&mut talk, "INVITE", "", &sdp);
    let asked = phone.answered(&mut talk).all("www-authenticate");
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[0].contains("algorithm=SHA-256") && asked[1].contains("algorithm=MD5"), "{asked:?}");
    for algorithms in [&["SHA-256"][..], &["MD5"]] {
        phone.knows = algorithms;
        await_seat(&mut phone);
        let (status, mut talk) = phone.call("hearing", &sdp);
        assert_eq!((status, phone.bye(&mut talk)), (200, 200), "{algorithms:?}");
        left_with(&node, 0);
    }
}
