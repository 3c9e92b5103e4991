//! Secrets at the door: what a credential is replaced by before anything else sees it.
//!
//! A raw key lives in the frame it came in and in the stack of the functions here; what leaves is a keyed
//! hash, a mask, and shape features. The hash is the first 16 bytes of HMAC-SHA-256 under the deployment's
//! pepper: 128 bits are collision-free for any number of keys, and half the width in every file and index.
//! Without the pepper a fingerprint cannot be tried against a list of guesses, which a plain hash could.
//!
//! Near misses are found without storing keys: both sides keep keyed hashes of a key's first and last
//! 20 characters and of its lower-case form, so a cut, a typo or a change of case still meets the key it
//! was meant to be. (20, because issuers prefix keys with up to 8 fixed characters: 12 characters that vary
//! do not meet by chance.)

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Length of the parts that near misses are found by, and the length below which a key has none.
const PART: usize = 20;
const PARTS_FROM: usize = 24;

/// The deployment's secret under which credentials are hashed.
#[derive(Clone)]
pub struct Pepper(Hmac<Sha256>);

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(***)")
    }
}

impl Pepper {
    /// Shortest accepted secret, bytes.
    pub const LENGTH_MIN: usize = 16;

    /// `None` when `secret` is shorter than [`Pepper::LENGTH_MIN`] once white space at its ends is gone.
    #[must_use]
    pub fn new(secret: &[u8]) -> Option<Self> {
        let secret = secret.trim_ascii();
        (secret.len() >= Self::LENGTH_MIN)
            .then(|| Self(Hmac::new_from_slice(secret).expect("HMAC takes keys of any length")))
    }

    /// Keyed hash of anything: excerpts, addresses, ids. Cut to 16 bytes.
    #[must_use]
    pub fn hash(&self, data: &[u8]) -> Fingerprint {
        let mut mac = self.0.clone();
        mac.update(data);
        let full = mac.finalize().into_bytes();
        let mut cut = [0; 16];
        cut.copy_from_slice(&full[..16]);
        Fingerprint(cut)
    }

    /// Keyed hash for a part of a key, in a domain of its own so that a part never equals a whole key.
    fn hash_part(&self, domain: &[u8], data: &[u8]) -> u64 {
        let mut mac = self.0.clone();
        mac.update(domain);
        mac.update(data);
        let full = mac.finalize().into_bytes();
        let mut cut = [0; 8];
        cut.copy_from_slice(&full[..8]);
        u64::from_le_bytes(cut)
    }

    /// A key for one purpose. It is made of the halves of hashes that no fingerprint shows, so that nobody can have it
    /// written into the lake by sending the purpose as a credential.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> DerivedKey {
        let mut key = [0; 32];
        for (half, place) in key.chunks_exact_mut(16).zip(0u8..) {
            let mut mac = self.0.clone();
            mac.update(purpose.as_bytes());
            mac.update(&[place]);
            half.copy_from_slice(&mac.finalize().into_bytes()[16..]);
        }
        DerivedKey(Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"))
    }

    /// The parts of a key by which a slightly wrong copy of it can be recognised.
    #[must_use]
    pub fn parts(&self, key: &str) -> KeyParts {
        let bytes = key.as_bytes();
        let long = bytes.len() >= PARTS_FROM;
        KeyParts {
            head: if long { self.hash_part(b"head", &bytes[..PART]) } else { 0 },
            tail: if long { self.hash_part(b"tail", &bytes[bytes.len() - PART..]) } else { 0 },
            lower: self.hash_part(b"lower", key.to_ascii_lowercase().as_bytes()),
        }
    }
}

/// A secret of one purpose, under which things are signed and recognised. Made by [`Pepper::derive`].
#[derive(Clone)]
pub struct DerivedKey(Hmac<Sha256>);

impl DerivedKey {
    /// HMAC-SHA-256.
    #[must_use]
    pub fn mac(&self, data: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(data);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DerivedKey(***)")
    }
}

