//! Text for people and for receivers that bound it.

/// `text` in at most `chars_max` characters; what is cut ends in `…`. Control characters become spaces, so that nothing
/// a log brought can break a header or a line.
#[must_use]
pub fn cut(text: &str, chars_max: usize) -> String {
    let plain = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
    if text.chars().nth(chars_max).is_none() {
        return text.chars().map(plain).collect();
    }
    let kept = chars_max.saturating_sub(1);
    text.chars().take(kept).map(plain).chain((chars_max > 0).then_some('…')).collect()
}

/// As [`cut`], on one line.
pub(super) fn cut_line(text: &str, chars_max: usize) -> String {
    cut(&text.split_whitespace().collect::<Vec<_>>().join(" "), chars_max)
}

/// `3 days`, `2 h 5 min`, `40 s`: two units at most, for people.
pub(super) fn span(us: i64) -> String {
    let seconds = us.max(0) / 1_000_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, 0) => format!("{hours} h"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (1, 0, _) => "1 day".to_owned(),
        (_, 0, _) => format!("{days} days"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters_and_says_so() {
        for (text, chars_max, expected) in [
            ("naïve", 5, "naïve"),
            ("naïve!", 5, "naïv…"),
            ("日本語のキー", 3, "日本…"),
            ("x", 0, ""),
            ("a\rb\u{7}", 9, "a b "),
        ] {
            assert_eq!(cut(text, chars_max), expected);
        }
        assert_eq!(cut_line("a\r\nBcc: all@example.com", 99), "a Bcc: all@example.com");
    }

    #[test]
    fn spans_are_said_in_two_units_at_most() {
        let minute = 60_000_000;
        for (us, said) in [
            (40_000_000, "40 s"),
            (15 * minute, "15 min"),
            (125 * minute, "2 h 5 min"),
            (24 * 60 * minute, "1 day"),
            (75 * 60 * minute, "3 d 3 h"),
            (-1, "0 s"),
        ] {
            assert_eq!(span(us), said);
        }
    }
}
