//! The made-up company as its identity system sees it: tenants, people and services, keys, roles.
//!
//! The types here serialize to the rows of the canonical identity folder. A [`Company`] is a value: the script
//! changes it at scripted times ([`Change`]), and whoever runs the script writes the folder again.

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde::Serialize;

use super::routes::{SCOPES_READ, SCOPES_WRITE};

/// UTC microseconds.
pub type Instant = i64;

pub(super) const SECOND: i64 = 1_000_000;
pub(super) const DAY: i64 = 86_400 * SECOND;

/// A key in clear, which only the identity folder and a gateway's own log may hold.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ClearKey(String);

impl ClearKey {
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for ClearKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClearKey(***)")
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tenant {
    pub tenant_id: String,
    pub name: String,
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "rfc3339")]
    pub status_since: Option<Instant>,
    pub plan: &'static str,
    pub regions: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quotas: Option<Quotas>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Quotas {
    pub tokens: u64,
    pub requests: u64,
    pub spend: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Principal {
    pub principal_id: String,
    pub name: String,
    pub kind: &'static str,
    pub tenant_id: String,
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "rfc3339")]
    pub status_since: Option<Instant>,
    pub roles: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfa: Option<bool>,
    pub contact: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Key {
    pub key_id: String,
    pub key: ClearKey,
    pub environment: &'static str,
    pub principal_id: String,
    pub tenant_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_ips: Vec<&'static str>,
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "rfc3339")]
    pub created_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "rfc3339")]
    pub expires_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "rfc3339")]
    pub revoked_at: Option<Instant>,
}

/// A role of a principal, or a scope of a role.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Grant {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "rfc3339")]
    pub from: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "rfc3339")]
    pub to: Option<Instant>,
}

/// What the identity system holds at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Company {
    pub tenants: Vec<Tenant>,
    pub principals: Vec<Principal>,
    /// Keys of production, and at the end those of the development environment.
    pub keys: Vec<Key>,
    pub grants: Vec<Grant>,
}

/// Something that an administrator, an invoice run or a migration does to the identity system.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    DeleteUser {
        principal_id: String,
    },
    DeactivateUser {
        principal_id: String,
    },
    RevokeKeys {
        keys: Vec<usize>,
        reason: &'static str,
    },
    SuspendForBilling {
        tenant_id: String,
    },
    /// Keys move to principals that the migration forgot to create.
    MigrateKeys {
        keys: Vec<usize>,
    },
    SwapRole {
        principal_id: String,
        from: &'static str,
        to: &'static str,
    },
}

impl Company {
    /// The tenants and their staff, as of `begin`. Nobody of the script's cast is in it yet.
    #[must_use]
    pub fn found(begin: Instant, rng: &mut StdRng) -> Self {
        let mut company = Self { tenants: Vec::new(), principals: Vec::new(), keys: Vec::new(), grants: Vec::new() };
        for &(id, name, plan, regions) in TENANTS {
            company.enrol(id, name, plan, regions);
            for service in draw_some(SERVICES, 6, rng) {
                let ai = AI_SERVICES.contains(&service);
                let hired = begin - rng.random_range(20..700) * DAY;
                let owner = company.hire(id, service, "service", if ai { "ai-service" } else { "service" });
                company.issue(&owner, if ai { AI_PREFIX } else { LIVE_PREFIX }, hired, rng);
            }
            for person in draw_some(PEOPLE, 2, rng) {
                let hired = begin - rng.random_range(20..700) * DAY;
                let owner = company.hire(id, person, "human", "editor");
                company.issue(&owner, LIVE_PREFIX, hired, rng);
            }
        }
        company.grants = role_scopes();
        company
    }

