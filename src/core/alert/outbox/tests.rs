use super::*;
use crate::detect::Severity;

const SECOND: i64 = 1_000_000;

fn incident(number: u8) -> IncidentId {
    IncidentId::named(&format!("{number:016x}")).expect("sixteen digits")
}

fn noticed(number: u8, notice: u32, action: NoticeAction, destinations: &[&str]) -> IncidentEvent {
    let destinations = destinations.iter().map(|name| (*name).to_owned()).collect();
    IncidentEvent {
        sequence: i64::from(notice),
        at_us: 0,
        incident: incident(number),
        what: Happening::Noticed { notice, action, severity: Severity::High, destinations },
    }
}

/// One below a multiple of every limit that the back-off has: always the longest wait.
const LONGEST: u64 = 300 * (1 << 20) * 1_000_000 - 1;

/// A machine with destinations `a` and `b`; `a` is backed by `b` when `escalates`.
struct Bench {
    outbox: Outbox,
    now_us: i64,
}

impl Bench {
    fn new(escalates: bool) -> Self {
        let reach =
            Reach { escalate_to: escalates.then(|| "b".to_owned()), takes_acknowledgements: true, ..Reach::default() };
        let destinations = [("a".to_owned(), reach), ("b".to_owned(), Reach::default())];
        Self { outbox: Outbox::new(Patience::default(), destinations, 0), now_us: 0 }
    }

    fn step(&mut self, input: Input) -> Vec<Action> {
        self.outbox.step(input, &mut || LONGEST)
    }

    fn at(&mut self, seconds: i64) -> Vec<Action> {
        self.now_us = seconds * SECOND;
        self.step(Input::Tick(self.now_us))
    }

    fn notice(&mut self, event: IncidentEvent) -> Vec<Action> {
        self.step(Input::Recorded { through: event.sequence });
        self.step(Input::Noticed(Box::new(event)))
    }

    fn answer(&mut self, attempt: u64, answer: Answer) -> Vec<Action> {
        self.step(Input::Answered { attempt, answer })
    }
}

/// What is sent, as destination, notice and action.
fn sent(actions: &[Action]) -> Vec<(String, u32, NoticeAction)> {
    let sends = actions.iter().filter_map(|action| match action {
        Action::Send(attempt) => Some((attempt.destination.clone(), attempt.delivery.notice, attempt.delivery.action)),
        Action::Enter { .. } | Action::CircuitOpened { .. } | Action::CircuitClosed { .. } => None,
    });
    sends.collect()
}

fn entered(actions: &[Action]) -> Vec<&'static str> {
    let entries = actions.iter().filter_map(|action| match action {
        Action::Enter { what, .. } => Some(what.name()),
        Action::Send(_) | Action::CircuitOpened { .. } | Action::CircuitClosed { .. } => None,
    });
    entries.collect()
}

fn failed() -> Answer {
    Answer::Failed { reason: "status 500".to_owned() }
}

const TRIGGER: NoticeAction = NoticeAction::Trigger;
const RESOLVE: NoticeAction = NoticeAction::Resolve;

#[test]
fn a_notice_waits_for_its_row_but_not_for_a_lake_that_cannot_be_written() {
    let mut bench = Bench::new(false);
    assert_eq!(bench.step(Input::Noticed(Box::new(noticed(1, 1, TRIGGER, &["a"])))), []);
    assert_eq!(bench.outbox.due_at_us(), Some(2 * SECOND));
    assert_eq!(sent(&bench.at(2)).len(), 1);
    let mut stored = Bench::new(false);
    stored.step(Input::Noticed(Box::new(noticed(1, 1, TRIGGER, &["a"]))));
    assert_eq!(sent(&stored.step(Input::Recorded { through: 1 })).len(), 1, "at once when the row is there");
}

#[test]
fn a_failed_try_is_made_again_later_and_written_down_once() {
    let mut bench = Bench::new(false);
    bench.notice(noticed(1, 1, TRIGGER, &["a"]));
    assert_eq!(entered(&bench.answer(1, failed())), ["failed"]);
    let mut waits = Vec::new();
    for attempt in 2..5 {
        let due_us = bench.outbox.due_at_us().unwrap();
        waits.push(due_us - bench.now_us);
        bench.now_us = due_us;
        assert_eq!(sent(&bench.step(Input::Tick(due_us))).len(), 1);
        assert_eq!(entered(&bench.answer(attempt, failed())), [""; 0]);
    }
    assert!(waits == [SECOND - 1, 2 * SECOND - 1, 4 * SECOND - 1], "{waits:?}");
}

