//! The logs of `events` and `entity_minutes` as one sequence of commits.
//!
//! The earlier commit comes first; where both tables wait, events before minutes. What both hold of a stream is complete
//! (`claviger_core::lake::Levels`), and only that moves event time.

use std::collections::HashMap;

use claviger_core::lake::{Levels, LogCommit, Place, StreamTable};
use claviger_core::offsets::Stream;

use crate::lake::{Lake, LakeError, LogTail, Past};

/// Both logs, and how far their streams have come.
#[derive(Debug)]
pub struct Logs {
    events: Log,
    minutes: Log,
    pub(super) levels: Levels,
}

#[derive(Debug)]
struct Log {
    tail: LogTail,
    /// The next commit, when it was seen.
    seen: Option<LogCommit>,
}

/// The latest event time of each partition, by topic.
pub(super) type Latest = HashMap<(String, i32), i64>;

impl Logs {
    /// From `place` on, at which the tables held `past`.
    ///
    /// # Errors
    /// Commits that come next are gone, or the logs cannot be read.
    pub async fn open(lake: &Lake, place: Place, past: &Past) -> Result<Self, LakeError> {
        let logs = Self::at(lake, place)?;
        logs.behind().await?;
        let mut levels = Levels::default();
        for (table, stream, next) in past.positions().iter().filter(|(_, id, _)| Stream::of_app_id(id).is_some()) {
            levels.begin(*table, stream, *next);
        }
        Ok(Self { levels, ..logs })
    }

    /// # Errors
    /// Commits after `place` are gone, or the logs cannot be read.
    pub async fn check(lake: &Lake, place: Place) -> Result<(), LakeError> {
        Self::at(lake, place)?.behind().await.map(drop)
    }

    fn at(lake: &Lake, place: Place) -> Result<Self, LakeError> {
        let log = |table: StreamTable, next| -> Result<Log, LakeError> {
            Ok(Log { tail: lake.log_tail(table.table(), next)?, seen: None })
        };
        Ok(Self {
            events: log(StreamTable::Events, place.events)?,
            minutes: log(StreamTable::EntityMinutes, place.minutes)?,
            levels: Levels::default(),
        })
    }

    /// Takes the next commit of either table, when there is one.
    ///
    /// # Errors
    /// It cannot be read. Asked again, the same commit comes.
    pub(super) async fn next(&mut self) -> Result<Option<(StreamTable, LogCommit)>, LakeError> {
        let (events, minutes) = (self.events.look().await?, self.minutes.look().await?);
        let table = match (events, minutes) {
            (None, None) => return Ok(None),
            (Some(events), Some(minutes)) if minutes < events => StreamTable::EntityMinutes,
            (Some(_), _) => StreamTable::Events,
            (None, Some(_)) => StreamTable::EntityMinutes,
        };
        let log = self.log(table);
        let Some(commit) = log.seen.take() else { return Ok(None) };
        let commit = log.tail.take(commit)?;
        self.levels.committed(commit.at_us);
        Ok(Some((table, commit)))
    }

    /// What a commit says of its streams: which of them have come to which event time, in both tables.
    pub(super) fn moved(&mut self, table: StreamTable, commit: &LogCommit, latest: &Latest) -> Vec<(String, i64)> {
        let mut complete = Vec::new();
        for (id, next) in &commit.moved {
            let Some(stream) = Stream::of_app_id(id) else { continue };
            let latest_us = latest.get(&(stream.topic.to_string(), stream.partition)).copied();
            let moved = self.levels.moved(table, id, *next, latest_us);
            complete.extend(moved.map(|event_us| (id.clone(), event_us)));
        }
        complete
    }

    pub(super) fn tail(&self, table: StreamTable) -> &LogTail {
        match table {
            StreamTable::EntityMinutes => &self.minutes.tail,
            StreamTable::Events | StreamTable::Rejects => &self.events.tail,
        }
    }

    fn log(&mut self, table: StreamTable) -> &mut Log {
        match table {
            StreamTable::EntityMinutes => &mut self.minutes,
            StreamTable::Events | StreamTable::Rejects => &mut self.events,
        }
    }

    /// Commits that wait in both logs.
    ///
    /// # Errors
    /// Commits that come next are gone, or the logs cannot be listed.
    pub(super) async fn behind(&self) -> Result<u64, LakeError> {
        Ok(self.events.tail.behind().await? + self.minutes.tail.behind().await?)
    }

    /// When the last commit that was taken was made; 0 before the first.
    pub(super) fn at_us(&self) -> i64 {
        self.events.tail.at_us().max(self.minutes.tail.at_us())
    }

    /// The place after what was taken.
    pub(super) fn place(&self, closed_us: i64) -> Place {
        Place { events: self.events.tail.next(), minutes: self.minutes.tail.next(), closed_us }
    }
}

impl Log {
    /// When the next commit was made, if it is there.
    async fn look(&mut self) -> Result<Option<i64>, LakeError> {
        if self.seen.is_none() {
            self.seen = self.tail.peek().await?;
        }
        Ok(self.seen.as_ref().map(|commit| commit.at_us))
    }
}
