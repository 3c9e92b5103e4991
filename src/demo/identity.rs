//! Writes the company as canonical identity folders: `identity` for production, `identity-dev` for the
//! development environment, whose keys the pipeline needs to recognise.
//!
//! A folder is replaced whole: written beside, then swapped in by renames. A reader finds the old one, the new
//! one, or for an instant none, and never a mixture, which would date new rows by the old `as_of`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::DemoError;
use super::company::{Company, DAY, Instant, format_instant};
use super::routes::{Gateway, ROUTES};

/// The folders of one data folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFolders {
    pub production: PathBuf,
    pub development: PathBuf,
}

impl IdentityFolders {
    #[must_use]
    pub fn under(data: &Path) -> Self {
        Self { production: data.join("identity"), development: data.join("identity-dev") }
    }

    /// Replaces both folders by what `company` is at `at`.
    ///
    /// # Errors
    /// The disk.
    pub fn write(&self, company: &Company, at: Instant) -> Result<(), DemoError> {
        write_folder(&self.production, &tables_of(company, "prod"), "prod", at)?;
        write_folder(&self.development, &tables_of(company, "dev"), "dev", at)
    }

    /// Writes all versions at once, each row with the time it holds from and to: for reading logs of the past.
    ///
    /// # Errors
    /// The disk.
    pub fn write_history(&self, versions: &[(Instant, Company)]) -> Result<(), DemoError> {
        for (folder, environment) in [(&self.production, "prod"), (&self.development, "dev")] {
            let tables: Vec<(Instant, Tables)> =
                versions.iter().map(|(at, company)| (*at, tables_of(company, environment))).collect();
            let as_of = versions.first().map_or(0, |(at, _)| *at);
            write_folder(folder, &dated(&tables), environment, as_of)?;
        }
        Ok(())
    }
}

/// File name to rows.
type Tables = BTreeMap<&'static str, Vec<Value>>;

/// The other environments' folders hold keys only: whom they belong to is known from production's.
fn tables_of(company: &Company, environment: &str) -> Tables {
    let keys = company.keys.iter().filter(|key| key.environment == environment);
    let mut tables = Tables::from([("keys", rows_of(keys))]);
    if environment == "prod" {
        tables.insert("principals", rows_of(&company.principals));
        tables.insert("tenants", rows_of(&company.tenants));
        tables.insert("grants", rows_of(&company.grants));
        tables.insert("routes", rows_of(ROUTES));
        tables.insert("gateways", Gateway::ALL.iter().map(|gateway| gateway.row()).collect());
    }
    tables
}

fn rows_of<T: Serialize>(rows: impl IntoIterator<Item = T>) -> Vec<Value> {
    let row = |row| serde_json::to_value(row).expect("rows are plain texts, numbers and lists");
    rows.into_iter().map(row).collect()
}

/// One table for all versions: rows that changed appear once a version, with `valid_from` and `valid_to`.
fn dated(versions: &[(Instant, Tables)]) -> Tables {
    let mut out = Tables::new();
    for (place, (at, tables)) in versions.iter().enumerate() {
        for (name, rows) in tables {
            let before = place.checked_sub(1).and_then(|earlier| versions[earlier].1.get(name));
            let changed = rows.iter().filter(|row| before.is_none_or(|before| !before.contains(row)));
            for row in changed {
                // A row of the first version has always been so, as far as anybody knows.
                let from = if place == 0 { at - 365 * DAY } else { *at };
                let gone = versions.iter().skip(place + 1).find(|(_, later)| !later[name].contains(row));
                let mut row = row.clone();
                row["valid_from"] = json!(format_instant(from));
                if let Some((to, _)) = gone {
                    row["valid_to"] = json!(format_instant(*to));
                }
                out.entry(name).or_default().push(row);
            }
        }
    }
    out
}

fn write_folder(folder: &Path, tables: &Tables, environment: &str, as_of: Instant) -> Result<(), DemoError> {
    let (beside, old) = (folder.with_extension("new"), folder.with_extension("old"));
    let write = || -> std::io::Result<()> {
        remove(&beside)?;
        fs::create_dir_all(&beside)?;
        for (name, rows) in tables {
            let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
            fs::write(beside.join(format!("{name}.ndjson")), text)?;
        }
        let snapshot = json!({ "as_of": format_instant(as_of), "source": "claviger demo", "environment": environment });
        fs::write(beside.join("snapshot.json"), format!("{snapshot}\n"))?;
        remove(&old)?;
        if folder.exists() {
            fs::rename(folder, &old)?;
        }
        fs::rename(&beside, folder)?;
        remove(&old)
    };
    write().map_err(|source| DemoError::unwritable(folder, source))
}

/// Removes a folder that may not be there.
pub(super) fn remove(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