#[test]
fn notices_of_one_incident_keep_their_order_and_newer_triggers_replace_waiting_ones() {
    let mut bench = Bench::new(false);
    assert_eq!(sent(&bench.notice(noticed(1, 1, TRIGGER, &["a"]))).len(), 1);
    assert_eq!(sent(&bench.notice(noticed(1, 2, TRIGGER, &["a"]))), [], "the first is under way");
    bench.notice(noticed(1, 3, TRIGGER, &["a"]));
    bench.notice(noticed(1, 4, RESOLVE, &["a"]));
    let a = |notice, action| ("a".to_owned(), notice, action);
    assert_eq!(sent(&bench.answer(1, Answer::Accepted)), [a(3, TRIGGER)]);
    bench.answer(2, failed());
    assert_eq!(sent(&bench.at(1)), [a(3, TRIGGER)], "the resolve waits behind its trigger");
    assert_eq!(sent(&bench.answer(3, Answer::Accepted)), [a(4, RESOLVE)]);
}

#[test]
fn a_resolve_goes_only_where_a_trigger_went_or_may_have_gone() {
    let refused = || Answer::Refused { reason: "status 400".to_owned() };
    let mut bench = Bench::new(false);
    assert_eq!(bench.notice(noticed(1, 1, RESOLVE, &["a", "b"])), []);
    bench.notice(noticed(2, 2, TRIGGER, &["a"]));
    bench.notice(noticed(2, 3, RESOLVE, &["a"]));
    assert_eq!(entered(&bench.answer(1, refused())), ["dead"]);
    assert_eq!(bench.outbox.waiting().map(|(_, waiting)| waiting).sum::<usize>(), 0, "nothing to end");
    bench.notice(noticed(3, 4, TRIGGER, &["a"]));
    bench.answer(2, Answer::Unclear { reason: "reset".to_owned() });
    bench.at(1);
    bench.answer(3, refused());
    assert_eq!(sent(&bench.notice(noticed(3, 5, RESOLVE, &["a"]))).len(), 1, "its trigger may have arrived");
}

#[test]
fn a_busy_destination_is_left_alone_for_as_long_as_it_asks() {
    let mut bench = Bench::new(false);
    bench.notice(noticed(1, 1, TRIGGER, &["a", "b"]));
    bench.answer(1, Answer::Busy { retry_after_us: Some(90 * SECOND), reason: "status 429".to_owned() });
    let later = bench.notice(noticed(2, 2, TRIGGER, &["a", "b"]));
    assert_eq!(sent(&later), [("b".to_owned(), 2, TRIGGER)], "no other waits for it");
    bench.answer(2, Answer::Accepted);
    bench.answer(3, Answer::Accepted);
    assert_eq!(sent(&bench.at(89)), []);
    assert_eq!(sent(&bench.at(90)).len(), 2);
}

#[test]
fn a_destination_that_does_not_answer_is_tried_with_one_notice_now_and_then() {
    let mut bench = Bench::new(false);
    for number in 1..=8 {
        bench.notice(noticed(number, u32::from(number), TRIGGER, &["a"]));
    }
    let hung = bench.at(60);
    assert!(hung.contains(&Action::Enter {
        incident: incident(1),
        what: Happening::Failed { notice: 1, destination: "a".to_owned(), reason: "no answer".to_owned() },
    }));
    let mut opened = Vec::new();
    let mut second = 60;
    while opened.is_empty() {
        second += 61;
        let actions = bench.at(second);
        opened = actions.into_iter().filter(|action| matches!(action, Action::CircuitOpened { .. })).collect();
    }
    assert_eq!(sent(&bench.at(second + 29)), []);
    let probe = bench.at(second + 31);
    assert_eq!(sent(&probe).len(), 1, "one try decides");
    let Some(Action::Send(attempt)) = probe.into_iter().next() else { panic!("a try") };
    let closed = bench.answer(attempt.attempt, Answer::Accepted);
    assert!(closed.contains(&Action::CircuitClosed { destination: "a".to_owned() }));
    assert_eq!(sent(&closed).len(), 4, "and the others follow");
}

