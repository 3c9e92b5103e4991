//! Secrets at the door: canary keys planted everywhere in the input, and looked for in every byte that comes out.

use std::fmt::Write as _;

use arrow::array::{Array as _, ArrayData, RecordBatch};
use base64::Engine as _;
use claviger_core::decode::Decoder;
use claviger_core::identity::{DirectoryBuilder, Place, Snapshot, Table};
use claviger_core::refine::{RefineOptions, Refiner};
use claviger_core::secret::{Credential, Schemes, Slips};
use serde_json::{Value, json};

use crate::decode::{RECEIVED_AT, batch_of};
use crate::support::{decode_options, directory, pepper};

/// Secrets of several shapes that are known for secrets wherever they stand.
const KEYS: &[&str] = &[
    "ck_live_Qx7CANARYmid93kfLpWq82hvTz41",
    "sk-Zt8CANARY4mNbV2cX9aSd7fGhJkL1pO",
    "clv_deadc0debadf00dca7a12345fee1600dfeedbeef",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJDQU5BUlkiLCJpYXQiOjE1MTYyMzkwMjJ9.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
    "Kd83jsCANARYw92mPq7ZxLr40vBt",
];

/// One that looks like nothing: known for a secret by the place it stands in, or by being a request's credential.
const PASSWORD: &str = "Tr0ub4dor&3canary";

/// Places of a log line, by JSON pointer, and what stands there around the secret.
const APISIX_PLACES: &[(&str, &str)] = &[
    ("/request/headers/x-api-key", "{}"),
    ("/request/headers/X-API-Key", "{}"),
    ("/request/headers/apikey", "Bearer {}"),
    ("/request/headers/authorization", "Bearer {}"),
    ("/request/headers/authorization", "Token {}"),
    ("/request/headers/authorization", "{}"),
    ("/request/headers/authorization", "hmac username=\"{}\", signature=\"{}\""),
    ("/request/headers/proxy-authorization", "Basic {}"),
    ("/request/headers/cookie", "session={}; theme=dark"),
    ("/request/headers/user-agent", "curl/8.9 {}"),
    ("/request/headers/user-agent", "{}"),
    ("/request/headers/referer", "https://example.com/?key={}"),
    ("/request/headers/x-request-id", "{}"),
    ("/request/headers/traceparent", "{}"),
    ("/request/headers/x-tenant-id", "{}"),
    ("/request/headers/host", "{}"),
    ("/request/headers/x-consumer-username", "{}"),
    ("/request/headers/x-made-up", "{}"),
    ("/request/uri", "/v1/orders?apikey={}"),
    ("/request/uri", "/v1/orders?unheard_of={}&x=1#{}"),
    ("/request/uri", "/v1/{}/orders"),
    ("/request/uri", "/{}"),
    ("/request/uri", "/v1/a;key={}/b"),
    ("/request/url", "https://user:{}@api.example.com/v1?token={}"),
    ("/request/url", "https://{}:@api.example.com/v1"),
    ("/request/method", "{}"),
    ("/request/body", "{\"password\":\"{}\",\"model\":\"{}\"}"),
    ("/request/querystring/key", "{}"),
    ("/response/body", "{\"message\":\"invalid key {} given\",\"code\":\"{}\"}"),
    ("/response/body", "no such key: {}"),
    ("/response/body", "key={} is not known"),
    ("/response/headers/set-cookie", "session={}"),
    ("/response/status", "{}"),
    ("/consumer/username", "{}"),
    ("/route_id", "{}"),
    ("/service_id", "{}"),
    ("/server/hostname", "{}"),
    ("/client_ip", "{}"),
    ("/upstream", "{}"),
    ("/start_time", "{}"),
];

const CANONICAL_PLACES: &[&str] = &[
    "gateway",
    "request_id",
    "trace_id",
    "method",
    "host",
    "path",
    "uri",
    "route",
    "service",
    "status",
    "client_address",
    "user_agent",
    "region",
    "credential",
    "credential_place",
    "fingerprint",
    "consumer",
    "gateway_code",
    "gateway_message",
    "ai_provider",
    "ai_model",
    "input_tokens",
    "tenant_asked",
    "event_at",
];

