//! Who plays in the script: the principals, keys and habits that its incidents happen to. None of them is in
//! the everyday crowd, so that every request of theirs is the script's.

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::company::{AI_PREFIX, Change, Company, DAY, EU, Grant, Instant, LIVE_PREFIX, SECOND, TEST_PREFIX, US};
use super::request::USER_AGENTS;
use super::routes::{Gateway, RouteId};
use super::script::IncidentKind;
use super::traffic::{Actor, HUMAN_ROUTES, SERVICE_ROUTES};

/// The actors of every incident, in the order of [`IncidentKind::ALL`].
#[derive(Debug)]
pub struct Cast {
    actors: Vec<Vec<Actor>>,
}

impl Cast {
    /// Hires everybody. `instant_of` tells when an incident begins: some keys expire then.
    #[must_use]
    pub fn hire(
        company: &mut Company,
        begin: Instant,
        instant_of: impl Fn(IncidentKind) -> Instant,
        rng: &mut StdRng,
    ) -> Self {
        // Tenants of their own, since what happens to them happens to everybody who works there.
        company.enrol("tulip-media", "Tulip Media", "team", &[EU, US]);
        company.enrol("pocket-weather", "Pocket Weather", "free", &[EU, US]);
        let mut office = Office { company, begin, rng };
        let actors = IncidentKind::ALL.iter().map(|&kind| office.actors(kind, instant_of(kind))).collect();
        office.equip_development();
        Self { actors }
    }

    #[must_use]
    pub fn of(&self, kind: IncidentKind) -> &[Actor] {
        &self.actors[kind as usize]
    }

    /// What the identity system goes through when the incident begins.
    #[must_use]
    pub fn change(&self, kind: IncidentKind, company: &Company) -> Option<Change> {
        let keys = || self.of(kind).iter().map(|actor| actor.key).collect::<Vec<_>>();
        let principal_id = || company.keys[self.of(kind)[0].key].principal_id.clone();
        match kind {
            IncidentKind::BackupUserDeleted => Some(Change::DeleteUser { principal_id: principal_id() }),
            IncidentKind::Offboarding => Some(Change::DeactivateUser { principal_id: principal_id() }),
            IncidentKind::KeyLeak => {
                Some(Change::RevokeKeys { keys: keys(), reason: "leaked: found in a public repository" })
            }
            IncidentKind::BadMigration => Some(Change::MigrateKeys { keys: keys() }),
            IncidentKind::UnpaidBill => Some(Change::SuspendForBilling { tenant_id: "tulip-media".into() }),
            IncidentKind::RoleChange => {
                Some(Change::SwapRole { principal_id: principal_id(), from: "editor", to: "viewer" })
            }
            IncidentKind::FreeTierUsedUp
            | IncidentKind::KeyExpiry
            | IncidentKind::CrossTenant
            | IncidentKind::ViewerEdits
            | IncidentKind::DevKeyOnProd
            | IncidentKind::StrippingProxy
            | IncidentKind::GuessingAttack
            | IncidentKind::BadCopy
            | IncidentKind::NoKey
            | IncidentKind::KeyInQuery
            | IncidentKind::WrongNetwork
            | IncidentKind::WrongModel
            | IncidentKind::AnonymousRoute
            | IncidentKind::ApplicationSaysNo
            | IncidentKind::TooFast
            | IncidentKind::StolenKey
            | IncidentKind::SharedKey
            | IncidentKind::PathScan
            | IncidentKind::Enumeration
            | IncidentKind::DormantKeyWakes
            | IncidentKind::CronBurst
            | IncidentKind::Launch
            | IncidentKind::DeployRetry => None,
        }
    }
}

/// Hires one actor after the other.
struct Office<'a> {
    company: &'a mut Company,
    begin: Instant,
    rng: &'a mut StdRng,
}

