//! What the environment may say: the key, the gateway, and where the user's own files stand.
//!
//! Asked for a variable at a time, so that a test can be asked instead. The proxies are read by the HTTP client.

use std::path::PathBuf;

/// The environment, a variable at a time; blank ones count as missing.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where the key is looked for when no file is named.
pub(super) const KEY_VARIABLE: &str = "YESCALE_API_KEY";
/// Where the gateway is, unless it is typed.
pub(super) const BASE_URL_VARIABLE: &str = "YESCALE_BASE_URL";

/// Where the user's own configuration stands.
pub(super) fn own_file(environment: Environment<'_>) -> Option<PathBuf> {
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
