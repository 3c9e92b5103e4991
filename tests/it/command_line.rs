//! The binary as scripts see it: words, outputs, exit codes.

use std::process::{Command, Output};

fn claviger(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
    command.args(arguments).envs(variables.iter().copied());
    command.output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output is text")
}

#[test]
fn check_config_prints_the_effective_configuration_without_its_secrets() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("claviger.toml");
    std::fs::write(&file, "[kafka]\ntopics = ['access']\nbrokers = ['nowhere.invalid:9092']\n").expect("a file");
    let file = file.to_str().expect("a path");
    let variables = [
        ("CLAVIGER__SECRETS__PEPPER", "correct horse battery"),
        ("CLAVIGER__KAFKA__OPTIONS__SASL_PASSWORD", "hunter2"),
    ];

    let output = claviger(&["check-config", file], &variables);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown: toml::Table = toml::from_str(text(&output.stdout)).expect("TOML");
    assert_eq!(shown["kafka"]["topics"][0].as_str(), Some("access"));
    assert_eq!(shown["lake"]["commit_interval_ms"].as_integer(), Some(5_000));

    let json = claviger(&["check-config", "--json", file], &variables);
    let shown: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(shown["kafka"]["options"]["sasl.password"], "***");
    for secret in ["battery", "hunter2"] {
        assert!(!text(&output.stdout).contains(secret) && !text(&json.stdout).contains(secret));
    }
}

#[test]
fn a_wrong_configuration_is_exit_code_two_with_the_right_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("claviger.toml");
    std::fs::write(&file, "[kafka]\ntopic = ['access']\n").expect("a file");
    let output = claviger(&["check-config", file.to_str().expect("a path")], &[]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("unknown key `kafka.topic`") && said.contains("did you mean `kafka.topics`?"), "{said}");

    let output = claviger(&["check-config", "/nowhere/claviger.toml"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("cannot read the configuration file"), "{}", text(&output.stderr));
}

#[test]
fn the_printed_defaults_are_a_configuration() {
    let output = claviger(&["check-config", "--defaults"], &[]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("claviger.toml");
    std::fs::write(&file, &output.stdout).expect("a file");
    let output = claviger(&["check-config", file.to_str().expect("a path")], &[("CLAVIGER__KAFKA__TOPICS", "access")]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}