impl Office<'_> {
    fn actors(&mut self, kind: IncidentKind, begins_at: Instant) -> Vec<Actor> {
        match kind {
            IncidentKind::BackupUserDeleted => {
                let actor = self.service("northwind", "backup-service", &[RouteId::PutBackup]);
                vec![Actor { agent: RESTIC, ..actor }]
            }
            IncidentKind::Offboarding => vec![self.human("harbor-bank", "maria-lindqvist", "editor", HUMAN_ROUTES)],
            IncidentKind::FreeTierUsedUp => {
                vec![self.service("pocket-weather", "weather-widget", &[RouteId::ListOrders, RouteId::GetOrder])]
            }
            IncidentKind::KeyLeak => {
                let first = self.service("kite-games", "mobile-app", SERVICE_ROUTES);
                let second = self.another_key(&first);
                vec![first, second]
            }
            IncidentKind::BadMigration => {
                let hire = |place| self.service("skylark-air", &format!("fleet-sync-{place}"), SERVICE_ROUTES);
                (1..=8).map(hire).collect()
            }
            IncidentKind::CrossTenant => {
                vec![self.service("marigold", "billing-batch", &[RouteId::ListInvoices, RouteId::DailyReport])]
            }
            IncidentKind::ViewerEdits => {
                vec![self.human("cedar-clinics", "oskar-lind", "viewer", super::traffic::READ_ROUTES)]
            }
            IncidentKind::StrippingProxy => {
                let hire = |place| {
                    let actor = self.service("granite-energy", &format!("meter-reader-{place}"), SERVICE_ROUTES);
                    Actor { network: EGRESS_NETWORK, addresses: 2, agent: METER_AGENT, ..actor }
                };
                (1..=5).map(hire).collect()
            }
            IncidentKind::DevKeyOnProd => vec![self.developer("owl-labs", "ci-sandbox")],
            IncidentKind::KeyExpiry => {
                let actor = self.service("granite-energy", "data-export", &[RouteId::GetExport, RouteId::ListOrders]);
                self.company.keys[actor.key].expires_at = Some(begins_at);
                vec![actor]
            }
            IncidentKind::RoleChange => {
                let actor = self.human("paperboat", "petra-nowak", "editor", HUMAN_ROUTES);
                let principal_id = Some(self.company.keys[actor.key].principal_id.clone());
                let from = Some(self.begin - 300 * DAY);
                self.company.grants.push(Grant { principal_id, role: Some("editor"), scope: None, from, to: None });
                vec![actor]
            }
            IncidentKind::UnpaidBill => vec![
                Actor { objects: RETRIED, ..self.service("tulip-media", "newsletter", SERVICE_ROUTES) },
                self.human("tulip-media", "hugo-bakker", "editor", HUMAN_ROUTES),
            ],
            IncidentKind::GuessingAttack => {
                vec![
                    self.stranger(ATTACK_NETWORK, HTTPX, SERVICE_ROUTES),
                    self.stranger(ATTACK_NETWORK, CURL, HUMAN_ROUTES),
                ]
            }
            IncidentKind::NoKey => vec![self.stranger([198, 19, 250], CURL, HUMAN_ROUTES)],
            IncidentKind::BadCopy => {
                let hire = |place| self.service("bluefin", &format!("auction-feed-{place}"), SERVICE_ROUTES);
                (1..=3).map(hire).collect()
            }
            IncidentKind::KeyInQuery => vec![self.service("tinker-shop", "shop-plugin", SERVICE_ROUTES)],
            IncidentKind::WrongNetwork => {
                let actor = self.service("harbor-bank", "treasury-batch", SERVICE_ROUTES);
                self.company.keys[actor.key].allowed_ips = vec!["198.51.100.0/24"];
                vec![Actor { network: [198, 51, 100], objects: RETRIED, ..actor }]
            }
            IncidentKind::WrongModel => {
                let actor = self.hire("cedar-clinics", "chat-widget", "service", "ai-service", AI_PREFIX);
                self.company.keys[actor.key].models = vec!["gpt-4o-mini"];
                vec![Actor { routes: &[RouteId::Chat], ..actor }]
            }
            IncidentKind::AnonymousRoute => {
                let actor = self.service("marigold", "status-poller", &[RouteId::ServiceStatus]);
                let revoked_at = self.begin - 40 * DAY;
                self.company.apply(&Change::RevokeKeys { keys: vec![actor.key], reason: "replaced" }, revoked_at);
                vec![actor]
            }
            IncidentKind::ApplicationSaysNo => {
                vec![Actor { objects: RETRIED, ..self.service("skylark-air", "crew-app", SERVICE_ROUTES) }]
            }
            IncidentKind::TooFast => vec![self.service("kite-games", "leaderboard-bot", SERVICE_ROUTES)],
            IncidentKind::StolenKey => vec![self.service("harbor-bank", "ledger-sync", SERVICE_ROUTES)],
            IncidentKind::SharedKey => vec![self.service("northwind", "partner-portal", SERVICE_ROUTES)],
            IncidentKind::PathScan => vec![self.service("paperboat", "catalog-sync", SERVICE_ROUTES)],
            IncidentKind::Enumeration => {
                vec![self.service("marigold", "loyalty-app", &[RouteId::GetCustomer, RouteId::ListOrders])]
            }
            IncidentKind::CronBurst => vec![self.service("cedar-clinics", "nightly-upload", SERVICE_ROUTES)],
            IncidentKind::Launch => vec![self.service("kite-games", "new-title", SERVICE_ROUTES)],
            IncidentKind::DeployRetry => vec![self.service("bluefin", "bid-engine", SERVICE_ROUTES)],
            IncidentKind::DormantKeyWakes => {
                let actor = self.service("granite-energy", "old-migration", SERVICE_ROUTES);
                self.company.keys[actor.key].created_at = Some(self.begin - 400 * DAY);
                vec![actor]
            }
        }
    }

    /// Some of the staff have keys of the development environment too, and keep them there.
    fn equip_development(&mut self) {
        let owners: Vec<String> =
            self.company.principals.iter().step_by(9).map(|row| row.principal_id.clone()).collect();
        for owner in owners {
            self.company.issue(&owner, TEST_PREFIX, self.begin - 50 * DAY, self.rng);
        }
    }

    fn service(&mut self, tenant: &str, name: &str, routes: &'static [RouteId]) -> Actor {
        Actor { routes, ..self.hire(tenant, name, "service", "service", LIVE_PREFIX) }
    }

    fn human(&mut self, tenant: &str, name: &str, role: &'static str, routes: &'static [RouteId]) -> Actor {
        Actor { routes, ..self.hire(tenant, name, "human", role, LIVE_PREFIX) }
    }

    /// Somebody whose key belongs to the development environment.
    fn developer(&mut self, tenant: &str, name: &str) -> Actor {
        Actor { routes: SERVICE_ROUTES, ..self.hire(tenant, name, "service", "service", TEST_PREFIX) }
    }

    fn hire(
        &mut self,
        tenant: &str,
        name: &str,
        kind: &'static str,
        role: &'static str,
        prefix: &'static str,
    ) -> Actor {
        let owner = self.company.hire(tenant, name, kind, role);
        let created_at = self.begin - self.rng.random_range(60..400) * DAY;
        let key = self.company.issue(&owner, prefix, created_at, self.rng);
        Actor::of(self.company, key, self.rng)
    }

    fn another_key(&mut self, actor: &Actor) -> Actor {
        let owner = self.company.keys[actor.key].principal_id.clone();
        let key = self.company.issue(&owner, LIVE_PREFIX, self.begin - 20 * DAY - SECOND, self.rng);
        Actor { key, ..actor.clone() }
    }

    /// A caller who holds no key: the one named here is never presented.
    fn stranger(&self, network: [u8; 3], agent: usize, routes: &'static [RouteId]) -> Actor {
        Actor {
            key: 0,
            tenant: 0,
            gateways: Gateway::ALL.to_vec(),
            routes,
            network,
            addresses: 6,
            agent,
            objects: super::traffic::OBJECTS_OF_SERVICES,
        }
    }
}

/// The egress of the stripping proxy and the attackers' network: ranges for documentation (RFC 5737).
const EGRESS_NETWORK: [u8; 3] = [203, 0, 113];
const ATTACK_NETWORK: [u8; 3] = [192, 0, 2];

/// Objects that a client asks for again and again while it is refused.
const RETRIED: u32 = 4;

const METER_AGENT: usize = 2;
const RESTIC: usize = 4;
const CURL: usize = 5;
const HTTPX: usize = 6;

const _: () = assert!(USER_AGENTS.len() > HTTPX, "the agents above are in the list");
