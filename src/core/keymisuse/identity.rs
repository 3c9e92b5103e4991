//! The made-up platform as a canonical identity folder: who owns which key, since when, until when.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::calendar::{DAY, DAYS, PROLOGUE_DAYS, START};
use super::catalog::{MODELS, Parameter, Role, RouteId};
use super::request::Gateway;
use super::world::{Archetype, Key, World};
use crate::time;

/// One file of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFile {
    /// `keys.ndjson`, `snapshot.json`…
    pub name: &'static str,
    pub text: String,
}

/// All files. Every row bears the date from which it holds, so that the folder answers for each instant of the world.
pub(crate) fn files(world: &World) -> Vec<IdentityFile> {
    let since = time::format(START - (PROLOGUE_DAYS + 1) * DAY);
    let table = |name, rows: &mut dyn Iterator<Item = Value>| {
        let mut text = String::new();
        for mut row in rows {
            if row.get("valid_from").is_none() && name != "grants.ndjson" {
                row["valid_from"] = since.as_str().into();
            }
            let line = writeln!(text, "{row}");
            debug_assert!(line.is_ok(), "a String takes any text");
        }
        IdentityFile { name, text }
    };
    vec![
        IdentityFile {
            name: "snapshot.json",
            text: json!({"as_of": time::format(START + DAYS * DAY), "source": "keymisusebench", "environment": "prod"})
                .to_string(),
        },
        table("keys.ndjson", &mut world.keys.iter().map(|key| key_row(key, world))),
        table("principals.ndjson", &mut world.keys.iter().enumerate().filter_map(|(at, key)| principal(at, key, world))),
        table("tenants.ndjson", &mut world.tenants.iter().map(|tenant| {
            let regions: Vec<&str> = tenant.gateways.iter().map(|gateway| gateway.region()).collect();
            json!({"tenant_id": tenant.id, "name": tenant.id, "status": "active", "plan": "enterprise", "regions": regions})
        })),
        table("grants.ndjson", &mut Role::ALL.iter().flat_map(|role| {
            role.scopes().iter().map(|scope| json!({"role": role.name(), "scope": scope}))
        })),
        table("routes.ndjson", &mut RouteId::ALL.iter().map(|&route| route_row(route))),
        table("gateways.ndjson", &mut Gateway::ALL.iter().map(|&gateway| gateway_row(gateway))),
    ]
}

fn key_row(key: &Key, world: &World) -> Value {
    let mut row = json!({
        "key_id": key.id,
        "key": key.secret,
        "principal_id": key.principal,
        "tenant_id": world.tenants[key.tenant].id,
        "environment": "prod",
        "status": "active",
        "created_at": time::format(key.created_at),
    });
    match (key.replaced_by, key.revoked_at) {
        (Some(successor), Some(at)) => {
            row["replaced_by"] = world.keys[successor].id.as_str().into();
            row["grace_until"] = time::format(at).into();
        }
        (None, Some(at)) => {
            row["status"] = "revoked".into();
            row["status_reason"] = "rotated".into();
            row["revoked_at"] = time::format(at).into();
        }
        (_, None) => {}
    }
    row
}

/// A rotated key has the owner of the key that it replaces, who stands in the folder once.
fn principal(at: usize, key: &Key, world: &World) -> Option<Value> {
    let first = world.keys.iter().position(|other| other.principal == key.principal) == Some(at);
    first.then(|| {
        json!({
            "principal_id": key.principal,
            "name": key.principal,
            "kind": if key.archetype == Archetype::Office { "human" } else { "service" },
            "tenant_id": world.tenants[key.tenant].id,
            "status": "active",
            "roles": [key.role.name()],
        })
    })
}

fn route_row(id: RouteId) -> Value {
    let route = id.route();
    let mut row = json!({
        "method": route.method,
        "path": route.template(),
        "required_scopes": route.scopes,
        "environment": "prod",
    });
    if route.parameter == Parameter::Tenant {
        row["tenant_from"] = "path:tenant_id".into();
    }
    if id.is_ai() {
        let models = MODELS.iter().map(|(model, _)| *model).chain([super::catalog::EMBEDDING_MODEL]);
        row["models"] = models.collect::<Vec<_>>().into();
    }
    row
}

fn gateway_row(gateway: Gateway) -> Value {
    json!({
        "gateway_id": gateway.name(),
        "format": gateway.format(),
        "environment": "prod",
        "region": gateway.region(),
        "credential_places": [format!("header:{}", gateway.key_header()), "header:authorization"],
        "key_shape": {"prefixes": ["ck_live_"], "length": 40, "alphabet": "hex"},
    })
}
