//! A point on the globe with the radius that it is known to, small enough for a distinct value of a minute.

use std::fmt;

/// Kept to about 2.5 km: 13 bits of latitude, 14 of longitude, 5 of radius.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place(u32);

impl Place {
    /// What a source that states no radius is taken to mean.
    pub const RADIUS_UNKNOWN_KM: u16 = 1_000;
    const LATITUDES: f64 = 8_191.0;
    const LONGITUDES: f64 = 16_384.0;
    /// The radius of a code, rounded up to it.
    const RADII_KM: [u16; 12] = [1, 5, 10, 20, 50, 100, 150, 200, 300, 500, 1_000, 20_000];

    /// `None` off the globe.
    #[must_use]
    pub fn new(latitude: f64, longitude: f64, radius_km: u16) -> Option<Self> {
        if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
            return None;
        }
        let y = steps((latitude + 90.0) / 180.0 * Self::LATITUDES);
        let x = steps((longitude + 180.0) / 360.0 * Self::LONGITUDES) % (1 << 14);
        let code = (0..).zip(Self::RADII_KM).find(|(_, radius)| *radius >= radius_km).map_or(11, |(code, _)| code);
        // One more than the code, so that no place is 0.
        Some(Self((y << 19) | (x << 5) | (code + 1)))
    }

    /// As a distinct value; never 0.
    #[must_use]
    pub const fn packed(self) -> u32 {
        self.0
    }

    /// `None` for a number that no place has.
    #[must_use]
    pub fn unpacked(packed: u32) -> Option<Self> {
        let code = usize::try_from(packed & 31).ok()?;
        (1..=Self::RADII_KM.len()).contains(&code).then_some(Self(packed))
    }

    /// The text of a place read back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(',');
        let (latitude, longitude, radius) = (numbers.next()?, numbers.next()?, numbers.next()?);
        Self::new(latitude.trim().parse().ok()?, longitude.trim().parse().ok()?, radius.trim().parse().ok()?)
    }

    #[must_use]
    pub fn latitude(self) -> f64 {
        f64::from(self.0 >> 19) / Self::LATITUDES * 180.0 - 90.0
    }

    #[must_use]
    pub fn longitude(self) -> f64 {
        f64::from((self.0 >> 5) & 0x3fff) / Self::LONGITUDES * 360.0 - 180.0
    }

    #[must_use]
    pub fn radius_km(self) -> u16 {
        let code = (self.0 & 31).saturating_sub(1) as usize;
        Self::RADII_KM.get(code).copied().unwrap_or(Self::RADIUS_UNKNOWN_KM)
    }

    /// Along the surface, kilometres (haversine, mean radius of the Earth 6371 km).
    #[must_use]
    pub fn distance_km(self, other: Self) -> f64 {
        let [from, to] = [self, other].map(|place| (place.latitude().to_radians(), place.longitude().to_radians()));
        let half = |angle: f64| (angle / 2.0).sin().powi(2);
        let chord = half(to.0 - from.0) + from.0.cos() * to.0.cos() * half(to.1 - from.1);
        2.0 * 6_371.0 * chord.sqrt().min(1.0).asin()
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 16384, checked by the caller")]
fn steps(value: f64) -> u32 {
    value.round() as u32
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.2},{:.2},{}", self.latitude(), self.longitude(), self.radius_km())
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_place_survives_packing_and_printing_to_three_kilometres() {
        for (latitude, longitude, radius) in
            [(52.52, 13.405, 20), (-33.87, 151.21, 5), (0.0, -180.0, 1), (90.0, 0.0, 900)]
        {
            let place = Place::new(latitude, longitude, radius).unwrap();
            assert_eq!(Place::unpacked(place.packed()), Some(place));
            assert!((place.latitude() - latitude).abs() < 0.012, "{place}");
            assert!((place.longitude() - longitude).abs() < 0.012, "{place}");
            assert!(place.radius_km() >= radius, "{place}");
            let again = Place::parse(&place.to_string()).unwrap();
            assert!(again.distance_km(place) < 3.0, "{place} became {again}");
        }
    }

    #[test]
    fn what_is_off_the_globe_is_no_place() {
        assert_eq!(Place::new(91.0, 0.0, 1), None);
        assert_eq!(Place::new(f64::NAN, 0.0, 1), None);
        assert_eq!(Place::unpacked(0), None);
        assert_eq!(Place::parse("52,13"), None);
    }

    #[test]
    fn distances_are_those_of_an_atlas() {
        let [berlin, sydney] = [(52.52, 13.405), (-33.87, 151.21)].map(|(y, x)| Place::new(y, x, 10).unwrap());
        let distance = berlin.distance_km(sydney);
        assert!((16_050.0..16_150.0).contains(&distance), "{distance}");
    }
}
