//! The made-up platform: tenants, their keys, and the habits of whoever uses each key.
//!
//! Ids and secrets are random, so nothing about a key says what will happen to it.

use super::calendar::{DAY, START};
use super::catalog::{APP_AGENTS, Role, USER_AGENTS};
use super::draw::{Draw, exp, ln, real};
use super::registry::{CITIES, NetworkKind, Registry, SummerTime};
use super::request::Gateway;
use super::volume::Volume;

/// How large an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// 200 keys, about 300 000 requests, every attack twice: minutes of a build.
    Ci,
    /// 2 000 keys, about 20 million requests, every attack twelve times.
    Full,
}

impl Size {
    pub const ALL: &'static [Self] = &[Self::Ci, Self::Full];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ci => "ci",
            Self::Full => "full",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|size| size.name() == name)
    }

    pub(crate) const fn keys(self) -> usize {
        match self {
            Self::Ci => 200,
            Self::Full => 2_000,
        }
    }

    /// Instances of every kind and grade of attack.
    #[must_use]
    pub const fn instances(self) -> usize {
        match self {
            Self::Ci => 2,
            Self::Full => 12,
        }
    }

    /// Ordinary requests of keys an hour, on average.
    const fn hourly(self) -> f64 {
        match self {
            Self::Ci => 350.0,
            Self::Full => 28_500.0,
        }
    }

    /// Minutes between two looks of each uptime monitor.
    pub(crate) const fn monitor_minutes(self) -> i64 {
        match self {
            Self::Ci => 15,
            Self::Full => 1,
        }
    }

    /// How often each ordinary trouble comes, in units of its own number.
    pub(crate) const fn troubles(self) -> usize {
        match self {
            Self::Ci => 1,
            Self::Full => 4,
        }
    }
}

/// What uses a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Archetype {
    /// A backend: few addresses, one provider, one program.
    Server,
    /// Thousands of phones with the key in their app.
    Mobile,
    /// Timetabled runs.
    Cron,
    /// Build machines and notebooks: cloud addresses, office hours.
    Office,
    /// A company's pool of egress addresses in two regions.
    Partner,
    /// Used now and then, with long gaps.
    Rare,
}

/// Shares of the keys, in percent.
const SHARES: &[(Archetype, usize)] = &[
    (Archetype::Server, 45),
    (Archetype::Mobile, 20),
    (Archetype::Cron, 15),
    (Archetype::Office, 10),
    (Archetype::Partner, 5),
    (Archetype::Rare, 5),
];

#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub id: String,
    /// Index of its home city.
    pub city: usize,
    pub gateways: Vec<Gateway>,
    pub ai: bool,
    pub holiday: bool,
}

/// Some addresses of one prefix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    /// Index into the registry.
    pub network: usize,
    /// Which part of the prefix.
    pub seed: u64,
    pub hosts: u64,
    /// All hosts in one /24, or each anywhere in the prefix.
    pub together: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub id: String,
    pub secret: String,
    pub principal: String,
    pub tenant: usize,
    pub archetype: Archetype,
    pub role: Role,
    /// Requests are signed in the key's name instead of carrying it.
    pub signs: bool,
    pub gateways: Vec<Gateway>,
    pub sites: Vec<Site>,
    /// From this instant on it calls from there instead of its first site.
    pub moves: Option<(i64, Site)>,
    pub agents: Vec<&'static str>,
    /// Where the numbers of its objects come from.
    pub objects: u64,
    /// Of a rarely used key: the tail of the gaps between its uses. Around 1 nothing can be said about the next gap;
    /// at 3 it comes every few days, and a month of silence is an end.
    pub gap_shape: f64,
    /// Its ordinary share of objects that are gone.
    pub missing: f64,
    pub volume: Volume,
    pub created_at: i64,
    /// First and last instant of its ordinary use.
    pub used: (i64, i64),
    pub revoked_at: Option<i64>,
    pub replaced_by: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub seed: u64,
    pub size: Size,
    pub registry: Registry,
    pub tenants: Vec<Tenant>,
    pub keys: Vec<Key>,
}