    /// Adds a tenant that nobody works for yet.
    pub fn enrol(&mut self, id: &str, name: &str, plan: &'static str, regions: &[&'static str]) {
        self.tenants.push(Tenant {
            tenant_id: id.into(),
            name: name.into(),
            status: "active",
            status_reason: None,
            status_since: None,
            plan,
            regions: regions.to_vec(),
            quotas: quotas_of(plan),
        });
    }

    /// Adds a principal with one role; its id is returned.
    pub fn hire(&mut self, tenant: &str, name: &str, kind: &'static str, role: &'static str) -> String {
        let principal_id = format!("{tenant}_{name}");
        self.principals.push(Principal {
            principal_id: principal_id.clone(),
            name: name.into(),
            kind,
            tenant_id: tenant.into(),
            status: "active",
            status_reason: None,
            status_since: None,
            roles: vec![role],
            mfa: (kind == "human").then_some(role != "viewer"),
            contact: format!("{}@{tenant}.example", if kind == "human" { name } else { "platform-team" }),
        });
        principal_id
    }

    /// Adds a key for a principal that exists; its index is returned.
    ///
    /// # Panics
    /// When there is no such principal: a slip in the script.
    pub fn issue(&mut self, principal_id: &str, prefix: &str, created_at: Instant, rng: &mut StdRng) -> usize {
        let tenant_id = self.principal(principal_id).expect("keys are issued to the hired").tenant_id.clone();
        let key = loop {
            let secret = format!("{:032x}{:02x}", rng.random::<u128>(), rng.random::<u8>());
            let clear: String = prefix.chars().chain(secret.chars()).take(KEY_LENGTH).collect();
            // Last four digits are shown in masks: while they are unique, a mask names one key.
            if self.keys.iter().all(|other| other.key.0.get(KEY_LENGTH - 4..) != clear.get(KEY_LENGTH - 4..)) {
                break ClearKey(clear);
            }
        };
        self.keys.push(Key {
            key_id: format!("key_{:04}", self.keys.len()),
            key,
            environment: if prefix == TEST_PREFIX { "dev" } else { "prod" },
            principal_id: principal_id.into(),
            tenant_id,
            models: Vec::new(),
            allowed_ips: Vec::new(),
            status: "active",
            status_reason: None,
            created_at: Some(created_at),
            expires_at: None,
            revoked_at: None,
        });
        self.keys.len() - 1
    }

    #[must_use]
    pub fn principal(&self, principal_id: &str) -> Option<&Principal> {
        self.principals.iter().find(|principal| principal.principal_id == principal_id)
    }

    #[must_use]
    pub fn tenant(&self, tenant_id: &str) -> Option<&Tenant> {
        self.tenants.iter().find(|tenant| tenant.tenant_id == tenant_id)
    }

    /// Carries out `change` as of `at`.
    pub fn apply(&mut self, change: &Change, at: Instant) {
        match change {
            Change::DeleteUser { principal_id } => self.end_principal(principal_id, "deleted", None, at),
            Change::DeactivateUser { principal_id } => {
                self.end_principal(principal_id, "deactivated", Some("offboarded"), at);
            }
            Change::RevokeKeys { keys, reason } => {
                for &key in keys {
                    self.keys[key].status = "revoked";
                    self.keys[key].status_reason = Some(reason);
                    self.keys[key].revoked_at = Some(at);
                }
            }
            Change::SuspendForBilling { tenant_id } => {
                for tenant in self.tenants.iter_mut().filter(|tenant| tenant.tenant_id == *tenant_id) {
                    tenant.status = "suspended";
                    tenant.status_reason = Some("billing");
                    tenant.status_since = Some(at);
                }
            }
            Change::MigrateKeys { keys } => {
                for &key in keys {
                    let row = &mut self.keys[key];
                    row.principal_id = format!("{}_migrated-{key:04}", row.tenant_id);
                }
            }
            Change::SwapRole { principal_id, from, to } => self.swap_role(principal_id, from, to, at),
        }
    }

    fn end_principal(&mut self, id: &str, status: &'static str, reason: Option<&'static str>, at: Instant) {
        for principal in self.principals.iter_mut().filter(|principal| principal.principal_id == id) {
            principal.status = status;
            principal.status_reason = reason;
            principal.status_since = Some(at);
        }
    }

    fn swap_role(&mut self, id: &str, from: &'static str, to: &'static str, at: Instant) {
        for principal in self.principals.iter_mut().filter(|principal| principal.principal_id == id) {
            principal.roles = vec![to];
        }
        let of_this = |grant: &&mut Grant| grant.principal_id.as_deref() == Some(id) && grant.role == Some(from);
        for grant in self.grants.iter_mut().filter(of_this) {
            grant.to = Some(at);
        }
        let gained = Grant { principal_id: Some(id.into()), role: Some(to), scope: None, from: Some(at), to: None };
        self.grants.push(gained);
    }
}

