//! From "so many false alerts a day" to the score that a test must reach.

/// The lengths of time that an entity is judged over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Window {
    Minute,
    TenMinutes,
    Hour,
    Day,
}

impl Window {
    pub const ALL: &'static [Self] = &[Self::Minute, Self::TenMinutes, Self::Hour, Self::Day];
    pub const COUNT: usize = Self::ALL.len();
}

/// The score (-log10 p) that a test of each window must reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Levels([f64; Window::COUNT]);

impl Levels {
    #[must_use]
    pub const fn of(&self, window: Window) -> f64 {
        self.0[window as usize]
    }
}

impl Default for Levels {
    fn default() -> Self {
        Self([8.0, 7.0, 6.0, 5.0])
    }
}