/// Keyed hash of a credential.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 16]);

impl Fingerprint {
    /// Parses 32 hex digits; a full HMAC-SHA-256 (64 digits) is cut to its first half.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 32 && bytes.len() != 64 {
            return None;
        }
        let mut out = [0; 16];
        for (byte, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(out))
    }

    /// 32 lower-case hex digits.
    #[must_use]
    pub fn hex(self) -> Hex<32> {
        let mut out = [0; 32];
        write_hex(&self.0, &mut out);
        Hex(out)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hex().as_str())
    }
}

/// Hex digits on the stack.
#[derive(Clone, Copy)]
pub struct Hex<const N: usize>([u8; N]);

impl<const N: usize> Hex<N> {
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hex digits are ASCII")
    }
}

fn write_hex(bytes: &[u8], out: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, &byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// Keyed hashes of a key's first and last 20 characters (0 when it is shorter than 24) and of its
/// lower-case form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyParts {
    pub head: u64,
    pub tail: u64,
    pub lower: u64,
}

/// Hash schemes of identity systems that store no HMAC of ours. The decoder computes only those that the
/// loaded directory uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schemes {
    /// Hex or base64 SHA-256 of the key (LiteLLM, Unkey, Tyk).
    pub sha256: bool,
    /// Murmur3 of the key (Tyk's default `hash_keys`).
    pub murmur3: bool,
}

/// All hashes of one credential. No secret inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    pub fingerprint: Fingerprint,
    pub sha256: Option<[u8; 32]>,
    /// x86 32-bit, and x64 128-bit (whose first half is Tyk's `murmur64`).
    pub murmur3: Option<(u32, u128)>,
}

impl Digests {
    #[must_use]
    pub fn of(key: &str, pepper: &Pepper, schemes: Schemes) -> Self {
        Self {
            fingerprint: pepper.hash(key.as_bytes()),
            sha256: schemes.sha256.then(|| Sha256::digest(key.as_bytes()).into()),
            murmur3: schemes.murmur3.then(|| (murmur3::x86_32(key.as_bytes()), murmur3::x64_128(key.as_bytes()))),
        }
    }
}

/// A 32-bit hash that is the same in every process and version: for distinct counts, not for secrets.
#[must_use]
pub fn stable_hash(data: &[u8]) -> u32 {
    murmur3::x86_32(data)
}

mod murmur3 {
    //! MurmurHash3 with seed 0, as Tyk's `murmur3` package computes it.
    //! Source: Austin Appleby's public-domain description of the algorithm.