fn rfc3339<S: serde::Serializer>(at: &Option<Instant>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.serialize_str(&format_instant(*at)),
        None => serializer.serialize_none(),
    }
}

/// RFC 3339 with milliseconds, which is as fine as the gateways log.
#[must_use]
pub fn format_instant(at: Instant) -> String {
    chrono::DateTime::from_timestamp_micros(at)
        .map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
        .unwrap_or_default()
}

fn draw_some(names: &[&'static str], count: usize, rng: &mut StdRng) -> Vec<&'static str> {
    let mut left = names.to_vec();
    (0..count.min(names.len())).map(|_| left.swap_remove(rng.random_range(0..left.len()))).collect()
}

fn quotas_of(plan: &str) -> Option<Quotas> {
    match plan {
        "free" => Some(Quotas { tokens: 50_000, requests: 10_000, spend: 0 }),
        "team" => Some(Quotas { tokens: 20_000_000, requests: 50_000_000, spend: 500 }),
        _ => None,
    }
}

fn role_scopes() -> Vec<Grant> {
    let scopes_of: [(&'static str, &[&[&'static str]]); 4] = [
        ("viewer", &[SCOPES_READ]),
        ("editor", &[SCOPES_READ, SCOPES_WRITE]),
        ("service", &[SCOPES_READ, SCOPES_WRITE]),
        ("ai-service", &[&["ai:invoke"]]),
    ];
    let rows = scopes_of.into_iter().flat_map(|(role, lists)| {
        let scopes = lists.iter().copied().flatten();
        scopes.map(move |&scope| Grant {
            principal_id: None,
            role: Some(role),
            scope: Some(scope),
            from: None,
            to: None,
        })
    });
    rows.collect()
}

pub const LIVE_PREFIX: &str = "ck_live_";
pub const TEST_PREFIX: &str = "ck_test_";
pub const AI_PREFIX: &str = "sk-ck-";
/// Characters of every key, prefix included.
pub const KEY_LENGTH: usize = 40;

/// Regions name the gateways that a tenant calls.
pub(super) const EU: &str = "eu-central";
pub(super) const US: &str = "us-east";

const TENANTS: &[(&str, &str, &str, &[&str])] = &[
    ("northwind", "Northwind Logistics", "enterprise", &[EU, US]),
    ("harbor-bank", "Harbor Bank", "enterprise", &[EU, US]),
    ("bluefin", "Bluefin Seafood Exchange", "team", &[EU]),
    ("cedar-clinics", "Cedar Clinics", "enterprise", &[EU]),
    ("owl-labs", "Owl Labs", "team", &[US]),
    ("kite-games", "Kite Games", "team", &[US]),
    ("granite-energy", "Granite Energy", "enterprise", &[EU, US]),
    ("paperboat", "Paperboat Books", "team", &[EU]),
    ("marigold", "Marigold Foods", "team", &[US]),
    ("skylark-air", "Skylark Air", "enterprise", &[EU, US]),
    ("tinker-shop", "Tinker Shop", "free", &[US]),
    ("old-mill", "Old Mill Brewing", "team", &[EU]),
];

const AI_SERVICES: &[&str] = &["support-copilot", "search-embedder", "invoice-reader"];

const SERVICES: &[&str] = &[
    "web-frontend",
    "order-importer",
    "nightly-sync",
    "search-indexer",
    "report-builder",
    "warehouse-loader",
    "invoice-mailer",
    "fraud-watcher",
    "price-feed",
    "ci-pipeline",
    "support-copilot",
    "search-embedder",
    "invoice-reader",
    "audit-shipper",
];

const PEOPLE: &[&str] =
    &["amelie-durand", "jonas-weber", "sofia-rossi", "tom-okafor", "lena-fischer", "diego-santos", "priya-nair"];
