//! A screen over a real socket.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::*;

struct Screen(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// Serves a court on a port of its own.
async fn serve(court: &Court) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = court.public.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("ws://{address}{}", court.path("ws"))
}

impl Screen {
    async fn open(url: &str, session: &str, after: Option<u64>) -> Self {
        let mut screen = Self(connect_async(url).await.unwrap().0);
        screen.send(json!({ "type": "hello", "session": session, "after": after })).await;
        screen
    }

    async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message of a type; `live` is passed over.
    async fn next(&mut self) -> Value {
        loop {
            let message = tokio::time::timeout(Duration::from_secs(10), self.0.next()).await.expect("a message comes");
            match message.expect("the socket is open").unwrap() {
                Message::Text(text) => {
                    let value: Value = serde_json::from_str(&text).unwrap();
                    if value["type"] != "live" {
                        return value;
                    }
                }
                Message::Close(_) => return Value::Null,
                _ => {}
            }
        }
    }

    async fn until(&mut self, wanted: &str) -> Value {
        loop {
            let message = self.next().await;
            assert!(!message.is_null(), "closed before {wanted}");
            if message["type"] == wanted {
                return message;
            }
        }
    }
}

#[tokio::test]
async fn screen_follows_from_the_view_and_acts() {
    let court = Court::new("gov").await;
    let mut judge = Screen::open(&serve(&court).await, &court.session("judge").await, None).await;
    let view = judge.next().await;
    assert_eq!((view["type"].as_str(), view["you"].as_u64()), (Some("view"), Some(0)));
    assert_eq!(view["view"]["seats"].as_array().unwrap().len(), 3);
    judge.send(json!({ "type": "act", "id": 7, "action": { "action": "mute", "seat": "counsel" } })).await;
    let entry = judge.next().await;
    assert_eq!(
        (entry["entry"]["change"]["kind"].as_str(), &entry["entry"]["change"]["value"]["muted"]),
        (Some("seat"), &json!(true))
    );
    assert_eq!(entry["entry"]["seq"].as_u64(), view["view"]["seq"].as_u64().map(|seq| seq + 1));
    let done = judge.next().await;
    assert_eq!(
        (done["type"].as_str(), done["id"].as_u64(), &done["seq"]),
        (Some("done"), Some(7), &entry["entry"]["seq"])
    );
    judge.send(json!({ "type": "act", "id": 8, "action": { "action": "resume" } })).await;
    let failed = judge.next().await;
    assert_eq!(
        (failed["type"].as_str(), failed["id"].as_u64(), failed["code"].as_str()),
        (Some("failed"), Some(8), Some("wrong_phase"))
    );
    assert!(failed["message_zh"].is_string());
    judge.send(json!({ "type": "ping", "at": 12.5 })).await;
    assert_eq!(judge.next().await, json!({ "type": "pong", "at": 12.5 }));
}

#[tokio::test]
async fn screen_that_comes_back_gets_exactly_what_it_missed() {
    let court = Court::new("gov").await;
    let (url, session) = (serve(&court).await, court.session("judge").await);
    let mut judge = Screen::open(&url, &session, None).await;
    let seen = judge.next().await["view"]["seq"].as_u64().unwrap();
    drop(judge);
    for action in [Action::Mute { seat: "counsel".into() }, Action::Unmute { seat: "counsel".into() }] {
        court.handle().operate(action).await.unwrap();
    }
    let mut judge = Screen::open(&url, &session, Some(seen + 1)).await;
    let entry = judge.next().await;
    assert_eq!((entry["type"].as_str(), entry["entry"]["seq"].as_u64()), (Some("entry"), Some(seen + 2)));
}

#[tokio::test]
async fn waiting_screen_knows_only_itself_and_gets_the_whole_view_when_admitted() {
    let court = Court::new("internet").await;
    let mut counsel = Screen::open(&serve(&court).await, &court.session("counsel").await, None).await;
    let seats = |message: &Value| message["view"]["seats"].as_array().map(Vec::len);
    assert_eq!(seats(&counsel.next().await), Some(1));
    court.admit("counsel").await;
    let view = counsel.next().await;
    assert_eq!(view["type"], "view", "what it may see now comes whole, before any entry");
    assert_eq!(seats(&view), Some(3));
}