    pub(super) fn x86_32(data: &[u8]) -> u32 {
        let mix = |k: u32| k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
        let mut h = 0u32;
        let chunks = data.chunks_exact(4);
        let rest = chunks.remainder();
        for chunk in chunks {
            let k = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
            h = (h ^ mix(k)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
        }
        if !rest.is_empty() {
            let k = rest.iter().rev().fold(0, |k, &byte| k << 8 | u32::from(byte));
            h ^= mix(k);
        }
        h ^= u32::try_from(data.len()).unwrap_or(u32::MAX);
        h = (h ^ h >> 16).wrapping_mul(0x85eb_ca6b);
        h = (h ^ h >> 13).wrapping_mul(0xc2b2_ae35);
        h ^ h >> 16
    }

    /// `h1` in the high half, `h2` in the low half.
    pub(super) fn x64_128(data: &[u8]) -> u128 {
        const C1: u64 = 0x87c3_7b91_1142_53d5;
        const C2: u64 = 0x4cf5_ad43_2745_937f;
        let mix1 = |k: u64| k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
        let mix2 = |k: u64| k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
        let word = |bytes: &[u8]| bytes.iter().rev().fold(0u64, |k, &byte| k << 8 | u64::from(byte));
        let (mut h1, mut h2) = (0u64, 0u64);
        let chunks = data.chunks_exact(16);
        let rest = chunks.remainder();
        for chunk in chunks {
            h1 ^= mix1(word(&chunk[..8]));
            h1 = h1.rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
            h2 ^= mix2(word(&chunk[8..]));
            h2 = h2.rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
        }
        let (low, high) = rest.split_at(rest.len().min(8));
        if !high.is_empty() {
            h2 ^= mix2(word(high));
        }
        if !low.is_empty() {
            h1 ^= mix1(word(low));
        }
        h1 ^= data.len() as u64;
        h2 ^= data.len() as u64;
        h1 = h1.wrapping_add(h2);
        h2 = h2.wrapping_add(h1);
        let finish = |mut h: u64| {
            h = (h ^ h >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
            h = (h ^ h >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
            h ^ h >> 33
        };
        h1 = finish(h1);
        h2 = finish(h2);
        h1 = h1.wrapping_add(h2);
        h2 = h2.wrapping_add(h1);
        u128::from(h1) << 64 | u128::from(h2)
    }
}

/// How a credential that is no key differs from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NearMissKind {
    TrimmedSpace,
    Quoted,
    DoubledScheme,
    Case,
    Truncated,
    OneEdit,
    Masked,
}

impl NearMissKind {
    pub const ALL: &'static [Self] = &[
        Self::TrimmedSpace,
        Self::Quoted,
        Self::DoubledScheme,
        Self::Case,
        Self::Truncated,
        Self::OneEdit,
        Self::Masked,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TrimmedSpace => "trimmed_space",
            Self::Quoted => "quoted",
            Self::DoubledScheme => "doubled_scheme",
            Self::Case => "case",
            Self::Truncated => "truncated",
            Self::OneEdit => "one_edit",
            Self::Masked => "masked",
        }
    }
}

/// What would make a wrong copy a right one. Computed for refused requests only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slips {
    /// The credential without surrounding space, quotes or a second scheme word, if it had any.
    pub corrected: Option<(NearMissKind, Digests)>,
    pub parts: KeyParts,
    /// First and last characters of a masked key pasted back (`ck_live_****1234`).
    pub masked: Option<(String, String)>,
}

impl Slips {
    #[must_use]
    pub fn of(key: &str, pepper: &Pepper, schemes: Schemes) -> Self {
        let (kind, corrected) = corrected(key);
        Self {
            corrected: kind.map(|kind| (kind, Digests::of(corrected, pepper, schemes))),
            parts: pepper.parts(corrected),
            masked: masked_ends(corrected),
        }
    }
}

/// `key` without what people paste around keys, and the outermost slip.
fn corrected(key: &str) -> (Option<NearMissKind>, &str) {
    let mut kind = None;
    let mut rest = key;
    loop {
        let before = rest;
        let trimmed = rest.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\u{200b}');
        if trimmed.len() < rest.len() {
            kind.get_or_insert(NearMissKind::TrimmedSpace);
            rest = trimmed;
        }
        let unquoted = rest.trim_matches(['"', '\'', '`', '<', '>']);
        if unquoted.len() < rest.len() {
            kind.get_or_insert(NearMissKind::Quoted);
            rest = unquoted;
        }
        if let Some((scheme, value)) = rest.split_once([' ', ':'])
            && ["bearer", "apikey", "api-key", "token", "basic", "key"].contains(&scheme.to_ascii_lowercase().as_str())
        {
            kind.get_or_insert(NearMissKind::DoubledScheme);
            rest = value;
        }
        if rest.len() == before.len() {
            return (kind, rest);
        }
    }
}

/// The visible ends of a masked key: at least four characters of start or end around `***`, `...` or `…`.
fn masked_ends(key: &str) -> Option<(String, String)> {
    let is_mask = |c: char| matches!(c, '*' | '…' | '•' | '.');
    let start = key.find(['*', '…', '•']).or_else(|| key.find("..."))?;
    let head = key.get(..start)?;
    let tail = key.get(start..)?.trim_start_matches(is_mask);
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    (plain(head) && plain(tail) && tail.len() >= 4 && tail.len() <= 12).then(|| (head.to_owned(), tail.to_owned()))
}

