//! One file or standard input as chunks of whole lines, unpacked if need be.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use claviger_core::offsets::Stream;
use claviger_core::reject::RejectReason;
use sha2::{Digest as _, Sha256};

use super::{CHUNK_BYTES, DAMAGED, LINE_BYTES_MAX, Progress, ReplayError, ReplayInput};

/// Unpacked bytes per packed byte beyond which a file is taken for a bomb, once it has unpacked to more than the
/// floor. Logs pack 10 to 40 times.
const RATIO_MAX: u64 = 400;
const RATIO_FLOOR_BYTES: u64 = 256 << 20;

/// How much of the first line tells one file from another.
const FIRST_LINE_BYTES: usize = 64 << 10;

pub(super) struct Input {
    path: PathBuf,
    name: String,
    reader: Box<dyn io::Read + Send>,
    packed: bool,
    /// Unpacked bytes that lie before the next line: the start of a line whose end is not read yet.
    rest: Vec<u8>,
    ended: bool,
    /// Why the input ended before its end; told once, behind its last line.
    damage: Option<RejectReason>,
    unpacked_bytes: u64,
    progress: Arc<Progress>,
    remembers: bool,
}

/// Some whole lines, and what unpacking could not deliver behind them.
pub(super) struct Read {
    pub arena: Vec<u8>,
    pub lines: Vec<Range<usize>>,
    pub damage: Option<RejectReason>,
    pub ended: bool,
}

/// Counts the bytes that are read from disk.
struct Counted<R> {
    inner: R,
    progress: Arc<Progress>,
}

impl<R: io::Read> io::Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.progress.packed_bytes.fetch_add(read as u64, Relaxed);
        Ok(read)
    }
}

