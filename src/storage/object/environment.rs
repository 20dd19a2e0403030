//! The settings of the store, from the environment of the process.
//!
//! The names are those of `object_store`: `AWS_*`, `AZURE_*`, `GOOGLE_*`. The values are secrets: this type has no `Debug`, and
//! [`Environment::redact`] removes them from a message. An empty variable counts as absent, because a scheduler sets one to
//! unset it. White space around a value is removed, because secrets are often mounted with the end of a line.
//!
//! `object_store` panics when a setting makes a header or a URL that is not valid. So [`Environment::check`] refuses such
//! settings first, and names the variable, never its value.

use std::str::FromStr;

use url::Url;

/// Variables without the prefix of their service that `object_store` reads too.
const OTHER_NAMES: [&str; 2] = ["IDENTITY_ENDPOINT", "SERVICE_ACCOUNT"];
/// What the name of a variable with a secret contains.
const SECRET_WORDS: [&str; 7] = ["KEY", "SECRET", "TOKEN", "PASSWORD", "SAS", "PROXY", "CREDENTIAL"];

/// The variables that a store is configured by, sorted by name.
pub(in crate::storage) struct Environment(Vec<(String, String)>);

impl Environment {
    /// Those of this process.
    pub(in crate::storage) fn of_process() -> Self {
        let texts = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::new(texts)
    }

    /// The variables in `pairs` that concern a store.
    pub(in crate::storage) fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let is_setting = |name: &str| {
            ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|prefix| name.starts_with(prefix)) || OTHER_NAMES.contains(&name)
        };
        let pairs = pairs.into_iter().filter(|(name, value)| is_setting(name) && !value.trim().is_empty());
        let mut pairs: Vec<_> = pairs.map(|(name, value)| (name, value.trim().to_owned())).collect();
        pairs.sort();
        Self(pairs)
    }

    /// The value of the variable `name`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The variables that begin with `prefix` and that `object_store` knows, as its keys. The others belong to other programs.
    pub(super) fn settings<'a, K: FromStr>(&'a self, prefix: &'a str) -> impl Iterator<Item = (K, &'a str)> {
        let pairs = self.0.iter().filter(move |(name, _)| name.starts_with(prefix));
        pairs.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value.as_str())))
    }

    /// Refuses settings of the services with `prefix` that can't be sent.
    ///
    /// # Errors
    /// What is wrong with which variable.
    pub(super) fn check(&self, prefix: &str) -> Result<(), String> {
        for (name, value) in self.0.iter().filter(|(name, _)| name.starts_with(prefix)) {
            let may_have_lines = name.ends_with("CERTIFICATE") || name.ends_with("SERVICE_ACCOUNT_KEY");
            if value.chars().any(char::is_control) && !may_have_lines {
                return Err(format!("{name} contains a line break or another control character; set it again without"));
            }
            if is_base_url(name) {
                check_base_url(value).map_err(|why| format!("{name} {why}"))?;
            }
            if is_part_of_url(name) && !value.bytes().all(is_url_byte) {
                return Err(format!("{name} contains a character that it can't have"));
            }
        }
        Ok(())
    }

    /// `text` without the values of secret variables.
    pub(super) fn redact(&self, text: &str) -> String {
        let secrets = self.0.iter().filter(|(name, _)| SECRET_WORDS.iter().any(|word| name.contains(word)));
        secrets.fold(text.to_owned(), |text, (name, value)| text.replace(value, &format!("[{name}]")))
    }
}

/// Whether the variable `name` holds the URL that requests are made of.
fn is_base_url(name: &str) -> bool {
    let names = ["ENDPOINT", "ENDPOINT_URL", "ENDPOINT_URL_S3", "ENDPOINT_URL_STS", "BASE_URL", "FULL_URI", "AUTHORITY_HOST"];
    names.iter().any(|end| name.ends_with(end))
}

/// Whether the value of the variable `name` becomes a part of a URL as it is.
fn is_part_of_url(name: &str) -> bool {
    ["REGION", "RELATIVE_URI", "ACCOUNT_NAME", "TENANT_ID", "AUTHORITY_ID"].iter().any(|end| name.ends_with(end))
}

fn is_url_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~/%:[]".contains(&byte)
}

fn check_base_url(value: &str) -> Result<(), &'static str> {
    let Some(url) = Url::parse(value).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) else {
        return Err("is not an http or https URL, such as https://minio.example.org:9000");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("contains a user or a password; credentials have variables of their own");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or a fragment");
    }
    if value.bytes().all(is_url_byte) { Ok(()) } else { Err("contains a character that no endpoint has") }
}

#[cfg(test)]
mod tests {
    use object_store::aws::AmazonS3ConfigKey;

    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::new(pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())))
    }

    #[test]
    fn empty_and_foreign_variables_are_not_settings_and_values_are_trimmed() {
        let environment = environment(&[
            ("AWS_SESSION_TOKEN", ""),
            ("AWS_ENDPOINT_URL", " \n"),
            ("AWS_PROFILE", "work"),
            ("AWS_BATCH_JOB_ID", "7"),
            ("HOME", "/root"),
            ("AWS_SECRET_ACCESS_KEY", "secret\n"),
        ]);
        let settings: Vec<(AmazonS3ConfigKey, _)> = environment.settings("AWS_").collect();
        assert_eq!(settings, [(AmazonS3ConfigKey::SecretAccessKey, "secret")]);
        assert_eq!(environment.get("AWS_PROFILE"), Some("work"));
        assert_eq!(environment.get("HOME"), None);
    }

    #[test]
    fn settings_that_can_not_be_sent_are_refused_by_name_and_never_shown() {
        for (name, value) in [
            ("AWS_SESSION_TOKEN", "secret\nsecret"),
            ("AWS_ENDPOINT_URL", "localhost:9000"),
            ("AWS_ENDPOINT_URL_S3", "ftp://secret/"),
            ("AWS_ENDPOINT", "https://secret:secret@host"),
            ("AWS_ENDPOINT_URL", "https://host/?secret=1"),
            ("AWS_ENDPOINT_URL", "http://ho st"),
            ("AWS_ENDPOINT_URL", "https://host/secret|"),
            ("AWS_REGION", "eu secret"),
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/secret here"),
        ] {
            let message = environment(&[(name, value)]).check("AWS_").unwrap_err();
            assert!(message.contains(name) && !message.contains("secret"), "{message}");
        }
        let lines = [("GOOGLE_SERVICE_ACCOUNT_KEY", "{\n}"), ("GOOGLE_BASE_URL", "http://[::1]:9/x")];
        environment(&lines).check("GOOGLE_").unwrap();
        environment(&[("AWS_REGION", "no region")]).check("AZURE_").unwrap();
    }

    #[test]
    fn values_of_secrets_are_removed_from_messages() {
        let environment = environment(&[("AWS_SECRET_ACCESS_KEY", "wJalr"), ("AWS_REGION", "eu-west-1")]);
        assert_eq!(environment.redact("bad: wJalr in eu-west-1"), "bad: [AWS_SECRET_ACCESS_KEY] in eu-west-1");
    }
}
