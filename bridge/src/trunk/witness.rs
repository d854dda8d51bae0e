//! This node as the witness of records that are kept in other zones: it cosigns their checkpoints and keeps what it signed in
//! files of its own, where the recording node can't reach.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hearing_config::{HearingId, Timestamp};
use hearing_proto::manifest::{self, Cosignature, Node, Refusal, Request};
use hearing_proto::wire::{WitnessAnswer, WitnessAsk, WitnessWord};
use tokio::sync::oneshot;

use super::calls::Call;
use super::cause::Cause;
use super::convert;
use super::peer::Peer;
use crate::net::tls::Identity;

/// What this node has witnessed. Cheap to clone.
#[derive(Clone)]
pub struct Witnesses {
    directory: PathBuf,
    desk: Arc<Mutex<Desk>>,
}

struct Desk {
    witness: manifest::Witness,
    /// Hearings whose file has been read.
    known: HashSet<HearingId>,
}

/// Why a record is not cosigned now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unwitnessed {
    /// No line to another zone is up.
    #[error("no line to a node of another zone is up")]
    Nobody,
    /// The line went down meanwhile, or the peer had too much to do.
    #[error("the witness did not answer")]
    Unanswered,
    /// The witness wants to be led on from a checkpoint of this size.
    #[error("the witness has seen {0} lines")]
    Since(u64),
    /// The witness refuses.
    #[error("the witness refuses: {0}")]
    Refused(String),
}

impl Witnesses {
    /// Keeps its files in `directory`, which is made when the first one is written.
    #[must_use]
    pub fn new(directory: PathBuf, node: Node) -> Self {
        let desk = Desk { witness: manifest::Witness::new(node, RECORDS), known: HashSet::new() };
        Self { directory, desk: Arc::new(Mutex::new(desk)) }
    }

    /// The file of what was witnessed of a hearing.
    #[must_use]
    pub fn file(&self, hearing: HearingId) -> PathBuf {
        self.directory.join(format!("{hearing}.jsonl"))
    }

    /// Cosigns for `peer`. The cosignature is in this node's own file, durably, before anybody hears of it. Blocks for that.
    fn cosign(&self, hearing: HearingId, request: &Request, peer: &Identity) -> WitnessWord {
        let peer = manifest::Identity { zone: peer.zone.to_string(), node: peer.node.to_string() };
        let path = self.file(hearing);
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        if desk.known.insert(hearing)
            && let Ok(lines) = fs::read(&path)
        {
            desk.witness.restore(&lines);
        }
        let time = u64::try_from(Timestamp::now().0 / 1_000_000).unwrap_or(0);
        match desk.witness.cosign(request, &peer, time) {
            Ok((word, line)) => match self.keep(&path, &line) {
                Ok(()) => WitnessWord::cosigned(word),
                Err(error) => {
                    tracing::error!(%hearing, %error, "a cosignature could not be kept, so it is not given");
                    WitnessWord::Refused("it could not be kept".to_owned())
                }
            },
            Err(Refusal::Since(size)) => WitnessWord::Since(size),
            Err(refusal) => {
                tracing::warn!(%hearing, peer = %peer.node, %refusal, "a record is not cosigned");
                WitnessWord::Refused(refusal.to_string())
            }
        }
    }

    fn keep(&self, path: &Path, line: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let is_new = !path.exists();
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        file.write_all(line)?;
        file.sync_data()?;
        if is_new {
            File::open(&self.directory)?.sync_all()?;
        }
        Ok(())
    }
}

impl Peer {
    /// Asks the peer to cosign.
    pub(super) fn ask_witness(
        &mut self,
        hearing: HearingId,
        request: Request,
        reply: oneshot::Sender<Result<Cosignature, Unwitnessed>>,
    ) {
        if self.link.is_none() {
            drop(reply.send(Err(Unwitnessed::Nobody)));
            return;
        }
        let ask = WitnessAsk::new(0, convert::hearing_to(hearing), &request);
        let id = self.expect(Call::Witness(Box::new(request), reply));
        self.say(WitnessAsk { id, ..ask });
    }

    /// The peer asks this node to cosign one of its records.
    pub(super) fn handle_witness(&mut self, ask: WitnessAsk) {
        let Some(link) = &mut self.link else { return };
        let (id, hearing, line) = (ask.id, convert::hearing_from(ask.hearing), link.line.clone());
        if link.tasks.len() >= TASKS {
            line.say(WitnessAnswer { id, word: WitnessWord::Refused("too much to do".to_owned()) });
            return;
        }
        let (witnesses, peer) = (self.shared.witnesses.clone(), self.settings.identity.clone());
        link.tasks.spawn(async move {
            let word = tokio::task::spawn_blocking(move || witnesses.cosign(hearing, &ask.request(), &peer)).await;
            let word = word.unwrap_or_else(|_| WitnessWord::Refused("aborted".to_owned()));
            line.say_in_turn(WitnessAnswer { id, word }).await;
        });
    }

    /// The peer has cosigned, or not.
    pub(super) fn handle_witnessed(&mut self, answer: WitnessAnswer) -> Result<(), Cause> {
        match self.calls.remove(&answer.id) {
            None => Ok(()),
            Some(Call::Witness(request, reply)) => {
                let peer = &self.settings.identity;
                let (zone, node) = (peer.zone.to_string(), peer.node.to_string());
                let result = match answer.word {
                    WitnessWord::Since(size) => Err(Unwitnessed::Since(size)),
                    WitnessWord::Refused(why) => Err(Unwitnessed::Refused(why)),
                    word @ WitnessWord::Cosigned { .. } => {
                        word.cosignature(&request, &zone, &node).ok_or(Unwitnessed::Unanswered)
                    }
                };
                drop(reply.send(result));
                Ok(())
            }
            Some(_) => Err(Cause::Protocol("an answer to another question")),
        }
    }
}

/// Records that are kept in mind.
const RECORDS: usize = 4_096;
/// Tasks of one link beyond which nothing more is witnessed.
const TASKS: usize = 64;
