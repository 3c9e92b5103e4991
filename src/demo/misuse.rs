//! The misuse that the script plays beside its failures: who does it, and how it looks in the logs.
//!
//! Most of it is served, so no cause is named for it: detectors have to see that somebody uses a key who never did, or
//! in a way that nobody does. Owners go on with their work meanwhile.

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::company::Instant;
use super::request::{Outcome, Request, SCANNED_PATHS};
use super::routes::RouteId;
use super::script::{IncidentKind, Moment};

/// What is true of one misuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misuse {
    pub kind: IncidentKind,
    /// The key that is misused, by its id; a network where no key is.
    pub entity: String,
    /// From then on, by the script.
    pub begins_at: Instant,
}

/// What becomes of a request that would have been in order.
pub(super) fn befall(kind: IncidentKind, request: &mut Request, moment: Moment, rng: &mut StdRng) {
    let number = moment.number;
    match kind {
        IncidentKind::StolenKey if number % 2 == 1 => {
            let [a, b, c] = THIEF_NETWORK;
            (request.client.address, request.client.agent) = ([a, b, c, 7], PYTHON_HTTPX);
        }
        IncidentKind::SharedKey => {
            let [a, b, c] = FIRST_PARTNER_NETWORK;
            request.client.address = [a, b, c + rng.random_range(0..PARTNERS), 9];
        }
        IncidentKind::PathScan if number % 2 == 1 => {
            request.scanned = Some(number / 2 % SCANNED_PATHS.len());
            request.outcome = Outcome::Answered(404);
        }
        IncidentKind::Enumeration => {
            request.route = RouteId::GetCustomer;
            request.resource = FIRST_CUSTOMER + u32::try_from(number % 1_000_000).unwrap_or_default();
            request.outcome = Outcome::Answered(if number.is_multiple_of(2) { 404 } else { 200 });
        }
        IncidentKind::DormantKeyWakes => {
            let [a, b, c] = WAKING_NETWORK;
            request.client.address = [a, b, c, 20];
        }
        // Every other request of a stolen or scanning key is its owner's, and failures are the script's.
        _ => {}
    }
}

/// What the company knows of networks, as an operator would list it: benchmark and documentation ranges only.
pub const NETWORKS: &str = "\
# prefix,country,provider,relay,latitude,longitude,radius_km
198.18.0.0/16,DE,AS64496 Rhine Networks,,50.1,8.7,50
198.19.0.0/16,US,AS64497 Hudson Networks,,40.7,-74.0,50
198.51.100.0/24,DE,AS64496 Rhine Networks,,50.1,8.7,50
203.0.113.0/24,US,AS64497 Hudson Networks,,40.7,-74.0,50
192.0.2.0/24,RO,AS64498 Attic Servers,hosting,44.4,26.1,50
198.18.201.0/24,BR,AS64499 Cheap Racks,hosting,-23.5,-46.6,50
198.18.203.0/24,NL,AS64500 Polder Cloud,hosting,52.4,4.9,50
";

const THIEF_NETWORK: [u8; 3] = [198, 18, 201];
const WAKING_NETWORK: [u8; 3] = [198, 18, 203];
const FIRST_PARTNER_NETWORK: [u8; 3] = [198, 19, 210];
const PARTNERS: u8 = 12;
const FIRST_CUSTOMER: u32 = 400_000;
const PYTHON_HTTPX: usize = 6;