#[tokio::test]
async fn removed_screen_is_told_and_closed() {
    let court = Court::new("internet").await;
    let mut counsel = Screen::open(&serve(&court).await, &court.session("counsel").await, None).await;
    counsel.until("view").await;
    court.handle().operate(Action::Remove { seat: "counsel".into() }).await.unwrap();
    assert_eq!(counsel.until("ended").await["code"], "removed");
    assert_eq!(counsel.next().await, Value::Null);
}

#[tokio::test]
async fn screen_whose_link_opens_on_another_page_is_told_and_closed() {
    let court = Court::new("internet").await;
    let mut first = Screen::open(&serve(&court).await, &court.session("counsel").await, None).await;
    first.until("view").await;
    court.session("counsel").await;
    assert_eq!(first.until("ended").await["code"], "replaced");
}

#[tokio::test]
async fn closed_hearing_ends_every_screen() {
    let court = Court::new("gov").await;
    let (url, session) = (serve(&court).await, court.session("judge").await);
    let mut judge = Screen::open(&url, &session, None).await;
    judge.until("view").await;
    judge.send(json!({ "type": "act", "id": 1, "action": { "action": "close" } })).await;
    assert_eq!(judge.until("ended").await["code"], "hearing_closed");
    assert_eq!(Screen::open(&url, &session, None).await.until("ended").await["code"], "hearing_closed");
}

#[tokio::test]
async fn unknown_session_is_told_and_closed() {
    let court = Court::new("gov").await;
    let mut screen = Screen::open(&serve(&court).await, &uuid::Uuid::new_v4().to_string(), None).await;
    assert_eq!(screen.until("ended").await["code"], "unknown_session");
}

#[tokio::test]
async fn message_that_cannot_be_read_is_answered_and_a_flood_ends_the_socket() {
    let court = Court::new("gov").await;
    let mut judge = Screen::open(&serve(&court).await, &court.session("judge").await, None).await;
    judge.until("view").await;
    for text in ["{", "{\"type\":\"dance\"}", "{\"type\":\"ping\"}", "{\"type\":\"ping\",\"at\":1,\"more\":2}"] {
        judge.0.send(Message::text(text)).await.unwrap();
        let failed = judge.next().await;
        assert_eq!((failed["id"].as_u64(), failed["code"].as_str()), (Some(0), Some("malformed")), "{text}");
    }
    for _ in 0..200 {
        judge.0.feed(Message::text("{\"type\":\"ping\",\"at\":1}")).await.unwrap();
    }
    judge.0.flush().await.unwrap();
    assert_eq!(judge.until("ended").await["code"], "too_fast");
}

#[tokio::test]
async fn oversized_message_ends_the_socket() {
    let court = Court::new("gov").await;
    let mut judge = Screen::open(&serve(&court).await, &court.session("judge").await, None).await;
    judge.until("view").await;
    _ = judge.0.send(Message::text("x".repeat(70_000))).await;
    while let Ok(Some(Ok(message))) = tokio::time::timeout(Duration::from_secs(10), judge.0.next()).await {
        assert!(!matches!(message, Message::Text(text) if text.contains("failed")), "it was not even read");
    }
}

#[tokio::test]
async fn page_of_another_site_cannot_connect() {
    let court = Court::new("gov").await;
    let mut request = serve(&court).await.into_client_request().unwrap();
    request.headers_mut().insert("origin", "https://elsewhere.example".parse().unwrap());
    let Err(Error::Http(response)) = connect_async(request).await else { panic!("it was let in") };
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn preferred_size_reaches_media() {
    let mut court = Court::new("gov").await;
    let mut judge = Screen::open(&serve(&court).await, &court.session("judge").await, None).await;
    judge.until("view").await;
    judge.send(json!({ "type": "prefer", "seat": 1, "kind": "video", "size": "large" })).await;
    let request = tokio::time::timeout(Duration::from_secs(10), court.media.recv()).await.unwrap().unwrap();
    assert!(
        matches!(request, MediaRequest::Prefer(grant, SeatId(1), Kind::Video, Size::Large) if grant.seat() == SeatId(0))
    );
}
