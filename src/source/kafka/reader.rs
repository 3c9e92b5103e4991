//! Partitions come and go: start offsets, gaps, refusals, the hand-over, and the way to the pipeline.
//!
//! Decision: start offsets are set in the rebalance callback itself. Seeking after an assignment is racy, since
//! fetching begins in between. Watermarks are asked for there too, which costs one round trip a partition.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use claviger_core::config::Start;
use claviger_core::intake::{Intake, Taken};
use claviger_core::offsets::{Offset, Stream};
use claviger_core::start::{StartPlan, Watermarks, plan_start};
use rdkafka::Message as _;
use rdkafka::consumer::{Consumer as _, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset as Place, TopicPartitionList};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::context::Consumer;
use super::{Positions, SourceError, SourceEvent};
use crate::signals;
use crate::source::Drained;

/// A broker that does not answer about a partition in this time, thrice, will not.
const WATERMARK_LIMIT: Duration = Duration::from_secs(5);
const WATERMARK_ATTEMPTS: u32 = 3;
const SEEK_LIMIT: Duration = Duration::from_secs(5);
/// How often a waiting thread looks again. Far below a batch's age, far above a core's worth of spinning.
pub(super) const NAP: Duration = Duration::from_millis(1);

pub(super) struct Reader {
    pub(super) intake: Intake,
    /// Calls of librdkafka so far: an answerless `poll` without one has seen an empty queue.
    pub(super) callbacks: u64,
    /// What went wrong in a callback, for the loop to end with.
    pub(super) failure: Option<SourceError>,
    /// Why a broker or this side turned the last connection away: credentials or certificates.
    pub(super) refusal: Option<(RDKafkaErrorCode, String)>,
    /// Nothing is handed over any more: the pipeline has had its last event.
    pub(super) stopping: bool,
    pub(super) paused: bool,
    pub(super) cluster: Arc<str>,
    outbox: VecDeque<SourceEvent>,
    events: Option<mpsc::Sender<SourceEvent>>,
    positions: Arc<dyn Positions>,
    fresh: Start,
    drain_limit: Duration,
}

impl Reader {
    pub(super) fn new(
        events: mpsc::Sender<SourceEvent>,
        positions: Arc<dyn Positions>,
        fresh: Start,
        drain_limit: Duration,
    ) -> Self {
        Self {
            intake: Intake::default(),
            callbacks: 0,
            failure: None,
            refusal: None,
            stopping: false,
            paused: false,
            cluster: Arc::from(""),
            outbox: VecDeque::new(),
            events: Some(events),
            positions,
            fresh,
            drain_limit,
        }
    }

    pub(super) fn take(&mut self, message: &BorrowedMessage<'_>, now: i64) {
        let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
        match self.intake.take(topic, partition, offset, message.payload().unwrap_or_default(), now) {
            Taken::Kept | Taken::NotOurs => {}
            Taken::Backwards { expected } => signals::Backwards { topic, partition, offset, expected }.emit(),
        }
    }

    /// Puts what has been read so far on its way.
    pub(super) fn seal(&mut self) {
        if let Some(batch) = self.intake.seal() {
            signals::BatchRead { frames: batch.len(), bytes: batch.bytes() }.emit();
            self.outbox.push_back(SourceEvent::Batch(batch));
        }
    }

    /// Says something after all that has been read so far.
    pub(super) fn say(&mut self, event: SourceEvent) {
        self.seal();
        self.outbox.push_back(event);
    }

    /// Moves what is on its way into the pipeline, as far as there is room. True when all of it went.
    pub(super) fn pump(&mut self) -> bool {
        while let Some(event) = self.outbox.pop_front() {
            match self.events.as_ref().map(|events| events.try_send(event)) {
                Some(Ok(())) => {}
                Some(Err(TrySendError::Full(event))) => {
                    self.outbox.push_front(event);
                    return false;
                }
                // The pipeline has ended, and its own error says why.
                Some(Err(TrySendError::Closed(_))) | None => self.hang_up(),
            }
        }
        true
    }

    /// Tells the pipeline that nothing more comes.
    pub(super) fn hang_up(&mut self) {
        self.events = None;
        self.outbox.clear();
    }

    pub(super) fn pipeline_has_ended(&self) -> bool {
        self.events.as_ref().is_none_or(mpsc::Sender::is_closed)
    }

