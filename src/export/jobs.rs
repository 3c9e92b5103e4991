//! Exports that somebody waits for elsewhere: asked for, written one at a time, looked at, fetched, thrown away.
//!
//! What was asked lies beside the export, so that a process that ends in the middle begins it anew at its next start.
//! Bounded: [`KEPT_MAX`] exports are kept, one is written at a time, and a finished one goes after [`KEPT_FOR`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use claviger_core::access::TenantScope;
use claviger_core::fault::Fault as _;
use claviger_core::prove::{Manifest, Scope};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::{ExportError, FILE_BYTES_MAX, Output, Progress, Request, export};
use crate::lake::Lake;
use crate::signals::ExportFailed;
use crate::signing::Signer;

/// Exports that are kept, finished or not.
const KEPT_MAX: usize = 64;
const KEPT_FOR: Duration = Duration::from_secs(7 * 86_400);

/// What somebody asked for. Lies as JSON beside the export.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Asked {
    /// UTC microseconds; the period ends before `to_us`.
    pub from_us: i64,
    pub to_us: i64,
    pub tenant: Option<String>,
    pub principal: Option<String>,
    pub key: Option<String>,
    pub output: String,
    /// Tenant that the caller is bound to; `None` for all.
    pub within: Option<String>,
    pub by: String,
}

#[derive(Clone, Debug)]
pub enum JobState {
    Waiting,
    Running(Progress),
    Done(Box<Manifest>),
    /// What failed, and what to do.
    Failed {
        what: String,
        hint: String,
    },
}

/// An export as it stands.
#[derive(Clone, Debug)]
pub struct Job {
    pub id: String,
    pub asked: Asked,
    pub state: JobState,
}

/// The exports of a service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Exports(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    lake: Lake,
    signer: Arc<Signer>,
    jobs: Mutex<BTreeMap<String, Job>>,
    asked: Notify,
}

