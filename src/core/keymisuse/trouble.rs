//! Troubles that are nobody's attack: deployments, outages, loops, throttling, launches, rotations, moves, travel,
//! changed clocks, holes in the log. A detector that alerts on them is wrong.

mod traffic;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::calendar::{DAY, DAYS, EUROPE_CHANGES_AT, HOUR, MINUTE, START};
use super::draw::{Draw, micros, real};
use super::registry::{NetworkKind, SummerTime};
use super::request::Gateway;
use super::world::{Archetype, Site, World};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident, $name:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum TroubleKind { $($(#[$doc])* $variant),* }

        impl TroubleKind {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word of the benign file.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name),* } }
        }
    };
}

kinds! {
    /// All keys of a tenant are busier for some minutes.
    DeployBurst, "deploy_burst";
    /// The application fails behind a gateway, and clients try again.
    UpstreamIncident, "upstream_incident";
    /// A client asks for one missing object again and again.
    BugLoop, "bug_loop";
    Throttling, "throttling";
    /// A tenant's marketing works; half of these are announced.
    Launch, "launch";
    /// Old and new key overlap for a day.
    KeyRotation, "key_rotation";
    /// A tenant's keys change their provider on one day.
    OfficeMove, "office_move";
    Traveller, "traveller";
    ClockChange, "clock_change";
    /// A key's level steps to a new normal.
    NewNormal, "new_normal";
    /// Twenty minutes of a gateway's log are lost.
    LogGap, "log_gap";
    /// One gateway's clock is half a minute off.
    ClockSkew, "clock_skew";
    /// A search engine reads the public pages.
    Crawler, "crawler";
    HealthChecks, "health_checks";
    /// Strangers who try a path or two and never come again, as everywhere in the internet.
    Passers, "passers";
}

#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub kind: TroubleKind,
    pub tenant: Option<usize>,
    pub keys: Vec<usize>,
    pub gateway: Option<Gateway>,
    /// The client of troubles that have one of their own.
    pub site: Option<Site>,
    pub start: i64,
    pub end: i64,
    /// It stood in the calendar of planned changes before it began.
    pub announced: bool,
    seed: u64,
}

/// All troubles of an instance. Rotations and moves are written into the world, and spare the keys that are `misused`.
pub(crate) fn plan(world: &mut World, misused: &HashSet<usize>) -> Vec<Trouble> {
    let mut draw = Draw::stream(world.seed, 3);
    let times = world.size.troubles();
    let mut troubles = Vec::new();
    for (kind, count, length) in [
        (TroubleKind::DeployBurst, 6 * times, 20 * MINUTE),
        (TroubleKind::UpstreamIncident, 2 * times, 40 * MINUTE),
        (TroubleKind::BugLoop, 3 * times, 90 * MINUTE),
        (TroubleKind::Throttling, 3 * times, HOUR),
        (TroubleKind::Launch, 4 * times, 2 * HOUR),
        (TroubleKind::KeyRotation, 4 * times, DAY),
        (TroubleKind::OfficeMove, times, DAY),
        (TroubleKind::Traveller, 2 * times, 2 * DAY),
        (TroubleKind::LogGap, 1, 20 * MINUTE),
        (TroubleKind::ClockSkew, 2, 3 * HOUR),
    ] {
        for number in 0..count {
            let stretch = micros(draw.between(0.5, 1.5) * real(length.unsigned_abs()));
            let duration = if length >= DAY || kind == TroubleKind::LogGap { length } else { stretch };
            troubles.push(place(world, misused, kind, number, duration, &mut draw));
        }
    }
    troubles.extend(standing(world, &mut draw));
    troubles.sort_by_key(|trouble| (trouble.start, trouble.kind));
    troubles
}

fn place(
    world: &mut World,
    misused: &HashSet<usize>,
    kind: TroubleKind,
    number: usize,
    duration: i64,
    draw: &mut Draw,
) -> Trouble {
    // Every second trouble comes in the scored half, so that some are learnt from and some are new.
    let half = i64::try_from(number % 2).unwrap_or(0) * (DAYS / 2) * DAY;
    let span = (DAYS / 2) * DAY - duration - DAY;
    let start = START + half + DAY / 2 + micros(draw.unit() * real(span.unsigned_abs()));
    let key = host(world, misused, kind, draw);
    let tenant = world.keys[key].tenant;
    let mut trouble = Trouble {
        kind,
        tenant: Some(tenant),
        keys: vec![key],
        gateway: None,
        site: None,
        start,
        end: start + duration,
        announced: kind == TroubleKind::Launch && (number / 2).is_multiple_of(2),
        seed: draw.bits(),
    };
    match kind {
        TroubleKind::DeployBurst | TroubleKind::Launch => trouble.keys = keys_of(world, tenant),
        TroubleKind::UpstreamIncident | TroubleKind::LogGap | TroubleKind::ClockSkew => {
            trouble.gateway = Some(world.keys[key].gateways[0]);
            trouble.tenant = None;
            trouble.keys.clear();
        }
        TroubleKind::KeyRotation => trouble.keys = rotate(world, key, start, draw),
        TroubleKind::OfficeMove => trouble.keys = move_office(world, misused, tenant, start, draw),
        TroubleKind::Traveller => trouble.site = Some(abroad(world, key, draw)),
        TroubleKind::BugLoop
        | TroubleKind::Throttling
        | TroubleKind::ClockChange
        | TroubleKind::NewNormal
        | TroubleKind::Crawler
        | TroubleKind::HealthChecks
        | TroubleKind::Passers => {}
    }
    trouble
}