/// One distinct credential of a batch. No secret inside: made by [`Credential::of`], which forgets the key.
#[derive(Clone, Debug)]
pub struct Credential {
    pub digests: Digests,
    /// Issuer prefix up to and with its last separator (`ck_live_`), at most 16 characters; or empty.
    pub prefix: String,
    /// Last four characters, for keys of at least 16; or empty.
    pub last4: String,
    /// Characters, capped.
    pub length: u16,
    pub alphabet: Alphabet,
    /// Present once a refused request carried it.
    pub slips: Option<Box<Slips>>,
}

impl Credential {
    #[must_use]
    pub fn of(key: &str, pepper: &Pepper, schemes: Schemes) -> Self {
        let length = key.chars().count();
        Self {
            digests: Digests::of(key, pepper, schemes),
            prefix: prefix_of(key).to_owned(),
            last4: if length >= 16 { last_chars(key, 4).to_owned() } else { String::new() },
            length: u16::try_from(length).unwrap_or(u16::MAX),
            alphabet: Alphabet::of(key),
            slips: None,
        }
    }

    /// One that was hashed before it reached us: nothing else is known of it.
    #[must_use]
    pub fn hashed(digests: Digests) -> Self {
        Self { digests, prefix: String::new(), last4: String::new(), length: 0, alphabet: Alphabet::Token, slips: None }
    }

    /// What may be shown: prefix, dots, last four.
    #[must_use]
    pub fn mask(&self) -> String {
        format!("{}…{}", self.prefix, self.last4)
    }
}

/// The issuer prefix of a key: letters, digits and separators up to the last separator within the first
/// 16 characters, when it starts with a letter and at least 12 characters follow. Otherwise empty, and for a UUID: what
/// is not surely a prefix is part of the secret.
#[must_use]
pub fn prefix_of(key: &str) -> &str {
    let bytes = key.as_bytes();
    let is_uuid = bytes.len() == 36 && [8, 13, 18, 23].iter().all(|&at| bytes[at] == b'-');
    if is_uuid || !bytes.first().is_some_and(u8::is_ascii_alphabetic) {
        return "";
    }
    let mut end = 0;
    let mut word = 0;
    for (at, byte) in bytes.iter().enumerate().take(16) {
        match byte {
            b'_' | b'-' if word <= 8 => {
                end = at + 1;
                word = 0;
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => word += 1,
            _ => break,
        }
    }
    if bytes.len() >= end + 12 { key.get(..end).unwrap_or("") } else { "" }
}

fn last_chars(text: &str, count: usize) -> &str {
    let start = text.char_indices().rev().take(count).last().map_or(0, |(at, _)| at);
    text.get(start..).unwrap_or("")
}

/// The smallest alphabet that holds all characters of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alphabet {
    Hex,
    Alphanumeric,
    /// Letters, digits, `-`, `_`, `.`, `~`, `+`, `/`, `=`: what a token may hold (RFC 6750).
    Token,
    /// Printable ASCII.
    Printable,
    /// Control characters, spaces, or beyond ASCII.
    Other,
}

impl Alphabet {
    #[must_use]
    pub fn of(key: &str) -> Self {
        let body = key.get(prefix_of(key).len()..).unwrap_or(key);
        body.bytes().map(Self::of_byte).max().unwrap_or(Self::Other)
    }

    fn of_byte(byte: u8) -> Self {
        match byte {
            b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' => Self::Hex,
            b'g'..=b'z' | b'G'..=b'Z' => Self::Alphanumeric,
            b'-' | b'_' | b'.' | b'~' | b'+' | b'/' | b'=' => Self::Token,
            0x21..=0x7e => Self::Printable,
            _ => Self::Other,
        }
    }
}
