use tokio_util::sync::CancellationToken;

use super::*;
use crate::domain::asset_key::{AssetKey, Kind};
use crate::domain::export_record::{self, ExportKey, RECORD};
use crate::integrity::digest::Sha256Hex;

struct Place {
    _folder: tempfile::TempDir,
    archive: PathBuf,
    target: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = dunce::canonicalize(folder.path()).unwrap();
        let (archive, target) = (root.join("archive"), root.join("out"));
        fs::create_dir_all(archive.join("t")).unwrap();
        fs::write(archive.join("t/image-1.png"), b"picture").unwrap();
        Self { _folder: folder, archive, target }
    }

    fn open(&self) -> Result<ExportDir, Error> {
        let wait = LockWait::new(CancellationToken::new(), |_| ());
        ExportDir::open(&self.target, &self.archive, &wait)
    }

    fn source(&self) -> CopySource {
        CopySource::new(self.archive.join("t/image-1.png"), 7, Sha256Hex::digest(b"picture"))
    }

    fn exported(&self) -> PathBuf {
        self.target.join("a/b.png")
    }
}

fn key() -> ExportKey {
    ExportKey::new("t", AssetKey { kind: Kind::Image, index: 1 }, "{title}")
}

fn planned(name: &str) -> ExportedFile {
    ExportedFile::planned(key(), name.to_owned())
}

fn export(dir: &mut ExportDir, place: &Place) -> Result<bool, Error> {
    let file = planned("a/b.png");
    dir.plan(vec![file.clone()])?;
    let copy = dir.stage(&file, &place.source(), false)?;
    dir.publish(vec![(copy, file)])?.remove(0)
}

#[test]
fn exported_file_is_recorded_and_nothing_else_is_left() {
    let place = Place::new();
    let mut dir = place.open().unwrap();
    assert!(export(&mut dir, &place).unwrap());
    dir.finish().unwrap();
    assert_eq!(fs::read(place.exported()).unwrap(), b"picture");
    assert_eq!(fs::read_dir(place.target.join("a")).unwrap().count(), 1);
    assert!(place.open().unwrap().record().get(&key()).unwrap().done);
}

#[test]
fn killed_run_leaves_a_planned_file_that_is_found_or_not() {
    let place = Place::new();
    let (file, source) = (planned("a/b.png"), place.source());
    let mut dir = place.open().unwrap();
    dir.plan(vec![file.clone()]).unwrap();
    assert_eq!(dir.find(&file, &source).unwrap(), Found::Nothing);
    assert!(export(&mut dir, &place).unwrap());
    drop(dir);
    let mut dir = place.open().unwrap();
    assert!(!dir.record().get(&key()).unwrap().done);
    assert_eq!(dir.find(&file, &source).unwrap(), Found::Exported);
    fs::write(place.exported(), b"foreign").unwrap();
    assert_eq!(dir.find(&file, &source).unwrap(), Found::Other);
    let mut tagged = file;
    tagged.sha256 = Some(Sha256Hex::digest(b"foreign"));
    assert_eq!(dir.find(&tagged, &source).unwrap(), Found::Exported);
    fs::write(place.target.join(format!("{PREFIX}0")), b"").unwrap();
    assert_eq!(dir.names("").unwrap().iter().filter(|name| name.starts_with(PREFIX)).count(), 0);
    assert!(!place.target.join(format!("{PREFIX}0")).exists());
}

#[test]
fn file_that_appears_in_the_last_moment_is_not_replaced() {
    let place = Place::new();
    let mut dir = place.open().unwrap();
    fs::create_dir_all(place.target.join("a")).unwrap();
    fs::write(place.exported(), b"foreign").unwrap();
    assert!(!export(&mut dir, &place).unwrap());
    assert!(!dir.link(&planned("a/b.png"), &place.source(), false).unwrap());
    assert_eq!(fs::read(place.exported()).unwrap(), b"foreign");
    assert_eq!(fs::read_dir(place.target.join("a")).unwrap().count(), 1);
}