#[test]
fn a_trigger_that_waits_too_long_is_told_to_the_second_destination_and_resolved_there_too() {
    let mut bench = Bench::new(true);
    bench.notice(noticed(1, 1, TRIGGER, &["a"]));
    bench.answer(1, failed());
    let mut second = 0;
    let escalated = loop {
        second += 50;
        let actions = bench.at(second);
        if entered(&actions).contains(&"escalated") {
            break actions;
        }
        assert!(second < 300, "not told");
        let attempts: Vec<u64> = actions
            .iter()
            .filter_map(|action| if let Action::Send(attempt) = action { Some(attempt.attempt) } else { None })
            .collect();
        attempts.into_iter().for_each(|attempt| _ = bench.answer(attempt, failed()));
    };
    assert!(sent(&escalated).contains(&("b".to_owned(), 1, TRIGGER)), "{escalated:?}");
    let ended = bench.notice(noticed(1, 2, RESOLVE, &["a", "b"]));
    assert_eq!(entered(&ended), [""; 0]);
    assert!(bench.outbox.waiting().all(|(_, waiting)| waiting >= 1));
}

#[test]
fn what_cannot_be_delivered_for_a_day_is_given_up_with_a_row() {
    let mut bench = Bench::new(true);
    bench.notice(noticed(1, 1, TRIGGER, &["a"]));
    assert_eq!(entered(&bench.at(24 * 3_600)), ["dead", "escalated"]);
}

#[test]
fn rows_restore_what_is_still_to_be_delivered() {
    let event = |sequence, what| IncidentEvent { sequence, at_us: 0, incident: incident(1), what };
    let delivered = |notice, destination: &str| Happening::Delivered { notice, destination: destination.to_owned() };
    let rows = [
        noticed(1, 1, TRIGGER, &["a", "b", "gone"]),
        event(2, delivered(1, "b")),
        noticed(1, 3, RESOLVE, &["a", "b", "gone"]),
        noticed(2, 4, TRIGGER, &["a"]),
        IncidentEvent { incident: incident(2), ..event(5, delivered(4, "a")) },
        noticed(2, 6, RESOLVE, &["a"]),
        IncidentEvent { incident: incident(2), ..event(7, delivered(6, "a")) },
    ];
    let mut bench = Bench::new(false);
    let strays = bench.outbox.restore(&rows);
    assert_eq!(entered(&strays), ["dead"], "a destination that is configured no longer");
    let (a, b) = (|notice, action| ("a".to_owned(), notice, action), ("b".to_owned(), 3, RESOLVE));
    assert_eq!(sent(&bench.at(0)), [a(1, TRIGGER), b]);
    assert_eq!(sent(&bench.answer(1, Answer::Accepted)), [a(3, RESOLVE)]);
}

#[test]
fn a_destination_that_forgets_is_reminded_until_the_incident_ends() {
    let reach = Reach { needs_refresh: true, ..Reach::default() };
    let mut bench = Bench { outbox: Outbox::new(Patience::default(), [("a".to_owned(), reach)], 0), now_us: 0 };
    bench.notice(noticed(1, 1, TRIGGER, &["a"]));
    bench.answer(1, Answer::Accepted);
    assert_eq!(sent(&bench.at(59)), []);
    let repeated = bench.at(60);
    assert!(matches!(&repeated[..], [Action::Send(Attempt { is_refresh: true, .. })]), "{repeated:?}");
    assert_eq!(bench.answer(2, Answer::Accepted), [], "and nothing is written down");
    bench.notice(noticed(1, 2, RESOLVE, &["a"]));
    bench.answer(3, Answer::Accepted);
    assert_eq!(sent(&bench.at(300)), []);
}

#[test]
fn a_status_says_whether_to_try_again() {
    let of = Answer::of_status;
    assert_eq!(of(202, None), Answer::Accepted);
    assert!(matches!(of(429, Some(7)), Answer::Busy { retry_after_us: Some(7), .. }));
    assert!(matches!(of(503, None), Answer::Failed { .. }) && matches!(of(503, Some(1)), Answer::Busy { .. }));
    for status in [301, 401, 403, 404, 410, 500] {
        assert!(matches!(of(status, None), Answer::Failed { .. }), "{status}");
    }
    for status in [400, 413, 422] {
        assert!(matches!(of(status, None), Answer::Refused { .. }), "{status}");
    }
}