fn apisix() -> Value {
    json!({
        "start_time": 1_795_500_000_000i64, "client_ip": "203.0.113.7", "route_id": "orders", "service_id": "api",
        "server": {"hostname": "apisix-1"}, "latency": 2.5, "apisix_latency": 0.5,
        "request": {"method": "GET", "uri": "/v1/orders", "url": "https://api.example.com/v1/orders", "headers": {}, "querystring": {}},
        "response": {"status": 401, "headers": {}},
    })
}

fn kong() -> Value {
    json!({
        "started_at": 1_795_500_000_000i64, "client_ip": "203.0.113.7", "latencies": {"request": 2, "kong": 1, "proxy": -1},
        "request": {"method": "GET", "uri": "/v1/orders", "url": "https://api.example.com/v1/orders", "headers": {}, "querystring": {}},
        "response": {"status": 401, "headers": {}}, "route": {"name": "orders"}, "service": {"name": "api"},
    })
}

/// Puts a text where a pointer says, making objects on the way.
fn plant(line: &mut Value, pointer: &str, text: &str) {
    let mut at = line;
    for name in pointer.split('/').skip(1) {
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[name];
    }
    *at = text.into();
}

/// Lines with the secret in one place each, and in all.
fn planted(secret: &str) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    for base in [apisix(), kong()] {
        let mut everywhere = base.clone();
        for (pointer, around) in APISIX_PLACES {
            let text = around.replace("{}", secret);
            let mut line = base.clone();
            plant(&mut line, pointer, &text);
            lines.push(line.to_string());
            if !["/start_time", "/response/status"].contains(pointer) {
                plant(&mut everywhere, pointer, &text);
            }
            let served = line.to_string().replace("401", "200");
            lines.push(served);
        }
        everywhere["request"]["headers"][secret] = "name".into();
        everywhere[secret] = "name".into();
        lines.push(everywhere.to_string());
    }
    for name in CANONICAL_PLACES {
        let mut line = json!({"event_at": "2026-11-24T06:00:00Z", "status": 401, "path": "/v1/orders"});
        line[name] = secret.into();
        lines.push(line.to_string());
    }
    let mut damaged = Vec::new();
    for line in &lines {
        if let Some(at) = line.find(secret) {
            let end = at + secret.len();
            damaged.push(line.as_bytes()[..end].to_vec());
            damaged.push([&line.as_bytes()[..end], b"\xff\xfe\"}"].concat());
        }
    }
    let utf16 = format!("{{\"key\":\"{secret}\"}}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let odd = [
        format!("GET /v1?key={secret} HTTP/1.1"),
        format!("\"{secret}\""),
        format!("[\"{secret}\", 1]"),
        format!("{{\"{secret}\":1}}"),
        format!("{{\"{secret}\":1,\"{secret}\":2}}"),
        format!("{{\"message\":\"{secret}\"}}"),
        format!("{{\"log\":\"{{\\\"key\\\":\\\"{secret}\\\"\"}}"),
        format!("{{\"key\": {secret}}}"),
        format!("{secret}\n{secret}"),
        format!("{}{secret}", "[".repeat(70)),
        secret.to_owned(),
    ];
    lines.into_iter().map(String::into_bytes).chain(damaged).chain(odd.map(String::into_bytes)).chain([utf16]).collect()
}

/// A request whose credential is also quoted in its other fields.
fn echoed(credential: &str, secret: &str) -> Vec<u8> {
    let mut line = apisix();
    for (pointer, text) in [
        ("/request/headers/authorization", credential.to_owned()),
        ("/request/headers/user-agent", format!("client with {secret}")),
        ("/request/headers/x-request-id", format!("req-{secret}")),
        ("/request/headers/x-tenant-id", secret.to_owned()),
        ("/request/headers/host", format!("u:{secret}@api.example.com")),
        ("/request/uri", format!("/login/{secret}/x")),
        ("/response/body", format!("{{\"message\":\"wrong password {secret}\"}}")),
        ("/consumer/username", secret.to_owned()),
    ] {
        plant(&mut line, pointer, &text);
    }
    line.to_string().into_bytes()
}

