//! The keys that `login` saved, each with the origin that it is sent to.
//!
//! Owns the file: TOML with a table for each kind of key, in which an origin names its key. So keys of several gateways are
//! saved side by side. Tables that this version does not know are kept. A key is given out for exactly the origin that it was
//! saved with.
//!
//! A file that can't be read, or in which anything is wrong, is an error and never "no key". No message repeats a key.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::error::Error;
use crate::gateway::BaseUrl;
use crate::redact::ApiKey;
use crate::storage::{self, read_secret, replace_secret};
use crate::ui;

/// The most that is read: more than the keys of many gateways.
const MAX_SIZE: u64 = 256 << 10;

/// What to do when the file can be read and its content can't be used.
const DAMAGED_HINT: &str = "remove them with `yescale-dl login --forget`, then run `yescale-dl login`";

/// What to do when the file can't be read. The keys in it may be good.
pub(super) const UNREADABLE_HINT: &str = "check the permissions of the file, and the disk";

/// The first lines of the file.
const HEADING: &str = "\
# The keys that `yescale-dl login` saved. Each is sent to its own origin only. Keep this file private.
# `yescale-dl login --forget` removes it.

";

/// What a key opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum KeyKind {
    /// The gateway.
    Api,
    /// The account's list of tasks.
    Access,
}

impl KeyKind {
    /// For messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Api => "API key",
            Self::Access => "access key",
        }
    }

    /// At the start of a sentence.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Api => "API key",
            Self::Access => "Access key",
        }
    }

    fn table(self) -> &'static str {
        match self {
            Self::Api => "api-key",
            Self::Access => "access-key",
        }
    }
}

/// The saved keys.
#[derive(Debug)]
pub(super) struct SavedKeys {
    path: PathBuf,
    tables: Table,
}

