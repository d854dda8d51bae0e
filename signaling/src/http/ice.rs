//! `GET /api/hearings/{id}/ice`: the relay that a page may use, with credentials that soon end.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearing_config::Timestamp;
use hmac::{Hmac, Mac as _};
use serde::Serialize;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::extract::{Bearer, Named};
use super::{Problem, Shared, media};
use crate::access::SessionId;

/// A TURN server that knows who may use it by a secret shared with this node: the user name tells when the right ends, and the password
/// is its HMAC-SHA1 (draft-uberti-behave-turn-rest-00 section 2.2; coturn's `use-auth-secret`).
pub struct Turn {
    /// Where it is.
    pub urls: Vec<String>,
    /// The shared secret.
    pub secret: Vec<u8>,
    /// For how many seconds credentials are good.
    pub seconds: u32,
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").field("urls", &self.urls).field("seconds", &self.seconds).finish_non_exhaustive()
    }
}

/// What a page needs to build its connection.
#[derive(Serialize, ToSchema)]
pub(super) struct IceServers {
    /// As `RTCConfiguration.iceServers`.
    ice_servers: Vec<IceServer>,
    /// For how many seconds they are good; ask again before.
    seconds: u32,
}

/// One server of `RTCConfiguration.iceServers`.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
struct IceServer {
    urls: Vec<String>,
    username: String,
    credential: String,
}

#[utoipa::path(get, path = "/api/hearings/{id}/ice", params(("id" = String, Path)), security(("session" = [])),
    responses((status = 200, body = IceServers), (status = 401, description = "unknown_session", body = Problem)))]
pub(super) async fn servers(
    State(shared): State<Arc<Shared>>,
    named: Named,
    bearer: Bearer,
) -> Result<Json<IceServers>, Problem> {
    let grant = media::authorize(&named.handle, &bearer.0).await?;
    let Some(turn) = &shared.app.turn else { return Ok(Json(IceServers { ice_servers: Vec::new(), seconds: NEVER })) };
    let server = turn.server(grant.session(), Timestamp::now());
    Ok(Json(IceServers { ice_servers: vec![server], seconds: turn.seconds }))
}

impl Turn {
    fn server(&self, session: SessionId, now: Timestamp) -> IceServer {
        let ends = now.0 / 1_000_000 + i64::from(self.seconds);
        // The relay's log can tell sessions apart, and nobody can take one over by it.
        let tag = Sha256::digest(session.0.as_bytes());
        let username = format!("{ends}:{}", tag.iter().take(6).map(|byte| format!("{byte:02x}")).collect::<String>());
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.secret).expect("HMAC takes keys of every length");
        mac.update(username.as_bytes());
        let credential = STANDARD.encode(mac.finalize().into_bytes());
        IceServer { urls: self.urls.clone(), username, credential }
    }
}

/// Where there is no relay there is nothing to ask again; a day, because the configuration may change.
const NEVER: u32 = 86_400;

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_password_is_the_hmac_of_a_user_name_that_ends_and_does_not_tell_the_session() {
        let turn = Turn { urls: vec!["turns:t:443".to_owned()], secret: b"north".to_vec(), seconds: 600 };
        let server = turn.server(SessionId(Uuid::nil()), Timestamp(1_000_000_000_000_000));
        assert_eq!(server.username, "1000000600:374708fff771");
        // printf %s 1000000600:374708fff771 | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(server.credential, "gVCOwmFF720zJPIs2e0yNfBh0c8=");
        assert!(!format!("{turn:?}").contains("north"));
    }
}
