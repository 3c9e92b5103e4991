use super::*;
use crate::config::Config;
use crate::fault::Fault as _;

fn parse(alert: &str) -> Result<Config, ConfigError> {
    Config::parse(&format!("[kafka]\ntopics = ['a']\n{alert}"), [])
}

const EVERYTHING: &str = r#"
    [alert]
    important_tenants = ["acme"]
    [[alert.destinations]]
    name = "pager"
    kind = "pagerduty"
    token = "R0UTINGKEY"
    escalate_to = "mail"
    [[alert.destinations]]
    name = "mail"
    kind = "email"
    server = "mail.example.com:587"
    username = "claviger"
    password = "hunter2"
    from = "claviger@example.com"
    to = ["oncall@example.com"]
    title = "{severity}: {title}"
    [[alert.destinations]]
    name = "chat"
    kind = "slack"
    url = "https://hooks.slack.com/services/T0/B0/hunter3"
    [[alert.destinations]]
    name = "hook"
    kind = "webhook"
    url = "https://hook.example.com/in"
    signing_secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "file:/run/secrets/next"]
    [[alert.routes]]
    matchers = ['family="theft"']
    severity_min = "high"
    destinations = ["pager"]
    continue = true
    [[alert.routes]]
    destinations = ["chat"]
    [[alert.maintenance]]
    name = "sunday"
    matchers = ['tenant="acme"']
    from = "2026-11-22T02:00:00Z"
    to = "2026-11-22T04:00:00Z"
    every_ms = "7d"
    [[alert.suppressions]]
    name = "load test"
    matchers = ['entity=~"k_load_.*"']
"#;

#[test]
fn the_section_becomes_a_plan_and_its_secrets_stay_masked() {
    let config = parse(EVERYTHING).expect("all of it is right");
    let plan = config.alert.plan().expect("checked already");
    assert_eq!(plan.sinks.keys().collect::<Vec<_>>(), ["chat", "hook", "mail", "pager"]);
    assert_eq!(plan.sinks["pager"].reach.escalate_to.as_deref(), Some("mail"));
    assert!(matches!(&plan.sinks["pager"].kind, SinkSpec::PagerDuty { url, .. } if url.reveal() == pagerduty::URL));
    assert!(
        matches!(&plan.sinks["mail"].kind, SinkSpec::Email(mail) if mail.port == 587 && mail.tls == MailTls::Starttls)
    );
    let in_window = time::rfc3339("2026-11-29T03:00:00Z").expect("a time");
    assert!(plan.policy.silences[0].period.holds(in_window), "a week later");
    let shown = toml::to_string(&config).expect("a configuration is TOML");
    for secret in ["R0UTINGKEY", "hunter2", "hunter3", "MfKQ9r8"] {
        assert!(!shown.contains(secret) && !format!("{config:?}{plan:?}").contains(secret), "{secret} is shown");
    }
}

#[test]
fn the_defaults_explain_symptoms_and_send_nothing() {
    let plan = parse("").expect("the defaults are right").alert.plan().expect("and make a plan");
    assert_eq!(plan.policy.inhibitions.len(), 3);
    assert!(plan.sinks.is_empty() && !plan.allow_private_networks);
    assert!(plan.policy.routes.destinations(&BTreeMap::new(), Severity::Critical).is_empty());
}

#[test]
fn without_routes_every_destination_hears_of_everything_from_medium_on() {
    let plan = parse("[[alert.destinations]]\nname = 'l'\nkind = 'log'").expect("right").alert.plan().expect("a plan");
    let heard = |severity| plan.policy.routes.destinations(&BTreeMap::new(), severity).len();
    assert_eq!((heard(Severity::Low), heard(Severity::Medium)), (0, 1));
}

#[test]
fn what_is_wrong_in_the_section_is_named_without_its_secret() {
    let destination = |lines: &str| format!("[[alert.destinations]]\nname = 'd'\n{lines}");
    for (alert, expected) in [
        ("[alert]\nroute = []".to_owned(), "unknown key `alert.route`; did you mean `alert.routes`?"),
        (destination("kind = 'pager'"), "unknown variant `pager`"),
        (destination("kind = 'slack'"), "`alert.destinations.d.url` is needed for slack"),
        (destination("kind = 'pagerduty'"), "`alert.destinations.d.token` is needed for pagerduty"),
        (destination("kind = 'slack'\nurl = 'hunter2'"), "must begin with https://"),
        (destination("kind = 'log'\nurl = 'https://x'"), "`alert.destinations.d.url` means nothing for log"),
        (destination("kind = 'log'\ntitle = '{titel}'"), "`titel` is none of the placeholders"),
        (destination("kind = 'log'\nescalate_to = 'e'"), "`alert.destinations.d.escalate_to` is none of"),
        (destination("kind = 'log'\nescalate_to = 'd'"), "leads back to itself"),
        (destination("kind = 'webhook'\nurl = 'https://x'\nsigning_secrets = ['hunter2']"), "not `whsec_`"),
        (destination("kind = 'email'\nserver = 'x'\nfrom = 'a@b'\nto = ['a@b']"), "must be `host:port`"),
        (destination("kind = 'email'\nserver = 'x:25'\nfrom = 'a@b'"), "must be a list of addresses"),
        (destination("kind = 'log'\n[[alert.destinations]]\nname = 'd'\nkind = 'log'"), "has two called `d`"),
        ("[[alert.destinations]]\nname = 'a b'\nkind = 'log'".to_owned(), "the name `a b`"),
        ("[[alert.routes]]\ndestinations = ['x']".to_owned(), "names `x`, which is none of"),
        ("[[alert.routes]]\ndestinations = []\nseverity_min = 'bad'".to_owned(), "`bad`, which is none of info, low"),
        ("[[alert.silences]]\nname = 's'\nmatchers = ['team=\"x\"']".to_owned(), "`team` is none of the labels"),
        ("[[alert.silences]]\nname = 's'\nmatchers = []".to_owned(), "would hold for everything"),
        ("[[alert.silences]]\nname = 's'\nmatchers = ['tenant=a']\nto = 'tomorrow'".to_owned(), "is not RFC 3339"),
        (
            "[[alert.maintenance]]\nname = 'm'\nmatchers = ['tenant=a']\nfrom = '2026-01-02T00:00:00Z'\nto = '2026-01-01T00:00:00Z'"
                .to_owned(),
            "ends before it begins",
        ),
        (
            "[[alert.maintenance]]\nname = 'm'\nmatchers = ['tenant=a']\nfrom = '2026-01-01T00:00:00Z'\nevery_ms = '7d'"
                .to_owned(),
            "has no end",
        ),
        ("[[alert.inhibitions]]\ncause = []\nsymptom = ['tenant=a']".to_owned(), "without cause or symptom"),
    ] {
        let error = parse(&alert).expect_err(&alert);
        let said = format!("{error}; {}", error.hint());
        assert!(said.contains(expected), "{alert} says: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}
