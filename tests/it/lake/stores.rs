//! Stores that lose answers, and disks that are watched or fail.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path as FilePath;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use claviger::lake::{DurableFiles, Sync};
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What was synced, in order.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    pub(crate) fn recorder(&self) -> Sync {
        let calls = self.clone();
        Arc::new(move |file: &File, path: &FilePath| {
            file.sync_all()?;
            calls.0.lock().unwrap().push(path.display().to_string());
            Ok(())
        })
    }

    pub(crate) fn failing_every(&self, n: usize) -> Sync {
        let calls = self.clone();
        Arc::new(move |_: &File, path: &FilePath| {
            let mut calls = calls.0.lock().unwrap();
            calls.push(path.display().to_string());
            if calls.len().is_multiple_of(n) { Err(io::Error::other("EIO")) } else { Ok(()) }
        })
    }

    pub(crate) fn taken(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Puts a commit where it belongs, and every n-th time says that it failed.
pub(crate) struct Watched {
    files: DurableFiles,
    lose_every: usize,
    commits: AtomicUsize,
    lost: AtomicUsize,
}

impl Watched {
    pub(crate) fn new(files: DurableFiles) -> Self {
        Self { files, lose_every: usize::MAX, commits: AtomicUsize::new(0), lost: AtomicUsize::new(0) }
    }

    pub(crate) fn losing_every(lose_every: usize) -> Self {
        Self { lose_every, ..Self::new(DurableFiles::new()) }
    }

    pub(crate) fn lost(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

#[async_trait]
impl ObjectStore for Watched {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let commit = location.as_ref().contains("_delta_log");
        let done = self.files.put_opts(location, payload, opts).await?;
        if commit && (self.commits.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(self.lose_every) {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return Err(Error::Generic { store: "watched", source: "the answer was lost".into() });
        }
        Ok(done)
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.files.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, options).await
    }
}