const TENANTS: usize = 40;
const AI_TENANTS: usize = 8;
const ZIPF: f64 = 1.1;
const HOURLY_MIN: f64 = 0.05;
const HOURLY_MAX: f64 = 5_000.0;

impl World {
    pub(crate) fn new(seed: u64, size: Size) -> Self {
        let mut draw = Draw::stream(seed, 1);
        let registry = Registry::toy();
        let tenants = (0..TENANTS).map(|number| tenant(number, &mut draw)).collect();
        let mut world = Self { seed, size, registry, tenants, keys: Vec::new() };
        let mut levels = levels(size);
        draw.shuffle(&mut levels);
        let mut archetypes: Vec<Archetype> = Vec::new();
        for &(archetype, percent) in SHARES {
            archetypes.extend(std::iter::repeat_n(archetype, size.keys() * percent / 100));
        }
        draw.shuffle(&mut archetypes);
        for (number, (archetype, level)) in archetypes.into_iter().zip(levels).enumerate() {
            let key = world.key(number % TENANTS, archetype, level, &mut draw);
            world.keys.push(key);
        }
        world.let_ai_keys_be_busy();
        world
    }

    /// In a small world chance may leave all keys of AI services idle: the two busiest get the levels of the third and
    /// sixth of all.
    fn let_ai_keys_be_busy(&mut self) {
        let mut by_level: Vec<usize> = (0..self.keys.len()).collect();
        by_level.sort_by(|&a, &b| self.keys[b].volume.level.total_cmp(&self.keys[a].volume.level));
        let ai: Vec<usize> = by_level.iter().copied().filter(|&key| self.keys[key].role == Role::Ai).take(2).collect();
        for (key, rank) in ai.into_iter().zip([2, 5]) {
            let other = by_level[rank];
            let (level, others) = (self.keys[key].volume.level, self.keys[other].volume.level);
            if others > level {
                self.keys[key].volume.level = others;
                self.keys[other].volume.level = level;
            }
        }
    }

