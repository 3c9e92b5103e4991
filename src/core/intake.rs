//! What is being read: the streams, the next offset of each, and the batch that is being filled.
//!
//! Promises that the spans of all batches of a stream join without hole or overlap, so that what a lake
//! records as read is exactly what was read. A frame that comes out of order is not taken, and is reported.
//!
//! The last offsets of a partition may hold no message (transaction markers, aborted or compacted records), and a
//! client is handed nothing for them. [`Intake::pass_holes`] moves past them, or lag would never reach 0. Since
//! being wrong here would lose messages, three witnesses must agree: the client said "end of partition"
//! after the last frame, two reports in a row name the same end, and the client's queue was seen empty.

use std::sync::Arc;

use crate::frame::RawBatch;
use crate::offsets::{Offset, Stream};

/// A batch is sealed at this many frames, bytes or microseconds, whichever comes first. Work done once a distinct value
/// and rows of `entity_minutes` become fewer with larger batches; a person at a dashboard does not see a tenth of a second.
pub const BATCH_FRAMES: usize = 8192;
pub const BATCH_BYTES: usize = 4 << 20;
pub const BATCH_AGE_US: i64 = 100_000;

#[derive(Debug, Default)]
pub struct Intake {
    topics: Vec<(Arc<str>, Vec<Option<Track>>)>,
    batch: RawBatch,
    bytes: usize,
    /// Size of the last full batch: the next is given as much room.
    usual_bytes: usize,
}

/// One stream that is being read.
#[derive(Debug)]
struct Track {
    stream: Stream,
    next: Offset,
    /// Its span in the batch that is being filled.
    span: Option<u32>,
    refused: bool,
    /// "End of partition" was heard after the last frame.
    at_end: bool,
    /// The end that the last report named, and whether the one before it named the same.
    end: Option<(Offset, bool)>,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Kept,
    /// Of a stream that is not read (any more).
    NotOurs,
    /// Its offset was passed already: a repetition, or a fault of the client.
    Backwards {
        expected: Offset,
    },
}

impl Intake {
    /// Reads `stream` from `next` on; also what a seek is.
    pub fn begin(&mut self, stream: Stream, next: Offset) {
        let track = Track { stream, next, span: None, refused: false, at_end: false, end: None };
        let slot = self.slot(&track.stream);
        *slot = Some(track);
    }

    /// Holds `stream` without reading it: its frames are not taken.
    pub fn refuse(&mut self, stream: Stream, next: Offset) {
        self.begin(stream.clone(), next);
        if let Some(track) = self.slot(&stream) {
            track.refused = true;
        }
    }

    /// Stops reading a stream.
    pub fn end(&mut self, topic: &str, partition: i32) -> Option<Stream> {
        let (_, partitions) = self.topics.iter_mut().find(|(name, _)| **name == *topic)?;
        partitions.get_mut(usize::try_from(partition).ok()?)?.take().map(|track| track.stream)
    }

    fn slot(&mut self, stream: &Stream) -> &mut Option<Track> {
        let topic = self.topics.iter().position(|(name, _)| *name == stream.topic).unwrap_or_else(|| {
            self.topics.push((Arc::clone(&stream.topic), Vec::new()));
            self.topics.len() - 1
        });
        let partitions = &mut self.topics[topic].1;
        let partition = usize::try_from(stream.partition).expect("a broker numbers partitions from 0");
        if partitions.len() <= partition {
            partitions.resize_with(partition + 1, || None);
        }
        &mut partitions[partition]
    }

    fn tracks(&self) -> impl Iterator<Item = &Track> {
        self.topics.iter().flat_map(|(_, partitions)| partitions.iter().flatten())
    }

    fn tracks_mut(&mut self) -> impl Iterator<Item = &mut Track> {
        self.topics.iter_mut().flat_map(|(_, partitions)| partitions.iter_mut().flatten())
    }

