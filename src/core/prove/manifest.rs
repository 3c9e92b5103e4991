//! The manifest of an export: what was asked, which state of the lake answered, how much there was, and every file's sum.
//!
//! What an auditor would attack, and what answers it:
//! - "rows were left out": the lake's own count of the filter, taken by another query at the same table versions, stands
//!   beside the number written, and so do the streams' positions, rejects and gaps;
//! - "the filter was narrower than told", "the lake had moved on": filter and table versions are signed;
//! - "a file was dropped, swapped or added": every file has its sum and its count, and nothing else may lie there;
//! - "the same export was made twice until it fitted": the text holds no clock, so the same lake gives the same bytes;
//! - "all of it was signed anew": the chain's heads stand in it, and earlier exports hold earlier heads.

use super::digest::Head;
use super::keys::{KeyId, PublicKey, Signature, VerifySignature};
use super::sums::{Malformed, SignedText, Sum, decoded, encoded};
use super::tamper::Tampering;
use super::{Hash, unhex};
use crate::time::{exact, rfc3339};

/// Which records were asked for. The period is `[from, to)`, UTC microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    pub from_us: i64,
    pub to_us: i64,
    pub tenant: Option<String>,
    pub principal: Option<String>,
    pub key: Option<String>,
}

/// One file of the export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    pub sum: Sum,
    /// `None` for files that hold no records.
    pub records: Option<u64>,
}

/// What an export claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub scope: Scope,
    /// `ndjson`, `csv`, `parquet` or `ocsf`.
    pub output: String,
    /// The lake's tables and the versions that were read.
    pub tables: Vec<(String, u64)>,
    /// What was counted in the lake and what was written, by the name of the files' folder.
    pub counts: Vec<Count>,
    /// How far the lake had come in each stream, in words; left out of a tenant's export.
    pub streams: Vec<String>,
    /// The last digests of the chains of accesses that lie in the export.
    pub heads: Vec<Head>,
    /// The newest digests there were: keep them, and no chain that is shown later can contradict them unnoticed.
    pub newest: Vec<Head>,
    pub key: KeyId,
    pub files: Vec<FileEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    pub what: String,
    pub in_lake: u64,
    pub exported: u64,
}

impl Manifest {
    pub const NAME: &str = "MANIFEST";
    pub const SIGNATURE_NAME: &str = "MANIFEST.sig";
    const FORM: &str = "1";

    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = SignedText::default();
        text.fact("claviger-export", Self::FORM);
        text.fact("period", format!("{} {}", exact(self.scope.from_us), exact(self.scope.to_us)));
        for (name, value) in self.scope.filters() {
            if let Some(value) = value {
                text.fact(name, encoded(value));
            }
        }
        text.fact("output", encoded(&self.output));
        for (table, version) in &self.tables {
            text.fact("table", format!("{} version {version}", encoded(table)));
        }
        for Count { what, in_lake, exported } in &self.counts {
            text.fact("count", format!("{} {in_lake} in the lake, {exported} here", encoded(what)));
        }
        for stream in &self.streams {
            text.fact("stream", stream);
        }
        for head in &self.heads {
            text.fact("chain-head", head);
        }
        for head in &self.newest {
            text.fact("newest-head", head);
        }
        text.fact("key", self.key);
        for FileEntry { sum, records } in &self.files {
            if let Some(records) = records {
                text.fact("records", format!("{records} {}", sum.path));
            }
        }
        text.files = self.files.iter().map(|entry| entry.sum.clone()).collect();
        text.to_string()
    }

    /// # Errors
    /// When it is not exactly what [`Manifest::to_text`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let text = SignedText::parse(bytes)?;
        let (from, to) = text.find("period")?.split_once(' ').ok_or(Malformed::Fact("period"))?;
        let instant = |text: &str| rfc3339(text).ok_or(Malformed::Fact("period"));
        let filter = |name: &'static str| text.all(name).next().and_then(decoded);
        let scope = Scope {
            from_us: instant(from)?,
            to_us: instant(to)?,
            tenant: filter(Scope::TENANT),
            principal: filter(Scope::PRINCIPAL),
            key: filter(Scope::KEY),
        };
        let tables = text.all("table").map(table).collect::<Option<_>>().ok_or(Malformed::Fact("table"))?;
        let counts = text.all("count").map(count).collect::<Option<_>>().ok_or(Malformed::Fact("count"))?;
        let heads = |name| text.all(name).map(str::parse).collect::<Result<_, _>>();
        let records = |path: &str| {
            text.all("records")
                .filter_map(|fact| fact.split_once(' '))
                .find(|(_, named)| *named == path)?
                .0
                .parse()
                .ok()
        };
        let entry = |sum: &Sum| FileEntry { records: records(&sum.path), sum: sum.clone() };
        let parsed = Self {
            scope,
            output: decoded(text.find("output")?).ok_or(Malformed::Fact("output"))?,
            tables,
            counts,
            streams: text.all("stream").map(str::to_owned).collect(),
            heads: heads("chain-head")?,
            newest: heads("newest-head")?,
            key: KeyId(unhex(text.find("key")?).ok_or(Malformed::Fact("key"))?),
            files: text.files.iter().map(entry).collect(),
        };
        if parsed.to_text().as_bytes() == bytes { Ok(parsed) } else { Err(Malformed::Form) }
    }
}