    pub(crate) fn city_of(&self, key: usize) -> &'static super::registry::City {
        &CITIES[self.tenants[self.keys[key].tenant].city]
    }

    /// Requests that a key is expected to send in the hour from `at`, its noise left out.
    pub(crate) fn expected(&self, key: usize, at: i64) -> f64 {
        let row = &self.keys[key];
        if at < row.used.0 || at >= row.used.1 {
            return 0.0;
        }
        row.volume.expected(self.city_of(key), self.tenants[row.tenant].holiday, at)
    }

    fn key(&self, tenant: usize, archetype: Archetype, level: f64, draw: &mut Draw) -> Key {
        let role = self.role(tenant, archetype, draw);
        let mut gateways = self.tenants[tenant].gateways.clone();
        if gateways.len() > 1 && draw.chance(0.6) {
            gateways.truncate(1);
        }
        let signs = gateways == [Gateway::Apisix]
            && match archetype {
                Archetype::Partner => true,
                Archetype::Server => draw.chance(0.3),
                Archetype::Mobile | Archetype::Cron | Archetype::Office | Archetype::Rare => false,
            };
        let id = format!("key_{:010x}", draw.bits() >> 24);
        Key {
            secret: format!("ck_live_{:016x}{:016x}", draw.bits(), draw.bits()),
            principal: format!("svc_{:08x}", draw.bits() >> 32),
            tenant,
            archetype,
            role,
            signs,
            gateways,
            sites: self.sites(tenant, archetype, draw),
            moves: None,
            agents: agents(archetype, draw),
            objects: draw.bits(),
            gap_shape: if draw.chance(0.2) { 1.2 } else { 3.0 },
            missing: draw.between(0.0, 0.04),
            volume: Volume::drawn(archetype, level, draw),
            created_at: START - super::draw::micros(draw.between(200.0, 700.0)) * DAY,
            used: (i64::MIN, i64::MAX),
            revoked_at: None,
            replaced_by: None,
            id,
        }
    }

    fn role(&self, tenant: usize, archetype: Archetype, draw: &mut Draw) -> Role {
        match archetype {
            Archetype::Server if self.tenants[tenant].ai && draw.chance(0.6) => Role::Ai,
            Archetype::Server => draw.pick(&[Role::Service, Role::Service, Role::Reader, Role::Collector]),
            Archetype::Office if draw.chance(0.3) => Role::Admin,
            Archetype::Mobile | Archetype::Office | Archetype::Rare => Role::Reader,
            Archetype::Cron => draw.pick(&[Role::Collector, Role::Service]),
            Archetype::Partner => Role::Service,
        }
    }

    fn sites(&self, tenant: usize, archetype: Archetype, draw: &mut Draw) -> Vec<Site> {
        let home = self.tenants[tenant].city;
        let country = CITIES[home].country;
        let (hosts, rented) = (1 + draw.below(4), draw.chance(0.67));
        let mut site = |kind: NetworkKind, near: bool, hosts: u64, together: bool| {
            let suits = |network: &super::registry::Network| {
                network.kind == kind && if near { network.city == home } else { network.city().country == country }
            };
            Site { network: self.registry.find(draw, suits), seed: draw.bits(), hosts, together }
        };
        match archetype {
            Archetype::Server => {
                vec![site(if rented { NetworkKind::Hosting } else { NetworkKind::Eyeball }, true, hosts, true)]
            }
            Archetype::Mobile => (0..3).map(|_| site(NetworkKind::Mobile, false, 3_000, false)).collect(),
            Archetype::Cron | Archetype::Rare => vec![site(NetworkKind::Hosting, true, 2, true)],
            Archetype::Office => vec![
                site(NetworkKind::Hosting, false, 40, false),
                site(NetworkKind::Eyeball, true, 10, true),
                site(NetworkKind::Eyeball, true, 2, true),
            ],
            Archetype::Partner => {
                vec![site(NetworkKind::Hosting, true, 24, true), site(NetworkKind::Hosting, false, 24, true)]
            }
        }
    }
}

fn tenant(number: usize, draw: &mut Draw) -> Tenant {
    let ai = number < AI_TENANTS;
    // The tenants with AI routes are in the east, whose gateway logs models and tokens.
    let city = loop {
        let city = draw.index(CITIES.len());
        if !ai || CITIES[city].summer_time != SummerTime::America {
            break city;
        }
    };
    let home = if CITIES[city].summer_time == SummerTime::America { Gateway::Kong } else { Gateway::Apisix };
    let both = !ai && draw.chance(0.2);
    let gateways = if both { vec![home, other(home)] } else { vec![home] };
    Tenant { id: format!("tn_{:06x}", draw.bits() >> 40), city, gateways, ai, holiday: draw.chance(1.0 / 3.0) }
}

const fn other(gateway: Gateway) -> Gateway {
    match gateway {
        Gateway::Apisix => Gateway::Kong,
        Gateway::Kong => Gateway::Apisix,
    }
}

fn agents(archetype: Archetype, draw: &mut Draw) -> Vec<&'static str> {
    match archetype {
        Archetype::Mobile => APP_AGENTS.to_vec(),
        Archetype::Office => (0..3).map(|_| draw.pick(USER_AGENTS)).collect(),
        Archetype::Server | Archetype::Cron | Archetype::Partner | Archetype::Rare => vec![draw.pick(USER_AGENTS)],
    }
}

/// Mean requests an hour of each key, by Zipf's law.
fn levels(size: Size) -> Vec<f64> {
    let weights: Vec<f64> = (1..=size.keys() as u64).map(|rank| exp(-ZIPF * ln(real(rank)))).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| (size.hourly() * weight / sum).clamp(HOURLY_MIN, HOURLY_MAX)).collect()
}
