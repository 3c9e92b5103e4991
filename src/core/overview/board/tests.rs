//! What the board shows, to whom, and how much it may hold.

use super::*;
use crate::event::{ColumnKind, DictColumn, EventBuilder, ListColumn, LongColumn, Row, Stage};
use crate::overview::Whose;

/// 2026-11-24 09:30 UTC.
const NOW_US: i64 = 1_795_512_600 * SECOND_US;

#[derive(Clone, Copy)]
struct Request<'a> {
    at_us: i64,
    tenant: &'a str,
    cause: &'a str,
    key: &'a str,
}

fn refused(at_us: i64, tenant: &'static str, key: &'static str) -> Request<'static> {
    Request { at_us, tenant, cause: "user_deleted", key }
}

/// Classified rows.
fn events(requests: &[Request<'_>]) -> Events {
    let mut builder = EventBuilder::default();
    for (request, offset) in requests.iter().zip(0..) {
        let place = Row { topic: "t", partition: Some(0), offset: Some(offset), part: Some(0), ..Row::default() };
        builder.push(&Row { event_at: Some(request.at_us), ingested_at: Some(request.at_us), ..place });
    }
    let later = Column::ALL.iter().filter(|column| column.stage() > Stage::Decoded).map(|column| {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the board reads four columns")]
        let text = |request: &Request<'_>| match column {
            Column::TenantId => request.tenant.to_owned(),
            Column::KeyId => request.key.to_owned(),
            Column::Cause => request.cause.to_owned(),
            Column::DeniedBy if !request.cause.is_empty() => "gateway".to_owned(),
            _ => String::new(),
        };
        match column.kind() {
            ColumnKind::List => {
                let mut lists = ListColumn::default();
                requests.iter().for_each(|_| lists.push([]));
                lists.finish()
            }
            ColumnKind::Long => {
                let mut longs = LongColumn::default();
                requests.iter().for_each(|_| longs.push(None));
                longs.finish()
            }
            ColumnKind::Dict | ColumnKind::Text | ColumnKind::Short | ColumnKind::Int | ColumnKind::Time => {
                let mut texts = DictColumn::default();
                requests.iter().for_each(|request| texts.push(&text(request)));
                texts.finish()
            }
        }
    });
    builder.finish().with(later.collect())
}

fn board(limits: BoardLimits) -> Board {
    Board::new(limits, NOW_US - 3_600 * SECOND_US)
}

