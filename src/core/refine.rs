//! Decode, identify and classify in one call, with their counts.

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::classify::{ClassifyOptions, Memory, classify};
use crate::decode::{DecodeOptions, Decoder};
use crate::event::Events;
use crate::frame::RawBatch;
use crate::geo::{Geography, Locator};
use crate::identity::{Directory, identify};
use crate::minutes::minutes;
use crate::offsets::OffsetSpan;

/// What refining depends on besides frames and directory.
#[derive(Clone, Debug)]
pub struct RefineOptions {
    pub decode: DecodeOptions,
    pub classify: ClassifyOptions,
    pub geography: Arc<Geography>,
}

impl RefineOptions {
    #[must_use]
    pub fn new(decode: DecodeOptions) -> Self {
        Self { decode, classify: ClassifyOptions::default(), geography: Arc::default() }
    }
}

/// Turns frames into classified rows. Keeps what decoder and classifier learn from batch to batch.
#[derive(Debug)]
pub struct Refiner {
    decoder: Decoder,
    locator: Locator,
    classify: ClassifyOptions,
    memory: Memory,
}

impl Refiner {
    #[must_use]
    pub fn new(options: RefineOptions) -> Self {
        Self {
            decoder: Decoder::new(options.decode),
            locator: Locator::new(options.geography),
            classify: options.classify,
            memory: Memory::default(),
        }
    }

    #[must_use]
    pub fn refine(&mut self, raw: &RawBatch, directory: &Arc<Directory>) -> Refined {
        let batch = self.decoder.decode(raw, directory.schemes());
        let located = batch.decoded.map_events(|events| self.locator.locate(events));
        let classified = classify(identify(located, directory), &self.classify, &mut self.memory);
        let denied = classified.denied();
        let events = classified.into_events();
        let counts = Counts {
            frames: raw.len() as u64,
            frame_bytes: raw.bytes() as u64,
            events: events.len() as u64,
            rejects: batch.rejects.num_rows() as u64,
            denied,
        };
        debug_assert!(counts.events + counts.rejects >= counts.frames, "every frame becomes a row");
        Refined { spans: raw.spans().to_vec(), minutes: minutes(&events), events, rejects: batch.rejects, counts }
    }
}

/// One batch, ready for the lake.
#[derive(Debug)]
pub struct Refined {
    /// What of the input this batch covers; the lake records the ends with the rows.
    pub spans: Vec<OffsetSpan>,
    /// Fully classified rows ([`Events::schema`]).
    pub events: Events,
    /// [`crate::reject::REJECT_SCHEMA`].
    pub rejects: RecordBatch,
    /// Partial rollups of this batch ([`crate::minutes::MINUTE_SCHEMA`]).
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
