//! A dialog that somebody holds: when nobody does any more it is ended in the way that its state asks for, and forgotten.

use std::sync::Arc;
use std::time::Duration;

use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver};
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::{Header, StatusCode};
use rsipstack::transaction::key::TransactionRole;
use tracing::info;

/// A dialog with what is told of it.
pub(super) struct Held {
    /// What happens to it.
    pub(super) states: DialogStateReceiver,
    dialogs: Arc<DialogLayer>,
    dialog: Option<InviteDialog>,
    reason: Option<&'static str>,
}

impl Held {
    pub(super) const fn new(dialogs: Arc<DialogLayer>, dialog: InviteDialog, states: DialogStateReceiver) -> Self {
        Self { states, dialogs, dialog: Some(dialog), reason: None }
    }

    /// The dialog; `None` only while it is being dropped.
    pub(super) const fn dialog(&self) -> Option<&InviteDialog> {
        self.dialog.as_ref()
    }

    /// The other end is told why it is ended (RFC 3326).
    pub(super) const fn because(&mut self, reason: &'static str) {
        self.reason = Some(reason);
    }

    /// Says goodbye and waits until the other end knows, or does not answer.
    pub(super) async fn hang_up(mut self) {
        if let Some(dialog) = self.dialog.take() {
            end(&self.dialogs, dialog, self.reason).await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(dialog) = self.dialog.take() else { return };
        let (dialogs, reason) = (Arc::clone(&self.dialogs), self.reason);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move { end(&dialogs, dialog, reason).await })),
            // The node is going away; the terminal finds that nothing is sent any more.
            Err(_) => dialogs.remove_dialog(&dialog.id()),
        }
    }
}

async fn end(dialogs: &DialogLayer, dialog: InviteDialog, reason: Option<&'static str>) {
    let headers = reason.map(|reason| vec![Header::Reason(reason.into())]);
    let unanswered =
        matches!(dialog.state(), DialogState::Calling(_) | DialogState::Trying(_) | DialogState::Early(..));
    if unanswered && dialog.role() == TransactionRole::Server {
        // It can't fail for a dialog that nobody has answered.
        let _ = dialog.reject(Some(StatusCode::BusyHere), None);
    } else if !matches!(tokio::time::timeout(GOODBYE, dialog.hangup_with_headers(headers)).await, Ok(Ok(()))) {
        info!("a terminal did not say goodbye");
    }
    dialogs.remove_dialog(&dialog.id());
}

const GOODBYE: Duration = Duration::from_secs(5);