impl Scope {
    const TENANT: &str = "filter-tenant";
    const PRINCIPAL: &str = "filter-principal";
    const KEY: &str = "filter-key";

    fn filters(&self) -> [(&'static str, Option<&str>); 3] {
        [
            (Self::TENANT, self.tenant.as_deref()),
            (Self::PRINCIPAL, self.principal.as_deref()),
            (Self::KEY, self.key.as_deref()),
        ]
    }
}

fn table(fact: &str) -> Option<(String, u64)> {
    let (name, version) = fact.split_once(" version ")?;
    Some((decoded(name)?, version.parse().ok()?))
}

fn count(fact: &str) -> Option<Count> {
    let (what, rest) = fact.split_once(' ')?;
    let (in_lake, rest) = rest.split_once(" in the lake, ")?;
    let exported = rest.strip_suffix(" here")?;
    Some(Count { what: decoded(what)?, in_lake: in_lake.parse().ok()?, exported: exported.parse().ok()? })
}

/// A file as it lies there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSeen {
    pub sum: Hash,
    /// Records, where they can be counted by their lines.
    pub records: Option<u64>,
    /// Whether the records stand in the order of their `seq`.
    pub in_order: bool,
}

/// Holds the files of an export against its manifest.
#[derive(Debug)]
pub struct ManifestCheck {
    manifest: Manifest,
    seen: Vec<Option<FileSeen>>,
}

impl ManifestCheck {
    /// # Errors
    /// When the manifest is not what a trusted key signed: nothing that it says then counts.
    pub fn open(
        text: &[u8],
        signature: Option<&[u8]>,
        trusted: &[PublicKey],
        verify: VerifySignature<'_>,
    ) -> Result<Self, Tampering> {
        let path = || Manifest::NAME.to_owned();
        let signature = signature.ok_or_else(|| Tampering::Unsigned { path: path() })?;
        let signed = Signature::of_bytes(signature)
            .is_some_and(|signature| trusted.iter().any(|key| verify(key, text, &signature)));
        match (Manifest::parse(text), signed) {
            (Ok(manifest), true) => Ok(Self { seen: vec![None; manifest.files.len()], manifest }),
            (Ok(manifest), false) if !trusted.iter().any(|key| key.id() == manifest.key) => {
                Err(Tampering::ForeignKey { path: path(), key: manifest.key })
            }
            (_, false) => Err(Tampering::TextChanged { path: path() }),
            (Err(why), true) => Err(Tampering::Unreadable { path: path(), why: why.to_string() }),
        }
    }

    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The file at a place of [`Manifest::files`].
    pub fn file(&mut self, place: usize, seen: FileSeen) {
        if let Some(slot) = self.seen.get_mut(place) {
            *slot = Some(seen);
        }
    }

    /// Ends the check; `present` are the paths of all files that lie there.
    #[must_use]
    pub fn finish(&self, present: &[String]) -> Vec<Tampering> {
        let files = || self.manifest.files.iter();
        let mut faults: Vec<Tampering> =
            files().zip(&self.seen).filter_map(|(entry, seen)| self.judge(entry, seen.as_ref())).collect();
        let known = |path: &str| {
            path == Manifest::NAME || path == Manifest::SIGNATURE_NAME || files().any(|entry| entry.sum.path == path)
        };
        let added = present.iter().filter(|path| !known(path));
        faults.extend(added.map(|path| Tampering::FileAdded { path: path.clone() }));
        for Count { what, in_lake, exported } in &self.manifest.counts {
            let folder = format!("{what}/");
            let written = files().filter(|entry| entry.sum.path.starts_with(&folder)).filter_map(|entry| entry.records);
            let written: u64 = written.sum();
            if in_lake != exported || written != *exported {
                faults.push(Tampering::Incomplete { what: what.clone(), in_lake: *in_lake, exported: written });
            }
        }
        faults
    }

    fn judge(&self, entry: &FileEntry, seen: Option<&FileSeen>) -> Option<Tampering> {
        let path = entry.sum.path.clone();
        let Some(seen) = seen else { return Some(Tampering::FileMissing { path }) };
        if seen.sum == entry.sum.hash {
            let counted = entry.records.zip(seen.records).filter(|(signed, found)| signed != found);
            return counted.map(|(signed, found)| Tampering::CountDiffers { path, signed, found });
        }
        let swapped = self.manifest.files.iter().any(|other| other.sum.hash == seen.sum);
        let shorter = entry.records.zip(seen.records).is_some_and(|(signed, found)| found < signed);
        Some(match (swapped || !seen.in_order, shorter) {
            (_, true) if !swapped => Tampering::FileCut { path },
            (true, _) => Tampering::Reordered { path },
            (false, _) => Tampering::FileChanged { path },
        })
    }
}
