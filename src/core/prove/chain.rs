//! Walks a chain of digests and their records, and names what is wrong.
//!
//! One change gives one fault as far as that can be told: after a digest that cannot be trusted, the next one is held
//! against its place in the sequence only, since its link would complain of the same change again.

use super::digest::{Digest, Head, Link, Segment, digest_path};
use super::keys::{PublicKey, Signature, VerifySignature};
use super::tamper::Tampering;
use super::tree::{Tree, leaf_hash};
use super::{Hash, hash, place_of};

/// What a walk has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainReport {
    pub digests: u64,
    pub records: u64,
    /// Sequence of the first digest that was there: above 1, an earlier part is kept elsewhere.
    pub begins_at: u64,
    /// The newest digest that can be trusted, and the end of its period.
    pub head: Option<(Head, i64)>,
    pub faults: Vec<Tampering>,
}

/// The state of a walk: digests in the order of their names, each followed by its records.
pub struct ChainCheck<'a> {
    trusted: &'a [PublicKey],
    verify: VerifySignature<'a>,
    report: ChainReport,
    /// The last digest that was read, whether or not it could be trusted.
    last: Option<Last>,
    seen: Vec<(u64, Hash)>,
    last_at: String,
    pending: Option<Pending>,
}

struct Last {
    sequence: u64,
    /// `None` after one that cannot be trusted.
    trusted: Option<(Digest, Link)>,
}

/// The digest whose records are awaited.
struct Pending {
    segment: Segment,
    records: u64,
    first: u64,
    root: Hash,
    /// The tree before; unknown at the beginning of a part, and after a fault.
    before: Option<Tree>,
}

impl<'a> ChainCheck<'a> {
    /// `trusted` are the keys that were vouched for.
    #[must_use]
    pub fn new(trusted: &'a [PublicKey], verify: VerifySignature<'a>) -> Self {
        Self {
            trusted,
            verify,
            report: ChainReport::default(),
            last: None,
            seen: Vec::new(),
            last_at: String::new(),
            pending: None,
        }
    }

    /// The next digest, with the sequence that its name tells. Returns where its records are: hand them to
    /// [`ChainCheck::records`].
    pub fn digest(&mut self, named: u64, text: &[u8], signature: Option<&[u8]>) -> Option<String> {
        self.report.digests += 1;
        let path = digest_path(named);
        if let Some(expected) = self.last.as_ref().map(|last| last.sequence + 1).filter(|expected| *expected < named) {
            self.fault(Tampering::DigestsMissing { from: expected, to: named - 1 });
            self.last = None;
        }
        if self.report.begins_at == 0 {
            self.report.begins_at = named;
        }
        let trusted = match self.read(&path, named, text, signature) {
            Ok((digest, signature)) => {
                self.pending = self.follow(&path, &digest);
                let link = Link { digest: hash(text), signature };
                self.report.head = Some((digest.head(text), digest.to_us));
                Some((digest, link))
            }
            Err(fault) => {
                self.fault(fault);
                self.pending = None;
                None
            }
        };
        self.seen.push((named, hash(text)));
        self.last = Some(Last { sequence: named, trusted });
        self.pending.as_ref().map(|pending| pending.segment.path.clone())
    }

    /// The records of the digest that was just handed in; `None` when the file is not there.
    pub fn records(&mut self, bytes: Option<&[u8]>) {
        let Some(pending) = self.pending.take() else { return };
        let path = pending.segment.path.clone();
        let Some(bytes) = bytes else { return self.fault(Tampering::FileMissing { path }) };
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        self.report.records += lines.len() as u64;
        if hash(bytes) != pending.segment.sum {
            let fault = pending.how_changed(&lines, path);
            return self.fault(fault);
        }
        let mut tree = pending.before;
        let mut due = pending.first;
        for line in lines {
            let Some((sequence, at)) = place_of(line) else {
                return self.fault(Tampering::Unreadable { path, why: "a line is no record".to_owned() });
            };
            if sequence != due {
                return self.fault(Tampering::Reordered { path });
            }
            if at < self.last_at {
                self.fault(Tampering::ClockBack { path: path.clone(), sequence });
            }
            self.last_at = at;
            if let Some(tree) = &mut tree {
                tree.push(leaf_hash(line.strip_suffix(b"\n").unwrap_or(line)));
            }
            due += 1;
        }
        if due != pending.first + pending.records {
            let found = due - pending.first;
            self.fault(Tampering::CountDiffers { path: path.clone(), signed: pending.records, found });
        }
        if tree.is_some_and(|tree| tree.root() != pending.root) {
            self.fault(Tampering::RootDiffers { path });
        }
    }

