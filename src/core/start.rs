//! Where reading of a partition begins, given what the lake holds and what the broker still has.

use crate::config::Start;
use crate::offsets::Offset;

/// What a partition holds: the first offset that can be read, and the one the next message will get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    pub low: Offset,
    pub high: Offset,
}

/// How to begin. Never a silent reset: what is skipped is declared, what makes no sense is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartPlan {
    At(Offset),
    /// Retention ran past us: `from..to` is lost, reading begins at `to`.
    AfterGap {
        from: Offset,
        to: Offset,
    },
    /// The lake is ahead of the broker: the topic was re-created or its tail lost. Reading on would pass old
    /// offsets off as known and skip new messages.
    Refuse {
        position: Offset,
        high: Offset,
    },
}

/// `position` is the lake's next offset of the partition, if it has one.
#[must_use]
pub fn plan_start(position: Option<Offset>, watermarks: Watermarks, fresh: Start) -> StartPlan {
    let Watermarks { low, high } = watermarks;
    match (position, fresh) {
        (None, Start::Earliest) => StartPlan::At(low),
        (None, Start::Latest) => StartPlan::At(high),
        (Some(position), _) if position < low => StartPlan::AfterGap { from: position, to: low },
        (Some(position), _) if position > high => StartPlan::Refuse { position, high },
        (Some(position), _) => StartPlan::At(position),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_resumes_where_the_lake_ends_and_never_resets_in_silence() {
        use Start::{Earliest, Latest};
        let cases = [
            (None, Earliest, StartPlan::At(Offset(10))),
            (None, Latest, StartPlan::At(Offset(20))),
            (Some(10), Latest, StartPlan::At(Offset(10))),
            (Some(20), Earliest, StartPlan::At(Offset(20))),
            (Some(0), Earliest, StartPlan::AfterGap { from: Offset(0), to: Offset(10) }),
            (Some(9), Latest, StartPlan::AfterGap { from: Offset(9), to: Offset(10) }),
            (Some(21), Earliest, StartPlan::Refuse { position: Offset(21), high: Offset(20) }),
        ];
        let watermarks = Watermarks { low: Offset(10), high: Offset(20) };
        for (position, fresh, expected) in cases {
            assert_eq!(plan_start(position.map(Offset), watermarks, fresh), expected, "{position:?} {fresh:?}");
        }
    }
}
