//! Tokens of our own, `clv_<id>_<secret>`: their text, and what is kept of it.
//!
//! A token's text is shown once, to whoever made it. Kept are its id, its last four characters, and HMAC-SHA-256 of the
//! text under a key made from the pepper. The secret is 52 characters of 5 random bits each; the six characters after it
//! are a checksum, so that a slip of the hand is told from a token that nobody made. Upper case, spaces and characters
//! that look alike are not forgiven: a token is copied, never typed.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use crate::secret::{DerivedKey, Pepper};

/// How every token begins.
pub const PREFIX: &str = "clv_";

/// 32 characters of which none is taken for another; Crockford's base 32 in lower case.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

const ID: usize = 16;
const SECRET: usize = 52;
const CHECKSUM: usize = 6;
const SECRET_FROM: usize = PREFIX.len() + ID + 1;
const CHECKSUM_FROM: usize = SECRET_FROM + SECRET;
const LENGTH: usize = CHECKSUM_FROM + CHECKSUM;

/// Random bytes that a token is made of: one for each character of id and secret.
pub const RANDOM_BYTES: usize = ID + SECRET;

/// The text of a token: a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; LENGTH]);

impl Token {
    /// The token that these random bytes make.
    #[must_use]
    pub fn mint(random: &[u8; RANDOM_BYTES]) -> Self {
        let mut text = [b'_'; LENGTH];
        let places = (PREFIX.len()..PREFIX.len() + ID).chain(SECRET_FROM..CHECKSUM_FROM);
        for (place, byte) in places.zip(random) {
            text[place] = letter(*byte);
        }
        text[..PREFIX.len()].copy_from_slice(PREFIX.as_bytes());
        let sum = checksum(&text[..CHECKSUM_FROM]);
        text[CHECKSUM_FROM..].copy_from_slice(&sum);
        Self(text)
    }

    /// # Errors
    /// What is wrong with the text; nothing of it is repeated.
    pub fn parse(text: &str) -> Result<Self, NoToken> {
        let body = text.strip_prefix(PREFIX).ok_or(NoToken::OtherKind)?;
        let text: [u8; LENGTH] = text.as_bytes().try_into().map_err(|_| NoToken::Length)?;
        let is_separated = text[SECRET_FROM - 1] == b'_';
        let is_spelled = body.bytes().enumerate().all(|(place, byte)| place == ID || ALPHABET.contains(&byte));
        if !is_separated || !is_spelled {
            return Err(NoToken::Character);
        }
        if checksum(&text[..CHECKSUM_FROM]) != text[CHECKSUM_FROM..] {
            return Err(NoToken::Checksum);
        }
        Ok(Self(text))
    }

    #[must_use]
    pub fn id(&self) -> TokenId {
        let mut id = [0; ID];
        id.copy_from_slice(&self.0[PREFIX.len()..PREFIX.len() + ID]);
        TokenId(id)
    }

    /// Its last four characters, which are of the checksum: enough to recognise it by.
    #[must_use]
    pub fn last4(&self) -> &str {
        ascii(&self.0[LENGTH - 4..])
    }

    /// The text itself, for the one who made it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        ascii(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

fn letter(byte: u8) -> u8 {
    ALPHABET[usize::from(byte & 31)]
}

fn checksum(text: &[u8]) -> [u8; CHECKSUM] {
    let digest = Sha256::digest(text);
    let mut sum = [0; CHECKSUM];
    for (character, byte) in sum.iter_mut().zip(digest) {
        *character = letter(byte);
    }
    sum
}

fn ascii(text: &[u8]) -> &str {
    std::str::from_utf8(text).expect("prefix, separator and alphabet are ASCII")
}

/// Why a text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoToken {
    #[error("tokens begin with `{PREFIX}`")]
    OtherKind,
    #[error("the token is not whole: it has {LENGTH} characters, from `{PREFIX}` to its end")]
    Length,
    #[error("the token has a character in it that tokens do not have")]
    Character,
    #[error("the token is mistyped: its checksum says so")]
    Checksum,
}

/// The part of a token that may be shown, stored and asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId([u8; ID]);

impl TokenId {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let id: [u8; ID] = text.as_bytes().try_into().ok()?;
        id.iter().all(|byte| ALPHABET.contains(byte)).then_some(Self(id))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        ascii(&self.0)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The key under which tokens are kept.
#[derive(Clone, Debug)]
pub struct TokenKey(DerivedKey);

impl TokenKey {
    #[must_use]
    pub fn new(pepper: &Pepper) -> Self {
        Self(pepper.derive("claviger access tokens"))
    }

    #[must_use]
    pub fn hash(&self, token: &Token) -> TokenHash {
        TokenHash(self.0.mac(&token.0))
    }

