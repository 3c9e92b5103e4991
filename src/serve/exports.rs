//! `/v1/exports`: audit trails asked for, watched and fetched over HTTP.

use std::io::Read as _;
use std::path::PathBuf;

use axum::Json;
use axum::body::{Body as Answer, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use claviger_core::access::TenantScope;
use claviger_core::lake::TableName;
use claviger_core::prove::{Manifest, hex};
use claviger_core::time::{format, rfc3339};
use claviger_core::trail::Kind as Trail;
use futures::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::authorized::{Authorized, Sealed, right};
use super::extract::{Asked, Body, Named};
use super::problem::{Kind, Problem};
use crate::export::{Asked as AskedExport, ExportError, Exports, Job, JobState, Output};

pub(super) fn router() -> OpenApiRouter<Sealed> {
    OpenApiRouter::new().routes(routes!(ask, list)).routes(routes!(look, remove)).routes(routes!(fetch))
}

/// What to export.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Begin of the period, RFC 3339.
    from: String,
    /// End of the period, which is not part of it.
    to: String,
    tenant: Option<String>,
    principal: Option<String>,
    /// Id of a key, never the key itself.
    key: Option<String>,
    /// ndjson, csv, parquet or ocsf.
    #[serde(default)]
    output: Option<String>,
}

/// An export and how far it is.
#[derive(Serialize, ToSchema)]
#[schema(as = Export)]
struct Shown {
    id: String,
    /// waiting, running, done or failed.
    state: &'static str,
    from: String,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    output: String,
    asked_by: String,
    /// Records that the lake holds in the filter; 0 until they are counted.
    records: u64,
    written: u64,
    bytes: u64,
    /// What failed, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    files: Vec<ShownFile>,
    /// The line that verifies it once it is fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ExportFile)]
struct ShownFile {
    path: String,
    sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<u64>,
}

impl Shown {
    fn of(job: &Job) -> Self {
        let Job { id, asked, state } = job;
        let mut shown = Self {
            id: id.clone(),
            state: "waiting",
            from: format(asked.from_us),
            to: format(asked.to_us),
            tenant: asked.tenant.clone().or_else(|| asked.within.clone()),
            principal: asked.principal.clone(),
            key: asked.key.clone(),
            output: asked.output.clone(),
            asked_by: asked.by.clone(),
            records: 0,
            written: 0,
            bytes: 0,
            failed: None,
            hint: None,
            files: Vec::new(),
            verify: None,
        };
        match state {
            JobState::Waiting => {}
            JobState::Running(progress) => {
                shown.state = "running";
                (shown.records, shown.written, shown.bytes) = (progress.records, progress.written, progress.bytes);
            }
            JobState::Done(manifest) => {
                shown.state = "done";
                shown.records = manifest.counts.iter().map(|count| count.in_lake).sum();
                shown.written = manifest.counts.iter().map(|count| count.exported).sum();
                let file = |entry: &claviger_core::prove::FileEntry| ShownFile {
                    path: entry.sum.path.clone(),
                    sha256: hex(&entry.sum.hash),
                    records: entry.records,
                };
                shown.files = manifest.files.iter().map(file).collect();
                shown.verify = Some(format!("claviger verify {id}"));
            }
            JobState::Failed { what, hint } => {
                shown.state = "failed";
                (shown.failed, shown.hint) = (Some(what.clone()), Some(hint.clone()));
            }
        }
        shown
    }
}

/// Asks for the audit trail of a period. It is written in the background: look at it until its state is `done`.
#[utoipa::path(post, path = "/v1/exports", request_body = Wanted, responses((status = 202, body = Shown)))]
async fn ask(asker: Authorized<right::Export>, Body(wanted): Body<Wanted>) -> Result<Response, Problem> {
    let exports = exports(&asker)?;
    let instant = |text: &str| {
        let wrong = || {
            Problem::new(Kind::BadRequest, "a bound of the period is no instant", "write it as 2026-11-24T09:00:00Z")
        };
        rfc3339(text).ok_or_else(wrong)
    };
    let output = wanted.output.unwrap_or_else(|| Output::Ndjson.name().to_owned());
    if Output::named(&output).is_none() {
        let hint = "ndjson, csv, parquet or ocsf";
        return Err(Problem::new(Kind::BadRequest, "there is no such output", hint));
    }
    let within = match &asker.caller.tenants {
        TenantScope::All => None,
        TenantScope::One(own) if wanted.tenant.as_ref().is_some_and(|asked| asked != own) => {
            return Err(Problem::of_kind(Kind::Forbidden, &ExportError::OtherTenant));
        }
        TenantScope::One(own) => Some(own.clone()),
    };
    let asked = AskedExport {
        from_us: instant(&wanted.from)?,
        to_us: instant(&wanted.to)?,
        tenant: wanted.tenant,
        principal: wanted.principal,
        key: wanted.key,
        output,
        within,
        by: asker.caller.name.clone(),
    };
    let job = exports.ask(asked).map_err(|error| match error {
        ExportError::TooMany { .. } => Problem::of_kind(Kind::TooManyRequests, &error),
        error => Problem::of(&error),
    })?;
    asker.told.tables(Trail::ALL.map(Trail::table).into_iter().chain([TableName::Audit]));
    let place = format!("/v1/exports/{}", job.id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, place)], Json(Shown::of(&job))).into_response())
}