impl Input {
    pub(super) fn open(input: ReplayInput, progress: Arc<Progress>) -> Result<Self, ReplayError> {
        let (path, raw): (PathBuf, Box<dyn io::Read + Send>) = match input {
            ReplayInput::Stdin => ("standard input".into(), Box::new(io::stdin())),
            ReplayInput::File(path) => {
                let file =
                    File::open(&path).map_err(|source| ReplayError::Unreadable { path: path.clone(), source })?;
                (path, Box::new(file))
            }
        };
        let remembers = path.file_name().is_some() && path.as_os_str() != "standard input";
        let unreadable = |source| ReplayError::Unreadable { path: path.clone(), source };
        let mut counted = BufReader::with_capacity(1 << 18, Counted { inner: raw, progress: Arc::clone(&progress) });
        let start = counted.fill_buf().map_err(unreadable)?;
        let (reader, packed): (Box<dyn io::Read + Send>, bool) = if start.starts_with(&[0x1f, 0x8b]) {
            (Box::new(flate2::bufread::MultiGzDecoder::new(counted)), true)
        } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            (Box::new(zstd::Decoder::with_buffer(counted).map_err(unreadable)?), true)
        } else {
            (Box::new(counted), false)
        };
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(Self {
            path,
            name,
            reader,
            packed,
            rest: Vec::new(),
            ended: false,
            damage: None,
            unpacked_bytes: 0,
            progress,
            remembers,
        })
    }

    /// The number line that this input's lines are on. Its topic tells files of one name in several folders apart, in the
    /// lake's rows as well.
    pub(super) fn stream(&mut self) -> Result<Stream, ReplayError> {
        let first_line = if self.remembers {
            self.fill(FIRST_LINE_BYTES)?;
            let head = &self.rest[..self.rest.len().min(FIRST_LINE_BYTES)];
            let line = &head[..memchr::memchr(b'\n', head).unwrap_or(head.len())];
            let digest = Sha256::digest(line);
            digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
        } else {
            uuid::Uuid::new_v4().simple().to_string()
        };
        Ok(Stream::new(Stream::FILES, format!("{}#{first_line}", self.name), 0))
    }

    /// Passes over `count` lines; returns how many there were.
    pub(super) fn skip_lines(&mut self, count: i64) -> Result<i64, ReplayError> {
        let mut skipped = 0;
        while skipped < count && !self.is_over() {
            let room = usize::try_from(count - skipped).unwrap_or(usize::MAX);
            let read = self.chunk(room)?;
            skipped += i64::try_from(read.lines.len()).unwrap_or(i64::MAX) + i64::from(read.damage.is_some());
        }
        Ok(skipped)
    }

    /// The next whole lines.
    pub(super) fn read_chunk(&mut self) -> Result<Read, ReplayError> {
        let read = self.chunk(usize::MAX)?;
        let bytes: usize = read.lines.iter().map(Range::len).sum();
        self.progress.bytes.fetch_add((bytes + read.lines.len()) as u64, Relaxed);
        Ok(read)
    }

    fn chunk(&mut self, lines_max: usize) -> Result<Read, ReplayError> {
        self.fill(CHUNK_BYTES)?;
        if !self.ended && memchr::memchr(b'\n', &self.rest).is_none() && self.give_up_line()? {
            return Ok(Read {
                arena: Vec::new(),
                lines: Vec::new(),
                damage: Some(RejectReason::TooLarge),
                ended: self.is_over(),
            });
        }
        let mut arena = std::mem::take(&mut self.rest);
        let mut lines = Vec::with_capacity(CHUNK_BYTES / 512);
        let mut start = 0;
        while lines.len() < lines_max
            && let Some(length) = memchr::memchr(b'\n', &arena[start..])
        {
            lines.push(start..start + length);
            start += length + 1;
        }
        if self.ended && lines.len() < lines_max && start < arena.len() {
            lines.push(start..arena.len());
            start = arena.len();
        }
        self.rest = Vec::with_capacity(CHUNK_BYTES + (1 << 18));
        self.rest.extend_from_slice(&arena[start..]);
        arena.truncate(start);
        let ended = self.is_over();
        Ok(Read { arena, lines, damage: self.damage.take_if(|_| ended), ended })
    }

    fn is_over(&self) -> bool {
        self.ended && self.rest.is_empty()
    }

    /// Reads until `rest` holds `wanted` bytes, or the input ends, if only because unpacking fails.
    fn fill(&mut self, wanted: usize) -> Result<(), ReplayError> {
        while !self.ended && self.rest.len() < wanted {
            let room = (wanted - self.rest.len()).max(1 << 16) as u64;
            match self.reader.by_ref().take(room).read_to_end(&mut self.rest) {
                Ok(0) => self.ended = true,
                Ok(read) => self.unpacked_bytes += read as u64,
                Err(source) if self.packed => {
                    tracing::warn!(path = %self.path.display(), %source, "the packed file is damaged: the rest of it is lost");
                    self.ended = true;
                    self.damage = Some(DAMAGED);
                }
                Err(source) => return Err(ReplayError::Unreadable { path: self.path.clone(), source }),
            }
            if self.is_bomb() {
                tracing::warn!(path = %self.path.display(), "the file unpacks beyond measure: the rest of it is not read");
                self.ended = true;
                self.damage = Some(DAMAGED);
            }
        }
        Ok(())
    }

    fn is_bomb(&self) -> bool {
        let packed = self.progress.packed_bytes.load(Relaxed);
        self.packed && self.unpacked_bytes > RATIO_FLOOR_BYTES && self.unpacked_bytes > packed.saturating_mul(RATIO_MAX)
    }

    /// A line that does not end within a chunk is read up to the limit. Beyond it the line is thrown away, and the
    /// answer is yes.
    fn give_up_line(&mut self) -> Result<bool, ReplayError> {
        self.fill(LINE_BYTES_MAX)?;
        if self.ended || memchr::memchr(b'\n', &self.rest).is_some() {
            return Ok(false);
        }
        while !self.ended {
            self.rest.clear();
            self.fill(CHUNK_BYTES)?;
            if let Some(end) = memchr::memchr(b'\n', &self.rest) {
                self.rest.drain(..=end);
                return Ok(true);
            }
        }
        self.rest.clear();
        Ok(true)
    }
}
