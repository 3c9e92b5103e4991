//! Watches snapshot folders and publishes a successor when they change.
//!
//! Whatever goes wrong, the directory in use stays: a broken snapshot is worse than an old one, and its age is
//! what `/ready` reports. A folder that changes while it is read is read again at the next look.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use claviger_core::identity::{Directory, Findings, Loaded, Severity};
use claviger_core::secret::Pepper;
use tokio::sync::watch;

use super::folder::{self, Stamp};
use super::{IdentityError, signals};

/// Keeps one published directory up to date.
#[derive(Debug)]
pub struct Refresher {
    folders: Arc<[PathBuf]>,
    pepper: Pepper,
    interval: Duration,
    seen: Stamp,
    publish: watch::Sender<Arc<Directory>>,
}

/// What a look at the folders came to.
enum Look {
    Unchanged,
    Changed { stamp: Stamp, loaded: Box<Loaded> },
}

impl Refresher {
    /// Loads the folders for the first time. Blocks: call it before the pipeline starts, or on a blocking thread.
    ///
    /// # Errors
    /// The folders cannot be used. From then on errors are logged and the last good directory stays.
    pub fn start(folders: Vec<PathBuf>, pepper: Pepper, interval: Duration) -> Result<(Self, Findings), IdentityError> {
        let seen = Stamp::of(&folders);
        let Loaded { directory, findings } = folder::load(&folders, &pepper)?;
        signals::DirectoryLoaded { directory: &directory, errors: findings.count(Severity::Error) }.emit();
        let publish = watch::Sender::new(Arc::new(directory));
        Ok((Self { folders: folders.into(), pepper, interval, seen, publish }, findings))
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
                () = tokio::time::sleep(self.interval) => {}
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
        let (folders, pepper, seen) = (Arc::clone(&self.folders), self.pepper.clone(), self.seen.clone());
        let previous = Arc::clone(&self.publish.borrow());
        let look = tokio::task::spawn_blocking(move || look(&folders, &pepper, &seen, &previous));
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
fn look(folders: &[PathBuf], pepper: &Pepper, seen: &Stamp, previous: &Directory) -> Result<Look, IdentityError> {
    let stamp = Stamp::of(folders);
    if stamp == *seen {
        return Ok(Look::Unchanged);
    }
    let Loaded { directory, findings } = folder::load(folders, pepper)?;
    if Stamp::of(folders) != stamp {
        return Err(IdentityError::Changing);
    }
    let directory = Directory::succeed(previous, directory);
    Ok(Look::Changed { stamp, loaded: Box::new(Loaded { directory, findings }) })
}