#[test]
fn copies_get_their_names_together_and_a_taken_name_is_the_result_of_one() {
    let place = Place::new();
    let mut dir = place.open().unwrap();
    let files: Vec<ExportedFile> = (0..30).map(|n| planned(&format!("{n}.png"))).collect();
    let copies: Vec<_> = files.iter().map(|file| (dir.stage(file, &place.source(), true).unwrap(), file.clone())).collect();
    fs::write(place.target.join("7.png"), b"foreign").unwrap();
    let named: Vec<bool> = dir.publish(copies).unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(named, (0..30).map(|n| n != 7).collect::<Vec<_>>());
    dir.finish().unwrap();
    assert_eq!(fs::read(place.target.join("7.png")).unwrap(), b"foreign");
    // The files and the record.
    assert_eq!(fs::read_dir(&place.target).unwrap().count(), 31);
}

#[test]
fn copy_of_other_bytes_than_recorded_is_damaged() {
    let place = Place::new();
    fs::write(place.archive.join("t/image-1.png"), b"PICTURE").unwrap();
    let mut dir = place.open().unwrap();
    assert!(matches!(dir.stage(&planned("b.png"), &place.source(), true), Err(Error::Damaged(_))));
    // Some systems have a lock file as long as the folder is locked.
    drop(dir);
    assert_eq!(fs::read_dir(&place.target).unwrap().count(), 0);
}

#[test]
fn archive_is_never_a_target() {
    let mut place = Place::new();
    for target in ["", "t", "new", "t/new/deep"] {
        place.target = place.archive.join(target);
        assert!(matches!(place.open(), Err(Error::InArchive(_))), "{target}");
    }
    place.target = place.archive.parent().unwrap().to_owned();
    let mut dir = place.open().unwrap();
    assert!(!dir.is_folder("", "archive").unwrap());
    assert!(dir.stage(&planned("archive/t/x.png"), &place.source(), true).is_err());
    assert_eq!(fs::read_dir(place.archive.join("t")).unwrap().count(), 1);
}

#[test]
fn record_of_another_program_is_refused_and_kept() {
    let place = Place::new();
    fs::create_dir_all(&place.target).unwrap();
    let record = place.target.join(RECORD);
    fs::write(&record, "notes\n").unwrap();
    assert!(matches!(place.open(), Err(Error::Foreign(_))));
    fs::write(&record, export_record::header() + "{}\n").unwrap();
    assert!(matches!(place.open(), Err(Error::DamagedRecord { line: 2, .. })));
    fs::write(&record, export_record::header() + "{\"task").unwrap();
    let mut dir = place.open().unwrap();
    assert!(export(&mut dir, &place).unwrap());
    dir.finish().unwrap();
    assert_eq!(fs::read_to_string(&record).unwrap().lines().count(), 3);
    fs::remove_file(&record).unwrap();
    fs::create_dir(&record).unwrap();
    assert!(matches!(place.open(), Err(Error::Foreign(_))));
}

#[cfg(unix)]
#[test]
fn symlinks_in_the_folder_are_not_followed() {
    let place = Place::new();
    let mut dir = place.open().unwrap();
    let elsewhere = place.archive.parent().unwrap().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, place.target.join("a")).unwrap();
    assert!(!dir.is_folder("", "a").unwrap());
    assert!(export(&mut dir, &place).is_err());
    assert_eq!(dir.find(&planned("a/b.png"), &place.source()).unwrap(), Found::Other);
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    drop(dir);
    fs::rename(place.target.join(RECORD), place.target.join("record")).unwrap();
    std::os::unix::fs::symlink("record", place.target.join(RECORD)).unwrap();
    assert!(matches!(place.open(), Err(Error::Foreign(_))));
}

#[cfg(unix)]
#[test]
fn symlinks_to_the_archive_are_relative_and_found_again() {
    let place = Place::new();
    let mut dir = place.open().unwrap();
    let (file, source) = (planned("a/b.png"), place.source());
    assert!(dir.link(&file, &source, true).unwrap());
    assert_eq!(fs::read_link(place.exported()).unwrap(), Path::new("../../archive/t/image-1.png"));
    assert_eq!(fs::read(place.exported()).unwrap(), b"picture");
    assert_eq!(dir.find(&file, &source).unwrap(), Found::Exported);
}
