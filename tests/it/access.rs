//! Who is let in, over real sockets: tokens that the command line makes, sessions of the dashboard, and whom no door opens
//! for.

mod door;
mod oidc;
mod tls;

use std::time::{Duration, Instant};

use axum::extract::FromRequestParts as _;
use axum::http::Request;
use claviger::access::PasswordRefusal;
use claviger::lake::LakeError;
use claviger::serve::authorized::{Authorized, Sealed, right};
use claviger::serve::{ServeError, Server};
use claviger_core::access::token::{RANDOM_BYTES, Token};
use claviger_core::access::{Caller, Proof, Scope, TenantScope};
use claviger_core::config::Serve;
use serde_json::Value;

use crate::support::wait_for;
use door::{Answer, Door, House};

/// What the issue promises: a revocation holds within five seconds, without a restart.
const REVOKED_WITHIN: Duration = Duration::from_secs(5);

fn session(door: &Door, token: &str) -> Answer {
    door.ask("GET /v1/session", &[("authorization", &format!("Bearer {token}"))], "")
}

#[test]
fn a_token_says_who_comes_and_what_they_may() {
    let house = House::new();
    let door = house.door();
    let made = house.token(&["create", "--scope", "query,report", "--tenant", "acme", "--label", "grafana", "--json"]);
    let answer = session(&door, made["token"].as_str().unwrap());
    assert_eq!(answer.status, 200, "{answer:?}");
    let told = answer.json();
    assert_eq!(told["name"], made["id"]);
    assert_eq!(told["proof"], "token");
    assert_eq!(told["scopes"], serde_json::json!(["query", "report"]));
    assert_eq!(told["tenant"], "acme");
    assert_eq!(told["expires_at"], made["expires_at"]);
    let used = wait_for("note of use", || house.token(&["list", "--json"])[0]["used_at"].as_str().map(str::to_owned));
    assert!(used.ends_with('Z'), "{used}");
}

#[test]
fn nobody_a_wrong_secret_and_a_slip_of_the_hand_are_refused_with_a_hint() {
    let house = House::new();
    let door = house.door();
    let token = house.create("query");
    let nobody = door.ask("GET /v1/session", &[], "");
    assert_eq!((nobody.status, nobody.header("www-authenticate")), (401, Some("Bearer realm=\"claviger\"")));
    let forged = Token::mint(&[77; RANDOM_BYTES]);
    let mistyped = token.get(..token.len() - 1).unwrap();
    for (shown, detail) in [
        (forged.reveal(), "is not known here"),
        (mistyped, "not whole"),
        ("", "no token of this service"),
        ("eyJhbGciOiJub25lIn0.e30.", "no identity provider is configured"),
    ] {
        let answer = session(&door, shown);
        assert_eq!(answer.status, 401, "{answer:?}");
        let problem = answer.json();
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{problem}");
        assert!(
            !problem["hint"].as_str().unwrap().is_empty() && problem["type"] == "urn:claviger:problem:unauthenticated"
        );
    }
    assert_eq!(session(&door, &token).status, 200);
}

#[test]
fn a_revoked_token_and_its_sessions_end_within_five_seconds() {
    let house = House::new();
    let door = house.door();
    let token = house.create("query");
    let cookie = door.sign_in(&token);
    assert_eq!(session(&door, &token).status, 200);
    // By the whole token, as somebody in a hurry pastes it: only its id is looked at.
    house.run(&["revoke", &token]);
    let revoked = Instant::now();
    wait_for("revocation", || (session(&door, &token).status == 401).then_some(()));
    assert!(revoked.elapsed() < REVOKED_WITHIN, "{:?}", revoked.elapsed());
    assert!(session(&door, &token).json()["detail"].as_str().unwrap().contains("was revoked at"));
    assert_eq!(door.ask("GET /v1/session", &[("cookie", &cookie)], "").status, 401);
}

#[test]
fn a_rotated_token_works_beside_its_successor_for_as_long_as_was_said() {
    let house = House::new();
    let door = house.door();
    let first = house.create("query");
    let rotate = |token: &str, overlap: &str| house.token(&["rotate", token, "--overlap", overlap, "--json"]);
    let second = rotate(&first, "1h");
    assert_eq!(second["replaces"], first.split('_').nth(1).unwrap());
    let second = second["token"].as_str().unwrap().to_owned();
    assert_eq!((session(&door, &first).status, session(&door, &second).status), (200, 200));
    let third = rotate(&second, "0s")["token"].as_str().unwrap().to_owned();
    wait_for("end of the second", || (session(&door, &second).status == 401).then_some(()));
    assert!(session(&door, &second).json()["detail"].as_str().unwrap().contains("was replaced by"));
    assert_eq!((session(&door, &first).status, session(&door, &third).status), (200, 200));
}

