//! Whose turn it is: of several processes that could judge the same lake, one does.
//!
//! A turn is one number in a table, changed only from what was seen to what follows (the table refuses when another
//! was faster). Whoever has it changes it again and again, as a sign of life; when it stands still for long enough by the
//! clock of whoever waits, the waiting one may take it. No clock of one machine is ever compared with another's. The
//! number names its holder, so that after an answer that was lost each knows whether it was its own.

use std::time::Duration;

/// A turn as the table holds it: a count, and the mark of the process that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn(pub i64);

/// A process among those that wait for a turn. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(i64);

const MARK_BITS: u32 = 24;
const MARKS: i64 = 1 << MARK_BITS;

impl Mark {
    /// A mark from anything that differs from process to process.
    #[must_use]
    pub fn of(random: u32) -> Self {
        Self(i64::from(random) % (MARKS - 1) + 1)
    }
}

impl Turn {
    /// What follows `seen` when `mark` takes or keeps it.
    #[must_use]
    pub fn after(seen: Option<Self>, mark: Mark) -> Self {
        Self(((Self::count(seen) + 1) << MARK_BITS) | mark.0)
    }

    /// What follows when its holder gives it back: free for whoever comes.
    #[must_use]
    pub fn given_back(self) -> Self {
        Self((Self::count(Some(self)) + 1) << MARK_BITS)
    }

    #[must_use]
    pub fn is_free(self) -> bool {
        self.0.rem_euclid(MARKS) == 0
    }

    #[must_use]
    pub fn is_of(self, mark: Mark) -> bool {
        self.0.rem_euclid(MARKS) == mark.0
    }

    fn count(turn: Option<Self>) -> i64 {
        turn.map_or(0, |turn| turn.0 >> MARK_BITS)
    }
}

/// Someone who waits for a turn.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    patience: Duration,
    seen: Option<(Turn, Duration)>,
}

impl Waiting {
    #[must_use]
    pub const fn new(patience: Duration) -> Self {
        Self { patience, seen: None }
    }

    /// Whether the turn that is in the table `now` may be taken; `now` is of the waiting one's own steady clock.
    pub fn may_take(&mut self, stored: Option<Turn>, now: Duration) -> bool {
        let Some(stored) = stored.filter(|turn| !turn.is_free()) else { return true };
        match self.seen {
            Some((seen, since)) if seen == stored => now.saturating_sub(since) >= self.patience,
            Some(_) | None => {
                self.seen = Some((stored, now));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn second(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    #[test]
    fn a_turn_names_its_holder_and_only_grows() {
        let (one, other) = (Mark::of(0), Mark::of(u32::MAX));
        let first = Turn::after(None, one);
        let second = Turn::after(Some(first), other);
        assert!(first.is_of(one) && !first.is_of(other) && !first.is_free());
        assert!(second.is_of(other) && second.0 > first.0);
        let free = second.given_back();
        assert!(free.is_free() && free.0 > second.0 && !free.is_of(one));
    }

    #[test]
    fn a_turn_that_moves_is_never_taken_and_one_that_stands_still_is() {
        let mut waiting = Waiting::new(PATIENCE);
        let mut turn = Turn::after(None, Mark::of(7));
        for now in (0..300).step_by(10) {
            assert!(!waiting.may_take(Some(turn), second(now)), "it lives");
            turn = Turn::after(Some(turn), Mark::of(7));
        }
        assert!(!waiting.may_take(Some(turn), second(300)));
        assert!(!waiting.may_take(Some(turn), second(329)));
        assert!(waiting.may_take(Some(turn), second(330)));
    }

    #[test]
    fn a_turn_that_nobody_has_is_taken_at_once() {
        let mut waiting = Waiting::new(PATIENCE);
        assert!(waiting.may_take(None, second(0)));
        assert!(waiting.may_take(Some(Turn::after(None, Mark::of(7)).given_back()), second(0)));
    }
}