    /// Ends the walk. `own` are heads that the checked folder itself states under a signature, `outside` those that
    /// left the system earlier.
    #[must_use]
    pub fn finish(mut self, own: &[Head], outside: &[Head]) -> ChainReport {
        let last = self.last.as_ref().map_or(0, |last| last.sequence);
        for (heads, from_outside) in [(own, false), (outside, true)] {
            for head in heads {
                let known = head.sequence;
                if known > last {
                    self.fault(match from_outside {
                        true => Tampering::OldHead { last, known },
                        false => Tampering::TailCut { last, known },
                    });
                } else if self.seen.iter().any(|(sequence, digest)| *sequence == known && *digest != head.digest) {
                    self.fault(Tampering::Forked { sequence: known });
                }
            }
        }
        self.report
    }

    fn fault(&mut self, fault: Tampering) {
        if !self.report.faults.contains(&fault) {
            self.report.faults.push(fault);
        }
    }

    /// A digest that is what it claims to be.
    fn read(
        &self,
        path: &str,
        named: u64,
        text: &[u8],
        signature: Option<&[u8]>,
    ) -> Result<(Digest, Signature), Tampering> {
        let path = || path.to_owned();
        let digest = Digest::parse(text);
        let signature = signature.ok_or_else(|| Tampering::Unsigned { path: path() })?;
        let signature = Signature::of_bytes(signature).ok_or_else(|| Tampering::TextChanged { path: path() })?;
        // A text that any trusted key signed is as it was signed, even if we cannot read it.
        let signer = self.trusted.iter().find(|key| (self.verify)(key, text, &signature));
        let digest = match (digest, signer) {
            (Ok(digest), Some(_)) => digest,
            (Ok(digest), None) if !self.trusted.iter().any(|key| key.id() == digest.key) => {
                return Err(Tampering::ForeignKey { path: path(), key: digest.key });
            }
            (_, None) => return Err(Tampering::TextChanged { path: path() }),
            (Err(why), Some(_)) => return Err(Tampering::Unreadable { path: path(), why: why.to_string() }),
        };
        if digest.sequence != named {
            let replayed = self.seen.iter().any(|(_, seen)| *seen == hash(text));
            return Err(match replayed {
                true => Tampering::Replayed { path: path(), sequence: digest.sequence },
                false => Tampering::Misplaced { path: path(), sequence: digest.sequence },
            });
        }
        Ok((digest, signature))
    }

    /// Holds a digest against the one before it.
    fn follow(&mut self, path: &str, digest: &Digest) -> Option<Pending> {
        let first_ever = digest.sequence == 1;
        let mut before = first_ever.then(Tree::default);
        let mut faults = Vec::new();
        if first_ever && digest.previous.is_some() || !first_ever && digest.previous.is_none() {
            faults.push(Tampering::Forked { sequence: digest.sequence });
        }
        if digest.to_us < digest.from_us {
            faults.push(Tampering::ClockBack { path: path.to_owned(), sequence: digest.sequence });
        }
        if let Some((last, link)) = self.last.as_ref().and_then(|last| last.trusted.as_ref()) {
            if (&last.tenant, &last.origin) != (&digest.tenant, &digest.origin) {
                faults.push(Tampering::OtherChain { path: path.to_owned() });
            } else if digest.previous != Some(*link) {
                faults.push(Tampering::Forked { sequence: digest.sequence });
            } else {
                if digest.from_us < last.to_us {
                    faults.push(Tampering::ClockBack { path: path.to_owned(), sequence: digest.sequence });
                }
                if digest.first() != last.last() + 1 {
                    faults.push(Tampering::RecordsMissing { from: last.last() + 1, to: digest.first().max(1) - 1 });
                } else {
                    before = Some(last.tree.clone());
                }
            }
        }
        faults.into_iter().for_each(|fault| self.fault(fault));
        let segment = digest.segment.clone()?;
        Some(Pending { segment, records: digest.records, first: digest.first(), root: digest.tree.root(), before })
    }
}

impl Pending {
    /// The likeliest story of bytes that do not have their sum.
    fn how_changed(&self, lines: &[&[u8]], path: String) -> Tampering {
        let mut sorted: Vec<(u64, &[u8])> =
            lines.iter().map(|line| (place_of(line).map_or(u64::MAX, |(sequence, _)| sequence), *line)).collect();
        let in_order = sorted.is_sorted_by_key(|(sequence, _)| *sequence);
        sorted.sort_by_key(|(sequence, _)| *sequence);
        let bytes: Vec<u8> = sorted.iter().flat_map(|(_, line)| line.iter().copied()).collect();
        if !in_order && hash(&bytes) == self.segment.sum {
            return Tampering::Reordered { path };
        }
        let cut = (lines.len() as u64) < self.records || !lines.last().is_some_and(|line| line.ends_with(b"\n"));
        if cut { Tampering::FileCut { path } } else { Tampering::FileChanged { path } }
    }
}
