//! What bodies tell, where they are logged: a refusal's reason, an answer's token counts. They are logged cut short, so
//! they are searched, not parsed.

use super::fields::Draft;
use super::per_value::bounded;
use crate::json;

/// Longest code of a gateway that is kept, bytes.
const CODE_BYTES_MAX: usize = 64;

/// Fills in what only the response says.
pub(super) fn read_response(draft: &mut Draft<'_>, status: i16) {
    let body = draft.response_body;
    let row = &mut draft.row;
    if status >= 400 && row.gateway_message.is_empty() {
        let named = ["message", "error_msg", "error_description", "error", "detail"]
            .into_iter()
            .map(|name| text_member(body, name));
        row.gateway_message = named
            .into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or(if body.starts_with(['{', '[', '<']) { "" } else { body });
    }
    if status >= 400 && row.gateway_code.is_empty() {
        row.gateway_code = bounded(text_member(body, "code"), CODE_BYTES_MAX);
    }
    if row.input_tokens.is_none() {
        row.input_tokens = number_member(body, "prompt_tokens").or_else(|| number_member(body, "input_tokens"));
        row.output_tokens = number_member(body, "completion_tokens").or_else(|| number_member(body, "output_tokens"));
    }
}

/// The text after `"name":`, wherever it stands; empty where it does not.
pub(super) fn text_member<'a>(body: &'a str, name: &str) -> &'a str {
    let Some(rest) = member(body, name).and_then(|rest| rest.strip_prefix('"')) else { return "" };
    let end = json::string_end(rest.as_bytes(), 0).map_or(rest.len(), |(end, _)| end);
    rest.get(..end).unwrap_or("")
}

fn number_member(body: &str, name: &str) -> Option<i64> {
    let rest = member(body, name)?;
    rest.get(..json::number_end(rest.as_bytes(), 0)?)?.parse().ok()
}

fn member<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = body;
    loop {
        let at = rest.find(name)?;
        let after = rest.get(at + name.len()..)?;
        let quoted = rest.get(..at).is_some_and(|before| before.ends_with('"'));
        if quoted && let Some(value) = after.strip_prefix('"').and_then(|after| after.trim_start().strip_prefix(':')) {
            return Some(value.trim_start());
        }
        rest = after;
    }
}
