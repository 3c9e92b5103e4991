//! The digest: what one tenant's chain of records was at the end of a period, bound to the digest before it.
//!
//! Written every period even when nothing happened, so that silence is a statement and not an absence.

use super::keys::{KeyId, Signature};
use super::sums::{Malformed, SignedText, Sum, decoded, encoded};
use super::tree::Tree;
use super::{Hash, hash, hex, unhex};
use crate::time::{date, exact, rfc3339};

/// The records that a digest covers, in one file: one canonical line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub sum: Hash,
    /// Below the chain's folder.
    pub path: String,
}

impl Segment {
    /// Where the records `first` to `last` lie, by the day on which their period ends.
    #[must_use]
    pub fn path(to_us: i64, first: u64, last: u64) -> String {
        let day = date(to_us).replace('-', "/");
        format!("records/{day}/{first:012}-{last:012}.ndjson")
    }
}

/// The digest before: its hash, and the signature over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub digest: Hash,
    pub signature: Signature,
}

/// What must leave the system: with it, nobody can replace what came before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub tenant: String,
    pub sequence: u64,
    pub digest: Hash,
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", encoded(&self.tenant), self.sequence, hex(&self.digest))
    }
}

impl std::str::FromStr for Head {
    type Err = Malformed;

    /// `<tenant> <sequence> <SHA-256 of the digest>`, the tenant being `-` for the operator's chain.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let mut words = text.split(' ');
        let mut parse = || {
            let (tenant, sequence, digest) = (words.next()?, words.next()?, words.next()?);
            let head = Self { tenant: decoded(tenant)?, sequence: sequence.parse().ok()?, digest: unhex(digest)? };
            words.next().is_none().then_some(head)
        };
        parse().ok_or(Malformed::Fact("chain-head"))
    }
}

/// Where a digest lies below its chain's folder; its signature lies beside it, with `.sig` added.
#[must_use]
pub fn digest_path(sequence: u64) -> String {
    format!("digests/{sequence:010}.digest")
}

/// One link of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Empty for the operator's own chain.
    pub tenant: String,
    /// The deployment that writes.
    pub origin: String,
    /// From 1, without gaps.
    pub sequence: u64,
    /// The period `[from, to)`, UTC microseconds. It begins where the digest before ends.
    pub from_us: i64,
    pub to_us: i64,
    /// Records of the chain up to this digest; its leaves are all of them.
    pub tree: Tree,
    /// Records of this period: the last so many of the tree.
    pub records: u64,
    pub previous: Option<Link>,
    pub key: KeyId,
    /// Facts of the moment that later claims can be held against: how far the lake's streams had come.
    pub anchors: Vec<String>,
    /// `None` when nothing happened.
    pub segment: Option<Segment>,
}

impl Digest {
    const FORM: &str = "1";

    /// The sequence of the first record of the period.
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.tree.size() - self.records + 1
    }

    /// The sequence of the last record so far; 0 before the first.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.tree.size()
    }

    #[must_use]
    pub fn head(&self, text: &[u8]) -> Head {
        Head { tenant: self.tenant.clone(), sequence: self.sequence, digest: hash(text) }
    }

    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = SignedText::default();
        text.fact("claviger-digest", Self::FORM);
        text.fact("tenant", encoded(&self.tenant));
        text.fact("origin", encoded(&self.origin));
        text.fact("sequence", self.sequence);
        text.fact("period", format!("{} {}", exact(self.from_us), exact(self.to_us)));
        text.fact("records", self.records);
        text.fact("tree-size", self.tree.size());
        text.fact("tree-root", hex(&self.tree.root()));
        for hash in self.tree.edge() {
            text.fact("tree-edge", hex(hash));
        }
        if let Some(previous) = &self.previous {
            text.fact("previous-digest", hex(&previous.digest));
            text.fact("previous-signature", previous.signature.to_base64());
        }
        for anchor in &self.anchors {
            text.fact("anchor", anchor);
        }
        text.fact("key", self.key);
        text.files.extend(self.segment.iter().map(|segment| Sum { hash: segment.sum, path: segment.path.clone() }));
        text.to_string()
    }

    /// # Errors
    /// When it is not exactly what [`Digest::to_text`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let text = SignedText::parse(bytes)?;
        let number = |name| -> Result<u64, Malformed> { text.find(name)?.parse().map_err(|_| Malformed::Fact(name)) };
        let name = |name| decoded(text.find(name)?).ok_or(Malformed::Fact(name));
        let (from, to) = text.find("period")?.split_once(' ').ok_or(Malformed::Fact("period"))?;
        let instant = |text: &str| rfc3339(text).ok_or(Malformed::Fact("period"));
        let edge: Option<Vec<Hash>> = text.all("tree-edge").map(unhex).collect();
        let edge = edge.ok_or(Malformed::Fact("tree-edge"))?;
        let tree = Tree::of(number("tree-size")?, edge).ok_or(Malformed::Fact("tree-edge"))?;
        let previous = match text.find("previous-digest") {
            Ok(digest) => Some(Link {
                digest: unhex(digest).ok_or(Malformed::Fact("previous-digest"))?,
                signature: Signature::of_base64(text.find("previous-signature")?)
                    .ok_or(Malformed::Fact("previous-signature"))?,
            }),
            Err(_) => None,
        };
        let segment = match text.files.as_slice() {
            [] => None,
            [Sum { hash, path }] => Some(Segment { sum: *hash, path: path.clone() }),
            _ => return Err(Malformed::Form),
        };
        let parsed = Self {
            tenant: name("tenant")?,
            origin: name("origin")?,
            sequence: number("sequence")?,
            from_us: instant(from)?,
            to_us: instant(to)?,
            records: number("records")?,
            tree,
            previous,
            key: KeyId(unhex(text.find("key")?).ok_or(Malformed::Fact("key"))?),
            anchors: text.all("anchor").map(str::to_owned).collect(),
            segment,
        };
        let sound = parsed.records <= parsed.tree.size() && (parsed.records > 0) == parsed.segment.is_some();
        // Also holds the stated root against the edge, and the fixed fields against their places.
        if sound && parsed.to_text().as_bytes() == bytes { Ok(parsed) } else { Err(Malformed::Form) }
    }
}
