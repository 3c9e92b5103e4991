//! Positions in the input: one number line a partition, half-open spans on it.
//!
//! An offset here is always the *next* offset to read, as in Kafka, so that an empty prefix is 0 and
//! not a special case. Offsets need not be dense: transaction markers and compaction leave holes, which
//! is why a span's end comes from the consumer's position and not from the last message.

use std::sync::Arc;

/// The next offset to read in one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub i64);

/// One number line: a partition of a topic of a cluster, or one replayed file (partition 0).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stream {
    /// Kafka cluster id, or `file` for replayed input: a re-created cluster must not look like progress.
    pub cluster: Arc<str>,
    pub topic: Arc<str>,
    pub partition: i32,
}

impl Stream {
    /// The cluster of replayed files, whose offsets are line numbers: from 0 and without holes.
    pub const FILES: &str = "file";

    pub fn new(cluster: impl Into<Arc<str>>, topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { cluster: cluster.into(), topic: topic.into(), partition }
    }

    /// The Delta application id under which the table remembers this stream's next offset.
    #[must_use]
    pub fn app_id(&self, pipeline: &str) -> String {
        format!("claviger/{pipeline}/{}/{}/{}", self.cluster, self.topic, self.partition)
    }

    /// The stream of an application id, whatever its pipeline; `None` for ids that name no stream.
    #[must_use]
    pub fn of_app_id(id: &str) -> Option<Self> {
        let mut parts = id.strip_prefix("claviger/")?.splitn(3, '/');
        let (_pipeline, cluster, rest) = (parts.next()?, parts.next()?, parts.next()?);
        // A replayed file's name has slashes of its own.
        let (topic, partition) = rest.rsplit_once('/')?;
        Some(Self::new(cluster, topic, partition.parse().ok()?))
    }
}

impl std::fmt::Display for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// The offsets `begin..end` of one stream: everything in it was read, `end` is the next to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetSpan {
    pub stream: Stream,
    pub begin: Offset,
    pub end: Offset,
}

impl OffsetSpan {
    #[must_use]
    pub fn new(stream: Stream, begin: i64, end: i64) -> Self {
        debug_assert!(begin <= end, "a span never runs backwards: {begin}..{end}");
        Self { stream, begin: Offset(begin), end: Offset(end) }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.begin >= self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_found_again_by_its_application_id() {
        for stream in [Stream::new("c-1", "access.logs", 7), Stream::new("file", "/var/log/gateway.json", 0)] {
            assert_eq!(Stream::of_app_id(&stream.app_id("main")), Some(stream));
        }
        for id in ["claviger/main/findings", "compact/events", "claviger/main/c/t", "claviger/main/c/t/x"] {
            assert_eq!(Stream::of_app_id(id), None, "{id}");
        }
    }
}
