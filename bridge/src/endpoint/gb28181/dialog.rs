//! A dialog that says goodbye by itself, whatever ends the call: none is left behind.

use std::sync::Arc;
use std::time::Duration;

use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver};
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::dialog::invitation::InviteOption;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::{StatusCode, StatusCodeKind};
use tokio::time::timeout;
use tracing::info;

/// A call's dialog.
pub(super) struct Held {
    dialogs: Arc<DialogLayer>,
    dialog: InviteDialog,
    states: DialogStateReceiver,
}

/// What a device says within a dialog.
pub(super) enum Said {
    /// It hung up.
    Over(String),
    /// A message of its own.
    Message(Vec<u8>),
}

impl Held {
    pub(super) const fn new(dialogs: Arc<DialogLayer>, dialog: InviteDialog, states: DialogStateReceiver) -> Self {
        Self { dialogs, dialog, states }
    }

    /// Calls; the call, and the description of media that it was answered with.
    ///
    /// # Errors
    /// In words: it can't be sent, is not answered in time, or is refused.
    pub(super) async fn invite(dialogs: &Arc<DialogLayer>, option: InviteOption) -> Result<(Self, Vec<u8>), String> {
        let (sender, states) = dialogs.new_dialog_state_channel();
        let invited = timeout(ANSWER_LIMIT, dialogs.do_invite(option, sender)).await;
        let silent = "it does not answer the invitation";
        let (dialog, response) = invited.map_err(|_| silent.to_owned())?.map_err(|error| error.to_string())?;
        let response = response.ok_or(silent)?;
        if response.status_code.kind() != StatusCodeKind::Successful {
            return Err(format!("it refuses the invitation: {}", response.status_code));
        }
        Ok((Self::new(Arc::clone(dialogs), dialog, states), response.body))
    }

    pub(super) const fn dialog(&self) -> &InviteDialog {
        &self.dialog
    }

    /// Until the device hangs up; why. Cancelling it loses nothing.
    pub(super) async fn over(&mut self) -> String {
        loop {
            if let Said::Over(why) = self.next().await {
                return why;
            }
        }
    }

    /// What the device says next. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Said {
        loop {
            let Some(state) = self.states.recv().await else {
                return Said::Over("its dialog is over".to_owned());
            };
            let (handle, code, body) = match state {
                DialogState::Terminated(_, why) => return Said::Over(format!("it hung up ({why:?})")),
                // Nothing of a call can be changed: a device that wants another one is invited anew.
                DialogState::Updated(_, _, handle) => (handle, StatusCode::NotAcceptableHere, None),
                DialogState::Info(_, request, handle)
                | DialogState::Message(_, request, handle)
                | DialogState::Notify(_, request, handle) => (handle, StatusCode::OK, Some(request.body)),
                DialogState::Options(_, _, handle) => (handle, StatusCode::OK, None),
                DialogState::Publish(_, _, handle) | DialogState::Refer(_, _, handle) => {
                    (handle, StatusCode::NotImplemented, None)
                }
                DialogState::Calling(_)
                | DialogState::Trying(_)
                | DialogState::Early(..)
                | DialogState::WaitAck(..)
                | DialogState::Confirmed(..) => continue,
            };
            tokio::spawn(async move { handle.reply(code).await });
            if let Some(body) = body {
                return Said::Message(body);
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let (dialogs, dialog) = (Arc::clone(&self.dialogs), self.dialog.clone());
        tokio::spawn(async move {
            if !matches!(timeout(GOODBYE, dialog.hangup()).await, Ok(Ok(()))) {
                info!("a device did not say goodbye");
            }
            dialogs.remove_dialog(&dialog.id());
        });
    }
}

/// From the invitation to its final answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const GOODBYE: Duration = Duration::from_secs(5);
