//! Tokens of an identity provider, whose keys are made here and served by a stub; and the ways to forge one.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger::access::{Access, AccessError, Oidc, OidcError, Shown};
use claviger_core::access::claims::{ClaimPath, ClaimRules, ClaimsRefusal};
use claviger_core::access::exposure::Guard;
use claviger_core::access::{Proof, Scope, TenantScope};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::door::pepper;

const NEVER_AGAIN: Duration = Duration::from_secs(3_600);

/// A key pair of the provider.
struct Key {
    id: &'static str,
    algorithm: Algorithm,
    private: EncodingKey,
    public: Value,
}

impl Key {
    fn new(id: &'static str, algorithm: Algorithm) -> Self {
        let (kind, option) = match algorithm {
            Algorithm::RS256 => ("RSA", Some("rsa_keygen_bits:2048")),
            Algorithm::ES256 => ("EC", Some("ec_paramgen_curve:P-256")),
            _ => ("ED25519", None),
        };
        let mut command = Command::new("openssl");
        command.args(["genpkey", "-algorithm", kind]);
        command.args(option.into_iter().flat_map(|option| ["-pkeyopt", option]));
        let pem = command.output().expect("openssl").stdout;
        let private = match algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(&pem),
            Algorithm::ES256 => EncodingKey::from_ec_pem(&pem),
            _ => EncodingKey::from_ed_pem(&pem),
        };
        let private = private.unwrap();
        let mut public = serde_json::to_value(Jwk::from_encoding_key(&private, algorithm).unwrap()).unwrap();
        public["kid"] = id.into();
        public["use"] = "sig".into();
        Self { id, algorithm, private, public }
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_as(Some(self.id), claims)
    }

    fn sign_as(&self, id: Option<&str>, claims: &Value) -> String {
        let header = Header { kid: id.map(str::to_owned), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.private).unwrap()
    }
}

