//! A look at the text before anything parses it.
//!
//! Parser, planner and optimizer recurse as deep as the text nests, and so does dropping what they made. Here the text
//! is only cut into tokens, in one pass, and what could nest is counted.

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::error::QueryError;

const TEXT_BYTES_MAX: usize = 128 << 10;
const TOKENS_MAX: usize = 30_000;
const LITERAL_BYTES_MAX: usize = 4 << 10;
/// Operators and keywords: each can be one level of a tree that leans to the left.
const STEPS_MAX: usize = 1_500;
const PARENTHESES_MAX: usize = 40;

/// Whether the text is small and flat enough to be parsed.
pub(crate) fn check(sql: &str) -> Result<(), QueryError> {
    at_most("bytes of text", sql.len(), TEXT_BYTES_MAX)?;
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize().map_err(|error| QueryError::NotUnderstood {
        message: error.to_string(),
        hint: "a quote or comment is not closed".to_owned(),
    })?;
    let (mut depth, mut deepest, mut steps, mut words) = (0_usize, 0, 0, 0);
    for token in &tokens {
        words += usize::from(!matches!(token, Token::Whitespace(_)));
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            Token::SingleQuotedString(text)
            | Token::EscapedStringLiteral(text)
            | Token::NationalStringLiteral(text) => {
                at_most("bytes in one literal", text.len(), LITERAL_BYTES_MAX)?;
            }
            Token::DollarQuotedString(text) => {
                at_most("bytes in one literal", text.value.len(), LITERAL_BYTES_MAX)?;
            }
            Token::Word(word) if word.keyword == Keyword::NoKeyword => {}
            Token::Number(..) | Token::Comma | Token::Period | Token::Whitespace(_) => {}
            _ => steps += 1,
        }
        // A bracket that opens an index is a step too.
        steps += usize::from(matches!(token, Token::LBracket));
        deepest = deepest.max(depth);
    }
    at_most("tokens", words, TOKENS_MAX)?;
    at_most("operators and keywords", steps, STEPS_MAX)?;
    at_most("levels of parentheses", deepest, PARENTHESES_MAX)
}

pub(super) fn at_most(what: &'static str, found: usize, max: usize) -> Result<(), QueryError> {
    if found <= max { Ok(()) } else { Err(QueryError::TooMuch { what, found, max }) }
}
