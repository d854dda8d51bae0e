//! The page, embedded in the binary.

use axum::http::{StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::RustEmbed;

use super::Problem;

// A tree without a built page compiles too; it answers with what to do.
#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Page;

/// Every hearing has the same page; the page reads the rest from its own address.
pub(super) async fn index() -> Response {
    serve("index.html").unwrap_or_else(|| (StatusCode::SERVICE_UNAVAILABLE, Html(NOT_BUILT)).into_response())
}

/// A file of the page.
pub(super) async fn asset(uri: Uri) -> Response {
    match uri.path().trim_start_matches('/') {
        "" | "index.html" => index().await,
        path => serve(path).unwrap_or_else(|| Problem::not_found().into_response()),
    }
}

fn serve(path: &str) -> Option<Response> {
    let file = Page::get(path)?;
    // Names under assets/ carry a hash of what is in them.
    let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [(header::CONTENT_TYPE, media_type(path)), (header::CACHE_CONTROL, cache)];
    Some((headers, file.data).into_response())
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "webmanifest") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("woff") => "font/woff",
        Some("wasm") => "application/wasm",
        Some("mp3") => "audio/mpeg",
        Some("wav") => "audio/wav",
        _ => "application/octet-stream",
    }
}

const NOT_BUILT: &str = "<!doctype html><html lang=\"zh\"><meta charset=\"utf-8\"><title>503</title>\
    <h1>页面尚未构建</h1><p>请运行 scripts/setup，然后重新构建并启动本节点。</p>\
    <h1>The page is not built</h1><p>Run scripts/setup, then build and start this node again.</p></html>";