impl SavedKeys {
    /// Reads the file at `path`. Without a file there are no keys.
    ///
    /// # Errors
    /// If it can't be read, or is damaged.
    pub(super) fn load(path: &Path) -> Result<Self, Error> {
        let damaged = |why: String| Error::SavedKeys { path: path.to_owned(), why, hint: DAMAGED_HINT };
        let tables = match read_secret(path, MAX_SIZE) {
            Ok(None) => Table::new(),
            Ok(Some(bytes)) => parse(bytes).map_err(damaged)?,
            Err(storage::Error::Io { source, .. }) => {
                // Errors of the system say nothing about the content.
                let hint = if source.raw_os_error().is_some() { UNREADABLE_HINT } else { DAMAGED_HINT };
                return Err(Error::SavedKeys { path: path.to_owned(), why: source.to_string(), hint });
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Self { path: path.to_owned(), tables })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The key for the origin of `url`.
    pub(super) fn get(&self, kind: KeyKind, url: &BaseUrl) -> Option<&str> {
        self.tables.get(kind.table())?.as_table()?.get(&url.origin())?.as_str()
    }

    /// The origins that have a key.
    pub(super) fn origins(&self, kind: KeyKind) -> Vec<&str> {
        let origins = self.tables.get(kind.table()).and_then(Value::as_table).into_iter();
        origins.flat_map(|table| table.keys().map(String::as_str)).collect()
    }

    /// Whether `key` is saved as a key of this kind, for any origin.
    pub(super) fn contains(&self, kind: KeyKind, key: &ApiKey) -> bool {
        let keys = self.tables.get(kind.table()).and_then(Value::as_table).into_iter().flat_map(Table::values);
        keys.into_iter().any(|saved| saved.as_str() == Some(key.expose()))
    }

    /// Adds the key for the origin of `url`, in place of the one that it had. [`Self::save`] writes it.
    pub(super) fn set(&mut self, kind: KeyKind, url: &BaseUrl, key: &ApiKey) {
        let table = self.tables.entry(kind.table()).or_insert_with(|| Value::Table(Table::new()));
        // `load` made sure that it is a table.
        if let Value::Table(table) = table {
            table.insert(url.origin(), Value::String(key.expose().to_owned()));
        }
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// If it can't be written.
    pub(super) fn save(&self) -> Result<(), Error> {
        Ok(replace_secret(&self.path, format!("{HEADING}{}", self.tables).as_bytes())?)
    }
}

/// The tables of a file.
///
/// # Errors
/// What is wrong with it.
fn parse(bytes: Vec<u8>) -> Result<Table, String> {
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    // The message alone: the error also has the line, which may hold a key.
    let tables: Table = toml::from_str(&text).map_err(|error| error.message().trim().replace('\n', " "))?;
    let mut count = 0;
    for kind in [KeyKind::Api, KeyKind::Access] {
        let Some(table) = tables.get(kind.table()) else { continue };
        let table = table.as_table().ok_or_else(|| format!("`{}` is not a table", kind.table()))?;
        for (origin, key) in table {
            let key = key.as_str().and_then(|key| ApiKey::parse(key).ok().filter(|parsed| parsed.expose() == key));
            let key = key.ok_or_else(|| format!("the {} of one origin is not a key", kind.name()))?;
            ui::register_key(&key);
            if !origin.parse::<BaseUrl>().is_ok_and(|url| url.origin() == *origin) {
                return Err(format!("an {} has no origin such as https://api.yescale.io", kind.name()));
            }
            count += 1;
        }
    }
    if count == 0 { Err("it has no key".to_owned()) } else { Ok(tables) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> BaseUrl {
        text.parse().unwrap()
    }

    fn key(text: &str) -> ApiKey {
        ApiKey::parse(text).unwrap()
    }

    #[test]
    fn key_is_given_for_its_own_origin_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own/credentials.toml");
        let mut keys = SavedKeys::load(&path).unwrap();
        keys.set(KeyKind::Api, &url("https://h/gate/v1"), &key("sk-first"));
        keys.set(KeyKind::Api, &url("http://127.0.0.1:8080"), &key("sk-local"));
        keys.set(KeyKind::Access, &url("https://h"), &key("access/+=\\x"));
        keys.set(KeyKind::Api, &url("https://H:443"), &key("sk-second"));
        keys.save().unwrap();
        let keys = SavedKeys::load(&path).unwrap();
        assert_eq!(keys.get(KeyKind::Api, &url("https://h/other")), Some("sk-second"));
        assert_eq!(keys.get(KeyKind::Api, &url("http://127.0.0.1:8080/v1")), Some("sk-local"));
        assert_eq!(keys.get(KeyKind::Access, &url("https://h/")), Some("access/+=\\x"));
        for other in
            ["http://h", "https://h:8443", "https://h.example", "https://x.h", "http://127.0.0.1:8081", "http://localhost:8080"]
        {
            assert_eq!(keys.get(KeyKind::Api, &url(other)), None, "{other}");
        }
        assert_eq!(keys.origins(KeyKind::Access), ["https://h"]);
        assert!(keys.contains(KeyKind::Api, &key("sk-local")) && !keys.contains(KeyKind::Access, &key("sk-local")));
    }

    #[test]
    fn damaged_file_is_an_error_that_repeats_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials.toml");
        for text in [
            "",
            "\0\0\0\0",
            "# nothing\n",
            "[api-key]\n",
            "[other]\nx = 1",
            "[api-key]\n\"https://h\" = \"sk-SECRET",
            "[api-key]\n\"https://h\" = \"sk-SECRET\"\n\"https://h\" = \"sk-SECRET\"",
            "[api-key]\n\"https://h\" = sk-SECRET",
            "[api-key]\n\"https://h\" = [\"sk-SECRET\"]",
            "[api-key]\n\"https://h\" = \"sk-SECRET \"",
            "[api-key]\n\"https://h\" = \"sk SECRET\"",
            "[api-key]\n\"https://h/path\" = \"sk-SECRET\"",
            "[api-key]\n\"sk-SECRET\" = \"https://h\"",
            "[api-key]\n\"https://h\" = \"\"",
            "api-key = \"sk-SECRET\"",
            "[api-key]\n\"https://h\" = \"sk-SECRET\"\n[[access-key]]\n",
        ] {
            std::fs::write(&path, text).unwrap();
            let error = SavedKeys::load(&path).unwrap_err().to_string();
            assert!(error.contains("credentials.toml") && error.contains("login --forget"), "{text:?}: {error}");
            assert!(!error.contains("SECRET"), "{text:?}: {error}");
        }
        std::fs::write(&path, b"[api-key]\n\"https://h\" = \"sk-\xff\"").unwrap();
        assert!(SavedKeys::load(&path).is_err());
    }

    #[test]
    fn tables_of_a_later_version_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials.toml");
        std::fs::write(&path, "later = 7\n[api-key]\n\"https://h\" = \"sk-1\"\n[token]\nx = [1, 2]\n").unwrap();
        let mut keys = SavedKeys::load(&path).unwrap();
        keys.set(KeyKind::Api, &url("https://g"), &key("sk-2"));
        keys.save().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let table: Table = toml::from_str(&text).unwrap();
        assert_eq!((table["later"].as_integer(), table["token"]["x"].as_array().map(Vec::len)), (Some(7), Some(2)), "{text}");
        assert_eq!(table["api-key"].as_table().unwrap().len(), 2);
    }
}
