//! `/v1/bundle`: a diagnosis that may leave the house, as one file to attach to a ticket.
//!
//! The same diagnosis and version make the same bytes.
//!
//! Decision (2026-11-24): a tar of a few kilobytes, written here, since the crates that write zip files ask for other
//! features of the compression below Parquet, and so for a second build of everything above it.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use claviger_core::diagnose::bundle;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::authorized::{Authorized, Sealed, right};
use super::diagnose::{Question, explain};
use super::extract::Body;
use super::problem::Problem;

const MEDIA_TYPE: &str = "application/x-tar";

pub(super) fn router() -> OpenApiRouter<Sealed> {
    OpenApiRouter::new().routes(routes!(post))
}

/// A redacted support bundle: diagnosis, row, identity facts and versions
#[utoipa::path(
    post, path = "/v1/bundle", operation_id = "bundle", tag = "diagnose", request_body = Question,
    responses((
        status = 200,
        description = "A tar file. Addresses are cut to their networks, keys are masked, people are left out",
        body = Vec<u8>,
        content_type = MEDIA_TYPE
    ))
)]
async fn post(allowed: Authorized<right::Diagnose>, Body(question): Body<Question>) -> Result<Response, Problem> {
    let diagnosis = explain(&allowed, question).await?;
    let files = bundle(&diagnosis, env!("CARGO_PKG_VERSION"));
    let headers = [
        (header::CONTENT_TYPE, MEDIA_TYPE),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"claviger-bundle.tar\""),
    ];
    Ok((headers, packed(&files)).into_response())
}

/// Bytes of a tar's blocks.
const BLOCK: usize = 512;

/// The files as a POSIX ustar archive. Their names are short and plain.
fn packed(files: &[(&str, String)]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, text) in files {
        archive.extend(head(name, text.len()));
        archive.extend(text.as_bytes());
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    // Two empty blocks end it.
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

/// IEEE Std 1003.1, pax, "ustar Interchange Format": octal texts at fixed places, the sum of all bytes among them, taken
/// with blanks in its own place. Without time and owner.
fn head(name: &str, bytes: usize) -> [u8; BLOCK] {
    let mut head = [0; BLOCK];
    let mut put = |at: usize, text: &str| head[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{bytes:011o}"));
    put(136, "00000000000");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = head.iter().copied().map(u32::from).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    head
}