#[test]
fn an_expired_token_says_so_to_whoever_has_its_secret() {
    let house = House::new();
    let door = house.door();
    let made = house.token(&["create", "--scope", "query", "--all-tenants", "--expires", "0s", "--json"]);
    let answer = session(&door, made["token"].as_str().unwrap());
    assert!(answer.status == 401 && answer.body.contains("expired at"), "{answer:?}");
}

#[test]
fn a_token_without_the_scope_is_told_which_one_it_lacks() {
    let house = House::new();
    let door = house.door();
    let ask = |token: &str| {
        door.ask("GET /v1/sql?q=select%201%20as%20one", &[("authorization", &format!("Bearer {token}"))], "")
    };
    // Both before the first question: unknown tokens make the service look again four times a second, and no more.
    let (narrow, wide) = (house.create("report,diagnose"), house.create("query"));
    let refused = ask(&narrow);
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.json()["detail"].as_str().unwrap().contains("`query`"), "{refused:?}");
    let answered = ask(&wide);
    assert_eq!((answered.status, answered.json()), (200, serde_json::json!([{ "one": 1 }])));
    assert_eq!(door.ask("GET /v1/sql?q=select%201", &[], "").status, 401);
}

#[tokio::test]
async fn rights_are_checked_wherever_an_endpoint_names_one() {
    let house = House::new();
    let sealed = Sealed::new(house.api().await);
    let caller = Caller {
        name: "k".to_owned(),
        proof: Proof::Token,
        scopes: [Scope::Report].into_iter().collect(),
        tenants: TenantScope::One("acme".to_owned()),
    };
    let (mut head, ()) = Request::builder().extension(caller).body(()).unwrap().into_parts();
    assert!(Authorized::<right::Report>::from_request_parts(&mut head, &sealed).await.is_ok());
    let refused = Authorized::<right::IncidentsWrite>::from_request_parts(&mut head, &sealed).await.err().unwrap();
    assert_eq!(refused.kind.status(), 403);
    assert!(refused.detail.contains("`incidents:write`"), "{}", refused.detail);
    let (mut nobody, ()) = Request::builder().body(()).unwrap().into_parts();
    let refused = Authorized::<right::Report>::from_request_parts(&mut nobody, &sealed).await.err().unwrap();
    assert_eq!(refused.kind.status(), 401);
}

