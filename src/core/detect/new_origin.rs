//! Is a key used from a network, country, provider, agent, route or region that it never used?
//!
//! A key's own rate of change decides how much a new value means: P(new) of Pitman and Yor for the key, times the chance
//! that it is this value, backed off to the tenant and to everybody ([`crate::stats::Novelty`],
//! [`super::Population::chance_of_new`]). The score is -log10 of the product, plus 2 when a key that never came through
//! hosting, a VPN or a proxy does, or the reverse. Only the address part opens a claim; a new agent or region in the
//! same minute makes it one step worse. Routes and agents alone are kept as info: deployments change them.
//!
//! Silent for the first 50 observations and 3 days of a key, and for 7 days about the same thing: what was shown is known
//! then. Cannot see: a thief on a provider and in a country that the key uses, other than as a new network.
//!
//! 300 bytes a key and 8 a value, at most 1.4 KB; [`State::shrink`] halves it for idle ones.

use super::told::{DAY_US, Told, day_of, driver};
use super::{Context, Detector, Driver, Finding, Minute, Names, Severity, Window};
use crate::minutes::{Distinct, EntityKind, Sum};
use crate::stats::Novelty;

/// What is watched, and how many values of it are remembered.
const DIMENSIONS: [(Distinct, &str, usize); 7] = [
    (Distinct::Network, "network", 48),
    (Distinct::Provider, "provider", 16),
    (Distinct::Country, "country", 8),
    (Distinct::Relay, "relay", 4),
    (Distinct::Agent, "agent", 16),
    (Distinct::Region, "region", 8),
    (Distinct::Route, "route", 32),
];
/// What tells people most, first.
const WEIGHTIEST: [Distinct; 7] = [
    Distinct::Country,
    Distinct::Provider,
    Distinct::Relay,
    Distinct::Network,
    Distinct::Region,
    Distinct::Agent,
    Distinct::Route,
];
const OBSERVATIONS_MIN: f64 = 50.0;
const AGE_DAYS_MIN: u16 = 3;
/// What a change between machines and people adds to the score.
const RELAY_CHANGE: f64 = 2.0;
const QUIET_US: i64 = 7 * DAY_US;

#[derive(Clone, Debug, Default)]
pub struct State {
    known: [Novelty; DIMENSIONS.len()],
    told: Told,
}

/// A value that the key never showed.
struct New {
    kind: Distinct,
    dimension: &'static str,
    hash: u32,
    score: f64,
    chance: f64,
}

/// Whether new values of this kind are judged.
pub(super) fn judges(kind: Distinct) -> bool {
    DIMENSIONS.iter().any(|(dimension, ..)| *dimension == kind)
}

impl State {
    pub fn observe(&mut self, minute: &Minute, context: &Context<'_>, found: &mut Vec<Finding>) {
        // Where a credential was refused, the new place may be that of whoever was turned away.
        let served = minute.total[Sum::Served] > 0 && minute.total[Sum::Unauthorized] == 0;
        if minute.entity.kind != EntityKind::Key || !served {
            return;
        }
        let new = self.news(minute, context);
        if !new.is_empty() {
            found.extend(self.judge(minute, context, &new));
        }
    }

    /// Learns the minute; returns what of it could not be expected, for a key that is old enough to have habits.
    fn news(&mut self, minute: &Minute, context: &Context<'_>) -> Vec<New> {
        let day = day_of(minute.minute_us);
        let mut new = Vec::new();
        for &(kind, hash) in &minute.distinct {
            let Some(at) = DIMENSIONS.iter().position(|(dimension, ..)| *dimension == kind) else { continue };
            let (_, dimension, capacity) = DIMENSIONS[at];
            let novelty = &mut self.known[at];
            let is_grown = novelty.observations() >= OBSERVATIONS_MIN && novelty.age_days_at(day) >= AGE_DAYS_MIN;
            let Some(chance) = novelty.observe(day, hash, capacity).filter(|_| is_grown) else { continue };
            let which = context.population.chance_of_new(&minute.entity.tenant, kind, hash);
            new.push(New { kind, dimension, hash, score: -(chance * which).log10(), chance });
        }
        new
    }

