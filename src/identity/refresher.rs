//! Watches snapshot folders and publishes a successor when they change.
//!
//! Whatever goes wrong, the directory in use stays: a broken snapshot is worse than an old one, and its age is
//! what `/ready` reports. A folder that changes while it is read is read again at the next look.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use claviger_core::identity::{Directory, Findings, Loaded, Severity};
use claviger_core::secret::Pepper;
use tokio::sync::watch;

use super::folder::{self, Stamp};
use super::{IdentityError, memory, signals};

/// Where snapshots come from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Read as one directory, in order.
    pub folders: Vec<PathBuf>,
    pub pepper: Pepper,
    /// Where history is kept over a restart, if anywhere: a folder of this process alone.
    pub memory: Option<PathBuf>,
    /// How often the folders are looked at.
    pub interval: Duration,
}

/// Keeps one published directory up to date.
#[derive(Debug)]
pub struct Refresher {
    sources: Arc<Sources>,
    seen: Stamp,
    publish: watch::Sender<Arc<Directory>>,
}

/// What a look at the folders came to.
enum Look {
    Unchanged,
    Changed { stamp: Stamp, loaded: Box<Loaded> },
}

impl Refresher {
    /// As [`Refresher::open`], without a memory.
    ///
    /// # Errors
    /// As there.
    pub fn start(folders: Vec<PathBuf>, pepper: Pepper, interval: Duration) -> Result<(Self, Findings), IdentityError> {
        Self::open(Sources { folders, pepper, memory: None, interval })
    }

    /// Loads the folders for the first time. Blocks: call it before the pipeline starts, or on a blocking thread.
    ///
    /// # Errors
    /// The folders cannot be used. From then on errors are logged and the last good directory stays.
    pub fn open(sources: Sources) -> Result<(Self, Findings), IdentityError> {
        let seen = Stamp::of(&sources.folders);
        let Loaded { mut directory, findings } = folder::load(&sources.folders, &sources.pepper)?;
        if let Some(memory) = &sources.memory {
            let (recalled, error) = memory::recall(memory, &sources.pepper, directory);
            directory = recalled;
            if let Some(error) = error {
                signals::MemoryLost { error: &error }.emit();
            }
            keep(memory, &directory);
        }
        signals::DirectoryLoaded { directory: &directory, errors: findings.count(Severity::Error) }.emit();
        let publish = watch::Sender::new(Arc::new(directory));
        Ok((Self { sources: Arc::new(sources), seen, publish }, findings))
    }

    /// Where the current directory is to be had. The receiver never waits for a reload.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Directory>> {
        self.publish.subscribe()
    }

    /// Looks at the folders every interval until nobody listens any more.
    pub async fn run(mut self) {
        loop {
            tokio::select! {
                () = self.publish.closed() => return,
                () = tokio::time::sleep(self.sources.interval) => {}
            }
            if let Err(error) = self.refresh().await {
                signals::DirectoryKept { error: &error }.emit();
            }
        }
    }

    /// One look; whether a new directory was published.
    ///
    /// # Errors
    /// The folders changed and cannot be used as they are now.
    pub async fn refresh(&mut self) -> Result<bool, IdentityError> {
        let (sources, seen) = (Arc::clone(&self.sources), self.seen.clone());
        let previous = Arc::clone(&self.publish.borrow());
        let look = tokio::task::spawn_blocking(move || look(&sources, &seen, &previous));
        match look.await.map_err(|_| IdentityError::Stopped)?? {
            Look::Unchanged => Ok(false),
            Look::Changed { stamp, loaded } => {
                self.seen = stamp;
                let Loaded { directory, findings } = *loaded;
                let changed = directory.version() != self.publish.borrow().version();
                if changed {
                    let directory = Arc::new(directory);
                    signals::DirectoryLoaded { directory: &directory, errors: findings.count(Severity::Error) }.emit();
                    self.publish.send_replace(directory);
                }
                Ok(changed)
            }
        }
    }
}

/// Reads the folders if they changed, and puts what it finds over the directory in use.
fn look(sources: &Sources, seen: &Stamp, previous: &Directory) -> Result<Look, IdentityError> {
    let folders = &sources.folders;
    let stamp = Stamp::of(folders);
    if stamp == *seen {
        return Ok(Look::Unchanged);
    }
    let Loaded { directory, findings } = folder::load(folders, &sources.pepper)?;
    if Stamp::of(folders) != stamp {
        return Err(IdentityError::Changing);
    }
    let directory = Directory::succeed(previous, directory);
    if let Some(memory) = &sources.memory {
        keep(memory, &directory);
    }
    Ok(Look::Changed { stamp, loaded: Box::new(Loaded { directory, findings }) })
}

fn keep(memory: &Path, directory: &Directory) {
    if let Err(error) = memory::keep(memory, directory) {
        signals::MemoryLost { error: &error }.emit();
    }
}
