//! One event is one line, whatever is in it, and not a thousand.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use claviger::telemetry::{BURST, Limiter, WINDOW, subscriber};
use claviger_core::config::{LogFormat, Telemetry};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is logged while `work` runs.
fn logged(log_format: LogFormat, work: impl FnOnce()) -> String {
    let log = Log::default();
    let writer = log.clone();
    let config = Telemetry { log_format, log_level: "info".to_owned() };
    let subscriber = subscriber(&config, move || writer.clone(), false).expect("a level");
    tracing::subscriber::with_default(subscriber, work);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).expect("lines are text")
}

const HOSTILE: &str = "a\"b\n2026-01-01 ERROR forged\r\x1b[2J\u{202e}\u{85}";

#[test]
fn hostile_fields_neither_end_the_line_nor_drive_the_terminal() {
    for format in [LogFormat::Text, LogFormat::Json] {
        let line = logged(format, || tracing::warn!(path = HOSTILE, "{HOSTILE}"));
        assert_eq!(line.matches('\n').count(), 1, "{line:?}");
        let mut characters = line.trim_end().chars();
        assert!(characters.all(|c| !c.is_control() || format == LogFormat::Json && c == '\u{85}'), "{line:?}");
    }
}

#[test]
fn json_lines_carry_level_room_message_and_typed_fields() {
    let line = logged(LogFormat::Json, || tracing::warn!(rows = 7_u64, path = HOSTILE, ok = true, "rows waited"));
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&line["level"], &line["message"]), (&"WARN".into(), &"rows waited".into()));
    assert_eq!((&line["rows"], &line["ok"], &line["path"]), (&7.into(), &true.into(), &HOSTILE.into()));
}

#[test]
fn text_lines_read_as_level_room_message_and_fields() {
    let line = logged(LogFormat::Text, || tracing::info!(rows = 7, path = "a b", "rows waited"));
    assert!(line.ends_with("rows waited rows=7 path=\"a b\"\n") && line.contains(" INFO it::telemetry "), "{line}");
}

#[test]
fn a_line_that_repeats_itself_is_left_out_after_a_burst() {
    let lines = logged(LogFormat::Text, || (0..1_000).for_each(|row| tracing::warn!(row, "again")));
    assert_eq!(lines.lines().count(), BURST as usize);
}

#[test]
fn the_next_line_printed_says_how_many_were_left_out() {
    let mut limiter = Limiter::default();
    let now = Instant::now();
    let admitted = (0..50).filter(|_| limiter.admit("here", now) == Some(0)).count();
    assert_eq!(admitted, BURST as usize);
    assert_eq!(limiter.admit("there", now), Some(0), "another place has its own burst");
    assert_eq!(limiter.admit("here", now + WINDOW - Duration::from_millis(1)), None);
    assert_eq!(limiter.admit("here", now + WINDOW), Some(50 - u64::from(BURST) + 1));
    assert_eq!(limiter.admit("here", now + WINDOW), Some(0));
}
