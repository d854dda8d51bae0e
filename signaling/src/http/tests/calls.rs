//! One request, one answer.

use axum::response::IntoResponse as _;

use super::*;

#[tokio::test]
async fn join_gives_a_session_and_the_case() {
    let court = Court::new("internet").await;
    let (status, answer) = court.join(&court.token("counsel"), FIRST).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["session"].as_str().unwrap().len(), 36);
    assert_eq!(
        (answer["seat"]["name"].as_str(), answer["seat"]["presence"].as_str()),
        (Some("counsel"), Some("waiting"))
    );
    assert_eq!((answer["case"].as_str(), answer["template"].as_str()), (Some("(2022)内0291刑初123号"), Some("small")));
}

#[tokio::test]
async fn second_device_is_refused() {
    let court = Court::new("internet").await;
    court.session("counsel").await;
    let answer = court.join(&court.token("counsel"), SECOND).await;
    assert_eq!(problem(&answer), (409, "seat_taken"));
}

#[tokio::test]
async fn used_up_link_is_refused() {
    let court = Court::new("internet").await;
    let session = court.session("counsel").await;
    court.handle().operate(Action::Remove { seat: "counsel".into() }).await.unwrap();
    assert_eq!(problem(&court.join(&court.token("counsel"), FIRST).await), (410, "link_expired"));
    let offer = offer(&court, &session).await;
    assert_eq!(problem(&offer), (410, "removed"));
}

#[tokio::test]
async fn link_of_another_hearing_is_refused_and_five_of_them_a_minute_are_too_many() {
    let court = Court::new("internet").await;
    let other = court.registry.start("another", "small").await.unwrap();
    let foreign = other.seats[1].link.as_ref().unwrap().split_once("#t=").unwrap().1.to_owned();
    for _ in 0..5 {
        assert_eq!(problem(&court.join(&foreign, FIRST).await), (403, "unknown_link"));
    }
    assert_eq!(problem(&court.join(&foreign, FIRST).await), (429, "too_many_attempts"));
}

#[tokio::test]
async fn many_people_behind_one_address_may_join() {
    let court = Court::new("internet").await;
    for _ in 0..20 {
        court.session("counsel").await;
    }
}

#[tokio::test]
async fn wrong_zone_is_refused() {
    let court = Court::new("gov").await;
    let answer = court.join(&court.token("counsel"), FIRST).await;
    assert_eq!(problem(&answer), (403, "wrong_zone"));
    assert_eq!(answer.1["message"], "this seat joins from zone internet, not from gov");
}

#[tokio::test]
async fn hearing_that_is_not_known_is_refused() {
    let court = Court::new("internet").await;
    let body = json!({ "token": court.token("counsel"), "device": FIRST }).to_string();
    let path = format!("/api/hearings/{}/join", HearingId::random());
    assert_eq!(problem(&court.post(&path, &body).await), (404, "unknown_hearing"));
    assert_eq!(problem(&court.post("/api/hearings/../join", &body).await).0, 404);
    assert_eq!(problem(&court.post("/api/hearings/xyz/join", &body).await), (404, "not_found"));
}

#[tokio::test]
async fn malformed_json_is_refused() {
    let court = Court::new("internet").await;
    for body in [
        "{",
        "[]",
        "{\"token\":1}",
        "\u{0}",
        "{\"token\":\"x\",\"device\":\"y\"}",
        "{\"token\":\"\",\"device\":\"\",\"more\":1}",
    ] {
        assert_eq!(problem(&court.post(&court.path("join"), body).await), (400, "malformed"), "{body:?}");
    }
}

#[tokio::test]
async fn oversized_body_is_refused() {
    let court = Court::new("internet").await;
    let body = json!({ "token": "x".repeat(70_000), "device": FIRST }).to_string();
    assert_eq!(problem(&court.post(&court.path("join"), &body).await), (413, "too_large"));
}

async fn offer(court: &Court, session: &str) -> (StatusCode, Value) {
    let offer = json!({ "sdp": "v=0", "sends": [{ "mid": "0", "kind": "audio" }], "slots": [{ "mid": "1", "seat": 0, "kind": "video" }] });
    let request = Request::post(court.path("media")).header("content-type", "application/json");
    let request =
        request.header("authorization", format!("Bearer {session}")).body(Body::from(offer.to_string())).unwrap();
    read(court.send(request).await).await
}

#[tokio::test]
async fn offer_reaches_media_with_the_seat_s_authority_and_its_answer_comes_back() {
    let mut court = Court::new("internet").await;
    let session = court.session("counsel").await;
    let mut media = std::mem::replace(&mut court.media, mpsc::channel(1).1);
    let answering = tokio::spawn(async move {
        let Some(MediaRequest::Offer(grant, offer, reply)) = media.recv().await else { panic!("an offer was posted") };
        reply.send(Ok("v=0 answer".into())).unwrap();
        (grant, offer)
    });
    let (status, answer) = offer(&court, &session).await;
    assert_eq!((status, answer), (StatusCode::CREATED, json!({ "sdp": "v=0 answer" })));
    let (grant, offer) = answering.await.unwrap();
    assert_eq!((grant.seat(), grant.hearing()), (SeatId(1), court.id()));
    assert_eq!((offer.sends.len(), offer.slots[0].seat), (1, SeatId(0)));
}

