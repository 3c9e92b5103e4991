//! Ed25519 keys and signatures as bytes and texts. Signing and checking are the caller's functions.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{Hash, hash, hex};

/// SubjectPublicKeyInfo of an Ed25519 key (RFC 8410), up to the key's own bytes.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

const PEM_BEGIN: &str = "-----BEGIN PUBLIC KEY-----\n";
const PEM_END: &str = "-----END PUBLIC KEY-----\n";

/// Whether the signature is the key's over the message.
pub type VerifySignature<'a> = &'a (dyn Fn(&PublicKey, &[u8], &Signature) -> bool + Sync);

/// An Ed25519 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// As `openssl pkey -pubout` writes it.
    #[must_use]
    pub fn to_pem(self) -> String {
        format!("{PEM_BEGIN}{}\n{PEM_END}", BASE64_STANDARD.encode(self.spki()))
    }

    /// The key in a PEM text, if it is one of ours.
    #[must_use]
    pub fn of_pem(text: &str) -> Option<Self> {
        let body = text.trim().strip_prefix(PEM_BEGIN.trim_end())?.strip_suffix(PEM_END.trim_end())?;
        let body: String = body.split_whitespace().collect();
        let bytes = BASE64_STANDARD.decode(body).ok()?;
        bytes.strip_prefix(&SPKI_PREFIX)?.try_into().ok().map(Self)
    }

    /// SHA-256 of the DER form: `openssl pkey -pubin -in key.pem -outform DER | sha256sum`.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId(hash(&self.spki()))
    }

    fn spki(&self) -> Vec<u8> {
        [SPKI_PREFIX.as_slice(), &self.0].concat()
    }
}

/// Names a key: what an operator publishes, and an auditor compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub Hash);

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// An Ed25519 signature (RFC 8032): the same key and message always give the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signature(pub [u8; 64]);

impl Signature {
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(super) fn to_base64(self) -> String {
        BASE64_STANDARD.encode(self.0)
    }

    pub(super) fn of_base64(text: &str) -> Option<Self> {
        Self::of_bytes(&BASE64_STANDARD.decode(text).ok()?)
    }
}
