//! Decode, identify and classify in one call, with their counts.

use arrow::array::RecordBatch;

use crate::event::Events;
use crate::offsets::OffsetSpan;

/// One batch, ready for the lake.
#[derive(Debug)]
pub struct Refined {
    /// What of the input this batch covers; the lake records the ends with the rows.
    pub spans: Vec<OffsetSpan>,
    /// Fully classified rows ([`Events::schema`]).
    pub events: Events,
    /// [`crate::reject::REJECT_SCHEMA`].
    pub rejects: RecordBatch,
    /// Partial rollups of this batch (`minutes::MINUTE_SCHEMA`).
    pub minutes: RecordBatch,
    pub counts: Counts,
}

/// What went in and what came out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub frames: u64,
    pub frame_bytes: u64,
    pub events: u64,
    pub rejects: u64,
    /// Events that were refused.
    pub denied: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.frames += other.frames;
        self.frame_bytes += other.frame_bytes;
        self.events += other.events;
        self.rejects += other.rejects;
        self.denied += other.denied;
    }
}
