//! What can be wrong with a proof, in the words of the person who has to explain it.

use super::keys::KeyId;

/// A fault that a check has found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tampering {
    /// A signed text cannot be read as what it claims to be.
    Unreadable { path: String, why: String },
    /// A signed text lies there without its signature.
    Unsigned { path: String },
    /// The text names a key that nobody vouched for.
    ForeignKey { path: String, key: KeyId },
    /// The text or its signature is not what the named key signed.
    TextChanged { path: String },
    /// Bytes differ from the signed sum.
    FileChanged { path: String },
    /// The signed bytes are there, in another order.
    Reordered { path: String },
    /// The end of a file is missing.
    FileCut { path: String },
    /// A signed file is not there.
    FileMissing { path: String },
    /// A file lies there that nobody signed.
    FileAdded { path: String },
    /// A file holds another number of records than was signed.
    CountDiffers { path: String, signed: u64, found: u64 },
    /// Digests between two that are there are missing.
    DigestsMissing { from: u64, to: u64 },
    /// A digest lies under another one's name.
    Misplaced { path: String, sequence: u64 },
    /// An older digest lies where a newer one belongs.
    Replayed { path: String, sequence: u64 },
    /// Two histories: a well-signed digest does not continue the one before it, or the one that is known from outside.
    Forked { sequence: u64 },
    /// A digest of another tenant or deployment.
    OtherChain { path: String },
    /// Records between two digests belong to neither.
    RecordsMissing { from: u64, to: u64 },
    /// Time runs backwards.
    ClockBack { path: String, sequence: u64 },
    /// The records do not have the root that was signed.
    RootDiffers { path: String },
    /// The chain ends before a digest that it is known to have reached.
    TailCut { last: u64, known: u64 },
    /// All of it is genuine and older than what is known from outside.
    OldHead { last: u64, known: u64 },
    /// The trail holds another number of rows than the lake was signed to hold.
    Incomplete { what: String, in_lake: u64, exported: u64 },
    /// Records wait for their digest longer than a period.
    Overdue { since: u64, records: u64 },
}

impl std::fmt::Display for Tampering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable { path, why } => write!(f, "{path}: cannot be read: {why}"),
            Self::Unsigned { path } => write!(f, "{path}: has no signature"),
            Self::ForeignKey { path, key } => write!(f, "{path}: signed by a foreign key, {key}"),
            Self::TextChanged { path } => write!(f, "{path}: it or its signature was changed"),
            Self::FileChanged { path } => write!(f, "{path}: bytes were changed"),
            Self::Reordered { path } => write!(f, "{path}: was reordered"),
            Self::FileCut { path } => write!(f, "{path}: its end was cut off"),
            Self::FileMissing { path } => write!(f, "{path}: is missing"),
            Self::FileAdded { path } => write!(f, "{path}: was added"),
            Self::CountDiffers { path, signed, found } => {
                write!(f, "{path}: holds {found} records where {signed} were signed")
            }
            Self::DigestsMissing { from, to } if from == to => write!(f, "digest {from} is missing"),
            Self::DigestsMissing { from, to } => write!(f, "digests {from} to {to} are missing"),
            Self::Misplaced { path, sequence } => write!(f, "{path}: holds digest {sequence}: digests were reordered"),
            Self::Replayed { path, sequence } => write!(f, "{path}: holds the older digest {sequence}, replayed"),
            Self::Forked { sequence } => {
                write!(f, "digest {sequence} belongs to another history: the chain was forked")
            }
            Self::OtherChain { path } => write!(f, "{path}: belongs to another chain"),
            Self::RecordsMissing { from, to } => write!(f, "records {from} to {to} are in no digest"),
            Self::ClockBack { path, sequence } => write!(f, "{path}: the clock was set back before {sequence}"),
            Self::RootDiffers { path } => write!(f, "{path}: its records do not have the signed root"),
            Self::TailCut { last, known } => {
                write!(f, "the chain ends at digest {last} and had reached {known}: its tail was cut")
            }
            Self::OldHead { last, known } => {
                write!(f, "the chain ends at digest {last}, an old head: {known} is known from outside")
            }
            Self::Incomplete { what, in_lake, exported } => {
                write!(f, "{exported} {what} are here and the lake held {in_lake}")
            }
            Self::Overdue { since, records } => {
                write!(f, "{records} records from {since} on have waited for a digest longer than a period")
            }
        }
    }
}
