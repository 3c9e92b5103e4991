//! One event, one line: for people or as JSON.

use std::fmt::{self, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use chrono::{SecondsFormat, Utc};
use claviger_core::config::LogFormat;
use serde_json::Value;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::Limiter;

#[derive(Debug)]
pub(super) struct Line {
    format: LogFormat,
    limiter: Mutex<Limiter<Identifier>>,
}

impl Line {
    pub(super) fn new(format: LogFormat) -> Self {
        Self { format, limiter: Mutex::default() }
    }
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let place = event.metadata().callsite();
        let admitted = self.limiter.lock().unwrap_or_else(PoisonError::into_inner).admit(place, Instant::now());
        let Some(left_out) = admitted else {
            crate::signals::LineLeftOut.emit();
            return Ok(());
        };
        let mut fields = Fields::default();
        event.record(&mut fields);
        if left_out > 0 {
            fields.named.push(("left_out_before", left_out.into()));
        }
        match self.format {
            LogFormat::Text => write_text(writer, event, &fields),
            LogFormat::Json => write_json(writer, event, &fields),
        }
    }
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn write_text(mut writer: Writer<'_>, event: &Event<'_>, fields: &Fields) -> fmt::Result {
    let level = *event.metadata().level();
    let (colour, plain) = if writer.has_ansi_escapes() { (colour_of(level), "\x1b[0m") } else { ("", "") };
    write!(writer, "{} {colour}{level:>5}{plain} {} {}", now(), event.metadata().target(), Escaped(&fields.message))?;
    for (name, value) in &fields.named {
        match value {
            Value::String(text) if text.contains([' ', '"', '=']) || text.is_empty() => {
                write!(writer, " {name}=\"{}\"", Escaped(&text.replace('"', "\\\"")))?;
            }
            Value::String(text) => write!(writer, " {name}={}", Escaped(text))?,
            other => write!(writer, " {name}={other}")?,
        }
    }
    writeln!(writer)
}

fn colour_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[2m",
    }
}

fn write_json(mut writer: Writer<'_>, event: &Event<'_>, fields: &Fields) -> fmt::Result {
    let text = |text: &str| Value::from(text).to_string();
    let metadata = event.metadata();
    write!(writer, "{{\"at\":\"{}\",\"level\":\"{}\",\"room\":{}", now(), metadata.level(), text(metadata.target()))?;
    write!(writer, ",\"message\":{}", text(&fields.message))?;
    for (name, value) in &fields.named {
        write!(writer, ",{}:{value}", text(name))?;
    }
    writeln!(writer, "}}")
}

/// Control and direction-changing characters made visible: a field cannot end the line or drive a terminal.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    write!(f, "{}", character.escape_unicode())?;
                }
                control if control.is_control() => write!(f, "{}", control.escape_default())?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    named: Vec<(&'static str, Value)>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => self.named.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }
}
