//! What lies beside the records, so that nobody needs us to check them: the public key, a page to read, a script.

use super::error::ExportError;
use super::files::Folder;
use crate::signing::Signer;

/// Also lies beside the chains of a lake.
pub(crate) const SCRIPT: &str = include_str!("verify.sh");
const PAGE: &str = include_str!("VERIFY.txt");

/// File names in an export.
pub(super) const KEY: &str = "key.pem";

pub(super) fn write(folder: &mut Folder, signer: &Signer) -> Result<(), ExportError> {
    let page = PAGE.replace("{key}", &signer.public().id().to_string());
    folder.put(KEY, signer.public().to_pem().as_bytes(), None)?;
    folder.put("VERIFY.txt", page.as_bytes(), None)?;
    folder.put("verify.sh", SCRIPT.as_bytes(), None)
}
