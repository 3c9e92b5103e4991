//! Audit trails that leave the system: what was recorded about a period, in files that can be proven complete.
//!
//! Promises that the same lake gives the same bytes; that memory is bounded whatever the period; that the number of
//! records written equals what the lake counts for the same filter at the same version, by another query; and that a
//! folder without a manifest is no export. Does not decide who may have it: the caller hands over a [`TenantScope`].
//!
//! Rows are read in slices of time that hold at most [`slices::SLICE_ROWS`], each sorted for itself: the order of the whole
//! follows, and no sort ever holds a period.

mod chains;
mod error;
mod files;
mod jobs;
mod slices;
mod texts;
mod write;

use std::path::{Path, PathBuf};

use claviger_core::access::TenantScope;
use claviger_core::prove::{Count, Manifest, Scope};
use claviger_core::trail::Kind;
use futures::StreamExt as _;

use crate::lake::{Lake, LakeError};
use crate::signing::Signer;

pub use error::ExportError;
pub use files::{FILE_BYTES_MAX, Folder};
pub use jobs::{Asked, Exports, Job, JobState};
pub use write::Output;

pub(crate) use texts::SCRIPT;

use slices::Slicer;
use write::Files;

/// What to export, and how.
#[derive(Clone, Debug)]
pub struct Request {
    pub scope: Scope,
    pub output: Output,
    /// Files are closed once they have grown to this.
    pub file_bytes: u64,
}

/// How far an export is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records that the lake holds in the filter.
    pub records: u64,
    pub written: u64,
    pub bytes: u64,
}

/// A finished export.
#[derive(Clone, Debug)]
pub struct Exported {
    pub folder: PathBuf,
    pub manifest: Manifest,
    /// SHA-256 of the manifest: what to keep of it.
    pub manifest_sum: String,
    pub bytes: u64,
}

/// Writes an export into a folder that is missing, empty, or left over from an export that did not finish.
///
/// # Errors
/// When the lake cannot be read, the folder not be written, or what was written is not what the lake counts.
pub async fn export(
    lake: &Lake,
    request: &Request,
    tenants: &TenantScope,
    signer: &Signer,
    folder: &Path,
    mut tell: impl FnMut(Progress),
) -> Result<Exported, ExportError> {
    let scope = within(&request.scope, tenants)?;
    let mut folder = Folder::begin(folder)?;
    let pinned = lake.pinned().await.map_err(ExportError::Lake)?;
    let mut progress = Progress::default();
    let mut plan = Vec::new();
    for kind in Kind::ALL {
        let slicer = Slicer::new(kind, &scope);
        let counted = slicer.count(&pinned).await?;
        let records = counted.iter().map(|slice| slice.rows).sum();
        progress.records += records;
        plan.push((kind, slicer, counted, records));
    }
    tell(progress);
    let (mut counts, mut tables) = (Vec::new(), Vec::new());
    for (kind, slicer, slices, in_lake) in &plan {
        let mut files = Files::new(*kind, request.output, request.file_bytes);
        for slice in slices {
            let values = slicer.values_of(slice);
            let mut rows = pinned.select(slicer.rows_sql(), &values).await.map_err(ExportError::Lake)?;
            while let Some(batch) = rows.next().await {
                files.write(&batch.map_err(|source| ExportError::Lake(LakeError::Query { source }))?, &mut folder)?;
                tell(Progress { written: progress.written + files.records(), bytes: folder.bytes(), ..progress });
            }
        }
        let exported = files.finish(&mut folder)?;
        if exported != *in_lake {
            return Err(ExportError::Incomplete { kind: *kind, in_lake: *in_lake, exported });
        }
        progress.written += exported;
        progress.bytes = folder.bytes();
        tell(progress);
        counts.push(Count { what: kind.name().to_owned(), in_lake: *in_lake, exported });
        tables.extend(pinned.version(kind.table()).map(|version| (kind.table().name().to_owned(), version)));
    }
    let chains = chains::copy(lake, &scope, &mut folder).await?;
    counts.push(Count { what: chains::FOLDER.to_owned(), in_lake: chains.records, exported: chains.records });
    let streams = match scope.tenant {
        // How much others send is none of a tenant's business.
        Some(_) => Vec::new(),
        None => pinned.streams().to_vec(),
    };
    texts::write(&mut folder, signer)?;
    let manifest = Manifest {
        scope,
        output: request.output.name().to_owned(),
        tables,
        counts,
        streams,
        heads: chains.heads,
        newest: chains.newest,
        key: signer.public().id(),
        files: folder.entries(),
    };
    let (manifest_sum, bytes) = folder.seal(&manifest, signer)?;
    Ok(Exported { folder: folder.path().to_owned(), manifest, manifest_sum, bytes })
}

/// The scope, narrowed to what the caller may see.
fn within(scope: &Scope, tenants: &TenantScope) -> Result<Scope, ExportError> {
    if scope.from_us >= scope.to_us {
        return Err(ExportError::NoPeriod);
    }
    let mut scope = scope.clone();
    if let TenantScope::One(own) = tenants {
        if scope.tenant.as_ref().is_some_and(|asked| asked != own) {
            return Err(ExportError::OtherTenant);
        }
        scope.tenant = Some(own.clone());
    }
    Ok(scope)
}
