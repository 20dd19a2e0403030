//! What the environment may say: the key, the gateway, and where the user's own files stand.
//!
//! Asked for a variable at a time, so that a test can be asked instead. The proxies are read by the HTTP client.

use std::ffi::OsString;
use std::path::PathBuf;

use super::error::Error;

/// The environment, a variable at a time; blank ones count as missing.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// A variable that has to be text.
///
/// # Errors
/// When it is none: that is not the same as missing.
pub(super) fn utf8_variable(environment: Environment<'_>, name: &'static str) -> Result<Option<String>, Error> {
    environment(name).map(|value| value.into_string().map_err(|_| Error::VariableNotUtf8(name))).transpose()
}

/// Where the key is looked for when no file is named.
pub(super) const KEY_VARIABLE: &str = "YESCALE_API_KEY";
/// Where the gateway is, unless it is typed.
pub(super) const BASE_URL_VARIABLE: &str = "YESCALE_BASE_URL";

/// Where the user's own configuration stands.
pub(super) fn default_config_path(environment: Environment<'_>) -> Option<PathBuf> {
    let folder = |name: &str| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = match cfg!(windows) {
        true => folder("APPDATA"),
        false => folder("XDG_CONFIG_HOME").or_else(|| home(environment).map(|home| home.join(".config"))),
    };
    folder.map(|folder| folder.join("yescale-dl").join("config.toml"))
}

pub(super) fn home(environment: Environment<'_>) -> Option<PathBuf> {
    environment(if cfg!(windows) { "USERPROFILE" } else { "HOME" }).map(PathBuf::from)
}
