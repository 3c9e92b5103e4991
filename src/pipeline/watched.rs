//! A refiner whose results somebody else looks at on the way: counts for a summary, verdicts for a demo.

use std::sync::Arc;

use claviger_core::frame::RawBatch;
use claviger_core::identity::Directory;
use claviger_core::refine::{Refined, Refiner};

use super::Refine;

/// Refines, and shows each result to `watch` before it goes on to the lake.
pub struct Watched<F> {
    refiner: Refiner,
    watch: F,
}

impl<F> Watched<F> {
    pub const fn new(refiner: Refiner, watch: F) -> Self {
        Self { refiner, watch }
    }
}

impl<F: FnMut(&Refined) + Send + 'static> Refine<Directory> for Watched<F> {
    fn refine(&mut self, raw: &RawBatch, directory: &Arc<Directory>) -> Refined {
        let refined = self.refiner.refine(raw, directory);
        (self.watch)(&refined);
        refined
    }
}
