//! Lines of a page: wrapped between words, cleaned of what would move a terminal's cursor, and tiny bar charts.

/// What every terminal shows.
pub(super) const COLUMNS: usize = 80;

#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    /// A line as it is, but cleaned and wrapped where it is too long.
    pub(super) fn line(&mut self, line: &str) {
        let indent = line.chars().take_while(|c| *c == ' ').count();
        self.wrapped(&" ".repeat(indent), line.trim_start_matches(' '));
    }

    /// An empty line, unless there is one already.
    pub(super) fn gap(&mut self) {
        if !self.0.is_empty() && !self.0.ends_with("\n\n") {
            self.0.push('\n');
        }
    }

    /// Words after `lead`; lines that follow are set in as far as it is long.
    pub(super) fn wrapped(&mut self, lead: &str, words: &str) {
        let indent = lead.chars().count();
        let mut column = indent;
        self.0.push_str(lead);
        for (place, word) in clean(words).trim_end().split(' ').enumerate() {
            let length = word.chars().count();
            if place > 0 && column + 1 + length > COLUMNS && column > indent {
                let kept = self.0.trim_end_matches(' ').len();
                self.0.truncate(kept);
                self.0.push('\n');
                self.0.push_str(&" ".repeat(indent));
                column = indent;
            } else if place > 0 {
                self.0.push(' ');
                column += 1;
            }
            self.0.push_str(word);
            column += length;
        }
        let kept = self.0.trim_end_matches(' ').len();
        self.0.truncate(kept);
        self.0.push('\n');
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// Characters that a text from a log may have on a page: control and direction marks become `?`.
pub(super) fn clean(text: &str) -> String {
    let is_harmful = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_harmful(c) { '?' } else { c }).collect()
}

/// One character a count, by its share of the greatest; a dot is a plain zero.
pub(super) fn spark(counts: &[i64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let greatest = counts.iter().copied().max().unwrap_or(0).max(1);
    let bar = |count: i64| {
        let level = count.saturating_mul(8).saturating_sub(1) / greatest;
        BARS[usize::try_from(level).unwrap_or(0).min(7)]
    };
    counts.iter().map(|&count| if count <= 0 { '·' } else { bar(count) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_break_between_words_and_stay_under_their_lead() {
        let mut text = Text::default();
        text.wrapped("Fix   ", &"word ".repeat(30));
        let text = text.finish();
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("      word")), "{text}");
    }

    #[test]
    fn a_log_line_cannot_move_the_cursor() {
        assert_eq!(clean("a\u{1b}[2Jb\u{202e}c"), "a?[2Jb?c");
    }

    #[test]
    fn zero_is_no_bar_and_the_greatest_is_full() {
        assert_eq!(spark(&[0, 1, 4, 8]), "·▁▄█");
    }
}
