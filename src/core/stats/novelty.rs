//! How surprising is it that one entity shows a value it never showed? A bounded, forgetting set of values.
//!
//! The chance that the next observation is new follows Pitman and Yor (1997): (theta + d t)/(theta + n), with n
//! observations, t distinct values, theta 1 and the discount d estimated as n1/t, n1 being the values seen once.
//! Observations of a minute are alike to those of the minute before, which hides how often values change: the rate at
//! which values have really appeared since the first fifty observations is a second estimate, and the larger one holds.
//!
//! 8 bytes a value, at most `capacity`, and 40 beside them. Half-life 30 days; a value is forgotten after 90.

/// Days a value is remembered.
const FORGOTTEN_DAYS: u16 = 90;
/// Of what a day leaves: half-life 30 days.
const DAILY_KEEP: f32 = 0.977_16;
/// Observations from which on new values count as a habit of change.
const LEARNT: f32 = 50.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    hash: u32,
    last_day: u16,
    seen_twice: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Novelty {
    observations: f32,
    /// New values after the learning, decayed.
    appeared: f32,
    day: u16,
    first_day: u16,
    known: Vec<Known>,
}

impl Novelty {
    /// The chance that an observation shows a value that was never shown.
    #[must_use]
    pub fn chance(&self) -> f64 {
        let distinct = f64::from(u16::try_from(self.known.len()).unwrap_or(u16::MAX));
        let once = self.known.iter().filter(|known| !known.seen_twice).count();
        let once = f64::from(u16::try_from(once).unwrap_or(u16::MAX));
        let discount = if distinct > 0.0 { (once / distinct).clamp(0.05, 0.95) } else { 0.95 };
        let observations = f64::from(self.observations);
        let pitman_yor = (1.0 + discount * distinct) / (1.0 + observations);
        pitman_yor.max(f64::from(self.appeared) / (1.0 + observations)).min(1.0)
    }

    /// Whether a value was shown and is remembered.
    #[must_use]
    pub fn knows(&self, hash: u32) -> bool {
        self.known.iter().any(|known| known.hash == hash)
    }

    /// Observations, decayed.
    #[must_use]
    pub fn observations(&self) -> f64 {
        f64::from(self.observations)
    }

    /// Days since the first observation, on a later day.
    #[must_use]
    pub fn age_days_at(&self, day: u16) -> u16 {
        day.max(self.day).saturating_sub(self.first_day)
    }

    /// Takes in an observation on `day`, days since 1970. For a value that is new, the chance that one had to come.
    /// Beyond `capacity` the value that was not seen for longest makes room.
    pub fn observe(&mut self, day: u16, hash: u32, capacity: usize) -> Option<f64> {
        self.advance(day);
        if let Some(known) = self.known.iter_mut().find(|known| known.hash == hash) {
            known.seen_twice = true;
            known.last_day = known.last_day.max(day);
            self.observations += 1.0;
            return None;
        }
        let chance = self.chance();
        self.observations += 1.0;
        if self.observations > LEARNT {
            self.appeared += 1.0;
        }
        if self.known.len() >= capacity.max(1) {
            let oldest = (0..self.known.len()).min_by_key(|&at| (self.known[at].last_day, self.known[at].seen_twice));
            self.known.swap_remove(oldest.unwrap_or(0));
        }
        self.known.push(Known { hash, last_day: day, seen_twice: false });
        Some(chance)
    }

    fn advance(&mut self, day: u16) {
        if self.observations == 0.0 {
            (self.day, self.first_day) = (day, day);
        }
        let passed = day.saturating_sub(self.day);
        if passed > 0 {
            let kept = DAILY_KEEP.powi(i32::from(passed));
            self.observations *= kept;
            self.appeared *= kept;
            self.day = day;
            self.known.retain(|known| day.saturating_sub(known.last_day) <= FORGOTTEN_DAYS);
        }
    }

    /// Gives up spare room, and the values that were seen once: for an entity that has fallen silent.
    pub fn shrink(&mut self) {
        self.known.retain(|known| known.seen_twice);
        self.known.shrink_to_fit();
    }

    /// Heap bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.known.capacity() * size_of::<Known>()
    }
}

#[cfg(test)]
mod tests {
    use super::Novelty;

    /// Whether the value was new.
    fn show(novelty: &mut Novelty, day: u16, hash: u32) -> bool {
        novelty.observe(day, hash, 64).is_some()
    }

    fn score(novelty: &Novelty) -> f64 {
        -novelty.chance().log10()
    }

    #[test]
    fn a_server_that_never_moves_makes_a_new_value_one_in_ten_thousand() {
        let mut novelty = Novelty::default();
        let new = (0..20_000_u32).filter(|minute| show(&mut novelty, 20_000, minute % 3)).count();
        assert_eq!(new, 3);
        assert!(score(&novelty) >= 4.0, "{}", score(&novelty));
    }

    #[test]
    fn an_app_whose_every_third_address_is_new_is_not_surprised() {
        let mut novelty = Novelty::default();
        let shown = |minute: &u32| if minute.is_multiple_of(3) { minute + 1_000 } else { 1 };
        let new = (0..2_000_u32).filter(|minute| show(&mut novelty, 20_000, shown(minute))).count();
        assert!(new > 600, "{new}");
        assert!(score(&novelty) < 0.6, "{}", score(&novelty));
    }

    #[test]
    fn a_laptop_that_changes_place_daily_is_less_surprised_than_a_server() {
        let mut novelty = Novelty::default();
        for day in 0..30_u16 {
            let new = (0..480).filter(|_| show(&mut novelty, 20_000 + day, u32::from(day))).count();
            assert_eq!(new, 1);
        }
        assert!((2.0..3.2).contains(&score(&novelty)), "{}", score(&novelty));
    }

    #[test]
    fn values_are_forgotten_after_ninety_days_and_the_oldest_makes_room() {
        let mut novelty = Novelty::default();
        let new = |novelty: &mut Novelty, day, hash| novelty.observe(day, hash, 2).is_some();
        assert!(new(&mut novelty, 100, 1) && new(&mut novelty, 150, 2) && new(&mut novelty, 160, 3));
        assert!(!new(&mut novelty, 160, 2), "the first made room, not the second");
        assert!(new(&mut novelty, 255, 2), "unused for 95 days");
        assert_eq!(novelty.age_days_at(255), 155);
    }
}
