//! Waiting for the seat of the one process that judges.

use std::sync::Arc;
use std::time::Duration;

use claviger_core::fault::{Fault as _, Retry};
use claviger_core::lake::{Mark, Place, Waiting};
use tokio::time::{Instant, sleep};

use crate::lake::{Lake, LakeError, Seat};
use crate::serve::health::Health;
use crate::signals;

/// How often it is looked whether the seat is free.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Waits until nobody else judges the lake, and takes the seat. With it comes the place up to which the lake was judged;
/// `None` when it never was.
///
/// # Errors
/// The lake cannot be used, for a reason that does not pass.
pub async fn wait_for_seat(
    lake: &Lake,
    patience: Duration,
    health: &Arc<Health>,
) -> Result<(Seat, Option<Place>), LakeError> {
    let began = Instant::now();
    let mark = Mark::of(rand::random());
    let mut waiting = Waiting::new(patience);
    let mut said = false;
    loop {
        match try_to_sit(lake, mark, &mut waiting, began.elapsed()).await {
            Ok(Some(seat)) => {
                // Read again: whoever had the seat before may have judged on until it was taken.
                let (_, place) = lake.turn().await?;
                signals::SeatTaken { waited: began.elapsed() }.emit();
                health.judges(true);
                return Ok((seat, place));
            }
            Ok(None) if !said => {
                said = true;
                signals::StandsBy { patience }.emit();
                health.judges(false);
            }
            Ok(None) => {}
            Err(error) if error.retry() == Retry::WithBackoff => signals::LakeAway { error: &error }.emit(),
            Err(error) => return Err(error),
        }
        sleep(LOOK_INTERVAL.min(patience / 3)).await;
    }
}

async fn try_to_sit(lake: &Lake, mark: Mark, waiting: &mut Waiting, now: Duration) -> Result<Option<Seat>, LakeError> {
    let (turn, _) = lake.turn().await?;
    if waiting.may_take(turn, now) { lake.take_seat(turn, mark).await } else { Ok(None) }
}
