//! TLS with a certificate made for the test, and its renewal under open connections.

use std::path::Path;
use std::process::Command;

use claviger_core::config::Serve;
use reqwest::{Certificate, Client, StatusCode};

use super::door::House;
use crate::support::PATIENCE;

/// A certificate for 127.0.0.1 that signs itself.
fn make_certificate(folder: &Path) {
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(folder).output().expect("openssl");
        assert!(output.status.success(), "{output:?}");
    };
    std::fs::write(folder.join("names"), "subjectAltName = IP:127.0.0.1").unwrap();
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let request = ["req", "-new", "-nodes", "-subj", "/CN=claviger", "-keyout", "new.key", "-out", "new.csr"];
    openssl(&[&request[..], &curve[..]].concat());
    openssl(&[
        "x509", "-req", "-in", "new.csr", "-signkey", "new.key", "-days", "2", "-extfile", "names", "-out", "new.pem",
    ]);
    // The key first: for a moment the two do not fit, as with any renewal.
    std::fs::rename(folder.join("new.key"), folder.join("tls.key")).unwrap();
    std::fs::rename(folder.join("new.pem"), folder.join("tls.pem")).unwrap();
}

/// A client that trusts the certificate of now and no other.
fn client(folder: &Path) -> Client {
    let certificate = Certificate::from_pem(&std::fs::read(folder.join("tls.pem")).unwrap()).unwrap();
    let client = Client::builder().tls_built_in_root_certs(false).add_root_certificate(certificate).no_proxy();
    client.build().unwrap()
}

#[test]
fn a_renewed_certificate_is_shown_without_ending_what_is_connected() {
    let house = House::new();
    let folder = house.folder();
    make_certificate(folder);
    let path = |name: &str| folder.join(name).display().to_string();
    let door =
        house.door_with(Serve { tls_certificate: path("tls.pem"), tls_key: path("tls.key"), ..Serve::default() });
    let url = format!("{}/v1/session", door.server.url());
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let token = house.create("query");

    super::door::runtime().block_on(async {
        let before = client(folder);
        let signed_in = before
            .post(&url)
            .header("content-type", "application/json")
            .body(format!(r#"{{"token":"{token}"}}"#))
            .send()
            .await
            .unwrap();
        assert_eq!(signed_in.status(), StatusCode::OK);
        let cookie = signed_in.headers()["set-cookie"].to_str().unwrap().to_owned();
        assert!(cookie.starts_with("__Host-claviger=") && cookie.contains("; Secure"), "{cookie}");
        assert!(signed_in.headers().contains_key("strict-transport-security"));
        let cookie = cookie.split(';').next().unwrap().to_owned();
        // The answer's end gives the connection back to the client, which goes on with it.
        drop(signed_in.bytes().await.unwrap());

        make_certificate(folder);
        let began = std::time::Instant::now();
        loop {
            if let Ok(answer) = client(folder).get(&url).header("cookie", &cookie).send().await {
                assert_eq!(answer.status(), StatusCode::OK, "a session outlives the certificate");
                break;
            }
            assert!(began.elapsed() < PATIENCE, "the renewed certificate is not shown");
        }
        // A new handshake of this client would fail: it trusts the old certificate only.
        let kept = before.get(&url).bearer_auth(&token).send().await.expect("the connection of before");
        assert_eq!(kept.status(), StatusCode::OK);
    });
}

#[test]
fn files_that_are_no_certificate_are_named() {
    let house = House::new();
    let folder = house.folder();
    make_certificate(folder);
    std::fs::write(folder.join("empty"), "").unwrap();
    for (certificate, key, said) in [
        ("missing", "tls.key", "cannot read"),
        ("empty", "tls.key", "no certificate"),
        ("tls.pem", "empty", "no private key"),
    ] {
        let refused = claviger::serve::tls::Certificate::load(folder.join(certificate), folder.join(key)).unwrap_err();
        assert!(refused.to_string().contains(said), "{refused}");
    }
    std::fs::rename(folder.join("tls.key"), folder.join("other.key")).unwrap();
    make_certificate(folder);
    let refused =
        claviger::serve::tls::Certificate::load(folder.join("tls.pem"), folder.join("other.key")).unwrap_err();
    assert!(refused.to_string().contains("cannot be used with its key"), "{refused}");
}