fn show(board: &mut Board, requests: &[Request<'_>]) {
    board.observe(std::iter::once("t/0"), &events(requests), NOW_US);
}

fn one(tenant: &str) -> TenantScope {
    TenantScope::One(tenant.to_owned())
}

fn hour(board: &Board, tenants: &TenantScope) -> Option<Overview> {
    board.overview(tenants, Buckets::last_hour(NOW_US), NOW_US)
}

fn sum(counts: &[u64]) -> u64 {
    counts.iter().sum()
}

#[test]
fn a_request_is_in_the_picture_in_its_minute_under_its_class() {
    let mut board = board(BoardLimits::default());
    let minute_us = NOW_US - 5 * COARSE_US;
    let served = Request { at_us: minute_us, tenant: "acme", cause: "", key: "k1" };
    show(&mut board, &[refused(minute_us, "acme", "k1"), refused(minute_us, "acme", "k2"), served]);
    let overview = hour(&board, &TenantScope::All).unwrap();
    let bucket = overview.buckets.at(minute_us).unwrap();
    assert_eq!((overview.requests[bucket], sum(&overview.requests)), (3, 3));
    let identity = overview.series.iter().find(|series| series.class.name() == "identity").unwrap();
    assert_eq!((identity.counts[bucket], sum(&identity.counts)), (2, 2));
    let top = &overview.top[0];
    assert_eq!((top.cause, top.count, top.keys, top.keys_at_least), (RootCause::UserDeleted, 2, 2, false));
    assert_eq!(overview.flow[0].denied_by, "gateway");
}

#[test]
fn one_tenant_sees_its_own_counts_and_no_trace_of_the_others() {
    let mut board = board(BoardLimits::default());
    show(&mut board, &[refused(NOW_US, "acme", "k1"), refused(NOW_US, "globex", "k9"), refused(NOW_US, "", "")]);
    let acme = hour(&board, &one("acme")).unwrap();
    assert_eq!(sum(&acme.requests), 1);
    assert_eq!((acme.top.len(), acme.flow.len()), (1, 1));
    assert!(!format!("{acme:?}").contains("globex"));
    assert_eq!(sum(&hour(&board, &TenantScope::All).unwrap().requests), 3);
    // A tenant that was never seen has a picture: of nothing.
    assert_eq!(sum(&hour(&board, &one("initech")).unwrap().requests), 0);
    assert_eq!(board.latest_us(&one("initech")), None);

    // What others do is no news to it.
    let version = board.version();
    show(&mut board, &[refused(NOW_US, "globex", "k9")]);
    let delta = |tenant: &TenantScope| board.delta(tenant, Buckets::last_hour(NOW_US), version).unwrap();
    assert!(delta(&one("acme")).buckets_us.is_empty());
    assert_eq!(delta(&one("globex")).requests, [2]);
}

#[test]
fn a_delta_holds_the_new_totals_of_what_changed_and_nothing_else() {
    let mut board = board(BoardLimits::default());
    let early_us = NOW_US - 10 * COARSE_US;
    show(&mut board, &[refused(early_us, "acme", "k1"), refused(NOW_US, "acme", "k1")]);
    let version = board.version();
    show(&mut board, &[refused(early_us, "acme", "k1")]);
    let delta = board.delta(&TenantScope::All, Buckets::last_hour(NOW_US), version).unwrap();
    assert_eq!(delta.buckets_us, [early_us.div_euclid(COARSE_US) * COARSE_US]);
    assert_eq!(delta.requests, [2]);
    assert!(delta.series.iter().all(|series| series.counts.len() == 1));
    let again = board.delta(&TenantScope::All, Buckets::last_hour(NOW_US), delta.version).unwrap();
    assert!(again.buckets_us.is_empty());
}

#[test]
fn tenants_beyond_the_limit_are_others_to_operators_and_get_no_wrong_picture_themselves() {
    let mut board = board(BoardLimits { tenants: 2, ..BoardLimits::default() });
    show(
        &mut board,
        &[refused(NOW_US, "a", ""), refused(NOW_US, "b", ""), refused(NOW_US, "c", ""), refused(NOW_US, "d", "")],
    );
    let all = hour(&board, &TenantScope::All).unwrap();
    assert_eq!(sum(&all.requests), 4);
    assert_eq!(all.top[0].whose, Whose::Others);
    assert_eq!(all.top[0].count, 2);
    assert_eq!(sum(&hour(&board, &one("a")).unwrap().requests), 1);
    assert_eq!(hour(&board, &one("c")), None, "its rows are among the others");
    assert_eq!(hour(&board, &one("never seen")), None, "nobody knows whether it was among the others");
}

#[test]
fn a_number_that_nobody_uses_any_more_is_given_to_the_next() {
    let mut board = board(BoardLimits { tenants: 1, ..BoardLimits::default() });
    show(&mut board, &[refused(NOW_US, "a", "k1")]);
    let later_us = NOW_US + 400 * COARSE_US;
    board.observe(std::iter::once("t/0"), &events(&[refused(later_us, "b", "k2")]), later_us);
    let overview = board.overview(&one("b"), Buckets::last_hour(later_us), later_us).unwrap();
    assert_eq!((sum(&overview.requests), overview.top[0].keys), (1, 1));
    let all = board.overview(&TenantScope::All, Buckets::last_hour(later_us), later_us).unwrap();
    assert_eq!(all.top[0].whose, Whose::Tenant("b".to_owned()));
}

#[test]
fn cells_are_bounded_and_every_request_is_still_counted() {
    let limits = BoardLimits { cells: 50, keys: 3, key_sets: 10, ..BoardLimits::default() };
    let mut board = board(limits);
    let names: Vec<String> = (0..900).map(|tenant| format!("t{tenant}")).collect();
    let keys: Vec<String> = (0..900).map(|key| format!("k{key}")).collect();
    let requests: Vec<Request<'_>> = names
        .iter()
        .zip(&keys)
        .map(|(tenant, key)| Request { at_us: NOW_US, tenant, cause: "key_expired", key })
        .chain(keys.iter().map(|key| Request { at_us: NOW_US, tenant: "t0", cause: "key_revoked", key }))
        .collect();
    show(&mut board, &requests);
    // Cells of the others come on top: at most one for each cause and denier in each bucket.
    let extra = RootCause::ALL.len() * DENIERS.len();
    assert!(board.coarse.cells() <= limits.cells + extra, "{}", board.coarse.cells());
    assert!(board.keys.len() <= limits.key_sets);
    assert!(board.keys.values().all(|keys| keys.seen.len() <= limits.keys));
    let all = hour(&board, &TenantScope::All).unwrap();
    assert_eq!(sum(&all.requests), 1_800);
    let folded = names.iter().filter(|name| hour(&board, &one(name)).is_none()).count();
    assert!(folded >= 850, "{folded}: whoever has rows among the others gets no picture");
    for name in &names {
        let counts = hour(&board, &one(name)).map(|overview| sum(&overview.requests));
        assert!(counts.is_none_or(|count| count == 1 || name == "t0"), "{name}: {counts:?}");
    }
}

#[test]
fn more_keys_than_are_kept_are_said_to_be_more() {
    let mut board = board(BoardLimits { keys: 2, ..BoardLimits::default() });
    show(&mut board, &[refused(NOW_US, "a", "k1"), refused(NOW_US, "a", "k2"), refused(NOW_US, "a", "k3")]);
    let top = hour(&board, &one("a")).unwrap().top.remove(0);
    assert_eq!((top.keys, top.keys_at_least), (2, true));
}

#[test]
fn rows_from_the_future_and_from_long_ago_push_nothing_out() {
    let mut board = board(BoardLimits::default());
    show(&mut board, &[refused(NOW_US, "a", "")]);
    show(&mut board, &[refused(NOW_US + 86_400 * SECOND_US, "a", ""), refused(NOW_US - 86_400 * SECOND_US, "a", "")]);
    assert_eq!(sum(&hour(&board, &one("a")).unwrap().requests), 1);
    assert_eq!(board.outside, 2);
    assert!(board.latest_us(&TenantScope::All) <= Some(NOW_US));
}

#[test]
fn what_was_before_is_unknown_until_it_is_remembered() {
    let mut board = Board::new(BoardLimits::default(), NOW_US);
    show(&mut board, &[refused(NOW_US, "acme", "k1")]);
    assert_eq!(hour(&board, &TenantScope::All), None);
    let at_us = NOW_US - 20 * COARSE_US;
    let tenant = TenantPart::Named("acme");
    let part = Part { at_us, tenant, cause: Some(RootCause::UserDeleted), denied_by: "gateway", count: 40 };
    board.remember(NOW_US - 3_600 * SECOND_US, std::iter::once(part), NOW_US);
    board.remember_key("acme", RootCause::UserDeleted, "k1", at_us);
    let overview = hour(&board, &one("acme")).unwrap();
    assert_eq!((sum(&overview.requests), overview.top[0].keys), (41, 1), "the key is the same");
    assert_eq!(overview.requests[overview.buckets.at(at_us).unwrap()], 40);
}

#[test]
fn a_bucket_is_complete_when_every_stream_has_passed_it() {
    let mut board = board(BoardLimits::default());
    board.begin("t/1", NOW_US);
    board.observe(std::iter::once("t/0"), &events(&[refused(NOW_US, "a", "")]), NOW_US);
    let buckets = Buckets::last_hour(NOW_US);
    board.observe(std::iter::once("t/1"), &events(&[refused(NOW_US - 130 * SECOND_US, "a", "")]), NOW_US);
    assert_eq!(board.complete_until_us(buckets, NOW_US), NOW_US - 180 * SECOND_US);
    let later_us = NOW_US + 31 * SECOND_US;
    board.observe(std::iter::once("t/0"), &events(&[refused(later_us, "a", "")]), later_us);
    assert_eq!(board.complete_until_us(Buckets::last_hour(later_us), later_us), NOW_US, "the other one is idle");
}

#[test]
fn a_quarter_of_an_hour_comes_in_buckets_of_ten_seconds() {
    let mut board = board(BoardLimits::default());
    show(&mut board, &[refused(NOW_US, "a", ""), refused(NOW_US - 10 * SECOND_US, "a", "")]);
    let buckets = Buckets::over(NOW_US - 900 * SECOND_US + 1, NOW_US + 1).unwrap();
    let overview = board.overview(&TenantScope::All, buckets, NOW_US).unwrap();
    assert_eq!(overview.buckets.width_us(), FINE_US);
    assert_eq!(&overview.requests[overview.requests.len() - 2..], [1, 1]);
}
