//! Plans the names of exported files, before any of them is written.
//!
//! No two names in a folder are alike (`file_name::fold`), and none is like a name that stands there or that the record has: also
//! the name of a file that the user deleted stays taken. A name that is taken gets ` (2)`, ` (3)` and so on. A folder that differs
//! from an existing one only in letter case or Unicode form is that folder, on every system.

use std::collections::HashMap;

use crate::domain::export_record::ExportRecord;
use crate::domain::file_name::{SafeName, fold};
use crate::domain::template::NamedPath;
use crate::storage::{Error, ExportDir};

/// The names that are taken.
#[derive(Default)]
pub(super) struct NamePlanner {
    /// The names of the record, by folder. They are moved to `folders` when the folder is used first.
    recorded: HashMap<String, Vec<(String, Taken)>>,
    folders: HashMap<String, FolderNames>,
}

#[derive(Default)]
struct FolderNames {
    /// By their folded form: how the name is written, and what has it.
    taken: HashMap<String, (String, Taken)>,
    /// The number to try next, by the folded form of the name without a number.
    next: HashMap<String, usize>,
}

/// What has a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    File,
    Folder,
    /// It stands on the disk, and nobody asked yet what it is.
    OnDisk,
}

impl NamePlanner {
    /// Begins with the names of the record.
    pub(super) fn new(record: &ExportRecord) -> Self {
        let mut planner = Self::default();
        for path in record.names() {
            let (mut rest, mut what) = (path, Taken::File);
            while !rest.is_empty() {
                let (folder, name) = rest.rsplit_once('/').unwrap_or(("", rest));
                planner.recorded.entry(folder.to_owned()).or_default().push((name.to_owned(), what));
                (rest, what) = (folder, Taken::Folder);
            }
        }
        planner
    }

    /// A free name for a file, which is taken from now on.
    pub(super) fn plan(&mut self, path: &NamedPath, dir: &mut ExportDir) -> Result<String, Error> {
        let mut folder = String::new();
        for part in &path.folders {
            let name = self.plan_folder(&folder, part, dir)?;
            folder = join(&folder, &name);
        }
        let names = self.names(&folder, dir)?;
        let plain = fold(&path.file.numbered(1));
        let first = names.next.get(&plain).copied().unwrap_or(1);
        let mut number = first;
        while names.taken.contains_key(&fold(&path.file.numbered(number))) {
            number += 1;
        }
        names.next.insert(plain, number + 1);
        let name = path.file.numbered(number);
        names.taken.insert(fold(&name), (name.clone(), Taken::File));
        Ok(join(&folder, &name))
    }

    /// Reads the folder of a name that a killed run planned: what that run left in it is removed.
    pub(super) fn visit(&mut self, name: &str, dir: &mut ExportDir) -> Result<(), Error> {
        let (folder, _) = name.rsplit_once('/').unwrap_or_default();
        self.names(folder, dir).map(drop)
    }

    /// The name of the folder for `part` in `parent`: an existing one, or a free name.
    fn plan_folder(&mut self, parent: &str, part: &SafeName, dir: &mut ExportDir) -> Result<String, Error> {
        for number in 1.. {
            let name = part.numbered(number);
            let folded = fold(&name);
            let names = self.names(parent, dir)?;
            let Some((spelling, what)) = names.taken.get_mut(&folded) else {
                names.taken.insert(folded, (name.clone(), Taken::Folder));
                return Ok(name);
            };
            if *what == Taken::OnDisk {
                *what = if dir.is_folder(parent, spelling)? { Taken::Folder } else { Taken::File };
            }
            if *what == Taken::Folder {
                return Ok(spelling.clone());
            }
        }
        unreachable!("a folder has fewer names than there are numbers")
    }

    /// The names in a folder, read when it is used first.
    fn names(&mut self, folder: &str, dir: &mut ExportDir) -> Result<&mut FolderNames, Error> {
        if !self.folders.contains_key(folder) {
            let mut names = FolderNames::default();
            for name in dir.names(folder)? {
                names.taken.insert(fold(&name), (name, Taken::OnDisk));
            }
            for (name, what) in self.recorded.remove(folder).unwrap_or_default() {
                names.taken.entry(fold(&name)).or_insert((name, what));
            }
            self.folders.insert(folder.to_owned(), names);
        }
        Ok(self.folders.get_mut(folder).expect("it was added above"))
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
