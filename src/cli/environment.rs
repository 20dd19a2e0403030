//! The environment variables that set options, and the folders of the user.
//!
//! The environment is a function, so that tests can replace it. The HTTP client reads the proxy variables itself.
//! (The crate `etcetera` would not do: it reads the real environment, and the few lines here are shorter than a wrapper.)

use std::ffi::OsString;
use std::path::PathBuf;

use super::error::Error;

/// Looks up one variable. A blank value counts as missing.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The API key.
pub(super) const KEY_VARIABLE: &str = "YESCALE_API_KEY";
/// The file with the API key.
pub(super) const KEY_FILE_VARIABLE: &str = "YESCALE_API_KEY_FILE";
/// The access key of the account.
pub(super) const ACCESS_KEY_VARIABLE: &str = "YESCALE_ACCESS_KEY";
/// The URL of the account.
pub(super) const ACCOUNT_URL_VARIABLE: &str = "YESCALE_ACCOUNT_URL";
/// The base URL of the gateway.
pub(super) const BASE_URL_VARIABLE: &str = "YESCALE_BASE_URL";

/// The variables that hold a key or name its file. No other program gets them from this one.
pub(super) const SECRET_VARIABLES: [&str; 3] = [KEY_VARIABLE, KEY_FILE_VARIABLE, ACCESS_KEY_VARIABLE];

/// The value of a variable that must be text.
///
/// # Errors
/// If the value is not UTF-8: an unreadable value is not a missing one.
pub(super) fn utf8_variable(environment: Environment<'_>, name: &'static str) -> Result<Option<String>, Error> {
    environment(name).map(|value| value.into_string().map_err(|_| Error::VariableNotUtf8(name))).transpose()
}

/// The configuration file of the user. It may not exist.
pub(super) fn default_config_path(environment: Environment<'_>) -> Option<PathBuf> {
    Some(settings_folder(environment)?.join("config.toml"))
}

/// The file of the keys that `login` saved. It may not exist. It is always the user's own, also when `--config` names another
/// configuration: the folder of that one may be shared.
pub(super) fn saved_keys_path(environment: Environment<'_>) -> Option<PathBuf> {
    Some(settings_folder(environment)?.join("credentials.toml"))
}

/// The folder of this program in the settings of the user. One that is not absolute is ignored, as the XDG rules say: the files
/// would depend on the working directory.
fn settings_folder(environment: Environment<'_>) -> Option<PathBuf> {
    let absolute = |name: &str| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = match cfg!(windows) {
        true => absolute("APPDATA"),
        false => absolute("XDG_CONFIG_HOME").or_else(|| home(environment).map(|home| home.join(".config"))),
    };
    folder.map(|folder| folder.join("yescale-dl"))
}

/// The home folder of the user.
pub(super) fn home(environment: Environment<'_>) -> Option<PathBuf> {
    let home = environment(if cfg!(windows) { "USERPROFILE" } else { "HOME" });
    home.map(PathBuf::from).filter(|home| home.is_absolute())
}
