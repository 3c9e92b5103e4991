//! Plays a story in time: lines to the broker, changes to the identity folders.
//!
//! The story's clock never runs faster than the wall's, but for [`CATCH_UP`]: when the reader or the machine
//! is slow, the story falls behind and stays behind. So the pauses in the script are at least as long in
//! reality, and a changed identity folder has been read by the time that it matters.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::DemoError;
use super::alarms::Alarms;
use super::broker::{Producer, Sent};
use super::company::Instant;
use super::identity::IdentityFolders;
use super::ledger::Verdicts;
use super::lines::{Names, put_line};
use super::story::{Step, Story};

/// What a story is played on.
#[derive(Debug)]
pub struct Stage {
    pub producer: Producer,
    pub identity: IdentityFolders,
    pub verdicts: Verdicts,
    pub alarms: Alarms,
}

/// Plays until the story ends or `stop` is raised, then waits until the broker has everything.
/// `now` is the wall clock, UTC microseconds. Blocks: give it a thread.
///
/// # Errors
/// The disk or the broker.
pub fn play(
    mut story: Story,
    stage: &mut Stage,
    now: impl Fn() -> Instant,
    stop: &AtomicBool,
) -> Result<(), DemoError> {
    let names = Names::of(story.company());
    let mut behind: i64 = 0;
    let mut line = String::new();
    while let Some(step) = story.next() {
        match step {
            Step::IdentityChanged { at } => stage.identity.write(story.company(), at)?,
            Step::Request(request, truth) => {
                if !wait_until(request.at + behind, &now, stop) {
                    break;
                }
                line.clear();
                put_line(&mut line, &request, &names);
                while stage.producer.send(request.gateway, line.as_bytes())? == Sent::NoRoom {
                    if stop.load(Ordering::Relaxed) {
                        return stage.producer.flush(FLUSH);
                    }
                    std::thread::sleep(NAP);
                }
                stage.verdicts.sent(truth);
                if let Some(kind) = truth.incident.filter(|kind| kind.is_misuse()) {
                    stage.alarms.sent(kind, request.at, now());
                }
                behind = behind.max(now() - request.at - CATCH_UP);
            }
        }
    }
    stage.producer.flush(FLUSH)
}

/// False when `stop` was raised first.
fn wait_until(at: Instant, now: &impl Fn() -> Instant, stop: &AtomicBool) -> bool {
    loop {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        let Ok(left) = u64::try_from(at - now()) else { return true };
        // Short waits are not worth a system call: at high rates several requests share a nap.
        if left < 1_000 {
            return true;
        }
        std::thread::sleep(Duration::from_micros(left).min(NAP * 10));
    }
}

/// How far the story may lag behind the wall clock and still make up for it, microseconds.
const CATCH_UP: i64 = 500_000;
const NAP: Duration = Duration::from_millis(2);
const FLUSH: Duration = Duration::from_secs(10);