fn basic(password: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(format!("alice:{password}"))
}

/// Places in which any text is a secret.
fn passwords() -> Vec<Vec<u8>> {
    let encoded = PASSWORD.replace('&', "%26");
    let places = [
        ("/request/headers/x-api-key", PASSWORD.to_owned()),
        ("/request/headers/authorization", format!("Basic {}", basic(PASSWORD))),
        ("/request/headers/authorization", format!("Bearer {PASSWORD}")),
        ("/request/headers/cookie", format!("sid={PASSWORD}")),
        ("/request/uri", format!("/v1?api_key={encoded}")),
        ("/request/uri", format!("/v1?password={encoded}")),
        ("/request/url", format!("https://alice:{PASSWORD}@api.example.com/v1")),
        ("/request/body", format!("{{\"password\":\"{PASSWORD}\"}}")),
    ];
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for (pointer, text) in places {
        let mut line = apisix();
        plant(&mut line, pointer, &text);
        let line = line.to_string().into_bytes();
        lines.push(line[..line.len() - 3].to_vec());
        lines.push(line);
    }
    lines.push(echoed(&format!("Basic {}", basic(PASSWORD)), PASSWORD));
    lines.push(echoed(PASSWORD, PASSWORD));
    lines
}

/// What must not occur: the middle of each secret, of each part of it, and what stands for it in base 64.
fn needles() -> Vec<String> {
    let middle = |text: &str| {
        let from = (text.len() - 12) / 2;
        text.get(from..from + 12).expect("secrets are ASCII").to_owned()
    };
    let keys = KEYS.iter().flat_map(|key| key.split('.').map(middle));
    keys.chain([middle(PASSWORD), middle(&basic(PASSWORD))]).collect()
}

/// Everything a batch holds: its rows as text, and its buffers.
fn bytes_of(batch: &RecordBatch) -> Vec<u8> {
    fn buffers(data: &ArrayData, out: &mut Vec<u8>) {
        for buffer in data.buffers() {
            out.extend_from_slice(buffer.as_slice());
        }
        data.child_data().iter().for_each(|child| buffers(child, out));
    }
    let mut out = crate::decode::sparse(batch, &[]).into_bytes();
    batch.columns().iter().for_each(|column| buffers(&column.to_data(), &mut out));
    out
}

fn assert_clean(bytes: &[u8], what: &str) {
    let text = String::from_utf8_lossy(bytes);
    let as_numbers = |needle: &str| format!("{:?}", needle.as_bytes()).trim_matches(['[', ']']).to_owned();
    for needle in needles().into_iter().flat_map(|needle| [as_numbers(&needle), needle]) {
        if let Some((before, _)) = text.split_once(&needle) {
            let before: Vec<char> = before.chars().rev().take(160).collect();
            panic!("`{needle}` is in {what}, after {}", before.into_iter().rev().collect::<String>());
        }
    }
}

#[test]
fn no_row_holds_a_secret_wherever_it_stood_in_the_input() {
    let frames: Vec<Vec<u8>> =
        KEYS.iter().flat_map(|key| planted(key).into_iter().chain([echoed(key, key)])).chain(passwords()).collect();
    let mut refiner = Refiner::new(RefineOptions::new(decode_options()));
    let directory = directory(RECEIVED_AT, &[(Table::Keys, json!({"key_id": "k1", "key": KEYS[0]}))]);
    for (group, frames) in frames.chunks(100).enumerate() {
        let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        let refined = refiner.refine(&batch_of(&frames), &directory);
        let rows = [refined.events.batch(), &refined.rejects, &refined.minutes].map(bytes_of).concat();
        assert_clean(&rows, &format!("the rows of group {group}"));
    }
    // And all in one batch, where dictionaries are shared.
    let all: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let refined = refiner.refine(&batch_of(&all), &directory);
    let rows = [refined.events.batch(), &refined.rejects, &refined.minutes].map(bytes_of).concat();
    assert_clean(&rows, "the rows of all frames together");
    assert!(refined.counts.events > 500 && refined.counts.rejects > 500, "{:?}", refined.counts);
    assert_clean(format!("{refined:?}{refiner:?}").as_bytes(), "what a refiner prints of itself");
}

