//! "Have I seen this before?" in 64 bytes: a Bloom filter of 512 bits and three hash functions.
//!
//! It may take a new value for a known one (1 in 30 when it is nearly half full), never the reverse. Half full, after
//! about 115 values, it starts anew, so that it never goes blind.

use super::mixed;

const WORDS: usize = 8;
const BITS: u64 = 512;
/// 1 - (1 - 1/512)^(3 * 118) = 1/2.
const VALUES_MAX: u8 = 118;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bloom64 {
    words: [u64; WORDS],
    values: u8,
}

impl Bloom64 {
    /// Whether `hash` was not here yet; it is then.
    pub fn insert(&mut self, hash: u32) -> bool {
        if self.contains(hash) {
            return false;
        }
        if self.values >= VALUES_MAX {
            *self = Self::default();
        }
        for (word, bit) in places(hash) {
            self.words[word] |= bit;
        }
        self.values += 1;
        true
    }

    #[must_use]
    pub fn contains(&self, hash: u32) -> bool {
        places(hash).into_iter().all(|(word, bit)| self.words[word] & bit != 0)
    }
}

fn places(hash: u32) -> [(usize, u64); 3] {
    let mixed = mixed(hash);
    [0, 20, 40].map(|shift| {
        let place = (mixed >> shift) % BITS;
        (usize::try_from(place / 64).unwrap_or(0), 1 << (place % 64))
    })
}

#[cfg(test)]
mod tests {
    use super::Bloom64;

    #[test]
    fn a_value_is_new_once_and_few_others_are_taken_for_it() {
        let mut seen = Bloom64::default();
        let new = (0..100_u32).filter(|value| seen.insert(value * 7_919)).count();
        assert!(new >= 97, "{new}");
        assert!((0..100_u32).all(|value| !seen.insert(value * 7_919)));
        let mistaken = (1_000_000..1_010_000_u32).filter(|value| seen.contains(*value)).count();
        assert!(mistaken < 1_300, "{mistaken} of 10 000");
    }

    #[test]
    fn it_starts_anew_before_it_takes_everything_for_known() {
        let mut seen = Bloom64::default();
        let new = (0..10_000_u32).filter(|value| seen.insert(value.wrapping_mul(2_654_435_761))).count();
        assert!(new > 9_000, "{new}");
    }
}