    /// Whether the pipeline has worked off half of what can wait.
    pub(super) fn has_room(&self) -> bool {
        self.events.as_ref().is_none_or(|events| events.capacity() >= events.max_capacity() / 2)
    }

    /// Takes partitions over, each from where the lake ends.
    pub(super) fn assign(&mut self, consumer: &Consumer, list: &mut TopicPartitionList) -> Result<(), SourceError> {
        if self.stopping {
            return Ok(());
        }
        let streams = self.streams(list);
        let positions = if streams.is_empty() { Ok(Vec::new()) } else { self.positions.positions(&streams) };
        let positions = positions.map_err(|source| SourceError::Positions { source })?;
        let mut starts = Vec::with_capacity(streams.len());
        let mut refused = TopicPartitionList::new();
        for (stream, position) in streams.into_iter().zip(positions) {
            let plan = plan_start(position, watermarks(consumer, &stream)?, self.fresh);
            let begin = match plan {
                StartPlan::At(begin) | StartPlan::AfterGap { to: begin, .. } => begin,
                StartPlan::Refuse { high, .. } => high,
            };
            list.set_partition_offset(&stream.topic, stream.partition, Place::Offset(begin.0))
                .map_err(|source| SourceError::Assignment { what: "place", source })?;
            if let StartPlan::Refuse { .. } = plan {
                refused.add_partition(&stream.topic, stream.partition);
            }
            starts.push((stream, plan));
        }
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(list),
        }
        .and_then(|()| consumer.pause(if self.paused { list } else { &refused }))
        .map_err(|source| SourceError::Assignment { what: "take over", source })?;
        self.begin(starts);
        Ok(())
    }

    /// Says what begins where, gaps after the beginnings that they belong to.
    fn begin(&mut self, plans: Vec<(Stream, StartPlan)>) {
        self.seal();
        let mut starts = Vec::with_capacity(plans.len());
        let mut gaps = Vec::new();
        for (stream, plan) in plans {
            match plan {
                StartPlan::At(begin) => {
                    self.intake.begin(stream.clone(), begin);
                    starts.push((stream, begin));
                }
                StartPlan::AfterGap { from, to } => {
                    self.intake.begin(stream.clone(), to);
                    starts.push((stream.clone(), from));
                    gaps.push((stream, from, to));
                }
                StartPlan::Refuse { position, high } => self.turn_away(stream, position, high),
            }
        }
        signals::Assigned { starts: &starts, held: self.intake.positions().count() }.emit();
        if !starts.is_empty() {
            self.say(SourceEvent::Assigned(starts));
        }
        for (stream, from, to) in gaps {
            self.declare_gap(stream, from, to);
        }
    }

    fn declare_gap(&mut self, stream: Stream, from: Offset, to: Offset) {
        signals::Gap { stream: &stream, from, to }.emit();
        self.say(SourceEvent::Gap { stream, from, to });
    }

    fn turn_away(&mut self, stream: Stream, position: Offset, high: Offset) {
        signals::Refused { stream: &stream, position, high }.emit();
        self.intake.refuse(stream, high);
    }

    /// Gives partitions away, after the pipeline has committed what it holds of them or the limit has passed.
    pub(super) fn revoke(&mut self, consumer: &Consumer, list: &TopicPartitionList) -> Result<(), SourceError> {
        let streams = self.release(list, false);
        if !self.stopping && !streams.is_empty() && !self.drain(&streams) {
            self.say(SourceEvent::Lost(streams));
        }
        unassign(consumer, list)
    }

    /// Partitions that were someone else's before we heard of it.
    pub(super) fn lose(&mut self, consumer: &Consumer, list: &TopicPartitionList) -> Result<(), SourceError> {
        let streams = self.release(list, true);
        self.say(SourceEvent::Lost(streams));
        unassign(consumer, list)
    }

    fn release(&mut self, list: &TopicPartitionList, lost: bool) -> Vec<Stream> {
        self.seal();
        let elements = list.elements();
        let streams = elements.iter().filter_map(|element| self.intake.end(element.topic(), element.partition()));
        let streams = streams.collect::<Vec<_>>();
        let held = self.intake.positions().count();
        signals::Unassigned { partitions: streams.len(), held, lost }.emit();
        streams
    }

    /// A rendezvous: the pipeline seals and commits, this thread waits. False when it did not come about.
    fn drain(&mut self, streams: &[Stream]) -> bool {
        let began = Instant::now();
        let (done, answered) = Drained::pair();
        self.say(SourceEvent::Revoked { streams: streams.to_vec(), done });
        while !self.pump() && began.elapsed() < self.drain_limit {
            std::thread::sleep(NAP);
        }
        let drained = answered.recv_timeout(self.drain_limit.saturating_sub(began.elapsed())).is_ok();
        if !drained {
            signals::LateDrain { partitions: streams.len(), waited: began.elapsed() }.emit();
        }
        drained
    }

    /// Reads a stream again from `offset`, if it is still ours.
    pub(super) fn seek(&mut self, consumer: &Consumer, stream: &Stream, offset: Offset) -> Result<(), SourceError> {
        if !self.intake.positions().any(|(held, _)| held == stream) {
            return Ok(());
        }
        signals::Sought { stream, offset }.emit();
        place(consumer, stream, offset, self.paused)?;
        self.seal();
        self.intake.begin(stream.clone(), offset);
        self.say(SourceEvent::Assigned(vec![(stream.clone(), offset)]));
        Ok(())
    }

    /// The broker has refused an offset of some partition (the client does not say which): compares every
    /// position with what the broker holds, and goes on where that is possible.
    pub(super) fn look_around(&mut self, consumer: &Consumer) -> Result<(), SourceError> {
        let positions = self.intake.positions().map(|(stream, next)| (stream.clone(), next)).collect::<Vec<_>>();
        for (stream, next) in positions {
            match plan_start(Some(next), watermarks(consumer, &stream)?, self.fresh) {
                StartPlan::At(next) => place(consumer, &stream, next, self.paused)?,
                StartPlan::AfterGap { from, to } => {
                    place(consumer, &stream, to, self.paused)?;
                    self.seal();
                    self.intake.begin(stream.clone(), to);
                    self.declare_gap(stream, from, to);
                }
                StartPlan::Refuse { position, high } => {
                    let mut list = TopicPartitionList::new();
                    list.add_partition(&stream.topic, stream.partition);
                    consumer.pause(&list).map_err(|source| SourceError::Assignment { what: "pause", source })?;
                    self.seal();
                    self.turn_away(stream, position, high);
                }
            }
        }
        self.intake.forget_ends();
        Ok(())
    }

    fn streams(&self, list: &TopicPartitionList) -> Vec<Stream> {
        let stream = |topic: &str, partition| Stream::new(Arc::clone(&self.cluster), topic, partition);
        list.elements().iter().map(|element| stream(element.topic(), element.partition())).collect()
    }

    /// Every partition that is read.
    pub(super) fn list(&self) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (stream, _) in self.intake.positions() {
            list.add_partition(&stream.topic, stream.partition);
        }
        list
    }
}

