//! What the operator does over the admin socket.

use super::*;

async fn call(court: &Court, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let request = request.body(Body::from(body.to_string())).unwrap();
    read(court.admin.clone().oneshot(request).await.unwrap()).await
}

#[tokio::test]
async fn operator_starts_shows_and_closes_a_hearing() {
    let court = Court::new("gov").await;
    let (status, started) =
        call(&court, "POST", "/admin/hearings", json!({ "case": "case 2", "template": "small" })).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(started["seats"][1]["endpoint"], "browser");
    assert!(started["seats"][1]["link"].as_str().unwrap().starts_with("https://internet.example/h/"));
    let path = format!("/admin/hearings/{}", started["id"].as_str().unwrap());
    let (_, board) = call(&court, "GET", &path, Value::Null).await;
    assert_eq!((board["view"]["phase"].as_str(), board["live"].as_array().map(Vec::len)), (Some("scheduled"), Some(0)));
    let (status, acted) =
        call(&court, "POST", &format!("{path}/act"), json!({ "action": "mute", "seat": "counsel" })).await;
    assert_eq!((status, acted), (StatusCode::OK, json!({ "seq": 1 })));
    call(&court, "POST", &format!("{path}/act"), json!({ "action": "close" })).await;
    let (_, list) = call(&court, "GET", "/admin/hearings", Value::Null).await;
    let listed = list.as_array().unwrap().iter().find(|listed| listed["id"] == started["id"]).unwrap();
    assert_eq!(
        *listed,
        json!({ "id": started["id"], "case": "case 2", "template": "small", "phase": "sealed", "home": true })
    );
}

#[tokio::test]
async fn opening_without_a_required_track_is_refused_with_the_track() {
    let court = Court::new("gov").await;
    court.session("judge").await;
    let path = format!("/admin/hearings/{}/act", court.id());
    let answer = call(&court, "POST", &path, json!({ "action": "open" })).await;
    assert_eq!(problem(&answer), (409, "not_ready"));
    assert_eq!(answer.1["message"], "the hearing cannot be in session: nothing arrives from counsel/audio");
}

#[tokio::test]
async fn unknown_seat_template_and_action_are_refused() {
    let court = Court::new("gov").await;
    let path = format!("/admin/hearings/{}/act", court.id());
    assert_eq!(
        problem(&call(&court, "POST", &path, json!({ "action": "mute", "seat": "jury" })).await),
        (404, "unknown_seat")
    );
    assert_eq!(problem(&call(&court, "POST", &path, json!({ "action": "adjourn" })).await), (400, "malformed"));
    let start = call(&court, "POST", "/admin/hearings", json!({ "case": "c", "template": "civil" })).await;
    assert_eq!(problem(&start), (404, "unknown_template"));
    let missing = call(&court, "GET", &format!("/admin/hearings/{}", HearingId::random()), Value::Null).await;
    assert_eq!(problem(&missing), (404, "unknown_hearing"));
}

#[tokio::test]
async fn node_tells_who_it_is() {
    let court = Court::new("gov").await;
    let (_, node) = call(&court, "GET", "/admin/node", Value::Null).await;
    assert_eq!(node, json!({ "node": "home", "zone": "gov", "version": env!("CARGO_PKG_VERSION"), "trunks": [] }));
}

#[tokio::test]
async fn admin_api_is_not_public() {
    let court = Court::new("gov").await;
    let request = Request::get("/admin/hearings").body(Body::empty()).unwrap();
    assert_eq!(court.send(request).await.status(), StatusCode::NOT_FOUND);
}
