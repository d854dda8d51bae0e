//! Registered terminals are asked now and then whether they are there (OPTIONS, RFC 3261, section 11). That keeps the connections and the
//! mappings of translators open by which a terminal is rung, and shows one that has lost its power.

use std::sync::{Arc, Weak};
use std::time::Duration;

use rsipstack::sip::typed::{From as Sender, To};
use rsipstack::sip::{Header, Method, Request, Uri};
use rsipstack::transaction::make_tag;
use rsipstack::transport::SipAddr;
use tokio::time::interval;

use super::Core;
use super::registrar::Binding;

/// Asks them until the node ends.
pub(super) async fn watch(core: Weak<Core>) {
    let mut tick = interval(EVERY);
    loop {
        tick.tick().await;
        let Some(core) = core.upgrade() else { return };
        for (user, binding) in core.registrar.bindings().into_iter().filter(|(_, binding)| !binding.is_cut()) {
            tokio::spawn(ask(Arc::clone(&core), user, binding));
        }
    }
}

/// Whatever it answers, it is there.
async fn ask(core: Arc<Core>, user: String, binding: Binding) {
    let Some(question) = core.question(&binding) else { return };
    match core.stack.ask(question, &binding.at).await {
        Ok(_) => core.registrar.answered(&user, &binding.at),
        Err(_) => core.registrar.silent(&user, &binding.at),
    }
}

impl Core {
    fn question(&self, binding: &Binding) -> Option<Request> {
        let transport = binding.at.r#type;
        let contact = self.contact(transport.map(|transport| transport.to_string()).as_deref())?;
        let own = SipAddr { r#type: transport, addr: contact.host_with_port.clone() };
        let via = self.stack.endpoint.get_via(Some(own), None).ok()?;
        let node = Uri::try_from(format!("sip:hearing@{}", self.settings.domain).as_str()).ok()?;
        let from = Sender { display_name: None, uri: node, params: Vec::new() }.with_tag(make_tag());
        let (to, whom) =
            (To { display_name: None, uri: binding.contact.clone(), params: Vec::new() }, &binding.contact);
        let mut request = self.stack.endpoint.make_request(Method::Options, whom.clone(), via, from, to, 1, None);
        request.headers.push(Header::Contact(format!("<{contact}>").into()));
        request.headers.push(Header::Accept("application/sdp".into()));
        Some(request)
    }
}

/// Mappings of translators for UDP last for 30 s (RFC 5626, section 4.4.2), connections here for 300 s without a word.
const EVERY: Duration = Duration::from_secs(25);