/// The exports that the caller may see.
#[utoipa::path(get, path = "/v1/exports", responses((status = 200, body = [Shown])))]
async fn list(asker: Authorized<right::Export>) -> Result<Json<Vec<Shown>>, Problem> {
    Ok(Json(exports(&asker)?.list(&asker.caller.tenants).iter().map(Shown::of).collect()))
}

/// How far an export is, and its files once it is done.
#[utoipa::path(get, path = "/v1/exports/{id}", params(("id" = String, Path)), responses((status = 200, body = Shown)))]
async fn look(asker: Authorized<right::Export>, Named(id): Named<String>) -> Result<Json<Shown>, Problem> {
    find(&asker, &id).map(|(_, job)| Json(Shown::of(&job)))
}

/// Throws an export away.
#[utoipa::path(delete, path = "/v1/exports/{id}", params(("id" = String, Path)), responses((status = 204)))]
async fn remove(asker: Authorized<right::Export>, Named(id): Named<String>) -> Result<StatusCode, Problem> {
    let (exports, job) = find(&asker, &id)?;
    exports.remove(&job.id);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, IntoParams)]
struct WantedFile {
    /// As `files` of the export and its manifest name it.
    path: String,
}

/// A file of a finished export, `MANIFEST` and `MANIFEST.sig` among them.
#[utoipa::path(
    get,
    path = "/v1/exports/{id}/file",
    params(("id" = String, Path), WantedFile),
    responses((status = 200, content_type = "application/octet-stream"))
)]
async fn fetch(
    asker: Authorized<right::Export>,
    Named(id): Named<String>,
    Asked(WantedFile { path }): Asked<WantedFile>,
) -> Result<Response, Problem> {
    let (exports, job) = find(&asker, &id)?;
    let file = exports.file(&job, &path).ok_or_else(no_file)?;
    if let JobState::Done(manifest) = &job.state
        && let Some((table, records)) = taken_out(manifest, &path)
    {
        asker.told.tables([table]);
        asker.told.rows(records);
    }
    let bytes = tokio::task::spawn_blocking(move || std::fs::metadata(&file).map(|about| (file, about.len()))).await;
    let (file, length) = bytes.ok().and_then(Result::ok).ok_or_else(no_file)?;
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))];
    let mut response = (kind, Answer::from_stream(stream::unfold(read(file), next_piece))).into_response();
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok(response)
}

/// The table whose records a file holds, and how many; `None` for files that hold none.
fn taken_out(manifest: &Manifest, path: &str) -> Option<(TableName, usize)> {
    let records = manifest.files.iter().find(|file| file.sum.path == path)?.records?;
    let folder = path.split('/').next()?;
    let of_trail = Trail::ALL.into_iter().find(|kind| kind.name() == folder).map(Trail::table);
    Some((of_trail.unwrap_or(TableName::Audit), usize::try_from(records).ok()?))
}

type Pieces = mpsc::Receiver<std::io::Result<Bytes>>;

const PIECE_BYTES: usize = 256 << 10;

/// Reads a file on a thread that may wait for the disk, as fast as its pieces are taken.
fn read(path: PathBuf) -> Pieces {
    let (pieces, taken) = mpsc::channel(2);
    // Ends with the file, or with the channel, whose other end is the answer.
    drop(tokio::task::spawn_blocking(move || {
        let mut file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) => return drop(pieces.blocking_send(Err(error))),
        };
        let mut buffer = vec![0; PIECE_BYTES];
        loop {
            let piece = match file.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => Ok(Bytes::copy_from_slice(buffer.get(..length).unwrap_or(&buffer))),
                Err(error) => Err(error),
            };
            if pieces.blocking_send(piece).is_err() {
                return;
            }
        }
    }));
    taken
}

async fn next_piece(mut pieces: Pieces) -> Option<(std::io::Result<Bytes>, Pieces)> {
    pieces.recv().await.map(|piece| (piece, pieces))
}

fn exports<R>(asker: &Authorized<R>) -> Result<&Exports, Problem> {
    asker.api.exports.as_ref().ok_or_else(|| {
        Problem::new(Kind::Unavailable, "this service writes no exports", "use `claviger export audit` on the lake")
    })
}

fn find<R>(asker: &Authorized<R>, id: &str) -> Result<(Exports, Job), Problem> {
    let exports = exports(asker)?;
    let job = exports.get(id, &asker.caller.tenants);
    let job = job.ok_or_else(|| Problem::not_found("there is no such export", "`/v1/exports` lists them"))?;
    Ok((exports.clone(), job))
}

fn no_file() -> Problem {
    Problem::not_found("the export has no such file, or is not done", "`/v1/exports/{id}` lists its files")
}
