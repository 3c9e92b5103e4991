//! The time of the made-up world: four weeks of 2026 that hold a change of clocks, a holiday and a month's end.
//!
//! Instants are UTC microseconds; hours are counted from [`START`].

use super::registry::{City, SummerTime};

pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// 2026-03-09T00:00:00Z, a Monday.
pub const START: i64 = 1_773_014_400 * SECOND;
/// What comes before is for learning and free of attacks.
pub const LEARN_DAYS: i64 = 14;
pub const DAYS: i64 = 28;
/// Keys that are rarely used have their history from this many days before [`START`].
pub(crate) const PROLOGUE_DAYS: i64 = 150;

/// 2026-03-25, a Wednesday of the third week.
pub(crate) const HOLIDAY: i64 = 16;
/// 2026-03-31.
pub(crate) const MONTH_END: i64 = 22;
/// 2026-03-29T01:00:00Z.
pub(crate) const EUROPE_CHANGES_AT: i64 = START + 20 * DAY + HOUR;
/// The American clocks changed on 2026-03-08, before the world began.
const AMERICA_CHANGED_AT: i64 = START - DAY;

/// Hours from UTC in a city at an instant.
pub(crate) const fn offset_hours(city: &City, at: i64) -> i64 {
    let summer = match city.summer_time {
        SummerTime::None => false,
        SummerTime::Europe => at >= EUROPE_CHANGES_AT,
        SummerTime::America => at >= AMERICA_CHANGED_AT,
    };
    city.utc_hours + if summer { 1 } else { 0 }
}

/// Hour of the day, 0 to 23, and day since [`START`], on the wall of a city.
pub(crate) const fn local(city: &City, at: i64) -> (i64, i64) {
    let hours = (at - START).div_euclid(HOUR) + offset_hours(city, at);
    (hours.rem_euclid(24), hours.div_euclid(24))
}

pub(crate) const fn is_weekend(day: i64) -> bool {
    day.rem_euclid(7) >= 5
}

/// When the clock of a city next shows `hour`, at or after `from`.
pub(crate) const fn next_local(city: &City, from: i64, hour: i64) -> i64 {
    let midnight = from - (from - START).rem_euclid(DAY);
    let shifted = midnight + (hour - offset_hours(city, from)).rem_euclid(24) * HOUR;
    if shifted < from { shifted + DAY } else { shifted }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keymisuse::registry::CITIES;

    #[test]
    fn clocks_change_in_europe_and_stay_in_asia() {
        let find = |name: &str| CITIES.iter().find(|city| city.name == name).expect("a city");
        assert_eq!(crate::time::format(START), "2026-03-09T00:00:00Z");
        assert_eq!(local(find("Berlin"), START), (1, 0));
        assert_eq!(local(find("Berlin"), EUROPE_CHANGES_AT), (3, 20));
        assert_eq!(local(find("Seattle"), START), (17, -1));
        assert_eq!(local(find("Tokyo"), EUROPE_CHANGES_AT), (10, 20));
        let three = next_local(find("Tokyo"), START + 5 * HOUR, 3);
        assert_eq!((local(find("Tokyo"), three).0, three > START), (3, true));
    }
}
