//! Keeps a line that repeats itself from filling the disk.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Lines that one place of the code may print within [`WINDOW`].
pub const BURST: u32 = 20;
pub const WINDOW: Duration = Duration::from_secs(10);

/// Counts lines by the place they come from. Places are finite, so this is bounded.
#[derive(Debug)]
pub struct Limiter<Place> {
    places: HashMap<Place, Tally>,
}

#[derive(Debug)]
struct Tally {
    window_began: Instant,
    printed: u32,
    left_out: u64,
}

impl<Place> Default for Limiter<Place> {
    fn default() -> Self {
        Self { places: HashMap::new() }
    }
}

impl<Place: Eq + Hash> Limiter<Place> {
    /// `None` when the line is to be left out, else how many alike were left out before it.
    pub fn admit(&mut self, place: Place, now: Instant) -> Option<u64> {
        let fresh = || Tally { window_began: now, printed: 0, left_out: 0 };
        let tally = self.places.entry(place).or_insert_with(fresh);
        if now.duration_since(tally.window_began) >= WINDOW {
            tally.window_began = now;
            tally.printed = 0;
        }
        if tally.printed == BURST {
            tally.left_out += 1;
            return None;
        }
        tally.printed += 1;
        Some(std::mem::take(&mut tally.left_out))
    }
}