    fn judge(&mut self, minute: &Minute, context: &Context<'_>, new: &[New]) -> Option<Finding> {
        let worst = |kinds: &[Distinct]| {
            let of_kind = new.iter().filter(|new| kinds.contains(&new.kind));
            of_kind.map(|new| new.score).fold(0.0, f64::max)
        };
        let (provider, country) = (worst(&[Distinct::Provider]), worst(&[Distinct::Country]));
        let relay = worst(&[Distinct::Relay]) > 0.0;
        let network = worst(&[Distinct::Network]);
        // Where the provider is known, an address within it says little: they are handed out anew.
        let located = minute.count(Distinct::Provider) > 0;
        let place = if located { provider.max(country) } else { network };
        let manner = worst(&[Distinct::Agent, Distinct::Region]);
        let relay_change = if relay { RELAY_CHANGE } else { 0.0 };
        // Another program at another place is two surprises; how far one follows from the other is not known: half.
        let score = if place > 0.0 { place + relay_change + manner / 2.0 } else { 0.0 };
        let level = context.levels.of(Window::Hour);

        // People travel, machines do not: another country alone is little news about a key that only people use.
        let is_direct = relay_is_only(minute, "direct");
        let travels = is_direct && !relay;
        let severity = match (score >= level, (country > 0.0 && !travels) || relay) {
            (true, true) if country > 0.0 && relay && !is_direct => Severity::High,
            (true, true) => Severity::Medium,
            (true, false) => Severity::Low,
            (false, _) => Severity::Info,
        };
        let manner_is_new = severity > Severity::Info && manner >= level / 2.0;
        let severity = if manner_is_new { severity.raised().min(Severity::High) } else { severity };
        let score = score.max(network).max(manner).max(worst(&[Distinct::Route]));
        if score < level || self.told.covers(minute.minute_us - QUIET_US, severity) {
            return None;
        }
        self.told.is_due(minute.minute_us, severity, 1.0).then(|| Self::claim(minute, context, new, severity, score))
    }

    fn claim(minute: &Minute, context: &Context<'_>, new: &[New], severity: Severity, score: f64) -> Finding {
        let weight = |new: &New| WEIGHTIEST.iter().position(|kind| *kind == new.kind);
        let mut news: Vec<&New> = new.iter().collect();
        news.sort_by(|a, b| weight(a).cmp(&weight(b)).then(b.score.total_cmp(&a.score)).then(a.hash.cmp(&b.hash)));
        let drivers: Vec<Driver> =
            news.iter().take(Finding::DRIVERS_MAX).map(|new| driver(new.dimension, name(new, context), 1.0)).collect();
        let what: Vec<String> =
            drivers.iter().take(3).map(|driver| format!("{} {}", driver.dimension, driver.value)).collect();
        let rarest = news.iter().map(|new| new.chance).fold(1.0, f64::min);
        Finding {
            detector: Detector::NewOrigin,
            entity: minute.entity.clone(),
            from_us: minute.minute_us,
            to_us: minute.to_us(),
            severity,
            score,
            expected: rarest,
            seen: 1.0,
            unit: "observations with something new",
            cause: None,
            summary: format!("{} was used with a new {}", minute.entity, what.join(", a new ")),
            quiet: format!(
                "a key that changes more often: one observation in {:.0} of this one brings something new",
                1.0 / rarest.max(1e-9)
            ),
            drivers,
        }
    }

    /// Whether the minute shows a network that the key was never served to.
    #[must_use]
    pub fn is_foreign(&self, minute: &Minute) -> bool {
        minute.of(Distinct::Network).any(|network| !self.knows_network(network))
    }

    #[must_use]
    pub fn knows_network(&self, network: u32) -> bool {
        let [networks, ..] = &self.known;
        networks.knows(network)
    }

    /// For a key that has fallen silent.
    pub fn shrink(&mut self) {
        self.known.iter_mut().for_each(Novelty::shrink);
    }

    /// Heap bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.known.iter().map(Novelty::bytes).sum()
    }
}

/// Whether all requests came directly, or all through one kind of relay.
fn relay_is_only(minute: &Minute, name: &str) -> bool {
    minute.count(Distinct::Relay) > 0 && minute.of(Distinct::Relay).all(|hash| hash == Names::hash(name))
}

/// A network that is no relay has no text of its own in any event.
fn name(new: &New, context: &Context<'_>) -> String {
    if new.kind == Distinct::Relay && new.hash == Names::hash("direct") {
        return "direct".to_owned();
    }
    context.names.resolve(new.hash)
}
