//! `GET /v1/live`: the last hour as server-sent events: a picture first, then what changes.
//!
//! A stream makes its next event only when the one before was taken, so a slow client costs no memory: it gets fewer, newer
//! events. One that took none for [`SLOW`] is let go of, and comes back to a fresh picture. The number of streams is
//! bounded. A tenant whose rows the live board does not hold gets a new picture from the lake now and then.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use chrono::Utc;
use claviger_core::access::TenantScope;
use claviger_core::alert::{Incident, IncidentId};
use claviger_core::overview::{Buckets, Delta};
use claviger_core::time;
use futures::{Stream, stream};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::authorized::{Authorized, Sealed, right};
use super::extract::Asked;
use super::incidents::summaries;
use super::overview::{DRAWN_FROM, IngestAnswer, OverviewAnswer, SeriesAnswer, ingest, picture};
use super::problem::{Kind, Problem};
use super::range::{RangeAsked, narrowed};

const STREAMS_MAX: usize = 64;
/// Between two deltas: what comes just after one is still told within a second.
const DELTA_EVERY: Duration = Duration::from_millis(900);
/// How often incidents are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A stream on which nothing changes says so this often: time goes on, too.
const PULSE_EVERY: Duration = Duration::from_secs(5);
/// Between two pictures of a lake that nobody here writes to.
const PICTURE_EVERY: Duration = Duration::from_secs(10);
/// A client that takes nothing for so long is gone, or will be better served by a new picture.
const SLOW: Duration = Duration::from_secs(20);
const BUSY_WAIT: Duration = Duration::from_secs(10);

pub(super) fn router() -> OpenApiRouter<Sealed> {
    OpenApiRouter::new().routes(routes!(live))
}

/// How many streams there may be. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Self {
        Self::at_most(STREAMS_MAX)
    }
}

impl Streams {
    #[must_use]
    pub fn at_most(streams: usize) -> Self {
        Self(Arc::new(Semaphore::new(streams)))
    }

    fn enter(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.0).try_acquire_owned().map_err(|_| {
            let detail = "as many live streams are open as the service keeps";
            Problem::new(Kind::TooManyRequests, detail, "close dashboards that nobody looks at").retry_after(BUSY_WAIT)
        })
    }
}

/// New absolute values of the buckets that changed.
#[derive(Debug, Serialize, ToSchema)]
struct DeltaAnswer {
    as_of: String,
    complete_until: String,
    /// Where the buckets begin that changed.
    buckets: Vec<String>,
    requests: Vec<u64>,
    /// Every class, with a count for each of `buckets`.
    series: Vec<SeriesAnswer>,
    ingest: IngestAnswer,
}