impl Exports {
    /// The exports in a folder. Those that were not finished are begun anew by [`Exports::work`].
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(folder: &Path, lake: Lake, signer: Arc<Signer>) -> Result<Self, ExportError> {
        let unwritable = |source| ExportError::Unwritable { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(unwritable)?;
        let mut jobs = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(unwritable)? {
            let path = entry.map_err(unwritable)?.path();
            if let Some(job) = read_job(folder, &path) {
                jobs.insert(job.id.clone(), job);
            }
        }
        let inner = Inner { folder: folder.to_owned(), lake, signer, jobs: Mutex::new(jobs), asked: Notify::new() };
        Ok(Self(Arc::new(inner)))
    }

    /// Takes an export in; [`Exports::work`] writes it.
    ///
    /// # Errors
    /// When the folder is full or cannot be written, or the period is empty.
    pub fn ask(&self, asked: Asked) -> Result<Job, ExportError> {
        if asked.from_us >= asked.to_us {
            return Err(ExportError::NoPeriod);
        }
        self.throw_away_old();
        let job = Job { id: uuid::Uuid::new_v4().simple().to_string(), asked, state: JobState::Waiting };
        let mut jobs = self.lock();
        if jobs.len() >= KEPT_MAX {
            return Err(ExportError::TooMany { kept: KEPT_MAX });
        }
        let path = self.0.folder.join(format!("{}.json", job.id));
        let text = serde_json::to_vec(&job.asked).unwrap_or_default();
        std::fs::write(&path, text).map_err(|source| ExportError::Unwritable { path, source })?;
        jobs.insert(job.id.clone(), job.clone());
        self.0.asked.notify_one();
        Ok(job)
    }

    /// Exports that a caller may see, in the order of their ids.
    #[must_use]
    pub fn list(&self, tenants: &TenantScope) -> Vec<Job> {
        self.lock().values().filter(|job| tenants.covers(job.asked.within.as_deref())).cloned().collect()
    }

    /// An export, if the caller may see it.
    #[must_use]
    pub fn get(&self, id: &str, tenants: &TenantScope) -> Option<Job> {
        self.lock().get(id).filter(|job| tenants.covers(job.asked.within.as_deref())).cloned()
    }

    /// Where a file of a finished export lies: only what its manifest names, and the manifest itself.
    #[must_use]
    pub fn file(&self, job: &Job, path: &str) -> Option<PathBuf> {
        let JobState::Done(manifest) = &job.state else { return None };
        let named = [Manifest::NAME, Manifest::SIGNATURE_NAME].contains(&path)
            || manifest.files.iter().any(|entry| entry.sum.path == path);
        named.then(|| self.0.folder.join(&job.id).join(path))
    }

    /// Throws an export away. One that is being written goes on, and is thrown away at the next start.
    pub fn remove(&self, id: &str) {
        self.lock().remove(id);
        let folder = self.0.folder.join(id);
        // What cannot be removed now is found again at the next start.
        _ = std::fs::remove_file(self.0.folder.join(format!("{id}.json")));
        _ = std::fs::remove_dir_all(folder);
    }

    /// Writes what waits, one after the other and without end: run it beside everything else.
    pub async fn work(self) {
        loop {
            while let Some(id) = self.waiting() {
                let (exports, handle) = (self.clone(), Handle::current());
                // Hashing and compressing would hold up whatever else runs here.
                let written = tokio::task::spawn_blocking(move || handle.block_on(exports.write(&id)));
                if written.await.is_err() {
                    // It panicked, or the runtime ends.
                    return;
                }
            }
            self.0.asked.notified().await;
        }
    }

    fn waiting(&self) -> Option<String> {
        let jobs = self.lock();
        jobs.values().find(|job| matches!(job.state, JobState::Waiting)).map(|job| job.id.clone())
    }

    async fn write(&self, id: &str) {
        let Some(asked) = self.lock().get(id).map(|job| job.asked.clone()) else { return };
        let state = match Box::pin(self.write_now(id, &asked)).await {
            Ok(manifest) => JobState::Done(Box::new(manifest)),
            Err(error) => {
                ExportFailed { id, error: &error }.emit();
                JobState::Failed { what: error.to_string(), hint: error.hint() }
            }
        };
        self.set(id, state);
    }

    async fn write_now(&self, id: &str, asked: &Asked) -> Result<Manifest, ExportError> {
        let Inner { folder, lake, signer, .. } = self.0.as_ref();
        let request = Request {
            scope: Scope {
                from_us: asked.from_us,
                to_us: asked.to_us,
                tenant: asked.tenant.clone(),
                principal: asked.principal.clone(),
                key: asked.key.clone(),
            },
            output: Output::named(&asked.output).unwrap_or(Output::Ndjson),
            file_bytes: FILE_BYTES_MAX,
        };
        let tenants = asked.within.clone().map_or(TenantScope::All, TenantScope::One);
        let tell = |progress| self.set(id, JobState::Running(progress));
        let exported = export(lake, &request, &tenants, signer, &folder.join(id), tell).await?;
        Ok(exported.manifest)
    }

    fn set(&self, id: &str, state: JobState) {
        if let Some(job) = self.lock().get_mut(id) {
            job.state = state;
        }
    }

    fn throw_away_old(&self) {
        let old = |path: &Path| {
            let written = std::fs::metadata(path).and_then(|about| about.modified()).ok();
            written.and_then(|at| SystemTime::now().duration_since(at).ok()).is_some_and(|age| age > KEPT_FOR)
        };
        let done = self.lock().keys().cloned().collect::<Vec<_>>();
        for id in done.iter().filter(|id| old(&self.0.folder.join(id).join(Manifest::NAME))) {
            self.remove(id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Job>> {
        self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What `<id>.json` tells, and whether the export beside it is finished.
fn read_job(folder: &Path, path: &Path) -> Option<Job> {
    let id = path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned();
    let asked = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    let manifest = std::fs::read(folder.join(&id).join(Manifest::NAME)).ok();
    let state = match manifest.and_then(|text| Manifest::parse(&text).ok()) {
        Some(manifest) => JobState::Done(Box::new(manifest)),
        None => JobState::Waiting,
    };
    Some(Job { id, asked, state })
}
