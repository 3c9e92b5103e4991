//! Proof of what was recorded: canonical lines, RFC 6962 trees, signed lists of sums, and the check that names a fault.
//!
//! Promises that whoever holds the public key can tell, with `sha256sum` and `openssl` alone, whether a byte was changed,
//! dropped, added, moved or signed by somebody else; and that the same records always give the same bytes.
//! Does not open files, read clocks or hold keys: bytes come in, and the signature check is a function of the caller's.
//!
//! What this cannot show by itself: the owner of the signing key can write another history from the start. Only a
//! [`Head`] that left the system in time contradicts it, which is why every export carries one.
//!
//! Decision (2026-11): signed statements are lists that `sha256sum -c` reads, with everything else in comment lines,
//! instead of a signed JSON or a signed note: an auditor needs no program of ours, and the text can be read aloud.
//! The tree's root in each digest lets single records be proven ([`Tree`]) and tlog tiles be published later.

mod chain;
mod digest;
mod keys;
mod line;
mod manifest;
mod sums;
mod tamper;
mod tree;

#[cfg(test)]
mod tests;

pub use chain::{ChainCheck, ChainReport};
pub use digest::{Digest, Head, Link, Segment, digest_path};
pub use keys::{KeyId, PublicKey, Signature, VerifySignature};
pub use line::{Line, NotCanonical, canonical, place_of};
pub use manifest::{Count, FileEntry, FileSeen, Manifest, ManifestCheck, Scope};
pub use sums::{Malformed, SignedText, Sum, decoded, encoded};
pub use tamper::Tampering;
pub use tree::{Tree, inclusion_holds, leaf_hash, prove_inclusion};

/// SHA-256.
pub type Hash = [u8; 32];

/// The SHA-256 of bytes.
#[must_use]
pub fn hash(bytes: &[u8]) -> Hash {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A hash in lower-case hexadecimal; other spellings are none, since a text has one form.
#[must_use]
pub fn unhex(text: &str) -> Option<Hash> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let bytes = text.as_bytes();
    let mut hash = [0; 32];
    if bytes.len() != 2 * hash.len() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(bytes.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(hash)
}