    /// Streams that are read, each with the next offset. Refused ones are left out.
    pub fn positions(&self) -> impl Iterator<Item = (&Stream, Offset)> {
        self.tracks().filter(|track| !track.refused).map(|track| (&track.stream, track.next))
    }

    /// Copies a frame in. `now` is UTC microseconds.
    pub fn take(&mut self, topic: &str, partition: i32, offset: i64, bytes: &[u8], now: i64) -> Taken {
        let Self { topics, batch, .. } = self;
        let track = topics.iter_mut().find(|(name, _)| **name == *topic).and_then(|(_, partitions)| {
            usize::try_from(partition).ok().and_then(|partition| partitions.get_mut(partition)?.as_mut())
        });
        let Some(track) = track.filter(|track| !track.refused) else { return Taken::NotOurs };
        if offset < track.next.0 {
            return Taken::Backwards { expected: track.next };
        }
        if batch.spans().is_empty() {
            *batch = RawBatch::with_capacity(now, BATCH_FRAMES, self.usual_bytes);
        }
        let span = *track.span.get_or_insert_with(|| batch.open_span(track.stream.clone(), track.next));
        batch.push(span, offset, bytes);
        self.bytes += bytes.len();
        track.next = Offset(offset + 1);
        track.at_end = false;
        Taken::Kept
    }

    #[must_use]
    pub fn is_full(&self) -> bool {
        self.batch.len() >= BATCH_FRAMES || self.bytes >= BATCH_BYTES
    }

    /// Whether there is something that has waited long enough. A clock set back does not prolong the wait.
    #[must_use]
    pub fn is_due(&self, now: i64) -> bool {
        !self.batch.spans().is_empty() && !(0..BATCH_AGE_US).contains(&(now - self.batch.received_at))
    }

    /// What has been read so far, if anything; the next batch begins where it ends.
    pub fn seal(&mut self) -> Option<RawBatch> {
        if self.batch.spans().is_empty() {
            return None;
        }
        self.tracks_mut().for_each(|track| track.span = None);
        self.usual_bytes = std::mem::take(&mut self.bytes);
        Some(std::mem::take(&mut self.batch))
    }

    /// The client said that some partition of this number was read to its end.
    pub fn partition_ended(&mut self, partition: i32) {
        for track in self.tracks_mut().filter(|track| track.stream.partition == partition) {
            track.at_end = true;
        }
    }

    /// The client reports where the partition ends, `None` when it does not know.
    pub fn reported_end(&mut self, topic: &str, partition: i32, end: Option<Offset>) {
        let same = |track: &&mut Track| *track.stream.topic == *topic && track.stream.partition == partition;
        if let Some(track) = self.tracks_mut().find(same) {
            let before = track.end.map(|(end, _)| end);
            track.end = end.map(|end| (end, before == Some(end)));
        }
    }

    /// What was reported of ends holds no longer: the client was paused, or threw its queue away.
    pub fn forget_ends(&mut self) {
        for track in self.tracks_mut() {
            track.at_end = false;
            track.end = None;
        }
    }

