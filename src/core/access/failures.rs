//! How often an address may fail to say who it is.
//!
//! Each network (an IPv4 address, or the /64 that an IPv6 site is given) has a purse: a failure costs one, and one comes
//! back every few seconds. Whoever shows a good credential is never held up, so that a broken script does not lock out
//! the office it runs in; secrets of 256 bits need no lock, and what is bounded is the work and the log lines.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Failures that may come at once.
const PURSE: u32 = 20;

/// One more after each of these.
const REFILL_US: i64 = 3_000_000;

/// Networks that are remembered. A flood from more of them shares one purse.
const NETWORKS_MAX: usize = 10_000;

/// The failures of all networks.
#[derive(Clone, Debug, Default)]
pub struct Failures {
    purses: HashMap<IpAddr, Purse>,
    /// For networks that there was no room for.
    crowd: Purse,
}

/// When the purse will be full again: all that needs to be known of it.
#[derive(Clone, Copy, Debug, Default)]
struct Purse {
    full_at_us: i64,
}

impl Purse {
    /// Takes one out; or says after how many seconds there will be one.
    fn spend(&mut self, now_us: i64) -> Result<(), u64> {
        let full_at_us = self.full_at_us.max(now_us) + REFILL_US;
        let over_us = full_at_us - now_us - i64::from(PURSE) * REFILL_US;
        if over_us > 0 {
            return Err(over_us.unsigned_abs().div_ceil(1_000_000));
        }
        self.full_at_us = full_at_us;
        Ok(())
    }
}

impl Failures {
    /// Notes that a caller from `address` failed.
    ///
    /// # Errors
    /// It has failed too often: seconds after which it may try again.
    pub fn note(&mut self, address: IpAddr, now_us: i64) -> Result<(), u64> {
        let network = network_of(address);
        if !self.purses.contains_key(&network) && self.purses.len() >= NETWORKS_MAX {
            self.purses.retain(|_, purse| purse.full_at_us > now_us);
            if self.purses.len() >= NETWORKS_MAX {
                return self.crowd.spend(now_us);
            }
        }
        self.purses.entry(network).or_default().spend(now_us)
    }
}

fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn exhaust(failures: &mut Failures, from: &str, now_us: i64) {
        for _ in 0..PURSE {
            assert_eq!(failures.note(address(from), now_us), Ok(()));
        }
        assert_eq!(failures.note(address(from), now_us), Err(3));
    }

    #[test]
    fn a_network_that_failed_too_often_waits_and_others_do_not() {
        let mut failures = Failures::default();
        exhaust(&mut failures, "192.0.2.1", 50);
        assert_eq!(failures.note(address("::ffff:192.0.2.1"), 50), Err(3), "the same address in other clothes");
        assert_eq!(failures.note(address("192.0.2.2"), 50), Ok(()));
        assert_eq!(failures.note(address("192.0.2.1"), 50 + REFILL_US - 1), Err(1));
        assert_eq!(failures.note(address("192.0.2.1"), 50 + REFILL_US), Ok(()));
    }

    #[test]
    fn a_site_with_many_addresses_has_one_purse() {
        let mut failures = Failures::default();
        for host in 0..PURSE {
            assert_eq!(failures.note(address(&format!("2001:db8::{host:x}")), 0), Ok(()));
        }
        assert!(failures.note(address("2001:db8::ffff"), 0).is_err());
        assert_eq!(failures.note(address("2001:db8:0:1::1"), 0), Ok(()));
    }

    #[test]
    fn a_flood_from_everywhere_takes_bounded_memory_and_shares_one_purse() {
        let mut failures = Failures::default();
        let flood = |from: u32| IpAddr::from(from.to_be_bytes());
        let refused = (0..50_000).filter(|from| failures.note(flood(*from), 0).is_err()).count();
        assert!(failures.purses.len() <= NETWORKS_MAX);
        assert_eq!(refused, 50_000 - NETWORKS_MAX - PURSE as usize);
        assert_eq!(failures.note(flood(60_000), REFILL_US), Ok(()), "those that are full again make room");
    }
}