/// A key that the trouble can happen to and that nothing else ends.
fn host(world: &World, misused: &HashSet<usize>, kind: TroubleKind, draw: &mut Draw) -> usize {
    let suits = |key: usize| {
        let row = &world.keys[key];
        row.used == (i64::MIN, i64::MAX)
            && row.replaced_by.is_none()
            && match kind {
                TroubleKind::KeyRotation => row.archetype == Archetype::Server && !misused.contains(&key),
                TroubleKind::Traveller | TroubleKind::OfficeMove => row.archetype == Archetype::Office,
                TroubleKind::DeployBurst
                | TroubleKind::UpstreamIncident
                | TroubleKind::BugLoop
                | TroubleKind::Throttling
                | TroubleKind::Launch
                | TroubleKind::ClockChange
                | TroubleKind::NewNormal
                | TroubleKind::LogGap
                | TroubleKind::ClockSkew
                | TroubleKind::Crawler
                | TroubleKind::HealthChecks
                | TroubleKind::Passers => row.archetype != Archetype::Rare && row.volume.level > 1.0,
            }
    };
    let all: Vec<usize> = (0..world.keys.len()).filter(|&key| suits(key)).collect();
    draw.pick(&all)
}

fn keys_of(world: &World, tenant: usize) -> Vec<usize> {
    (0..world.keys.len()).filter(|&key| world.keys[key].tenant == tenant).collect()
}

/// The owner gets a second key and goes over to it; the old one ends a day later.
fn rotate(world: &mut World, key: usize, at: i64, draw: &mut Draw) -> Vec<usize> {
    let mut fresh = world.keys[key].clone();
    fresh.id = format!("key_{:010x}", draw.bits() >> 24);
    fresh.secret = format!("ck_live_{:016x}{:016x}", draw.bits(), draw.bits());
    fresh.created_at = at;
    fresh.used = (at, i64::MAX);
    world.keys[key].used.1 = at + DAY;
    world.keys[key].revoked_at = Some(at + DAY);
    world.keys[key].replaced_by = Some(world.keys.len());
    world.keys.push(fresh);
    vec![key, world.keys.len() - 1]
}

/// Up to six keys of a tenant that call from its office get another provider.
fn move_office(world: &mut World, misused: &HashSet<usize>, tenant: usize, at: i64, draw: &mut Draw) -> Vec<usize> {
    let home = world.tenants[tenant].city;
    let network = world.registry.find(draw, |network| network.kind == NetworkKind::Eyeball && network.city == home);
    let seed = draw.bits();
    let mut keys = keys_of(world, tenant);
    keys.retain(|key| !misused.contains(key));
    keys.retain(|&key| matches!(world.keys[key].archetype, Archetype::Office | Archetype::Server));
    keys.truncate(6);
    for &key in &keys {
        world.keys[key].moves = Some((at, Site { network, seed, hosts: 6, together: true }));
    }
    keys
}

/// Somewhere the key's owner may travel to.
fn abroad(world: &World, key: usize, draw: &mut Draw) -> Site {
    let country = world.city_of(key).country;
    let suits =
        |network: &super::registry::Network| network.kind != NetworkKind::Hosting && network.city().country != country;
    Site { network: world.registry.find(draw, suits), seed: draw.bits(), hosts: 2, together: true }
}

/// What is there all the time, or comes from the world itself.
fn standing(world: &World, draw: &mut Draw) -> Vec<Trouble> {
    let always = (START, START + DAYS * DAY);
    let mut whole = |kind, gateway, site, (start, end): (i64, i64)| Trouble {
        kind,
        tenant: None,
        keys: Vec::new(),
        gateway,
        site,
        start,
        end,
        announced: false,
        seed: draw.bits(),
    };
    let hosted = |draw: &mut Draw| {
        let network = world.registry.find(draw, |network| network.kind == NetworkKind::Hosting);
        Site { network, seed: draw.bits(), hosts: 8, together: true }
    };
    let mut places = Draw::stream(world.seed, 4);
    let mut troubles = vec![whole(TroubleKind::ClockChange, None, None, (EUROPE_CHANGES_AT, EUROPE_CHANGES_AT + DAY))];
    for &gateway in Gateway::ALL {
        troubles.push(whole(TroubleKind::HealthChecks, Some(gateway), Some(hosted(&mut places)), always));
        troubles.push(whole(TroubleKind::Passers, Some(gateway), None, always));
        troubles.push(whole(TroubleKind::Crawler, Some(gateway), Some(hosted(&mut places)), always));
    }
    for (key, row) in world.keys.iter().enumerate() {
        if let Some((at, _)) = row.volume.step().filter(|_| row.archetype != Archetype::Rare) {
            let step = whole(TroubleKind::NewNormal, None, None, (at, at + DAY));
            troubles.push(Trouble { tenant: Some(row.tenant), keys: vec![key], ..step });
        }
    }
    if let Some(change) = troubles.first_mut() {
        let europe = |key: &usize| world.city_of(*key).summer_time == SummerTime::Europe;
        change.keys = (0..world.keys.len()).filter(europe).collect();
    }
    troubles
}
