//! The same as Markdown, for tickets: every check with its proof, since nobody can unfold a ticket.

use super::super::answer::{CheckResult, Diagnosis};
use super::text::clean;
use super::{fix, headline, proof, sign, standing};
use crate::time;

/// Markdown that shows texts of logs as texts: nothing in them is taken for a mark.
#[must_use]
pub fn markdown(diagnosis: &Diagnosis) -> String {
    let mut out = format!(
        "# {}\n\n{}\n\n{}\n",
        escaped(&headline(diagnosis)),
        escaped(&diagnosis.verdict.sentence),
        escaped(&standing(diagnosis))
    );
    let mut add = |line: String| {
        out.push_str(&line);
        out.push('\n');
    };
    if diagnosis.remedy.owner.is_some() {
        let mut text = super::Text::default();
        fix(&mut text, diagnosis);
        let lines = text.finish();
        add(format!("\n**Fix.** {}", escaped(&lines.split_whitespace().skip(1).collect::<Vec<_>>().join(" "))));
    }
    if let Some(contradiction) = &diagnosis.verdict.contradiction {
        add(format!("\n**Contradiction.** {}", escaped(contradiction)));
    }
    add("\n## Steps\n".to_owned());
    for step in &diagnosis.steps {
        add(format!("{}. {} {}", step.step, sign(step.result), step.name));
        for check in &step.checks {
            let proof = match check.result {
                CheckResult::Skipped => String::new(),
                CheckResult::Pass | CheckResult::Fail | CheckResult::Unknown => {
                    format!(" ({})", escaped(&proof(check)))
                }
            };
            add(format!("   - {} {}: {}{proof}", sign(check.result), check.name, escaped(&check.fact)));
        }
    }
    if !diagnosis.timeline.states.is_empty() {
        add("\n## Changes\n".to_owned());
    }
    for state in &diagnosis.timeline.states {
        let change = format!("{}: {} → {}", state.field, state.from, state.to);
        add(format!("- {} {}", time::format(state.at), escaped(&change)));
    }
    if !diagnosis.callers.is_empty() {
        add("\n## Callers\n\n| network | agent | route | per minute | last |\n|---|---|---|---:|---|".to_owned());
    }
    for caller in &diagnosis.callers {
        let [network, agent, route] = [&caller.network, &caller.agent, &caller.route].map(|part| escaped(part));
        add(format!("| {network} | {agent} | {route} | {} | {} |", caller.per_minute, time::format(caller.last_at)));
    }
    if !diagnosis.alternatives.is_empty() {
        add("\n## Also possible\n".to_owned());
    }
    for other in &diagnosis.alternatives {
        add(format!("- {}: {}", other.label, escaped(&other.why)));
    }
    if !diagnosis.done_when.sql.is_empty() {
        let sql = clean(&diagnosis.done_when.sql).replace('`', "'");
        add(format!("\n## Done when {}\n\n```sql\n{sql}\n```", diagnosis.done_when.expected));
    }
    out
}

/// Marks of Markdown and HTML lose their meaning.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in clean(text).chars() {
        if matches!(letter, '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '#' | '!') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_text_of_a_log_is_no_mark() {
        assert_eq!(super::escaped("<img> [x](y) | `z`"), "\\<img\\> \\[x\\](y) \\| \\`z\\`");
    }
}
