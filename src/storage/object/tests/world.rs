//! The store behind all writers, which checks the invariants at every write.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

use bytes::Bytes;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutOptions, PutResult, Result};

use crate::domain::asset_key::AssetKey;
use crate::domain::manifest::{FileEntry, TaskEntry, TaskManifest};
use crate::integrity::digest::Sha256Hex;

/// The store of one schedule.
#[derive(Debug, Default)]
pub(super) struct World {
    pub store: InMemory,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The hash of each object's bytes.
    objects: HashMap<String, Sha256Hex>,
    /// The objects that a writer was told are its own, with the hash.
    won: HashMap<String, Sha256Hex>,
    /// Objects whose bytes were changed by no writer.
    damaged: BTreeSet<String>,
    /// Objects that no writer owned, and that got other bytes.
    replaced_orphans: u32,
    manifests: HashMap<String, TaskEntry>,
    /// The files of all commits that ended well.
    committed: BTreeSet<AssetKey>,
}

impl World {
    /// Writes an object, and checks what it replaces.
    pub(super) async fn write(&self, path: &Path, bytes: Bytes, options: PutOptions, may_replace: bool) -> Result<PutResult> {
        // Nothing here waits, so the check and the write are one step.
        let result = self.store.put_opts(path, bytes.clone().into(), options).await?;
        let (key, hash) = (path.to_string(), Sha256Hex::digest(&bytes));
        let mut state = self.state.lock().unwrap();
        if key.ends_with("/manifest.json") {
            let TaskManifest::Task(entry) = TaskManifest::parse(&bytes).unwrap() else { panic!("{key} is no manifest") };
            if let Some(before) = state.manifests.insert(key, (*entry).clone()) {
                check_successor(&before, &entry, may_replace);
            }
            return Ok(result);
        }
        if let Some(won) = state.won.get(&key) {
            assert_eq!(*won, hash, "{key} belonged to a writer and got other bytes");
        }
        let was_damaged = state.damaged.remove(&key);
        if let Some(before) = state.objects.insert(key, hash.clone())
            && before != hash
            && !was_damaged
        {
            state.replaced_orphans += 1;
        }
        Ok(result)
    }

    /// A writer was told that the object `key` has the bytes of `hash`. `is_proved`: it read the body.
    pub(super) fn won(&self, key: &str, hash: &Sha256Hex, is_proved: bool) {
        let mut state = self.state.lock().unwrap();
        let is_damaged = state.damaged.contains(key);
        assert!(!(is_damaged && is_proved), "{key} was taken although it is damaged");
        assert!(is_damaged || state.objects.get(key) == Some(hash), "{key} has other bytes than its writer was told");
        let before = state.won.insert(key.to_owned(), hash.clone());
        assert!(before.is_none_or(|before| before == *hash), "two writers own {key}");
    }

    /// A commit has ended well.
    pub(super) fn committed(&self, mine: &TaskEntry, now: &TaskEntry) {
        let keys: BTreeSet<AssetKey> = mine.files.iter().map(FileEntry::key).collect();
        let here: BTreeSet<AssetKey> = now.files.iter().map(FileEntry::key).collect();
        assert!(keys.is_subset(&here), "a commit lost files: {keys:?} {here:?}");
        self.state.lock().unwrap().committed.extend(keys);
    }

    /// Changes the bytes of an object, or drops what is recorded with it. Only between races.
    pub(super) async fn damage(&self, random: &mut fastrand::Rng) {
        let keys: Vec<String> = {
            let state = self.state.lock().unwrap();
            let mut keys: Vec<String> = state.objects.keys().filter(|key| !key.ends_with(".sha256")).cloned().collect();
            keys.sort();
            keys
        };
        for key in keys {
            let (path, kind) = (Path::from(key.as_str()), random.u8(0..4));
            let found = self.store.get(&path).await.unwrap();
            let attributes = found.attributes.clone();
            let mut bytes = found.bytes().await.unwrap().to_vec();
            let attributes = match kind {
                0 => {
                    bytes[0] ^= 1;
                    attributes
                }
                1 => object_store::Attributes::default(),
                2 => {
                    bytes.pop();
                    attributes
                }
                _ => continue,
            };
            let hash = Sha256Hex::digest(&bytes);
            self.store.put_opts(&path, bytes.into(), PutOptions { attributes, ..PutOptions::default() }).await.unwrap();
            let mut state = self.state.lock().unwrap();
            if kind != 1 {
                state.objects.insert(key.clone(), hash);
                state.damaged.insert(key);
            }
        }
    }

    /// Whether the bytes of a file are not those that its entry says.
    pub(super) fn is_damaged(&self, folder: &str, file: &FileEntry) -> bool {
        self.state.lock().unwrap().damage_of(folder, file.path(), file.sha256()).is_some()
    }

    /// Whether the object of the text has other bytes.
    pub(super) fn is_text_damaged(&self, folder: &str, entry: &TaskEntry) -> bool {
        self.state.lock().unwrap().text_damage(folder, entry).is_some()
    }

    /// Checks what is left: the manifest names all files of all commits, and each named object is whole, but for those that
    /// nobody has repaired yet.
    pub(super) fn check_end(&self, folder: &str, is_mixed: bool, is_repaired: bool) {
        let state = self.state.lock().unwrap();
        // Where some bytes of an asset are small and others large: see the module `publish`.
        assert!(is_mixed || state.replaced_orphans == 0, "an object got other bytes");
        let Some(entry) = state.manifests.get(&format!("{folder}/manifest.json")) else {
            assert!(state.committed.is_empty(), "the manifest is lost");
            return;
        };
        let here: BTreeSet<AssetKey> = entry.files.iter().map(FileEntry::key).collect();
        assert!(state.committed.is_subset(&here), "a file of a commit is lost: {entry:?}");
        assert!(entry.text_path.is_none() || entry.text.is_some());
        let files = entry.files.iter().map(|file| state.damage_of(folder, file.path(), file.sha256()));
        for key in files.flatten().chain(state.text_damage(folder, entry)) {
            assert!(!is_repaired && state.damaged.contains(&key), "{key} is named, and has other bytes");
        }
    }
}

impl State {
    /// The key of a named object that has not the bytes of this hash.
    fn damage_of(&self, folder: &str, name: &str, hash: &Sha256Hex) -> Option<String> {
        let key = format!("{folder}/{name}");
        (self.objects.get(&key) != Some(hash)).then_some(key)
    }

    fn text_damage(&self, folder: &str, entry: &TaskEntry) -> Option<String> {
        let hash = Sha256Hex::digest(entry.text.as_ref()?.as_bytes());
        self.damage_of(folder, entry.text_path.as_deref()?, &hash)
    }
}

/// Checks that a manifest keeps what the one before had.
fn check_successor(before: &TaskEntry, after: &TaskEntry, may_replace: bool) {
    let after_files: BTreeMap<AssetKey, &FileEntry> = after.files.iter().map(|file| (file.key(), file)).collect();
    for file in &before.files {
        let kept = after_files.get(&file.key()).unwrap_or_else(|| panic!("the manifest lost {}", file.key()));
        assert!(may_replace || (kept.path(), kept.sha256()) == (file.path(), file.sha256()), "{} was replaced", file.key());
    }
    assert!(before.text.is_none() || after.text.is_some(), "the manifest lost its text");
    assert!(may_replace || before.text.is_none() || before.text == after.text, "the text was replaced");
    assert!(before.meta.is_none() || after.meta.is_some(), "the manifest lost its meta");
    for error in &after.errors {
        assert!(!after_files.contains_key(&error.key()), "{} is here and has an error", error.key());
    }
}