#[test]
fn a_secret_cut_at_the_longest_length_is_masked_all_the_same() {
    for room in 0..40 {
        let mut line = apisix();
        let padding = |length: usize| "a ".repeat(length);
        plant(&mut line, "/response/body", &format!("{{\"message\":\"{}{}\"}}", padding(120 - room / 2), KEYS[0]));
        plant(&mut line, "/request/headers/user-agent", &format!("{}{}", padding(512 - room / 2), KEYS[1]));
        plant(&mut line, "/request/uri", &format!("/{}{}", "a/".repeat(512 - room / 2), KEYS[2]));
        let read = Decoder::new(decode_options()).decode(&batch_of(&[line.to_string().as_bytes()]), Schemes::default());
        let rows = String::from_utf8_lossy(&bytes_of(read.decoded.events().batch())).into_owned();
        for key in KEYS {
            let start = key.get(..14).expect("secrets are ASCII");
            assert!(!rows.contains(start), "the start of {key} is left of a cut at {room}");
        }
    }
}

#[test]
fn what_holds_or_held_a_secret_prints_none_of_it() {
    let mut printed = String::new();
    for secret in KEYS.iter().chain([&PASSWORD]) {
        let pepper = pepper();
        let credential = Credential {
            slips: Some(Box::new(Slips::of(secret, &pepper, Schemes::default()))),
            ..Credential::of(secret, &pepper, Schemes { sha256: true, murmur3: true })
        };
        write!(printed, "{credential:?}{pepper:?}{:?}{}", decode_options(), credential.mask())
            .expect("a string takes it");

        let mut builder = DirectoryBuilder::new(&pepper);
        builder.open(Snapshot { as_of: RECEIVED_AT, source: String::new(), environment: String::new() });
        let place = |line| Place { file: "keys", line };
        builder.push_json(Table::Keys, place(1), json!({"key_id": "k", "key": secret}).to_string().as_bytes());
        builder.push_json(Table::Keys, place(2), json!({"key_id": 7, "key": [secret]}).to_string().as_bytes());
        builder.push_json(Table::Keys, place(3), format!("{{\"key\":\"{secret}").as_bytes());
        let loaded = builder.finish();
        write!(printed, "{:?}{:?}", loaded.directory, loaded.findings.list()).expect("a string takes it");
        for key in loaded.directory.keys() {
            write!(printed, "{:?}", loaded.directory.key_at(key, RECEIVED_AT)).expect("a string takes it");
        }

        let mut decoder = Decoder::new(decode_options());
        let frames = planted(secret);
        let batch = batch_of(&frames.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let read = decoder.decode(&batch, Schemes::default());
        write!(printed, "{decoder:?}{:?}", read.decoded.credentials()).expect("a string takes it");
        write!(printed, "{batch:?}{:?}", batch.frames().collect::<Vec<_>>()).expect("a string takes it");
    }
    assert_clean(printed.as_bytes(), "what is printed for a log");
}

#[test]
fn a_key_that_is_a_uuid_shows_its_end_only() {
    let shown = |key| Credential::of(key, &pepper(), Schemes::default()).mask();
    assert_eq!(shown("a1b2c3d4-e5f6-4711-8899-aabbccddeeff"), "…eeff");
    assert_eq!(shown("ck_live_a1b2c3d4-e5f6-4711-8899-aabbccddeeff"), "ck_live_…eeff");
}
