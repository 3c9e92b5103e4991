use super::*;
use crate::trail::{Rows, write_numbered};

fn access(tenant: &str, who: &str) -> Access {
    Access { tenant: tenant.to_owned(), who: who.to_owned(), ..Access::of_log(Action::Query, "select 1".to_owned()) }
}

#[test]
fn every_chain_counts_for_itself_and_goes_on_where_it_was() {
    let known = [("acme".to_owned(), Place { last: 41, at_us: 500 })];
    let mut numbering = Numbering::new(known.into());
    let records = numbering.number([access("acme", "a"), access("", "b"), access("acme", "c")], 1_000);
    let numbers: Vec<(&str, u64, i64)> =
        records.iter().map(|record| (record.access.who.as_str(), record.sequence, record.at_us)).collect();
    assert_eq!(numbers, [("a", 42, 1_000), ("b", 1, 1_000), ("c", 43, 1_000)]);
    assert_eq!(numbering.chains()["acme"], Place { last: 43, at_us: 1_000 });
}

#[test]
fn instants_never_run_backwards_and_a_clock_set_back_is_on_record() {
    let known = [("acme".to_owned(), Place { last: 1, at_us: 10_000_000 })];
    let mut numbering = Numbering::new(known.into());
    let slewed = numbering.number([access("acme", "a")], 9_500_000);
    assert_eq!((slewed.len(), slewed[0].at_us), (1, 10_000_000));
    let set_back = numbering.number([access("acme", "a")], 4_000_000);
    assert_eq!((set_back[0].access.action, set_back[0].sequence), (Action::SetClockBack, 1));
    assert!(set_back[0].access.what.starts_with("by 6000000 microseconds"), "{}", set_back[0].access.what);
    assert_eq!((set_back[1].sequence, set_back[1].at_us), (3, 10_000_000));
}

#[test]
fn a_record_is_a_line_of_what_it_holds_and_has_a_meaning_for_each_column() {
    let mut told = access("acme", "token k2");
    told.tables = vec!["events".to_owned(), "findings".to_owned()];
    told.rows = Some(7);
    let batch = audit_rows(&[Record { sequence: 3, at_us: 1_795_510_920_123_456, access: told }]);
    let mut line = String::new();
    write_numbered(&Rows::of(&batch).unwrap(), 0, &mut line);
    assert_eq!(
        line,
        "{\"action\":\"query\",\"at\":\"2026-11-24T09:02:00.123456Z\",\"outcome\":\"done\",\"rows\":7,\"seq\":3,\
         \"tables\":[\"events\",\"findings\"],\"tenant_id\":\"acme\",\"what\":\"select 1\",\"who\":\"token k2\"}\n"
    );
    for field in AUDIT_SCHEMA.fields() {
        assert!(!meaning_of_audit_column(field.name()).is_empty(), "{}", field.name());
    }
    for action in Action::ALL {
        assert!(meaning_of_audit_column("action").contains(action.word()), "{}", action.word());
    }
}

#[test]
fn texts_are_cut_at_a_character() {
    let long = access("", &"é".repeat(5_000)).bounded();
    assert_eq!(long.who.chars().count(), Access::TEXT_CHARS_MAX);
}

#[test]
fn a_statement_is_on_record_without_the_key_that_was_pasted_into_it() {
    let asked = "select count(*) from events where mask = 'sk_live_51Hq9KcanaryZx81TqPw'";
    let kept = statement(asked);
    assert!(
        kept.starts_with("select count(*) from events where mask = 'sk_live_…") && !kept.contains("canary"),
        "{kept}"
    );
    let plain = "select cause, count(*) from events where tenant_id = $1 group by 1";
    assert_eq!(statement(plain), plain);
    assert!(statement(&"é".repeat(10_000)).chars().count() <= Access::TEXT_CHARS_MAX);
}

#[test]
fn what_a_caller_does_is_in_the_chain_of_its_tenant() {
    let caller = Caller { tenants: TenantScope::One("acme".to_owned()), ..Caller::local() };
    let access = Access::by(&caller, Action::Query, "select 1".to_owned());
    assert_eq!((access.tenant.as_str(), access.who.as_str(), access.proof), ("acme", "local", "loopback"));
    assert_eq!(Access::by(&Caller::local(), Action::Query, String::new()).tenant, "");
}
