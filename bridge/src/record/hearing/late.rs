//! What a hearing's record lacks is told, and what comes late of it is written.

use std::time::{Duration, Instant};

use hearing_proto::manifest::Entry;

use super::Hearing;
use crate::record::RecordEvent;
use crate::record::late::{LateMedia, Rest, Where};
use crate::record::sheet::What;

impl Hearing {
    /// Media that came late, as the order in force when it was captured wants it.
    pub(in crate::record) fn late(&mut self, now: Instant, media: &LateMedia) {
        let (Some(epoch), id) = (self.sheet.epoch, media.hole.track) else { return };
        if self.books.are_closed() {
            tracing::warn!(hearing = %self.sheet.hearing, track = %id, "media came after the final checkpoint: it is not written");
            metrics::counter!("hearing_record_late_frames_lost_total").increment(media.frames.len() as u64);
            return;
        }
        if !media.frames.is_empty() {
            self.open_track(id, epoch, now);
        }
        let Some(track) = self.tracks.get_mut(&id) else { return self.lack_whole(media) };
        let correction = self.corrections.get(&id.seat).copied().unwrap_or(0);
        for frame in &media.frames {
            let captured = frame.head().captured.plus(correction);
            let wanted = self.sheet.order_at(captured).map_or(captured >= epoch, |order| order.what == What::Run);
            let Some(codec) = media.codec.filter(|_| wanted && media.hole.wants(frame)) else { continue };
            if let Err(error) = track.write_late(now, epoch, captured, (codec, frame, &media.edge)) {
                self.trouble = Some((error.to_string(), now));
            }
        }
        if media.rest != Rest::Open {
            track.end_late(&media.hole, &media.edge);
        }
        // What lies between two frames is named already.
        if let (Rest::Lacking(from), Where::Tail | Where::Whole) = (media.rest, media.hole.lies) {
            track.lack(from, media.hole.to);
        }
    }

    /// Nothing of a track ever came, and the node that may have some of it could not be asked.
    fn lack_whole(&mut self, media: &LateMedia) {
        if let Rest::Lacking(_) = media.rest {
            let (track, edge) = (self.sheet.meta.folder(media.hole.track), &media.edge);
            let reason = format!("nothing of {track} came, and the node in {edge} could not be asked before the close");
            self.books.append(Entry::Fault { part: "trunk".to_owned(), reason, over: false });
        }
    }

    /// What has become durable is named in the manifest; what came late by an entry of its own.
    pub(super) fn cover(&mut self) {
        let mut spans = Vec::new();
        for track in self.tracks.values_mut() {
            let (in_time, late) = track.take_spans();
            spans.extend(in_time);
            late.into_iter().for_each(|(edge, spans)| self.books.cover_late(track.name(), &edge, spans));
        }
        self.books.cover(spans);
    }

    /// What is missing, and what need not be kept elsewhere any more.
    pub(super) fn report_holes(&mut self, now: Instant) {
        for (id, track) in &mut self.tracks {
            while let Some(hole) = track.next_hole(*id) {
                if self.events.try_send(RecordEvent::Hole(hole)).is_err() {
                    track.hole_untold(hole);
                    return;
                }
            }
        }
        if now.saturating_duration_since(self.told_durable) >= DURABLE_EVERY {
            self.told_durable = now;
            let durable = self.tracks.iter().filter_map(|(id, track)| Some((*id, track.settled()?))).collect();
            // It is told again in 2 s.
            drop(self.events.try_send(RecordEvent::Durable(durable)));
        }
    }
}

const DURABLE_EVERY: Duration = Duration::from_secs(2);
