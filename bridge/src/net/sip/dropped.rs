//! What the stack drops is counted. It tells of it in its log alone, so that is listened to: messages that can't be read or say not
//! where they belong, and answers to nothing. Nothing of them is formatted or kept.

use metrics::counter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterFn, LevelFilter};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Counts what is dropped; to be hung on the node's subscriber.
pub fn count<S: Subscriber + for<'s> LookupSpan<'s>>() -> impl Layer<S> {
    let ours = FilterFn::new(|metadata| counted(metadata).is_some()).with_max_level_hint(LevelFilter::DEBUG);
    Count.with_filter(ours)
}

struct Count;

impl<S: Subscriber> Layer<S> for Count {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        counted(event.metadata()).into_iter().for_each(|name| counter!(name).increment(1));
    }
}

/// What an event of the stack counts as. Its version is pinned; the torture messages (tests/e2e/sip/torture.rs) show that this holds.
fn counted(metadata: &Metadata<'_>) -> Option<&'static str> {
    let has = |names: &[&str]| names.iter().all(|name| metadata.fields().field(name).is_some());
    let dropped = match metadata.target() {
        "rsipstack::transport::udp" => has(&["src", "error", "raw_message"]),
        "rsipstack::transport::transport_layer" => has(&["addr", "remote", "error"]),
        "rsipstack::transaction::endpoint" => has(&["addr", "error"]),
        _ => return None,
    };
    let stray = metadata.target() == "rsipstack::transaction::endpoint" && has(&["key", "response"]);
    match (dropped, stray) {
        (true, _) => Some("hearing_sip_messages_dropped_total"),
        (false, true) => Some("hearing_sip_answers_stray_total"),
        (false, false) => None,
    }
}
