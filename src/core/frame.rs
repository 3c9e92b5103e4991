//! Frames: the bytes of Kafka messages or lines of a file, copied once into one arena a batch.

use std::fmt;

use crate::offsets::{Offset, OffsetSpan, Stream};
use crate::reject::RejectReason;

/// Frames of one or several streams, in the order they were read, with the spans they cover.
#[derive(Default)]
pub struct RawBatch {
    /// When the frames were read, UTC microseconds.
    pub received_at: i64,
    spans: Vec<OffsetSpan>,
    frames: Vec<Slot>,
    arena: Vec<u8>,
}

/// Coordinates and sizes: frames hold credentials.
impl fmt::Debug for RawBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawBatch")
            .field("spans", &self.spans)
            .field("frames", &self.frames.len())
            .field("bytes", &self.arena.len())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    span: u32,
    offset: i64,
    start: usize,
    end: usize,
    unreadable: Option<RejectReason>,
}

/// One frame with its coordinates.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// Index into [`RawBatch::spans`].
    pub span: u32,
    pub offset: i64,
    pub bytes: &'a [u8],
    /// The source could not deliver the frame, for this reason: `bytes` is empty.
    pub unreadable: Option<RejectReason>,
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes at {})", self.bytes.len(), self.offset)
    }
}

impl RawBatch {
    #[must_use]
    pub fn new(received_at: i64) -> Self {
        Self { received_at, ..Self::default() }
    }

    /// With room for `bytes` of frames, to be filled without growing.
    #[must_use]
    pub fn with_capacity(received_at: i64, frames: usize, bytes: usize) -> Self {
        Self { received_at, spans: Vec::new(), frames: Vec::with_capacity(frames), arena: Vec::with_capacity(bytes) }
    }

    /// Takes over `arena` as the bytes of frames that [`RawBatch::push_range`] then cuts from it.
    #[must_use]
    pub fn over(received_at: i64, arena: Vec<u8>) -> Self {
        Self { received_at, arena, ..Self::default() }
    }

    /// Opens an empty span of `stream` that begins (and, so far, ends) at `begin`.
    pub fn open_span(&mut self, stream: Stream, begin: Offset) -> u32 {
        self.spans.push(OffsetSpan { stream, begin, end: begin });
        u32::try_from(self.spans.len() - 1).expect("a batch covers few streams")
    }

    /// Copies a frame in. The span then ends after it.
    pub fn push(&mut self, span: u32, offset: i64, bytes: &[u8]) {
        let start = self.arena.len();
        self.arena.extend_from_slice(bytes);
        self.frames.push(Slot { span, offset, start, end: self.arena.len(), unreadable: None });
        self.advance(span, Offset(offset + 1));
    }

    /// A frame that lies in the arena already (see [`RawBatch::over`]).
    pub fn push_range(&mut self, span: u32, offset: i64, range: std::ops::Range<usize>) {
        debug_assert!(range.end <= self.arena.len());
        self.frames.push(Slot { span, offset, start: range.start, end: range.end, unreadable: None });
        self.advance(span, Offset(offset + 1));
    }

    /// A frame that the source knows to be there but could not deliver: too long, or damaged in its packing.
    pub fn push_unreadable(&mut self, span: u32, offset: i64, reason: RejectReason) {
        let at = self.arena.len();
        self.frames.push(Slot { span, offset, start: at, end: at, unreadable: Some(reason) });
        self.advance(span, Offset(offset + 1));
    }

    /// Moves the end of a span forward: past a frame, or past offsets that hold no message.
    pub fn advance(&mut self, span: u32, end: Offset) {
        let span = &mut self.spans[span as usize];
        span.end = span.end.max(end);
    }

    #[must_use]
    pub fn spans(&self) -> &[OffsetSpan] {
        &self.spans
    }

    pub fn frames(&self) -> impl ExactSizeIterator<Item = Frame<'_>> {
        self.frames.iter().map(|slot| Frame {
            span: slot.span,
            offset: slot.offset,
            bytes: &self.arena[slot.start..slot.end],
            unreadable: slot.unreadable,
        })
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Bytes of all frames.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.frames.iter().map(|slot| slot.end - slot.start).sum()
    }

    /// Gives the arena back for reuse.
    #[must_use]
    pub fn into_arena(self) -> Vec<u8> {
        self.arena
    }
}
