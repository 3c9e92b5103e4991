//! Tables as answers.

/// Compressed in itself.
pub(super) const PARQUET: &str = "application/vnd.apache.parquet";
