//! What was done, for the scorer only: the attacks and the benign troubles of an instance.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::attack::{Attack, AttackKind, Grade};
use super::draw::mixed;
use super::overlay::Overlay;
use super::request::Request;
use super::trouble::{Trouble, TroubleKind};
use super::world::World;

/// A row of `truth.ndjson`. Instants are UTC microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    pub id: String,
    pub kind: AttackKind,
    pub grade: Grade,
    /// Empty for a fault of several tenants.
    pub tenant: String,
    /// Keys that are misused; empty where none is.
    pub keys: Vec<String>,
    /// Client networks of the attack's requests, at most 256.
    pub sources: Vec<String>,
    /// For faults of a population: what exactly fails.
    pub dimensions: BTreeMap<String, String>,
    pub start_us: i64,
    pub end_us: i64,
    pub first_request_us: i64,
    pub last_request_us: i64,
    pub requests: u64,
    pub first_request_id: String,
    pub last_request_id: String,
    /// When the first requests came, milliseconds from the first one; at most 1 000.
    pub request_offsets_ms: Vec<u64>,
}

/// A row of `benign.ndjson`. Instants are UTC microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenignTrouble {
    pub kind: TroubleKind,
    /// Empty where it concerns no single tenant.
    pub tenant: String,
    pub keys: Vec<String>,
    pub sources: Vec<String>,
    /// Empty where it concerns no single gateway.
    pub gateway: String,
    pub start_us: i64,
    pub end_us: i64,
    /// The operator knew of it beforehand.
    pub announced: bool,
}

const SOURCES_MAX: usize = 256;
const OFFSETS_MAX: usize = 1_000;

/// What the stream notes of one attack.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    requests: u64,
    first_at: i64,
    last_at: i64,
    first_id: String,
    last_id: String,
    offsets_ms: Vec<u64>,
    sources: BTreeSet<String>,
}

impl Tally {
    /// Notes a request; they come in the order of their arrival.
    pub(crate) fn note(&mut self, request: &Request, id: (u64, u64)) {
        if self.requests == 0 {
            self.first_at = request.at;
            self.first_id = format!("{:016x}{:016x}", id.0, id.1);
        }
        self.last_at = request.at;
        self.last_id = format!("{:016x}{:016x}", id.0, id.1);
        self.requests += 1;
        if self.offsets_ms.len() < OFFSETS_MAX {
            self.offsets_ms.push((request.at - self.first_at).unsigned_abs() / 1_000);
        }
        if self.sources.len() < SOURCES_MAX {
            self.sources.insert(request.client.network());
        }
    }
}

pub(crate) fn incident(
    number: usize,
    attack: &Attack,
    tally: &Tally,
    overlay: Option<&Overlay>,
    world: &World,
) -> Incident {
    let of_population = overlay.filter(|_| attack.kind == AttackKind::PopulationFault);
    let tenant = of_population.map_or(Some(attack.tenant), |overlay| overlay.scope.tenant);
    Incident {
        id: format!("inc_{:012x}", mixed(world.seed ^ mixed(number as u64)) >> 16),
        kind: attack.kind,
        grade: attack.grade,
        tenant: tenant.map(|tenant| world.tenants[tenant].id.clone()).unwrap_or_default(),
        keys: attack.names_key.then(|| world.keys[attack.key].id.clone()).into_iter().collect(),
        sources: tally.sources.iter().cloned().collect(),
        dimensions: of_population.map(|overlay| dimensions(overlay, world)).unwrap_or_default(),
        start_us: attack.start,
        end_us: attack.end,
        first_request_us: tally.first_at,
        last_request_us: tally.last_at,
        requests: tally.requests,
        first_request_id: tally.first_id.clone(),
        last_request_id: tally.last_id.clone(),
        request_offsets_ms: tally.offsets_ms.clone(),
    }
}

/// The names are those that findings give to what drives them.
fn dimensions(overlay: &Overlay, world: &World) -> BTreeMap<String, String> {
    let scope = overlay.scope;
    let values = [
        ("tenant", scope.tenant.map(|tenant| world.tenants[tenant].id.clone())),
        ("gateway", scope.gateway.map(|gateway| gateway.name().to_owned())),
        ("route", scope.route.map(|route| route.name().to_owned())),
        ("agent", scope.agent.map(str::to_owned)),
    ];
    values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

pub(crate) fn benign(trouble: &Trouble, world: &World) -> BenignTrouble {
    let sources = trouble.site.map(|site| world.host(site, 0, trouble.start).network());
    BenignTrouble {
        kind: trouble.kind,
        tenant: trouble.tenant.map(|tenant| world.tenants[tenant].id.clone()).unwrap_or_default(),
        keys: trouble.keys.iter().map(|&key| world.keys[key].id.clone()).collect(),
        sources: sources.into_iter().collect(),
        gateway: trouble.gateway.map_or("", super::request::Gateway::name).to_owned(),
        start_us: trouble.start,
        end_us: trouble.end,
        announced: trouble.announced,
    }
}
