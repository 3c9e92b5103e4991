//! From batches to pieces of a body: one is read when the one before it was taken.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use axum::body::Bytes;
use futures::stream::{BoxStream, StreamExt as _};

use super::{Encoder, End, Format, Table, Unwritable, encoder, plain};
use crate::query::Cost;
use crate::serve::problem::{Kind, Problem};

/// Rows that become one piece: a wide batch as text is many times its size in memory.
const PIECE_ROWS_MAX: usize = 2_048;

/// What is known of an answer when its head is sent.
pub(super) enum Beginning {
    Whole { bytes: Vec<u8>, end: End },
    Stream(BoxStream<'static, Result<Bytes, axum::BoxError>>),
}

/// Reads until there is a second batch, so that what fails at once is answered as a failure, and what is small as a
/// whole.
pub(super) async fn begin(mut table: Table, format: Format) -> Result<Beginning, Problem> {
    let schema = plain::schema(&table.schema);
    let encoder = encoder(format, &schema, &table.words).map_err(|error| unwritable(format, &error))?;
    let mut first = VecDeque::new();
    while first.len() < 2 {
        match table.rows.next().await {
            Some(batch) => first.push_back(batch?),
            None => break,
        }
    }
    let ended = first.len() < 2;
    let mut writing = Writing { rows: table.rows, read: first, encoder, schema, cost: table.cost, ended, done: false };
    if !ended {
        return Ok(Beginning::Stream(futures::stream::unfold(writing, Writing::next).boxed()));
    }
    let mut bytes = Vec::new();
    while !writing.done {
        let piece = writing.piece().await.map_err(|error| unwritable(format, &error))?;
        bytes.extend(piece);
    }
    Ok(Beginning::Whole { bytes, end: End::of(&writing.cost) })
}

fn unwritable(format: Format, error: &Unwritable) -> Problem {
    // Names types and columns, and no values.
    let detail = format!("the rows cannot be written as {}: {error}", format.word());
    Problem::new(Kind::NotAcceptable, detail, "cast the column to text, or accept another format")
}

struct Writing {
    rows: BoxStream<'static, Result<RecordBatch, Problem>>,
    /// Read, and not yet written.
    read: VecDeque<RecordBatch>,
    encoder: Box<dyn Encoder>,
    schema: SchemaRef,
    cost: Arc<Cost>,
    ended: bool,
    done: bool,
}

impl Writing {
    async fn next(mut self) -> Option<(Result<Bytes, axum::BoxError>, Self)> {
        while !self.done {
            match self.piece().await {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Some((Ok(Bytes::from(piece)), self)),
                Err(error) => {
                    self.done = true;
                    return Some((Err(error), self));
                }
            }
        }
        None
    }

    /// The next bytes, if the rows made any yet.
    async fn piece(&mut self) -> Result<Vec<u8>, Unwritable> {
        if self.read.is_empty() && !self.ended {
            match self.rows.next().await {
                Some(batch) => self.read.push_back(batch.map_err(|problem| problem.detail.into_owned())?),
                None => self.ended = true,
            }
        }
        match self.read.pop_front() {
            Some(batch) => {
                let rows = batch.num_rows().min(PIECE_ROWS_MAX);
                if rows < batch.num_rows() {
                    self.read.push_front(batch.slice(rows, batch.num_rows() - rows));
                }
                self.encoder.write(&plain::rows(&batch.slice(0, rows), &self.schema)?)?;
            }
            None => {
                self.encoder.finish(&End::of(&self.cost))?;
                self.done = true;
            }
        }
        Ok(self.encoder.take())
    }
}
