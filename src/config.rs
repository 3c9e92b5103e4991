//! Reads the operator's file and the environment for [`claviger_core::config`].
//!
//! The only place of the program that looks at the environment for options. Opens nothing else.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use claviger_core::config::{AlertPlan, Config, ConfigError, SECRET_FILE_PREFIX, Secret, VARIABLE_PREFIX};
use claviger_core::fault::{Blame, Fault};
use claviger_core::secret::Pepper;
use rand::TryRng as _;
use rand::rngs::SysRng;

/// The effective configuration from `file` and this process's environment.
///
/// # Errors
/// The file cannot be read, or something in it or in a variable is wrong.
pub fn load(file: &Path) -> Result<Config, LoadError> {
    load_with(file, &[])
}

/// As [`load`], with variables that the command line stands for laid over the environment's.
///
/// # Errors
/// As [`load`].
pub fn load_with(file: &Path, more: &[(&str, &str)]) -> Result<Config, LoadError> {
    let text = std::fs::read_to_string(file).map_err(|source| LoadError::Unreadable {
        what: "configuration",
        path: file.to_owned(),
        source,
    })?;
    let variables = variables()?;
    let variables = variables.iter().map(|(name, text)| (name.as_str(), text.as_str())).chain(more.iter().copied());
    Config::parse(&text, variables).map_err(|source| LoadError::Wrong { path: file.to_owned(), source })
}

/// Variables of ours, in the order of their names so that errors do not depend on the environment's.
fn variables() -> Result<Vec<(String, String)>, LoadError> {
    let ours = std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(VARIABLE_PREFIX.as_bytes()));
    let mut variables = ours
        .map(|(name, text)| {
            let name = name.to_string_lossy().into_owned();
            let text = text.into_string().map_err(|_| LoadError::NotText { variable: name.clone() })?;
            Ok((name, text))
        })
        .collect::<Result<Vec<_>, LoadError>>()?;
    variables.sort();
    Ok(variables)
}

/// The pepper, from its file or from the option.
///
/// # Errors
/// There is none, it is too short, or its file cannot be read.
pub fn pepper(config: &Config) -> Result<Pepper, LoadError> {
    let secrets = &config.secrets;
    let secret = if secrets.pepper_file.is_empty() {
        secrets.pepper.reveal().as_bytes().to_vec()
    } else {
        return read_pepper(Path::new(&secrets.pepper_file));
    };
    Pepper::new(&secret).ok_or(LoadError::NoPepper)
}

/// The plan for alerts, with the content of files in the place of secrets that name one.
///
/// # Errors
/// A file cannot be read, or what it holds is not what the option needs.
pub fn alert_plan(config: &Config) -> Result<AlertPlan, LoadError> {
    let mut alert = config.alert.clone();
    for secret in alert.secrets_mut() {
        let Some(path) = secret.reveal().strip_prefix(SECRET_FILE_PREFIX).map(PathBuf::from) else { continue };
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|source| LoadError::Unreadable { what: "secret", path, source })?;
        *secret = Secret::from(text.trim());
    }
    alert.plan().map_err(|source| LoadError::WrongAlert { source })
}

/// The pepper in a file.
///
/// # Errors
/// It cannot be read, or is too short.
pub fn read_pepper(path: &Path) -> Result<Pepper, LoadError> {
    let secret = std::fs::read(path);
    let secret = secret.map_err(|source| LoadError::Unreadable { what: "pepper", path: path.to_owned(), source })?;
    Pepper::new(&secret).ok_or(LoadError::NoPepper)
}

/// Makes a pepper file: 32 random bytes in hex, readable by the owner only.
///
/// # Errors
/// It is there already, or cannot be written.
pub fn make_pepper(path: &Path) -> Result<(), LoadError> {
    let write = || -> std::io::Result<()> {
        let mut secret = [0; 32];
        SysRng.try_fill_bytes(&mut secret).map_err(std::io::Error::other)?;
        let text: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        writeln!(file, "{text}")?;
        file.sync_all()
    };
    write().map_err(|source| LoadError::Unwritable { path: path.to_owned(), source })
}

/// Why the process has no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("cannot read the {what} file `{}`", path.display())]
    Unreadable { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("cannot write the pepper file `{}`", path.display())]
    Unwritable { path: PathBuf, source: std::io::Error },
    #[error("`{}` cannot be used", path.display())]
    Wrong { path: PathBuf, source: ConfigError },
    #[error("the section `[alert]` cannot be used")]
    WrongAlert { source: ConfigError },
    #[error("the variable `{variable}` is not UTF-8 text")]
    NotText { variable: String },
    #[error("no pepper of at least {} bytes", Pepper::LENGTH_MIN)]
    NoPepper,
}

impl Fault for LoadError {
    fn hint(&self) -> String {
        match self {
            Self::Unwritable { .. } => "check the folder and who may write to it".to_owned(),
            Self::Unreadable { .. } => "check the path and who may read the file".to_owned(),
            Self::Wrong { source, .. } | Self::WrongAlert { source } => source.hint(),
            Self::NotText { variable } => format!("set `{variable}` again, or unset it"),
            Self::NoPepper => "make one with `openssl rand -hex 32 > pepper` and name it in `secrets.pepper_file`; \
                               keep it as long as the lake"
                .to_owned(),
        }
    }

    fn blame(&self) -> Blame {
        Blame::Operator
    }
}
