//! A seeded writer of SELECTs that mean no good: typed, so that most of them run.
//!
//! Whatever depends on the order of rows is given one: without it two lakes may rightly answer differently.

use super::super::tenants::{CANARY, CANARY_NUMBER};

pub(crate) struct Generator {
    state: u64,
    depth: u32,
}

const TEXTS: &[&str] =
    &["path", "cause", "tenant_id", "request_id", "gateway_message", "key_id", "fingerprint", "remedy"];
const NUMBERS: &[&str] = &["latency_us", "status", "request_bytes", "input_tokens", "credentials", "\"offset\""];
const DEPTH_MAX: u32 = 3;

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed, depth: 0 }
    }

    /// Splitmix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// What `inner` writes one level deeper; below the last level, `leaf`.
    fn deeper(&mut self, leaf: impl FnOnce(&mut Self) -> String, inner: impl FnOnce(&mut Self) -> String) -> String {
        if self.depth >= DEPTH_MAX {
            return leaf(self);
        }
        self.depth += 1;
        let text = inner(self);
        self.depth -= 1;
        text
    }

    pub(crate) fn query(&mut self) -> String {
        match self.below(10) {
            0 => self.set_operation(),
            1 => self.with_table(),
            2 => self.window(),
            3 | 4 => self.join(),
            5 | 6 => self.grouped(),
            _ => self.plain(),
        }
    }

    fn source(&mut self) -> String {
        match self.below(6) {
            0 => format!("(select * from events where {}) e", self.condition()),
            1 => "(select * from events union all select * from events) e".to_owned(),
            2 => "(select distinct * from events) e".to_owned(),
            _ => "events e".to_owned(),
        }
    }

    fn filter(&mut self) -> String {
        if self.chance(75) { format!(" where {}", self.condition()) } else { String::new() }
    }

    fn plain(&mut self) -> String {
        let (a, b, source, filter) = (self.text(), self.number(), self.source(), self.filter());
        let distinct = if self.chance(30) { "distinct " } else { "" };
        let tail = match self.below(3) {
            0 => format!(" order by 1, 2 limit {}", self.below(30)),
            1 => format!(" order by 2 desc nulls last, 1 offset {}", self.below(10)),
            _ => String::new(),
        };
        format!("select {distinct}{a} as a, {b} as b from {source}{filter}{tail}")
    }

    fn grouped(&mut self) -> String {
        let (key, aggregate, source, filter) = (self.text(), self.aggregate(), self.source(), self.filter());
        let other = self.aggregate();
        let having = if self.chance(40) { format!(" having count(*) > {}", self.below(4)) } else { String::new() };
        match self.below(4) {
            0 => format!("select {aggregate}, {other} from {source}{filter}"),
            1 => format!("select cause, {aggregate} from {source}{filter} group by rollup(cause, status){having}"),
            _ => format!("select {key} as k, {aggregate}, {other} from {source}{filter} group by 1{having}"),
        }
    }

    fn join(&mut self) -> String {
        let kind = self.one(&["join", "left join", "right join", "full join"]);
        let (left, right) = (self.one(TEXTS), self.one(&["entity", "tenant_id", "principal_id"]));
        let on = match self.below(4) {
            0 => format!("a.{left} = b.{right}"),
            1 => format!("a.{left} = b.{right} and a.latency_us / nullif(b.requests, 1) > {}", self.below(3)),
            2 => format!("a.latency_us = b.requests and a.{left} <> b.{right}"),
            _ => "a.\"offset\" = b.requests".to_owned(),
        };
        let condition = match self.below(3) {
            0 => " where a.latency_us > 3 or b.requests is null",
            1 => " where 10 / b.requests >= 0",
            _ => "",
        };
        format!(
            "select a.{left}, b.{right}, count(*), sum(b.requests) from events a {kind} entity_minutes b on {on}{condition} group by 1, 2"
        )
    }

    fn set_operation(&mut self) -> String {
        let operation = self.one(&["union", "union all", "intersect", "except", "intersect all", "except all"]);
        let (left, right) = (self.text(), self.text());
        let (above, below) = (self.filter(), self.filter());
        format!("select {left} as a from events e{above} {operation} select {right} from events e{below}")
    }

    fn with_table(&mut self) -> String {
        let (text, number, filter, condition) = (self.text(), self.number(), self.filter(), self.chance(50));
        let outer = if condition { "where b > 2" } else { "where 100 / b > 1 or a like '%a%'" };
        format!(
            "with t as (select {text} as a, {number} as b from events e{filter}) select a, count(*), max(b), min(b) from t {outer} group by a"
        )
    }

    fn window(&mut self) -> String {
        let call = match self.below(6) {
            0 => "row_number()".to_owned(),
            1 => "rank()".to_owned(),
            2 => format!("lag({})", self.one(TEXTS)),
            3 => format!("lead({}, 2)", self.number()),
            4 => format!("first_value({})", self.text()),
            _ => format!("sum({})", self.number()),
        };
        let partition = if self.chance(60) { format!("partition by {} ", self.one(TEXTS)) } else { String::new() };
        let filter = self.filter();
        format!("select \"offset\", {call} over ({partition}order by \"offset\") as w from events e{filter}")
    }

    fn aggregate(&mut self) -> String {
        match self.below(9) {
            0 => "count(*)".to_owned(),
            1 => format!("count({})", self.text()),
            2 => format!("count(distinct {})", self.text()),
            3 => format!("min({})", self.text()),
            4 => format!("max({})", self.text()),
            5 => format!("sum({})", self.number()),
            6 => format!("max({})", self.number()),
            7 => format!("array_agg({0} order by {0})", self.one(TEXTS)),
            _ => format!("count(*) filter (where {})", self.condition()),
        }
    }

    fn text(&mut self) -> String {
        self.deeper(
            |me| me.one(TEXTS).to_owned(),
            |me| match me.below(16) {
                0 => format!("upper({})", me.text()),
                1 => format!("reverse({})", me.text()),
                2 => format!("substr({}, {}, {})", me.text(), me.below(5), me.below(20)),
                3 => format!("{} || {}", me.text(), me.text()),
                4 => format!("coalesce({}, {})", me.text(), me.text()),
                5 => format!("nullif({}, '{CANARY}')", me.text()),
                6 => format!("case when {} then {} else {} end", me.condition(), me.text(), me.text()),
                7 => format!("cast({} as varchar)", me.number()),
                8 => format!("split_part({}, '-', {})", me.text(), 1 + me.below(3)),
                9 => format!("replace({}, 'a', '-')", me.text()),
                10 => format!("md5({})", me.text()),
                11 => format!("alternatives[{}]", 1 + me.below(3)),
                12 => format!("(select max({}) from entity_minutes)", me.one(&["entity", "tenant_id", "cause"])),
                _ => me.one(TEXTS).to_owned(),
            },
        )
    }

    fn number(&mut self) -> String {
        self.deeper(
            |me| me.one(NUMBERS).to_owned(),
            |me| match me.below(16) {
                0 => format!("{} + {}", me.number(), me.below(9)),
                1 => format!("({} - {})", me.number(), me.number()),
                2 => format!("{} / {}", 1 + me.below(99), me.one(NUMBERS)),
                3 => format!("{} % {}", 1 + me.below(99), me.number()),
                4 => format!("length({})", me.text()),
                5 => format!("try_cast({} as bigint)", me.text()),
                6 => format!("cast({} as bigint)", me.text()),
                7 => format!("cast({} as smallint)", me.number()),
                8 => format!("abs({})", me.number()),
                9 => format!("coalesce({}, 0)", me.number()),
                10 => "date_part('minute', event_at)".to_owned(),
                11 => format!("case when {} then {} else 1 / {} end", me.condition(), me.number(), me.one(NUMBERS)),
                12 => "(select count(*) from entity_minutes)".to_owned(),
                13 => "(select 100 / max(requests) from entity_minutes)".to_owned(),
                _ => me.one(NUMBERS).to_owned(),
            },
        )
    }

    fn condition(&mut self) -> String {
        self.deeper(
            |me| format!("{} > {}", me.one(NUMBERS), me.below(40)),
            |me| match me.below(16) {
                0 => format!("{} = {}", me.text(), me.text()),
                1 => format!("{} like '%{}%'", me.text(), me.one(&["a", "-1", CANARY, "_"])),
                2 => format!("{} ~ '{}'", me.text(), me.one(&["^a", "[0-9]+$", "(a|k)*", CANARY])),
                3 => format!("{} in (0, {CANARY_NUMBER}, {})", me.number(), me.below(60)),
                4 => format!("{} between {} and {}", me.number(), me.below(20), me.below(60)),
                5 => format!("10 / {} > {}", me.one(NUMBERS), me.below(5)),
                6 => format!("({} and {})", me.condition(), me.condition()),
                7 => format!("({} or {})", me.condition(), me.condition()),
                8 => format!("not ({})", me.condition()),
                9 => format!("{} is null", me.text()),
                10 => format!("exists (select 1 from entity_minutes m where m.entity = e.{})", me.one(TEXTS)),
                11 => format!("{} in (select entity from entity_minutes)", me.one(TEXTS)),
                12 => format!("{} not in (select cause from entity_minutes where cause is not null)", me.one(TEXTS)),
                13 => format!("{} > (select avg(requests) from entity_minutes)", me.number()),
                14 => "date = '2026-11-24'".to_owned(),
                _ => format!("{} <= {}", me.number(), me.number()),
            },
        )
    }
}