#[tokio::test]
async fn offer_that_media_refuses_says_why() {
    let cases = [
        (MediaRefusal::BadSdp("no m-lines".into()), (400, "bad_sdp")),
        (MediaRefusal::NoCodec("1".into()), (406, "no_codec")),
        (MediaRefusal::Full, (503, "media_full")),
        (MediaRefusal::NotAdmitted, (409, "not_admitted")),
    ];
    for (refusal, expected) in cases {
        assert_eq!(problem(&read(Problem::from(refusal).into_response()).await), expected);
    }
}

#[tokio::test]
async fn offer_without_a_valid_session_is_refused() {
    let court = Court::new("internet").await;
    assert_eq!(problem(&offer(&court, "not-a-session").await), (401, "unknown_session"));
    assert_eq!(problem(&offer(&court, &uuid::Uuid::new_v4().to_string()).await), (401, "unknown_session"));
    assert_eq!(problem(&court.post(&court.path("media"), "{}").await), (401, "no_authority"));
}

#[tokio::test]
async fn whip_client_publishes_once_it_is_admitted_and_ends_at_its_location() {
    let mut court = Court::new("internet").await;
    let mut media = std::mem::replace(&mut court.media, mpsc::channel(1).1);
    let answering = tokio::spawn(async move {
        let Some(MediaRequest::Offer(grant, offer, reply)) = media.recv().await else { panic!("an offer was posted") };
        reply.send(Ok("answer".into())).unwrap();
        let Some(MediaRequest::End(ended)) = media.recv().await else { panic!("it was ended") };
        (grant, offer, ended)
    });
    let sdp = "v=0\r\nm=audio 9 X 111\r\na=mid:0\r\nm=video 9 X 96\r\na=mid:1\r\n";
    let request = Request::post(court.path("whip")).header("content-type", "application/sdp");
    let request =
        request.header("authorization", format!("Bearer {}", court.token("counsel"))).body(Body::from(sdp)).unwrap();
    let response = court.send(request).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.headers()["content-type"], "application/sdp");
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let response = court.send(Request::delete(location).body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let (grant, offer, ended) = answering.await.unwrap();
    assert_eq!((offer.sends.len(), offer.sends[1].kind, ended), (2, Kind::Video, grant.session()));
}

async fn whep(court: &Court, seat: &str, media_type: &str) -> (StatusCode, Value) {
    let path = format!("{}?seat={seat}", court.path("whep"));
    let request = Request::post(path).header("content-type", media_type);
    let request = request
        .header("authorization", format!("Bearer {}", court.token("counsel")))
        .body(Body::from("m=video 9 X 96"))
        .unwrap();
    read(court.send(request).await).await
}

#[tokio::test]
async fn whep_client_watches_a_seat_that_it_may_know() {
    let mut court = Court::new("internet").await;
    assert_eq!(problem(&whep(&court, "judge", "application/sdp").await), (409, "not_admitted"));
    court.admit("counsel").await;
    assert_eq!(problem(&whep(&court, "jury", "application/sdp").await), (404, "unknown_seat"));
    assert_eq!(problem(&whep(&court, "judge", "text/plain").await), (415, "not_sdp"));
    let mut media = std::mem::replace(&mut court.media, mpsc::channel(1).1);
    let answering = tokio::spawn(async move {
        let Some(MediaRequest::Offer(_, offer, reply)) = media.recv().await else { panic!("an offer was posted") };
        reply.send(Ok("answer".into())).unwrap();
        offer
    });
    assert_eq!(whep(&court, "judge", "application/sdp").await.0, StatusCode::CREATED);
    assert_eq!(answering.await.unwrap().slots, [Slot { mid: "0".into(), seat: SeatId(0), kind: Kind::Video }]);
}

#[tokio::test]
async fn every_answer_of_the_page_and_the_api_is_locked_down() {
    let court = Court::new("internet").await;
    for path in ["/h/any", "/", "/nothing", "/api/openapi.json"] {
        let response = court.send(Request::get(path).body(Body::empty()).unwrap()).await;
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        assert!(header("content-security-policy").contains("script-src 'self';"), "{path}");
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(
            (header("referrer-policy"), header("x-content-type-options")),
            ("no-referrer".into(), "nosniff".into()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn page_that_was_not_built_says_how_to_build_it() {
    let court = Court::new("internet").await;
    let response = court.send(Request::get("/h/any").body(Body::empty()).unwrap()).await;
    let (status, body) = read(response).await;
    match status {
        // The tree has a built page.
        StatusCode::OK => assert!(body.as_str().unwrap().contains("<script")),
        _ => assert!(status == StatusCode::SERVICE_UNAVAILABLE && body.as_str().unwrap().contains("scripts/setup")),
    }
    assert_eq!(
        problem(&read(court.send(Request::get("/assets/none.js").body(Body::empty()).unwrap()).await).await),
        (404, "not_found")
    );
}

#[tokio::test]
async fn openapi_document_names_every_resource() {
    let court = Court::new("internet").await;
    let (_, document) = read(court.send(Request::get("/api/openapi.json").body(Body::empty()).unwrap()).await).await;
    for what in ["join", "ws", "media", "whip", "whep", "whip/{session}"] {
        assert!(document["paths"].get(format!("/api/hearings/{{id}}/{what}")).is_some(), "{what}");
    }
    assert!(document["components"]["schemas"]["HearingView"].is_object());
}
