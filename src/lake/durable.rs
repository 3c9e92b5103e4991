//! Local files that survive a power cut: content and directory entry are synced before a put counts as done.
//!
//! The library's local store never syncs, and an emptied newest commit file then loads as a valid commit
//! without rows. A put here is: staging file, sync, link or rename into place, sync of the folder. A commit
//! therefore never names a data file that could still vanish, and is never seen half-written.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};

/// How a file or folder is made durable; tests watch it or make it fail.
pub type Sync = Arc<dyn Fn(&File, &FilePath) -> io::Result<()> + Send + std::marker::Sync>;

/// The whole local file system as a store whose puts are durable.
pub struct DurableFiles {
    files: LocalFileSystem,
    sync: Sync,
}

impl DurableFiles {
    #[must_use]
    pub fn new() -> Self {
        Self::syncing_by(Arc::new(|file, _| file.sync_all()))
    }

    #[must_use]
    pub fn syncing_by(sync: Sync) -> Self {
        Self { files: LocalFileSystem::new(), sync }
    }
}

impl Default for DurableFiles {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for DurableFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DurableFiles")
    }
}

impl fmt::Display for DurableFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("local files, synced")
    }
}

#[async_trait]
impl ObjectStore for DurableFiles {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let create = match opts.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => return self.files.put_opts(location, payload, opts).await,
        };
        let target = self.files.path_to_filesystem(location)?;
        let sync = Arc::clone(&self.sync);
        blocking(move || put(&target, &payload, create, &sync)).await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let target = self.files.path_to_filesystem(location)?;
        let upload = self.files.put_multipart_opts(location, opts).await?;
        Ok(Box::new(DurableUpload { upload, target, sync: Arc::clone(&self.sync) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[std::ops::Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.files.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, options).await?;
        self.settle(to).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.files.rename_opts(from, to, options).await?;
        self.settle(to).await
    }
}

impl DurableFiles {
    async fn settle(&self, location: &Path) -> Result<()> {
        let target = self.files.path_to_filesystem(location)?;
        let sync = Arc::clone(&self.sync);
        blocking(move || settle(&target, &sync)).await
    }
}

/// A large upload: the library writes it, and it is synced once complete.
struct DurableUpload {
    upload: Box<dyn MultipartUpload>,
    target: PathBuf,
    sync: Sync,
}

impl fmt::Debug for DurableUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableUpload").field("target", &self.target).finish_non_exhaustive()
    }
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.upload.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let done = self.upload.complete().await?;
        let (target, sync) = (self.target.clone(), Arc::clone(&self.sync));
        blocking(move || settle(&target, &sync)).await?;
        Ok(done)
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}

async fn blocking(work: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
    tokio::task::spawn_blocking(work).await.map_err(|source| Error::JoinError { source })?
}

fn put(target: &FilePath, payload: &PutPayload, create: bool, sync: &Sync) -> Result<()> {
    let folder = target.parent().unwrap_or(FilePath::new("/"));
    make_folder(folder, sync).map_err(|source| generic(folder, source))?;
    let staging = staging_path(target);
    let placed = write_and_place(&staging, target, payload, create, sync);
    // After a link the staging name is spare; after a failure it is litter. Either way nobody reads it.
    let _gone = fs::remove_file(&staging);
    placed?;
    sync_folder(folder, sync).map_err(|source| generic(folder, source))
}

fn write_and_place(
    staging: &FilePath,
    target: &FilePath,
    payload: &PutPayload,
    create: bool,
    sync: &Sync,
) -> Result<()> {
    let write = || {
        let mut file = File::options().write(true).create_new(true).open(staging)?;
        payload.iter().try_for_each(|chunk| file.write_all(chunk))?;
        sync(&file, target)
    };
    write().map_err(|source| generic(staging, source))?;
    let placed = if create { fs::hard_link(staging, target) } else { fs::rename(staging, target) };
    placed.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => {
            Error::AlreadyExists { path: target.display().to_string(), source: Box::new(source) }
        }
        _ => generic(target, source),
    })
}

fn settle(target: &FilePath, sync: &Sync) -> Result<()> {
    let folder = target.parent().unwrap_or(FilePath::new("/"));
    File::open(target)
        .and_then(|file| sync(&file, target))
        .and_then(|()| sync_folder(folder, sync))
        .map_err(|source| generic(target, source))
}

/// Creates missing folders, each entry made durable in its parent.
fn make_folder(folder: &FilePath, sync: &Sync) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(FilePath::new("/"));
    make_folder(parent, sync)?;
    match fs::create_dir(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        Ok(()) | Err(_) => sync_folder(parent, sync),
    }
}

fn sync_folder(folder: &FilePath, sync: &Sync) -> io::Result<()> {
    File::open(folder).and_then(|file| sync(&file, folder))
}

/// Beside the target, so that placing it is atomic; the `#` suffix is what listings of the local store skip.
fn staging_path(target: &FilePath) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut name = target.as_os_str().to_owned();
    name.push(format!("#{}{:06}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed) % 1_000_000));
    PathBuf::from(name)
}

fn generic(path: &FilePath, source: io::Error) -> Error {
    Error::Generic { store: "local files", source: format!("{}: {source}", path.display()).into() }
}
