use super::*;
use crate::detect::{DetectOptions, Detector};

/// The least a file must say.
const LEAST: &str = "[kafka]\ntopics = [\"access\"]\n";

fn parse(file: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::parse(file, variables.iter().copied())
}

fn fault(file: &str, variables: &[(&str, &str)]) -> String {
    let error = parse(file, variables).expect_err("the configuration is wrong");
    format!("{error}; {}", error.hint())
}

#[test]
fn the_defaults_name_every_option_and_no_other() {
    Config::from_table(defaults()).expect("a field without default, or a default without field");
}

#[test]
fn the_defaults_are_those_of_the_rooms() {
    let config = Config::from_table(defaults()).expect("the defaults are right");
    let pepper = Pepper::new(b"0123456789abcdef").expect("long enough");
    let (ours, rooms) = (config.refine_options(pepper.clone()), RefineOptions::new(DecodeOptions::new(pepper)));
    assert_eq!(format!("{ours:?}"), format!("{rooms:?}"));
    assert_eq!(config.detect.options(), DetectOptions::default());
}

#[test]
fn budgets_and_detectors_are_read_by_name() {
    let file = "[kafka]\ntopics = ['a']\n[detect]\ndisabled = ['off_hours']\n[detect.budgets]\nacme = 99.9\n";
    let options = parse(file, &[]).expect("the file is right").detect.options();
    assert_eq!(options.budgets.get("acme"), Some(&99_900_000));
    assert!(!options.is_on(Detector::OffHours) && options.is_on(Detector::MixShift));
    let wrong = fault("[kafka]\ntopics = ['a']\n[detect]\ndisabled = ['of_hours']\n", &[]);
    assert!(wrong.contains("`of_hours` is none of request_spike"), "{wrong}");
}

#[test]
fn the_effective_configuration_is_complete_typed_and_masked() {
    let file = r#"
        [kafka]
        topics = ["access"]
        options = { "sasl.username" = "claviger", "sasl.password" = "hunter2", ssl.key.pem = "-----BEGIN" }
        [secrets]
        pepper = "correct horse battery"
    "#;
    let config = parse(file, &[]).expect("the file is right");
    let shown = toml::to_string(&config).expect("a configuration is TOML");
    let debug = format!("{config:?}");
    for secret in ["hunter2", "-----BEGIN", "battery"] {
        assert!(!shown.contains(secret) && !debug.contains(secret), "{secret} is shown");
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn variables_win_over_the_file_and_the_file_over_the_defaults() {
    let file = "[kafka]\ntopics = ['a']\ngroup = 'file'\n[lake]\ncommit_interval_ms = '1s'\n";
    let variables = [
        ("CLAVIGER__KAFKA__GROUP", "7"),
        ("CLAVIGER__KAFKA__TOPICS", "b, c"),
        ("CLAVIGER__KAFKA__BROKERS", "['k1:9092']"),
        ("CLAVIGER__KAFKA__OPTIONS__SASL_PASSWORD", "12345"),
        ("CLAVIGER__LAKE__COMMIT_ROWS_MAX", "10"),
        ("CLAVIGER__SERVE__ADDRESS", "127.0.0.1:0"),
        ("CLAVIGER_TEST_KAFKA", "not one of the options"),
    ];
    let config = parse(file, &variables).expect("all of it is right");
    assert_eq!(config.kafka.group, "7");
    assert_eq!(config.kafka.topics, ["b", "c"]);
    assert_eq!(config.kafka.brokers, ["k1:9092"]);
    assert_eq!(config.kafka.options.get("sasl.password"), Some("12345"));
    assert_eq!(config.lake.commit_interval_ms, Millis(1_000));
    assert_eq!(config.lake.commit_rows_max, 10);
    assert_eq!(config.lake.checkpoint_commits, 50);
}

#[test]
fn options_of_the_client_may_be_written_with_or_without_quotes() {
    let quoted =
        parse("[kafka]\ntopics = ['a']\n[kafka.options]\n'sasl.mechanism' = 'PLAIN'\n'fetch.min.bytes' = 5\n", &[]);
    let plain = parse("[kafka]\ntopics = ['a']\n[kafka.options]\nsasl.mechanism = 'PLAIN'\nfetch.min.bytes = 5\n", &[]);
    assert_eq!(quoted, plain);
    assert_eq!(plain.expect("right").kafka.options.get("fetch.min.bytes"), Some("5"));
}

#[test]
fn what_is_wrong_is_named_with_the_right_spelling() {
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let cases: &[Case<'_>] = &[
        ("[kafka]\ntopic = ['a']", &[], "unknown key `kafka.topic`; did you mean `kafka.topics`?"),
        ("[lakes]\nuri = 'x'", &[], "unknown key `lakes`; did you mean `lake`?"),
        (
            LEAST,
            &[("CLAVIGER__LAKE__URL", "x")],
            "unknown key `CLAVIGER__LAKE__URL`; did you mean `CLAVIGER__LAKE__URI`?",
        ),
        (LEAST, &[("CLAVIGER__", "x")], "unknown key `CLAVIGER__`"),
        ("", &[], "`kafka.topics` is empty"),
        ("lake = 5", &[], "`lake` is a section, not a value"),
        ("[kafka]\ntopics = ['a']\nstart = 'now'", &[], "unknown variant `now`, expected `earliest` or `latest`"),
        (LEAST, &[("CLAVIGER__LAKE__COMMIT_INTERVAL_MS", "soon")], "\"soon\", expected a number of milliseconds"),
        (LEAST, &[("CLAVIGER__DECODE__FORMAT", "nginx")], "`nginx` is none of auto, canonical"),
        (LEAST, &[("CLAVIGER__LAKE__PIPELINE", "a/b")], "`lake.pipeline` must be"),
        (LEAST, &[("CLAVIGER__PIPELINE__RAW_QUEUE_BATCHES", "0")], "`pipeline.raw_queue_batches` must be at least 1"),
        (
            "[kafka]\ntopics = ['a']\noptions.enable.auto.commit = true",
            &[],
            "`kafka.options.enable.auto.commit` is set by",
        ),
        ("[secrets]\npepper = \"hunter2\n", &[], "line 2 is not TOML"),
    ];
    for (file, variables, expected) in cases {
        let said = fault(file, variables);
        assert!(said.contains(expected), "{file:?} {variables:?} says: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_mistyped_value_is_reported_with_its_key() {
    let said = fault("[kafka]\ntopics = ['a']\n[lake]\ncommit_rows_max = 'many'", &[]);
    assert!(said.contains("lake.commit_rows_max"), "{said}");
}
