//! `claviger run --role detect`: the one process that judges what ingesters put into the lake, or one that stands by.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use claviger_core::config::{AlertPlan, Config};
use claviger_core::detect::Watch;
use claviger_core::lake::Place;
use claviger_core::secret::Pepper;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

use super::Failure;
use super::recording::Recording;
use super::serve::Rooms;
use super::service::{FOUND_WAITING, endless};
use crate::alert::{Courier, SeatedEvents, Sinks};
use crate::detect::{Engine, Follower, Found, Ground, Logs, remember_at, wait_for_seat};
use crate::identity::Refresher;
use crate::lake::{Lake, LakeError, Seat, Tenure};
use crate::pipeline::{self, AnyFault, any};
use crate::serve::Server;
use crate::serve::api::Api;
use crate::serve::health::Health;
use crate::source::kafka::Onlooker;

/// Stands by, judges when it is this process's turn, and gives the turn back at `stop`. The API answers all the while.
pub(super) async fn judge(
    config: Config,
    pepper: Pepper,
    refresher: Refresher,
    health: Arc<Health>,
    open: impl FnOnce(Api) -> Result<Server, Failure>,
    skip_unjudged: bool,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let plan = crate::config::alert_plan(&config)?;
    let sinks = Sinks::new(&plan, &config.kafka)?;
    let onlooker = Arc::new(Onlooker::new(&config.kafka)?);
    let lake = Lake::open(&config.lake.uri, &config.lake.pipeline, &Default::default()).await?;
    let recording = Recording::begin(&config, &lake).await?;
    let server = open(Rooms::of(&config, pepper).api(lake.clone(), refresher.subscribe(), &recording, None)?)?;
    health.assigned(0);

    let (ask, stopping) = watch::channel(false);
    let (courier, couriers) = oneshot::channel();
    let taken = Arc::new(OnceLock::new());
    let limits = config.pipeline.clone();
    let bench =
        Bench { config, plan, lake, health, onlooker, skip_unjudged, stopping, taken: Arc::clone(&taken), courier };
    let stages: pipeline::Named =
        vec![("detection", Box::pin(bench.sit(sinks))), ("alerts", Box::pin(deliver(couriers)))];
    let mut beside: pipeline::Named = vec![("identity", Box::pin(endless(refresher.run())))];
    if let Some(exports) = recording.exports.clone() {
        beside.push(("exports", Box::pin(endless(exports.work()))));
    }
    let ran = pipeline::run_stages(stages, beside, &limits, stop, || _ = ask.send_replace(true)).await;
    let given_back = match taken.get().cloned() {
        Some(seat) => Box::pin(Seat::give_back(seat)).await,
        None => Ok(()),
    };
    let recorded = recording.close(server, limits.shutdown_limit_ms).await;
    ran.map_err(Failure::from).and(given_back.map_err(Failure::from)).and(recorded)
}

/// What delivers, and what it is told: begun once there is a seat.
type Delivery = (Courier<SeatedEvents>, mpsc::Receiver<Found>);

async fn deliver(couriers: oneshot::Receiver<Delivery>) -> Result<(), AnyFault> {
    match couriers.await {
        Ok((courier, found)) => courier.run(found).await,
        Err(_) => Ok(()), // nobody sat down, and whoever wanted to says why
    }
}

/// Where the process waits that may judge.
struct Bench {
    config: Config,
    plan: AlertPlan,
    lake: Lake,
    health: Arc<Health>,
    onlooker: Arc<Onlooker>,
    skip_unjudged: bool,
    stopping: watch::Receiver<bool>,
    taken: Arc<OnceLock<Seat>>,
    courier: oneshot::Sender<Delivery>,
}

impl Bench {
    async fn sit(self, sinks: Sinks) -> Result<(), AnyFault> {
        let patience = self.config.detect.standby_after_ms.duration();
        let mut stopped = self.stopping.clone();
        let (seat, judged) = tokio::select! {
            taken = Box::pin(wait_for_seat(&self.lake, patience, &self.health)) => taken.map_err(any)?,
            _ = stopped.wait_for(|stopping| *stopping) => return Ok(()),
        };
        let tenure = Arc::new(Tenure::new(patience));
        let seat = self.taken.get_or_init(|| seat).clone();
        let judged = judged.filter(|_| !self.skip_unjudged);
        let (engine, logs, place) = tokio::select! {
            learnt = Box::pin(while_keeping(&seat, &tenure, self.learn(judged))) => learnt?,
            _ = stopped.wait_for(|stopping| *stopping) => return Ok(()),
        };
        // From here on nothing is past any more that was not judged.
        let begun = Instant::now();
        let kept = Box::pin(seat.keep(Some(place), 0, &[])).await;
        tenure.note(begun, &kept);
        kept.map_err(any)?;
        let events = SeatedEvents::new(self.lake, seat, Arc::clone(&tenure));
        let courier = Box::pin(Courier::start_seated(&self.plan, sinks, events, Arc::clone(&tenure))).await?;
        let (found_in, found_out) = mpsc::channel(FOUND_WAITING);
        // The other stage waits for it as long as this one lives.
        let _delivers = self.courier.send((courier, found_out));
        let (onlooker, health, stopping) = (Some(self.onlooker), self.health, self.stopping);
        Follower::new(engine, Ground { logs, onlooker, tenure, health, stopping }, found_in).run().await
    }

    /// The engine as it was where judging goes on, and the logs from there.
    async fn learn(&self, judged: Option<Place>) -> Result<(Engine, Logs, Place), AnyFault> {
        let place = match judged {
            Some(place) => place,
            None => self.lake.newest_place().await.map_err(any)?,
        };
        // Before the past is read for minutes: what comes after it may be gone.
        Logs::check(&self.lake, place).await.map_err(any)?;
        let past = self.lake.past(place).await.map_err(any)?;
        let watch = Box::new(Watch::new(self.config.detect.options()));
        let closed_us = judged.map(|place| place.closed_us);
        let learnt = Box::pin(remember_at(&past, closed_us, watch, self.config.detect.memory_days)).await;
        let (watch, _rows) = learnt.map_err(any)?;
        let place = Place { closed_us: watch.closed_us(), ..place };
        let logs = Logs::open(&self.lake, place, &past).await.map_err(any)?;
        Ok((Engine::new(watch), logs, place))
    }
}

/// Learning takes minutes: nobody may take the seat meanwhile.
async fn while_keeping<T>(
    seat: &Seat,
    tenure: &Tenure,
    work: impl Future<Output = Result<T, AnyFault>>,
) -> Result<T, AnyFault> {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = sleep(tenure.beat()) => {
                let begun = Instant::now();
                let kept = Box::pin(seat.keep(None, 0, &[])).await;
                tenure.note(begun, &kept);
                // What else went wrong is tried again at the next beat.
                if let Err(error @ LakeError::Superseded) = kept {
                    return Err(any(error));
                }
            }
        }
    }
}