    /// A name for this key, which tells a token of another pepper from a wrong one.
    #[must_use]
    pub fn name(&self) -> String {
        hex(&self.0.mac(b"name of this key")[..4])
    }
}

/// What is kept of a token. Compared in constant time.
#[derive(Clone, Copy, Debug)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Of a token that nobody has: to compare with when there is nothing else, so that the time an answer takes does not
    /// tell which ids there are.
    pub const NOBODY: Self = Self([0; 32]);

    /// 64 hex digits, lower case.
    #[must_use]
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(hash))
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn random(seed: u8) -> [u8; RANDOM_BYTES] {
        std::array::from_fn(|place| seed.wrapping_mul(37).wrapping_add(u8::try_from(place).unwrap().wrapping_mul(101)))
    }

    fn key(pepper: &[u8]) -> TokenKey {
        TokenKey::new(&Pepper::new(pepper).unwrap())
    }

    #[test]
    fn a_token_is_read_back_as_it_was_made() {
        let token = Token::mint(&random(1));
        let text = token.reveal();
        assert!(text.starts_with("clv_") && text.len() == 79, "{text}");
        assert_eq!(Token::parse(text).as_ref(), Ok(&token));
        assert_eq!(text.split('_').nth(1), Some(token.id().as_str()));
        assert_eq!(TokenId::parse(token.id().as_str()), Some(token.id()));
        assert!(text.ends_with(token.last4()));
    }

    #[test]
    fn a_slip_of_the_hand_is_told_from_what_is_no_token() {
        let text = Token::mint(&random(2)).reveal().to_owned();
        for (wrong, why) in [
            (String::new(), NoToken::OtherKind),
            ("eyJhbGciOiJub25lIn0.e30.".to_owned(), NoToken::OtherKind),
            (text.to_uppercase(), NoToken::OtherKind),
            (format!(" {text}"), NoToken::OtherKind),
            (format!("{text} "), NoToken::Length),
            (text.chars().take(60).collect(), NoToken::Length),
            ("clv_".to_owned(), NoToken::Length),
            (text.replacen('_', "-", 2).replacen("clv-", "clv_", 1), NoToken::Character),
            (format!("clv_{}", "é".repeat(37) + "a"), NoToken::Character),
        ] {
            assert_eq!(Token::parse(&wrong), Err(why), "{wrong}");
        }
    }

    #[test]
    fn neither_token_nor_key_is_shown_by_debug() {
        let token = Token::mint(&random(3));
        assert_eq!(format!("{token:?} {:?}", key(b"0123456789abcdef")), "Token(***) TokenKey(DerivedKey(***))");
    }

    #[test]
    fn what_is_kept_is_of_this_token_under_this_pepper() {
        let (ours, other) = (key(b"0123456789abcdef"), key(b"0123456789abcdeF"));
        let (token, another) = (Token::mint(&random(4)), Token::mint(&random(5)));
        let kept = ours.hash(&token);
        assert_eq!(TokenHash::from_hex(&kept.hex()), Some(kept));
        assert!(kept == ours.hash(&token));
        assert!(kept != ours.hash(&another) && kept != other.hash(&token) && kept != TokenHash::NOBODY);
        assert_ne!(ours.name(), other.name());
        assert!(TokenHash::from_hex("").is_none() && TokenHash::from_hex(&"é".repeat(32)).is_none());
    }

    #[test]
    fn no_fingerprint_holds_a_part_of_a_derived_key() {
        let pepper = Pepper::new(b"0123456789abcdef").unwrap();
        for place in [0u8, 1] {
            let mut credential = b"claviger access tokens".to_vec();
            credential.push(place);
            let shown = pepper.hash(&credential).0;
            let guess = Pepper::new(&[shown, shown].concat()).unwrap();
            assert_ne!(guess.hash(b"x").0[..], pepper.derive("claviger access tokens").mac(b"x")[..16]);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_either_a_token_or_not_and_nothing_panics(text in "(clv_)?\\PC{0,100}") {
            prop_assert!(Token::parse(&text).is_err() || text.starts_with("clv_"));
            prop_assert!(TokenId::parse(&text).is_none() || text.len() == ID);
        }

        #[test]
        fn one_changed_character_is_noticed(seed: u8, place in 0..79usize, to in 0..32usize) {
            let token = Token::mint(&random(seed));
            let mut text = token.reveal().as_bytes().to_vec();
            prop_assume!(text[place] != ALPHABET[to]);
            text[place] = ALPHABET[to];
            prop_assert!(Token::parse(std::str::from_utf8(&text).unwrap()).is_err());
        }
    }
}
