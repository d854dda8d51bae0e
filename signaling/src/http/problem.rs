//! Errors of the API: a status, a code for programs, and a sentence in each language for people.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::MediaRefusal;
use crate::registry::{self, Refusal};

/// What went wrong; the same shape everywhere in the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// The HTTP status.
    #[serde(skip)]
    pub status: u16,
    /// For programs; docs/ref/api.md lists them.
    pub code: &'static str,
    /// For people, in English.
    pub message: String,
    /// For people, in Chinese.
    pub message_zh: String,
}

impl Problem {
    /// What went wrong.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { status: status.as_u16(), code, message: message.into(), message_zh: zh.into() }
    }

    pub(crate) fn malformed(what: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            format!("the request cannot be read: {what}"),
            format!("请求无法识别：{what}"),
        )
    }

    pub(crate) fn too_large() -> Self {
        let message = "the request is larger than 64 kB";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message, "请求超过 64 kB")
    }

    pub(crate) fn too_many_attempts() -> Self {
        let message = "too many unusable links were tried from this address; wait a minute";
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_attempts",
            message,
            "此地址尝试无效链接次数过多，请一分钟后再试",
        )
    }

    pub(crate) fn cross_origin() -> Self {
        let message = "a page of another site may not connect";
        Self::new(StatusCode::FORBIDDEN, "cross_origin", message, "不允许其他网站的页面连接")
    }

    pub(crate) fn too_fast() -> Self {
        let message = "too many messages in a short time";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_fast", message, "短时间内消息过多")
    }

    pub(crate) fn media_unavailable() -> Self {
        let message = "this node cannot take media at the moment; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "media_unavailable", message, "本节点暂时无法接入音视频，请稍后重试")
    }

    pub(crate) fn closed() -> Self {
        Self::new(StatusCode::GONE, "hearing_closed", "the hearing is closed", "庭审已结束（闭庭）")
    }

    /// Nothing is at this path.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "nothing is here", "此处没有内容")
    }

    /// True when the same request may succeed later without anybody doing anything.
    pub(crate) fn passes(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE.as_u16()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        metrics::counter!("hearing_http_problems_total", "code" => self.code).increment(1);
        (status, Json(self)).into_response()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = code(&refusal);
        Self::new(status, code, refusal.to_string(), chinese(&refusal))
    }
}

impl From<MediaRefusal> for Problem {
    fn from(refusal: MediaRefusal) -> Self {
        let (status, code, zh) = match &refusal {
            MediaRefusal::BadSdp(what) => (StatusCode::BAD_REQUEST, "bad_sdp", format!("无法使用所提交的 SDP：{what}")),
            MediaRefusal::NoCodec(what) => {
                let zh =
                    format!("{what} 没有双方都支持的编码：声音需要 Opus，画面需要 VP8 或 H.264 constrained baseline");
                (StatusCode::NOT_ACCEPTABLE, "no_codec", zh)
            }
            MediaRefusal::Full => {
                (StatusCode::SERVICE_UNAVAILABLE, "media_full", "本节点的音视频会话已达上限".to_owned())
            }
            MediaRefusal::CannotRestart => {
                (StatusCode::CONFLICT, "cannot_restart", "音视频连接无法原地恢复，请重新连接".to_owned())
            }
            MediaRefusal::NotAdmitted => (StatusCode::CONFLICT, "not_admitted", "该席位尚未获准入庭".to_owned()),
        };
        Self::new(status, code, refusal.to_string(), zh)
    }
}

impl From<registry::Error> for Problem {
    fn from(error: registry::Error) -> Self {
        let (status, code, zh) = match &error {
            registry::Error::Journal(_) => (StatusCode::SERVICE_UNAVAILABLE, "journal", "庭审日志无法写入".to_owned()),
            registry::Error::UnknownTemplate { name, known } => {
                (StatusCode::NOT_FOUND, "unknown_template", format!("没有名为 {name} 的模板；现有：{known}"))
            }
            registry::Error::BadCase => (StatusCode::BAD_REQUEST, "bad_case", "案号应为 1 至 100 个字符".to_owned()),
            registry::Error::NoPage { seat, zone } => {
                (StatusCode::CONFLICT, "no_page", format!("席位 {seat} 所在网络 {zone} 没有配置页面地址"))
            }
        };
        Self::new(status, code, error.to_string(), zh)
    }
}