fn unassign(consumer: &Consumer, list: &TopicPartitionList) -> Result<(), SourceError> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    }
    .map_err(|source| SourceError::Assignment { what: "hand over", source })
}

/// Moves the client to `offset`. A partition whose offset the broker has refused cannot be sought in any more: it
/// is given up and taken over anew, which other members of the group do not notice.
fn place(consumer: &Consumer, stream: &Stream, offset: Offset, paused: bool) -> Result<(), SourceError> {
    let place = Place::Offset(offset.0);
    if consumer.seek(&stream.topic, stream.partition, place, SEEK_LIMIT).is_ok() {
        return Ok(());
    }
    let mut list = TopicPartitionList::new();
    let mut begin_anew = || {
        list.add_partition_offset(&stream.topic, stream.partition, place)?;
        consumer.incremental_unassign(&list)?;
        consumer.incremental_assign(&list)?;
        if paused { consumer.pause(&list) } else { Ok(()) }
    };
    begin_anew().map_err(|source| SourceError::Assignment { what: "seek in", source })
}

fn watermarks(consumer: &Consumer, stream: &Stream) -> Result<Watermarks, SourceError> {
    let ask = || consumer.fetch_watermarks(&stream.topic, stream.partition, WATERMARK_LIMIT);
    let mut answer = ask();
    for _ in 1..WATERMARK_ATTEMPTS {
        answer = answer.or_else(|_: KafkaError| ask());
    }
    let (low, high) = answer.map_err(|source| SourceError::Watermarks { stream: stream.clone(), source })?;
    Ok(Watermarks { low: Offset(low), high: Offset(high) })
}