/// Serves one text, and counts how often it was asked for.
struct Stub {
    address: SocketAddr,
    body: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Stub {
    fn new(keys: &[&Key]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (body, asked) = (Arc::new(Mutex::new(String::new())), Arc::new(AtomicUsize::new(0)));
        let stub = Self { address, body: Arc::clone(&body), asked: Arc::clone(&asked) };
        stub.serve(keys);
        // Ends with the process: it waits for a connection that does not come.
        std::thread::spawn(move || {
            for mut socket in listener.incoming().flatten() {
                let mut head = [0; 4_096];
                let _read = socket.read(&mut head);
                asked.fetch_add(1, Ordering::SeqCst);
                let body = body.lock().unwrap().clone();
                let _written = write!(
                    socket,
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        stub
    }

    fn serve(&self, keys: &[&Key]) {
        let keys: Vec<&Value> = keys.iter().map(|key| &key.public).collect();
        *self.body.lock().unwrap() = json!({ "keys": keys }).to_string();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn access(&self, soonest: Duration) -> Arc<Access> {
        let path = |text: &str| ClaimPath(text.to_owned());
        let rules = ClaimRules {
            issuer: "https://id.example.com".to_owned(),
            audience: "claviger".to_owned(),
            name_claim: path("sub"),
            tenant_claim: path("tenant"),
            roles_claim: path("roles"),
            roles: BTreeMap::from([("reader".to_owned(), [Scope::Query, Scope::Report].into_iter().collect())]),
            all_tenants_roles: ["sre".to_owned()].into(),
        };
        let oidc = Oidc::new(rules, &format!("http://{}/keys", self.address)).unwrap().asking_every(soonest);
        Access::new(Guard::Asks, &pepper(), Some(oidc))
    }
}

fn claims(changes: Value) -> Value {
    let now = chrono::Utc::now().timestamp();
    let mut claims = json!({
        "iss": "https://id.example.com", "aud": "claviger", "sub": "ada@example.com", "tenant": "acme",
        "roles": ["reader"], "iat": now, "exp": now + 300,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

async fn refused(access: &Access, token: &str) -> AccessError {
    access.authenticate(Shown::Secret(token)).await.unwrap_err()
}

#[tokio::test]
async fn each_kind_of_key_that_is_allowed_signs_somebody_in() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let key = Key::new("k1", algorithm);
        let stub = Stub::new(&[&key]);
        let access = stub.access(NEVER_AGAIN);
        for token in [key.sign(&claims(json!({}))), key.sign_as(None, &claims(json!({})))] {
            let caller = access.authenticate(Shown::Secret(&token)).await.unwrap().caller;
            assert_eq!((caller.name.as_str(), caller.proof), ("ada@example.com", Proof::Oidc));
            assert_eq!(caller.tenants, TenantScope::One("acme".to_owned()));
            assert_eq!(caller.scopes.iter().collect::<Vec<_>>(), [Scope::Query, Scope::Report]);
        }
        assert_eq!(stub.asked(), 1, "keys are kept");
    }
}

#[tokio::test]
async fn a_forged_token_opens_nothing() {
    let (rsa, ec) = (Key::new("rsa", Algorithm::RS256), Key::new("ec", Algorithm::ES256));
    let stranger = Key::new("rsa", Algorithm::RS256);
    let stub = Stub::new(&[&rsa, &ec]);
    let access = stub.access(NEVER_AGAIN);
    let good = claims(json!({}));
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());

    let none = format!("{}.{}.", part(&json!({"alg": "none", "kid": "rsa"})), part(&good));
    assert!(matches!(refused(&access, &none).await, AccessError::Claims { why: ClaimsRefusal::Algorithm }));

    // The public key, which everybody has, as the secret of an HMAC.
    for secret in [rsa.public["n"].as_str().unwrap().to_owned(), rsa.public.to_string()] {
        let header = Header { kid: Some("rsa".to_owned()), ..Header::new(Algorithm::HS256) };
        let hmac = encode(&header, &good, &EncodingKey::from_secret(secret.as_bytes())).unwrap();
        assert!(matches!(refused(&access, &hmac).await, AccessError::Claims { why: ClaimsRefusal::Algorithm }));
        let relabelled =
            format!("{}.{}", part(&json!({"alg": "RS256", "kid": "rsa"})), hmac.split_once('.').unwrap().1);
        assert!(matches!(refused(&access, &relabelled).await, AccessError::Signature));
    }

    let genuine = rsa.sign(&good);
    let (head, rest) = genuine.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let promoted = format!("{head}.{}.{signature}", part(&claims(json!({"tenant": "victim"}))));
    let unsigned = format!("{head}.{}.", part(&good));
    let of_another_key = rsa.sign_as(Some("ec"), &good);
    let of_nobody = rsa.sign_as(Some("nobody"), &good);
    for token in [stranger.sign(&good), promoted, unsigned, of_another_key, of_nobody] {
        assert!(matches!(refused(&access, &token).await, AccessError::Signature), "{token}");
    }
    assert!(access.authenticate(Shown::Secret(&genuine)).await.is_ok());
}

#[tokio::test]
async fn a_genuine_token_for_somebody_else_or_another_time_opens_nothing() {
    let key = Key::new("k1", Algorithm::ES256);
    let access = Stub::new(&[&key]).access(NEVER_AGAIN);
    let now = chrono::Utc::now().timestamp();
    for (changes, expected) in [
        (json!({"aud": "another"}), ClaimsRefusal::Audience),
        (json!({"iss": "https://evil.example"}), ClaimsRefusal::Issuer),
        (json!({"exp": now - 61}), ClaimsRefusal::Expired),
        (json!({"nbf": now + 120}), ClaimsRefusal::NotYet),
        (json!({"roles": ["stranger"]}), ClaimsRefusal::NoRole),
        (json!({"tenant": ""}), ClaimsRefusal::NoTenant),
    ] {
        match refused(&access, &key.sign(&claims(changes))).await {
            AccessError::Claims { why } => assert_eq!(why, expected),
            other => panic!("{expected:?}: {other}"),
        }
    }
}

#[tokio::test]
async fn a_flood_of_unknown_keys_does_not_reach_the_provider() {
    let key = Key::new("k1", Algorithm::EdDSA);
    let stub = Stub::new(&[&key]);
    let access = stub.access(NEVER_AGAIN);
    for count in 0..200 {
        let token = key.sign_as(Some(&format!("flood-{count}")), &claims(json!({})));
        assert!(matches!(refused(&access, &token).await, AccessError::Signature));
    }
    assert_eq!(stub.asked(), 1);
    assert!(access.authenticate(Shown::Secret(&key.sign(&claims(json!({}))))).await.is_ok());
}

#[tokio::test]
async fn a_new_key_of_the_provider_is_found_and_one_taken_back_is_not() {
    let (old, new) = (Key::new("old", Algorithm::ES256), Key::new("new", Algorithm::ES256));
    let stub = Stub::new(&[&old]);
    let access = stub.access(Duration::ZERO);
    assert!(access.authenticate(Shown::Secret(&old.sign(&claims(json!({}))))).await.is_ok());
    stub.serve(&[&new]);
    assert!(access.authenticate(Shown::Secret(&new.sign(&claims(json!({}))))).await.is_ok());
    assert!(matches!(refused(&access, &old.sign(&claims(json!({})))).await, AccessError::Signature));
}

#[tokio::test]
async fn a_provider_that_answers_nonsense_lets_nobody_in_and_known_keys_go_on() {
    let key = Key::new("k1", Algorithm::ES256);
    let stub = Stub::new(&[]);
    let token = key.sign(&claims(json!({})));
    for (body, is_it) in [
        ("<html>sign in</html>".to_owned(), (|e| matches!(e, OidcError::Unreadable { .. })) as fn(&OidcError) -> bool),
        ("x".repeat(300 << 10), |e| matches!(e, OidcError::TooLong)),
    ] {
        *stub.body.lock().unwrap() = body;
        match refused(&stub.access(Duration::ZERO), &token).await {
            AccessError::NoKeys { source } => assert!(is_it(&source), "{source}"),
            other => panic!("{other}"),
        }
    }
    // Keys that no signature is checked with, beside one that is.
    let odd = json!({"keys": [7, {"kty": "oct", "k": "c2VjcmV0", "kid": "k1"}, {"kty": "EC"}, key.public]});
    *stub.body.lock().unwrap() = odd.to_string();
    let access = stub.access(Duration::ZERO);
    assert!(access.authenticate(Shown::Secret(&token)).await.is_ok());
    *stub.body.lock().unwrap() = "gone".to_owned();
    let unknown = key.sign_as(Some("unknown"), &claims(json!({})));
    assert!(matches!(refused(&access, &unknown).await, AccessError::Signature));
    assert!(access.authenticate(Shown::Secret(&token)).await.is_ok());
}