fn code(refusal: &Refusal) -> (StatusCode, &'static str) {
    match refusal {
        Refusal::UnknownLink => (StatusCode::FORBIDDEN, "unknown_link"),
        Refusal::LinkExpired => (StatusCode::GONE, "link_expired"),
        Refusal::SeatTaken => (StatusCode::CONFLICT, "seat_taken"),
        Refusal::WrongZone { .. } => (StatusCode::FORBIDDEN, "wrong_zone"),
        Refusal::UnknownSession => (StatusCode::UNAUTHORIZED, "unknown_session"),
        Refusal::Replaced => (StatusCode::CONFLICT, "replaced"),
        Refusal::TurnedAway => (StatusCode::FORBIDDEN, "turned_away"),
        Refusal::Removed => (StatusCode::GONE, "removed"),
        Refusal::Forbidden { .. } => (StatusCode::FORBIDDEN, "forbidden"),
        Refusal::WrongPhase { .. } => (StatusCode::CONFLICT, "wrong_phase"),
        Refusal::UnknownSeat(_) => (StatusCode::NOT_FOUND, "unknown_seat"),
        Refusal::SeatEmpty(_) => (StatusCode::CONFLICT, "seat_empty"),
        Refusal::NotAdmitted(_) => (StatusCode::CONFLICT, "not_admitted"),
        Refusal::NotReady(_) => (StatusCode::CONFLICT, "not_ready"),
        Refusal::HomeUnreachable => (StatusCode::SERVICE_UNAVAILABLE, "home_unreachable"),
        Refusal::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
        Refusal::BadText => (StatusCode::BAD_REQUEST, "bad_text"),
        Refusal::Journal(_) => (StatusCode::SERVICE_UNAVAILABLE, "journal"),
        Refusal::UnknownHearing(_) => (StatusCode::NOT_FOUND, "unknown_hearing"),
    }
}

fn chinese(refusal: &Refusal) -> String {
    match refusal {
        Refusal::UnknownLink => "此链接不属于本次庭审的任何席位".to_owned(),
        Refusal::LinkExpired => "此链接已失效".to_owned(),
        Refusal::SeatTaken => "该席位的链接已在另一台设备上使用".to_owned(),
        Refusal::WrongZone { expected, actual } => format!("该席位应从 {expected} 网络进入，不能从 {actual} 网络进入"),
        Refusal::UnknownSession => "会话不存在或已结束".to_owned(),
        Refusal::Replaced => "该席位已在本设备的另一个页面打开".to_owned(),
        Refusal::TurnedAway => "法庭未准许您入庭".to_owned(),
        Refusal::Removed => "法庭已结束您的参与".to_owned(),
        Refusal::Forbidden { .. } => "您的角色无权进行此操作".to_owned(),
        Refusal::WrongPhase { .. } => "庭审当前阶段不能进行此操作".to_owned(),
        Refusal::UnknownSeat(name) => format!("没有名为 {name} 的席位"),
        Refusal::SeatEmpty(name) => format!("席位 {name} 上没有人"),
        Refusal::NotAdmitted(name) => format!("席位 {name} 尚未获准入庭"),
        Refusal::NotReady(why) => format!("必需的音视频未在录制，庭审不能进行：{why}"),
        Refusal::HomeUnreachable => "与主节点的线路中断".to_owned(),
        Refusal::Busy => "系统繁忙，请重试".to_owned(),
        Refusal::BadText => "备注应为 1 至 200 个字符，标记至多 200 个字符".to_owned(),
        Refusal::Journal(_) => "庭审日志无法写入".to_owned(),
        Refusal::UnknownHearing(_) => "本节点没有此庭审".to_owned(),
    }
}
