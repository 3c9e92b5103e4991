//! What the script knows, and how a pipeline's verdicts are marked against it.
//!
//! A request id is the sealed truth about its request: the incident, the cause and a sequence number under a
//! keyed permutation of 128 bits. Nobody without the seed can read it, marking needs no memory of what was
//! sent however long the demo runs, and it works on rows read back from the lake after a restart.
//! (The permutation is a Feistel network over a mixing function: enough against accident, not a cipher.)

use std::collections::BTreeMap;

use claviger_core::cause::RootCause;

use super::script::IncidentKind;

/// 32 hex digits in the logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RequestId(pub u128);

impl RequestId {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Why a request truly ended as it did, and the incident it belongs to, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Truth {
    pub incident: Option<IncidentKind>,
    /// None for a request that nothing is wrong with.
    pub cause: Option<RootCause>,
}

/// Seals and opens request ids of one seed.
#[derive(Clone, Copy, Debug)]
pub struct Seal {
    round_keys: [u64; 4],
}

impl Seal {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { round_keys: std::array::from_fn(|round| mix(seed ^ mix(round as u64 + 1))) }
    }

    #[must_use]
    pub fn close(&self, truth: Truth, sequence: u64) -> RequestId {
        let mut left =
            MARK << 16 | code_of(truth.incident, IncidentKind::ALL) << 8 | code_of(truth.cause, RootCause::ALL);
        let mut right = sequence;
        for key in self.round_keys {
            (left, right) = (right, left ^ mix(right ^ key));
        }
        RequestId(u128::from(left) << 64 | u128::from(right))
    }

    /// `None` for an id that this seed did not make.
    #[must_use]
    pub fn open(&self, id: RequestId) -> Option<Truth> {
        let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
        let [mut left, mut right] = [half(id.0 >> 64), half(id.0)];
        for key in self.round_keys.iter().rev() {
            (left, right) = (right ^ mix(left ^ key), left);
        }
        let entry = |code: u64| usize::try_from(code & 0xff).ok()?.checked_sub(1);
        (left >> 16 == MARK).then(|| Truth {
            incident: entry(left >> 8).and_then(|place| IncidentKind::ALL.get(place).copied()),
            cause: entry(left).and_then(|place| RootCause::ALL.get(place).copied()),
        })
    }
}

/// Shows that an id was opened with the right seed.
const MARK: u64 = 0xc1a7_16e5_0d3b;

fn code_of<T: PartialEq>(entry: Option<T>, all: &[T]) -> u64 {
    entry.and_then(|entry| all.iter().position(|other| *other == entry)).map_or(0, |place| place as u64 + 1)
}

/// SplitMix64's finaliser (Steele, Lea, Flood 2014).
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// How one scripted incident was judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    pub scripted: u64,
    pub named_right: u64,
    /// What else was said, by cause; the empty text is "no cause".
    pub named_wrong: BTreeMap<String, u64>,
}

impl Mark {
    /// Scripted failures that never came back.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.scripted.saturating_sub(self.named_right + self.named_wrong.values().sum::<u64>())
    }
}

/// The pipeline's verdicts beside the script's truth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Scripted requests that have a cause. One incident may have two: a leaked key is served for a moment
    /// after its revocation, and then refused.
    pub incidents: BTreeMap<Truth, Mark>,
    /// Requests with nothing wrong, and how many of them were given a cause.
    pub healthy: u64,
    pub false_alarms: BTreeMap<RootCause, u64>,
    /// Rows whose request id is not of this run.
    pub foreign: u64,
}

impl Score {
    /// Notes that the script has sent one request.
    pub fn scripted(&mut self, truth: Truth) {
        if truth.incident.is_some() && truth.cause.is_some() {
            self.incidents.entry(truth).or_default().scripted += 1;
        }
    }

    /// Marks rows read from the lake: request id and cause, the latter empty where there is none.
    pub fn mark<'a>(&mut self, seal: &Seal, rows: impl IntoIterator<Item = (&'a str, &'a str)>) {
        for (id, cause) in rows {
            let Some(truth) = RequestId::parse(id).and_then(|id| seal.open(id)) else {
                self.foreign += 1;
                continue;
            };
            if truth.cause.is_none() {
                self.healthy += 1;
                if let Some(alarm) = RootCause::from_name(cause) {
                    *self.false_alarms.entry(alarm).or_default() += 1;
                }
            } else if truth.incident.is_some() {
                let mark = self.incidents.entry(truth).or_default();
                if truth.cause.is_some_and(|right| right.name() == cause) {
                    mark.named_right += 1;
                } else {
                    *mark.named_wrong.entry(cause.to_owned()).or_default() += 1;
                }
            }
        }
    }

    #[must_use]
    pub fn scripted_failures(&self) -> u64 {
        self.incidents.values().map(|mark| mark.scripted).sum()
    }

    #[must_use]
    pub fn named_right(&self) -> u64 {
        self.incidents.values().map(|mark| mark.named_right).sum()
    }

    /// Share of the scripted failures whose cause was named right, 0 to 1; `None` when nothing was scripted.
    /// A failure that never came back counts as not named.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn accuracy(&self) -> Option<f64> {
        let scripted = self.scripted_failures();
        (scripted > 0).then(|| self.named_right() as f64 / scripted as f64)
    }
}
