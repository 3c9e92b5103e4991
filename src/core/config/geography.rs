//! The `[geography]` section.

use serde::{Deserialize, Serialize};

/// Files that say where networks are. All paths; empty for none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GeographyFiles {
    pub databases: Vec<String>,
    pub networks: Vec<String>,
    pub hosting: Vec<String>,
    pub vpn: Vec<String>,
    pub proxies: Vec<String>,
}
