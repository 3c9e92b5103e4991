//! The deployment's Ed25519 key: read from a PEM file, made on first use, and never shown.
//!
//! The file is what `openssl genpkey -algorithm ed25519` writes (PKCS#8, RFC 8410), so that a key can come from anywhere.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use claviger_core::fault::{Blame, Fault};
use claviger_core::prove::{PublicKey, Signature};
use rand::TryRng as _;
use rand::rngs::SysRng;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

/// PKCS#8 of an Ed25519 key, up to its 32 secret bytes.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

/// Signs in the deployment's name.
#[derive(Debug)]
pub struct Signer {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    #[error("cannot read the signing key `{}`", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("cannot write the signing key `{}`", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("`{}` is no Ed25519 key", path.display())]
    NoKey { path: PathBuf },
    #[error("no place is named for the signing key of a lake that is not a folder")]
    NoPlace,
}

impl Fault for SigningError {
    fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } | Self::Unwritable { .. } => "check the path and its permissions".to_owned(),
            Self::NoKey { .. } => {
                "make one with `openssl genpkey -algorithm ed25519`; for checking, take the key.pem of the operator"
                    .to_owned()
            }
            Self::NoPlace => "name a file with `--signing-key`, or in `secrets.signing_key_file`".to_owned(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NoKey { .. } | Self::NoPlace => Blame::Operator,
            Self::Unreadable { .. } | Self::Unwritable { .. } => Blame::Environment,
        }
    }
}

impl Signer {
    /// The key in a file.
    ///
    /// # Errors
    /// When it cannot be read, or holds something else.
    pub fn read(path: &Path) -> Result<Self, SigningError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SigningError::Unreadable { path: path.to_owned(), source })?;
        let no_key = || SigningError::NoKey { path: path.to_owned() };
        let body = text.trim().strip_prefix(PEM_BEGIN).and_then(|rest| rest.strip_suffix(PEM_END));
        let body: String = body.ok_or_else(no_key)?.split_whitespace().collect();
        let bytes = BASE64_STANDARD.decode(body).map_err(|_| no_key())?;
        // Newer forms of PKCS#8 have the public key behind the secret one.
        let seed = bytes.strip_prefix(&PKCS8_PREFIX).and_then(|rest| rest.get(..32)).ok_or_else(no_key)?;
        Self::of_seed(seed).ok_or_else(no_key)
    }

    /// The key in a file, made if there is none. Returns whether it was.
    ///
    /// # Errors
    /// When it can neither be read nor written.
    pub fn read_or_make(path: &Path) -> Result<(Self, bool), SigningError> {
        if path.exists() {
            return Ok((Self::read(path)?, false));
        }
        let mut seed = [0; 32];
        let mut write = || {
            SysRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
            let body = BASE64_STANDARD.encode([PKCS8_PREFIX.as_slice(), &seed].concat());
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            writeln!(file, "{PEM_BEGIN}\n{body}\n{PEM_END}")?;
            file.sync_all()
        };
        match write() {
            Ok(()) => {
                Self::of_seed(&seed).map(|signer| (signer, true)).ok_or(SigningError::NoKey { path: path.to_owned() })
            }
            // Another process made it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok((Self::read(path)?, false)),
            Err(source) => Err(SigningError::Unwritable { path: path.to_owned(), source }),
        }
    }

    /// Where the key of a lake in a local folder lies: beside it, since whoever copies the lake must not copy the key.
    ///
    /// # Errors
    /// For a lake that is not a local folder.
    pub fn beside(lake: &str) -> Result<PathBuf, SigningError> {
        match lake.contains("://") {
            true => Err(SigningError::NoPlace),
            false => Ok(PathBuf::from(format!("{}.signing-key.pem", lake.trim_end_matches('/')))),
        }
    }

    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        let signature = self.pair.sign(message);
        Signature::of_bytes(signature.as_ref()).expect("an Ed25519 signature has 64 bytes")
    }

    fn of_seed(seed: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = PublicKey(pair.public_key().as_ref().try_into().ok()?);
        Some(Self { pair, public })
    }
}

/// The public key in a PEM file.
///
/// # Errors
/// When it cannot be read, or holds something else.
pub fn read_public_key(path: &Path) -> Result<PublicKey, SigningError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| SigningError::Unreadable { path: path.to_owned(), source })?;
    PublicKey::of_pem(&text).ok_or_else(|| SigningError::NoKey { path: path.to_owned() })
}

/// Whether the signature is the key's over the message.
#[must_use]
pub fn verify(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    UnparsedPublicKey::new(&ED25519, key.0).verify(message, &signature.0).is_ok()
}