    /// To be called when the client's queue was empty after the last report: moves every stream whose end is
    /// certain to that end.
    pub fn pass_holes(&mut self, now: i64) {
        let Self { topics, batch, usual_bytes, .. } = self;
        for track in topics.iter_mut().flat_map(|(_, partitions)| partitions.iter_mut().flatten()) {
            let Some((end, true)) = track.end else { continue };
            if track.refused || !track.at_end || end <= track.next {
                continue;
            }
            if batch.spans().is_empty() {
                *batch = RawBatch::with_capacity(now, 0, *usual_bytes);
            }
            let span = *track.span.get_or_insert_with(|| batch.open_span(track.stream.clone(), track.next));
            batch.advance(span, end);
            track.next = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;

    fn stream(partition: i32) -> Stream {
        Stream::new("cluster", "access", partition)
    }

    fn intake(starts: &[(i32, i64)]) -> Intake {
        let mut intake = Intake::default();
        for &(partition, next) in starts {
            intake.begin(stream(partition), Offset(next));
        }
        intake
    }

    fn spans(batch: Option<RawBatch>) -> Vec<(i32, i64, i64)> {
        let batch = batch.expect("something was read");
        batch.spans().iter().map(|span| (span.stream.partition, span.begin.0, span.end.0)).collect()
    }

    #[test]
    fn spans_of_successive_batches_join_over_holes() {
        let mut intake = intake(&[(0, 5), (3, 0)]);
        for (partition, offset) in [(3, 0), (0, 7), (3, 1), (0, 9)] {
            assert_eq!(intake.take("access", partition, offset, b"x", NOW), Taken::Kept);
        }
        assert_eq!(spans(intake.seal()), [(3, 0, 2), (0, 5, 10)]);
        assert!(intake.seal().is_none());
        assert_eq!(intake.take("access", 0, 12, b"", NOW), Taken::Kept);
        assert_eq!(spans(intake.seal()), [(0, 10, 13)]);
    }

    #[test]
    fn frames_out_of_order_or_of_foreign_streams_are_not_taken() {
        let mut intake = intake(&[(0, 5)]);
        assert_eq!(intake.take("access", 0, 4, b"x", NOW), Taken::Backwards { expected: Offset(5) });
        assert_eq!(intake.take("access", 1, 5, b"x", NOW), Taken::NotOurs);
        assert_eq!(intake.take("other", 0, 5, b"x", NOW), Taken::NotOurs);
        assert_eq!(intake.take("access", -1, 5, b"x", NOW), Taken::NotOurs);
        intake.refuse(stream(1), Offset(0));
        assert_eq!(intake.take("access", 1, 5, b"x", NOW), Taken::NotOurs);
        assert_eq!(intake.end("access", 0), Some(stream(0)));
        assert_eq!(intake.take("access", 0, 5, b"x", NOW), Taken::NotOurs);
        assert!(intake.seal().is_none());
    }

    #[test]
    fn a_batch_is_due_by_age_and_full_by_size() {
        let mut intake = intake(&[(0, 0)]);
        assert!(!intake.is_due(NOW));
        intake.take("access", 0, 0, &vec![b'x'; BATCH_BYTES], NOW);
        assert!(intake.is_full());
        assert!(!intake.is_due(NOW + BATCH_AGE_US - 1) && intake.is_due(NOW + BATCH_AGE_US));
        assert!(intake.is_due(NOW - 1), "the clock was set back");
        intake.seal();
        assert!(!intake.is_full() && !intake.is_due(NOW + BATCH_AGE_US));
    }

    #[test]
    fn offsets_without_messages_are_passed_only_when_all_witnesses_agree() {
        let end = Some(Offset(8));
        type Step = fn(&mut Intake);
        let heard: Step = |intake| intake.partition_ended(0);
        let report: Step = |intake| intake.reported_end("access", 0, Some(Offset(8)));
        let other_report: Step = |intake| intake.reported_end("access", 0, Some(Offset(7)));
        let frame: Step = |intake| _ = intake.take("access", 0, 6, b"x", NOW);
        let paused: Step = Intake::forget_ends;
        let cases: &[(&[Step], Option<Offset>)] = &[
            (&[heard, report, report], end),
            (&[report, heard, report], end),
            (&[heard, report], None),
            (&[report, report], None),
            (&[heard, other_report, report], None),
            (&[heard, frame, report, report], None),
            (&[heard, report, paused, report], None),
        ];
        for (number, (steps, passed_to)) in cases.iter().enumerate() {
            let mut intake = intake(&[(0, 5)]);
            steps.iter().for_each(|step| step(&mut intake));
            let before = intake.positions().next().map(|(_, next)| next);
            intake.pass_holes(NOW);
            let after = intake.positions().next().map(|(_, next)| next);
            assert_eq!(after.filter(|_| after != before), *passed_to, "case {number}");
        }
    }
}