#[test]
fn the_dashboards_cookie_is_for_its_own_pages_and_ends_when_somebody_signs_out() {
    let house = House::new();
    let door = house.door();
    let token = house.create("query");
    let set =
        door.ask("POST /v1/session", &[("content-type", "application/json")], &format!(r#"{{"token":"{token}"}}"#));
    assert_eq!(set.status, 200, "{set:?}");
    let cookie = set.header("set-cookie").unwrap().to_owned();
    for flag in ["; Path=/;", "; HttpOnly", "; SameSite=Strict", "; Max-Age="] {
        assert!(cookie.contains(flag), "{cookie}");
    }
    assert!(cookie.starts_with("claviger=") && !cookie.contains("Secure") && !cookie.contains(&token), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();

    let ask = |what: &str, more: &[(&str, &str)]| {
        let headers: Vec<(&str, &str)> = [("cookie", cookie)].into_iter().chain(more.iter().copied()).collect();
        door.ask(what, &headers, "").status
    };
    assert_eq!(ask("GET /v1/session", &[]), 200);
    assert_eq!(ask("GET /v1/session", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")]), 401);
    assert_eq!(ask("DELETE /v1/session", &[("origin", "https://evil.example")]), 403);
    assert_eq!(ask("DELETE /v1/session", &[("sec-fetch-site", "same-site")]), 403);
    assert_eq!(ask("GET /v1/session", &[]), 200, "another site could not sign anybody out");
    let ours = format!("http://{}", door.server.address());
    assert_eq!(ask("DELETE /v1/session", &[("origin", &ours), ("sec-fetch-site", "same-origin")]), 204);
    assert_eq!(ask("GET /v1/session", &[]), 401, "the cookie is worth nothing any more");
    assert_eq!(session(&door, &token).status, 200, "the token is");
}

#[test]
fn a_cookie_that_opens_nothing_does_not_keep_anybody_from_signing_in() {
    let house = House::new();
    let door = house.door();
    let body = format!(r#"{{"token":"{}"}}"#, house.create("query"));
    let headers = [("content-type", "application/json"), ("cookie", "other=1; claviger=bm9uc2Vuc2U.bm9uc2Vuc2U")];
    assert_eq!(door.ask("POST /v1/session", &headers, &body).status, 200);
    let foreign = [("content-type", "application/json"), ("origin", "https://evil.example")];
    assert_eq!(door.ask("POST /v1/session", &foreign, &body).status, 403);
}

#[test]
fn whoever_shows_too_many_wrong_tokens_waits_and_a_good_token_from_there_does_not() {
    let house = House::new();
    let door = house.door();
    let token = house.create("query");
    let wrong = |seed: u8| session(&door, Token::mint(&[seed; RANDOM_BYTES]).reveal());
    let answers: Vec<Answer> = (0..30).map(wrong).collect();
    assert_eq!(answers[0].status, 401);
    let waiting = answers.iter().find(|answer| answer.status == 429).expect("a limit");
    let seconds: u64 = waiting.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&seconds), "{seconds}");
    assert_eq!(session(&door, &token).status, 200);
}

#[test]
fn bare_loopback_is_open_to_this_machine_and_to_no_page_of_another_site() {
    let house = House::new();
    let door = house.open_door();
    let told = door.ask("GET /v1/session", &[], "");
    assert_eq!((told.status, &told.json()["proof"]), (200, &Value::from("loopback")));
    let host = |name: &str| door.ask_as(name, "GET /v1/session", &[], "").status;
    assert_eq!((host("localhost:7070"), host("[::1]")), (200, 200));
    assert_eq!(host("evil.example"), 403, "a foreign name that leads here");
    assert_eq!(
        door.ask("GET /v1/session", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")], "").status,
        403
    );
    assert_eq!(
        session(&door, Token::mint(&[1; RANDOM_BYTES]).reveal()).status,
        401,
        "a wrong token is wrong here, too"
    );
}

#[test]
fn a_token_is_in_no_file_of_the_lake_and_in_no_list() {
    let house = House::new();
    let door = house.door();
    let token = house.create("query");
    assert_eq!(session(&door, &token).status, 200);
    door.sign_in(&token);
    wait_for("note of use", || house.token(&["list", "--json"])[0]["used_at"].as_str().map(drop));
    let (_, secret) = token.rsplit_once('_').unwrap();
    let part = &secret.as_bytes()[..16];
    let files = house.files();
    assert!(files.len() > 10);
    for (path, bytes) in files {
        assert!(!bytes.windows(part.len()).any(|window| window == part), "{}", path.display());
    }
    for list in [house.run(&["list", "--all"]), house.run(&["list", "--all", "--json"])] {
        assert!(!list.contains(&first(secret, 16)) && list.contains(&last(secret, 4)), "{list}");
    }
}

fn first(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

fn last(text: &str, chars: usize) -> String {
    text.chars().skip(text.chars().count() - chars).collect()
}

#[test]
fn who_signs_in_is_on_record_and_their_token_is_not() {
    let house = House::new();
    let (token, wrong) = (house.create("query"), Token::mint(&[5; RANDOM_BYTES]));
    let records = house.records(|door| {
        let cookie = door.sign_in(&token);
        assert_eq!(session(door, wrong.reveal()).status, 401);
        assert_eq!(door.ask("DELETE /v1/session", &[("cookie", &cookie)], "").status, 204);
    });
    let id = token.split('_').nth(1).unwrap();
    let with = |parts: &[&str]| records.lines().filter(|line| parts.iter().all(|part| line.contains(part))).count();
    assert!(with(&["POST /v1/session", id, "\"proof\":\"token\""]) > 0, "{records}");
    assert!(with(&["DELETE /v1/session", id]) > 0, "{records}");
    assert!(with(&["GET /v1/session", "\"refused\""]) > 0, "{records}");
    for secret in [&token, wrong.reveal()] {
        assert!(!records.contains(&last(secret, 30)), "{records}");
    }
}

#[tokio::test]
async fn the_table_of_tokens_is_no_table_of_sql() {
    let house = House::new();
    house.create("admin");
    let refused = house.lake().await.query("select * from tokens").await.err();
    assert!(matches!(refused, Some(LakeError::Refused { .. })), "{refused:?}");
}

#[test]
fn no_caller_sees_the_table_of_tokens() {
    let house = House::new();
    let door = house.door();
    let token = house.run(&["create", "--scope", "query,report,admin", "--all-tenants"]);
    let ask = |what: &str| door.ask(what, &[("authorization", &format!("Bearer {}", token.trim_end()))], "");
    let refused = ask("GET /v1/sql?q=select%20*%20from%20tokens");
    assert!(refused.status == 400 && !refused.body.contains("token_id"), "{refused:?}");
    let catalog = ask("GET /v1/catalog").json();
    let names: Vec<&str> =
        catalog["tables"].as_array().unwrap().iter().filter_map(|table| table["name"].as_str()).collect();
    assert!(names.contains(&"events") && !names.contains(&"tokens"), "{names:?}");
}

#[tokio::test]
async fn a_token_is_a_password_too_and_a_wrong_one_is_in_no_log_line() {
    let house = House::new();
    let access = house.access().await;
    let (ours, other) = (house.create("query"), house.create("query"));
    let from = [203, 0, 113, 7].into();
    let wrong_password = Err(PasswordRefusal::Wrong);
    let id = |token: &str| token.split('_').nth(1).unwrap().to_owned();
    let lines = door::Lines::capture();
    assert!(access.authenticate_password("grafana", &ours, from).await.is_ok());
    assert_eq!(access.authenticate_password(&id(&ours), &ours, from).await.unwrap().caller.name, id(&ours));
    assert_eq!(access.authenticate_password(&id(&other), &ours, from).await, wrong_password, "under another's id");
    let wrong = Token::mint(&[9; RANDOM_BYTES]);
    assert_eq!(access.authenticate_password("grafana", wrong.reveal(), from).await, wrong_password);
    assert_eq!(access.authenticate_password("grafana", "hunter2-canary", from).await, wrong_password);
    assert_eq!(access.authenticate_password("", "", from).await, wrong_password);
    let said = lines.text();
    assert!(said.contains("somebody is not let in") && said.contains("203.0.113.7"), "{said}");
    assert!(!said.contains(wrong.reveal()) && !said.contains("canary") && !said.contains(&ours), "{said}");
}

#[test]
fn nothing_listens_beyond_this_machine_in_the_clear() {
    let house = House::new();
    let beyond = Serve { address: "0.0.0.0:0".parse().unwrap(), require_authentication: true, ..Serve::default() };
    let refused = Server::start(house.entrance(&beyond), house.health(), house.metrics());
    assert!(matches!(refused, Err(ServeError::Plaintext { .. })));

    let file = house.folder().join("claviger.toml");
    let text = "[kafka]\nbrokers = ['127.0.0.1:1']\ntopics = ['t']\n[serve]\naddress = '0.0.0.0:0'\n";
    std::fs::write(&file, text).unwrap();
    let check = house.claviger(&["run", "--config", file.to_str().unwrap()]);
    assert_eq!(check.status.code(), Some(2));
    let said = String::from_utf8_lossy(&check.stderr);
    assert!(said.contains("serve.address") && said.contains("tls_certificate"), "{said}");
}

#[test]
fn the_command_line_says_what_to_do_about_a_mistake() {
    let house = House::new();
    let token = house.create("query");
    for (arguments, code, said) in [
        (vec!["create", "--scope", "everything", "--all-tenants"], 2, "there is no scope `everything`"),
        (vec!["create", "--scope", "query"], 2, "--tenant"),
        (vec!["create", "--scope", "query", "--tenant", " "], 2, "--all-tenants"),
        (vec!["create", "--scope", "query", "--all-tenants", "--expires", "soon"], 2, "90d, or never"),
        (vec!["revoke", "nothing"], 2, "list --all"),
        (vec!["rotate", &token, "--overlap", "soon"], 2, "24h"),
    ] {
        let output = house.claviger_token(&arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
    house.run(&["revoke", &token]);
    let output = house.claviger_token(&["rotate", &token]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("is revoked"), "{output:?}");
    std::fs::remove_file(house.pepper_file()).unwrap();
    let output = house.claviger_token(&["create", "--scope", "query", "--all-tenants"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--pepper-file"), "{output:?}");
}

#[test]
fn metrics_are_read_unasked_on_this_machine_and_with_a_token_of_an_administrator_beyond_it() {
    let house = House::new();
    let metrics = |door: &Door, token: &str| {
        let bearer = format!("Bearer {token}");
        let headers: &[(&str, &str)] = if token.is_empty() { &[] } else { &[("authorization", &bearer)] };
        door.ask("GET /metrics", headers, "").status
    };
    assert_eq!(metrics(&house.open_door(), ""), 200);
    assert_eq!(metrics(&house.door(), ""), 200, "a collector on this machine needs no token");

    let (reader, admin) = (house.create("report"), house.create("admin"));
    let of_tenant = house.run(&["create", "--scope", "admin", "--tenant", "acme"]);
    // As others reach it: a proxy on this machine brings their requests.
    let reachable = Serve { insecure_behind_proxy: true, ..Serve::default() };
    let door = house.door_with(reachable.clone());
    for (token, status) in [("", 401), ("clv_wrong", 401), (&*reader, 403), (of_tenant.trim_end(), 403), (&*admin, 200)]
    {
        assert_eq!(metrics(&door, token), status, "{token}");
    }
    for path in ["GET /live", "GET /ready"] {
        assert!([200, 503].contains(&door.ask(path, &[], "").status), "{path} asks nobody");
    }
    assert_eq!(metrics(&house.door_with(Serve { public_metrics: true, ..reachable }), ""), 200);
}