/// The last hour, and then what changes, as server-sent events
///
/// Event `snapshot` is the picture of `/v1/overview` for the last hour, and comes first. Event `delta` follows at most once
/// a second, event `incident` whenever an incident changes. A client that comes back gets a fresh snapshot.
#[utoipa::path(
    get, path = "/v1/live", tag = "overview", params(("tenant" = Option<String>, Query, description = "Only this tenant's rows")),
    responses((status = OK, description = "Events without an end", content_type = "text/event-stream", body = String))
)]
async fn live(
    caller: Authorized<right::Report>,
    Asked(asked): Asked<RangeAsked>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let tenants = narrowed(&caller.caller.tenants, asked.tenant.as_deref())?;
    let permit = caller.api.streams.enter()?;
    caller.told.tables(DRAWN_FROM);
    let following = Following::begin(caller.api, tenants, permit).await?;
    let events = stream::unfold(following, async |mut following| {
        let event = following.next().await?;
        Some((Ok(event), following))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// What of an incident is worth an event when it changes.
type Look = (u64, i64, u64, Option<i64>);

struct Following {
    api: Api,
    tenants: TenantScope,
    /// The board's version that the client knows; `None` while the lake answers.
    version: Option<u64>,
    changes: Option<watch::Receiver<u64>>,
    edition: u64,
    looks: HashMap<IncidentId, Look>,
    waiting: VecDeque<Event>,
    told_at: Instant,
    pictured_at: Instant,
    handed_at: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Following {
    async fn begin(api: Api, tenants: TenantScope, permit: OwnedSemaphorePermit) -> Result<Self, Problem> {
        let now = Instant::now();
        let changes = api.overviews.board().map(|board| board.changes());
        let mut following = Self {
            api,
            tenants,
            version: None,
            changes,
            edition: 0,
            looks: HashMap::new(),
            waiting: VecDeque::new(),
            told_at: now,
            pictured_at: now,
            handed_at: now,
            _permit: permit,
        };
        following.picture().await?;
        following.look_at_incidents(false).await?;
        following.handed_at = Instant::now();
        Ok(following)
    }

    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<Event> {
        if self.handed_at.elapsed() > SLOW {
            return None;
        }
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.handed_at = Instant::now();
                return Some(event);
            }
            self.wait().await?;
            if let Err(problem) = self.look().await {
                // The picture cannot be kept true: the client asks again, and is told why.
                tracing::warn!(id = problem.id, detail = %problem.detail, "a live stream ends");
                return None;
            }
        }
    }

    /// Until the board may have changed, or it is time to look at incidents.
    async fn wait(&mut self) -> Option<()> {
        let (changes, told_at) = (self.changes.as_mut(), self.told_at);
        let changed = async move {
            match changes {
                Some(changes) => changes.changed().await.ok(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = changed => {
                changed?;
                sleep_until(told_at + DELTA_EVERY).await;
            }
            () = sleep(LOOK_EVERY) => {}
        }
        Some(())
    }

    async fn look(&mut self) -> Result<(), Problem> {
        let now_us = Utc::now().timestamp_micros();
        match self.version.map(|version| self.api.overviews.changes(&self.tenants, version, now_us)) {
            Some(Some(delta)) => {
                self.version = Some(delta.version);
                if !delta.buckets_us.is_empty() || self.told_at.elapsed() >= PULSE_EVERY {
                    self.tell(delta, now_us).await?;
                }
            }
            Some(None) => self.version = None,
            None if self.pictured_at.elapsed() >= PICTURE_EVERY => self.picture().await?,
            // It has learned of the last hour meanwhile.
            None if self.api.overviews.holds(&self.tenants, Buckets::last_hour(now_us)) => self.picture().await?,
            None => {}
        }
        self.look_at_incidents(true).await
    }

    async fn picture(&mut self) -> Result<(), Problem> {
        let now_us = Utc::now().timestamp_micros();
        let buckets = Buckets::last_hour(now_us);
        let (answer, version): (OverviewAnswer, _) = picture(&self.api, &self.tenants, buckets, now_us).await?;
        self.version = version;
        (self.pictured_at, self.told_at) = (Instant::now(), Instant::now());
        self.waiting.push_back(event("snapshot", now_us, &answer)?);
        Ok(())
    }

    async fn tell(&mut self, delta: Delta, now_us: i64) -> Result<(), Problem> {
        let buckets = Buckets::last_hour(now_us);
        let complete_until_us =
            self.api.overviews.board().map_or(now_us, |board| board.complete_until_us(buckets, now_us));
        let answer = DeltaAnswer {
            as_of: time::format(now_us),
            complete_until: time::format(complete_until_us),
            buckets: delta.buckets_us.into_iter().map(time::format).collect(),
            requests: delta.requests,
            series: SeriesAnswer::all(delta.series),
            ingest: ingest(&self.api, &self.tenants, buckets, now_us).await?,
        };
        self.told_at = Instant::now();
        self.waiting.push_back(event("delta", now_us, &answer)?);
        Ok(())
    }

    /// Tells of incidents that changed; the first look only remembers what the picture shows.
    async fn look_at_incidents(&mut self, tell: bool) -> Result<(), Problem> {
        let told = self.api.incidents.read().await.map_err(|error| Problem::of(&error))?;
        if told.edition == self.edition {
            return Ok(());
        }
        self.edition = told.edition;
        let now_us = Utc::now().timestamp_micros();
        let mut changed: Vec<&Incident> = Vec::new();
        for incident in told.incidents.iter().filter(|one| self.tenants.covers(Some(&one.group.tenant))) {
            let look = (incident.version, incident.last_seen_us, incident.findings, incident.silenced_until_us);
            if self.looks.insert(incident.id.clone(), look) != Some(look) {
                changed.push(incident);
            }
        }
        if tell {
            for summary in summaries(&self.api, &changed, now_us).await {
                self.waiting.push_back(event("incident", now_us, &summary)?);
            }
        }
        Ok(())
    }
}

fn event(name: &str, now_us: i64, answer: &impl Serialize) -> Result<Event, Problem> {
    Event::default().event(name).id(now_us.to_string()).json_data(answer).map_err(|error| {
        tracing::error!(%error, "an event cannot be written");
        Problem::new(Kind::Internal, "the request could not be answered", "the log says why, under this id")
    })
}
