use std::fs;
use std::io::Write;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::domain::asset_key::AssetKey;
use crate::domain::manifest::tests::entry;
use crate::domain::task::TaskId;
use crate::storage::local::archive::LocalArchive;
use crate::storage::local::lock::LockWait;

/// A small file in memory.
fn staged(lease: &Arc<TaskLease>) -> StagedFile {
    let mut part = lease.parts().create("image-1").unwrap();
    part.write_all(b"ours").unwrap();
    lease.parts().stage(part.seal(), AssetKey { kind: Kind::Image, index: 1 }, "image-1.png", None).unwrap()
}

#[tokio::test]
async fn file_that_somebody_put_into_a_new_folder_is_never_replaced() {
    for is_published in [true, false] {
        let root = tempfile::tempdir().unwrap();
        let (archive, id) = (LocalArchive::open(root.path()).unwrap(), TaskId::new("t1").unwrap());
        let lease = archive.lease(&id).unwrap().unwrap();
        let file = staged(&lease);
        let foreign = root.path().join("t1/image-1.png");
        fs::write(&foreign, b"foreign").unwrap();
        let failed = if is_published {
            lease.publish(file).await.map(drop)
        } else {
            let task = TaskEntry { files: vec![file.entry().clone()], ..entry("t1") };
            let commit = TaskCommit { entry: task, before: None, unpublished: vec![file] };
            lease.commit(commit).await.map(drop).map_err(|failed| failed.error)
        };
        assert!(matches!(failed, Err(Error::Foreign(_))), "{failed:?}");
        drop(lease);
        // The thread of the syncs holds the lease for a moment longer.
        let lease = archive.lease_when_free(&id, &LockWait::new(CancellationToken::new(), |_| ())).unwrap();
        lease.recover().unwrap();
        assert_eq!(fs::read(&foreign).unwrap(), b"foreign", "{is_published}");
    }
}

#[tokio::test]
async fn file_that_cannot_be_written_gives_the_commit_back() {
    let root = tempfile::tempdir().unwrap();
    let (archive, id) = (LocalArchive::open(root.path()).unwrap(), TaskId::new("t1").unwrap());
    let lease = archive.lease(&id).unwrap().unwrap();
    let file = staged(&lease);
    // A folder in the place of the part.
    fs::create_dir(root.path().join("t1/.image-1.part")).unwrap();
    let task = TaskEntry { files: vec![file.entry().clone()], ..entry("t1") };
    let committed = lease.commit(TaskCommit { entry: task, before: None, unpublished: vec![file] }).await;
    let failed = committed.err().unwrap();
    let mut commit = *failed.unwritten.unwrap();
    assert_eq!(commit.unpublished.len(), 1);
    commit.unpublished.clear();
    commit.entry.files.clear();
    lease.commit(commit).await.map_err(|failed| failed.error).unwrap();
    assert!(root.path().join("t1").join(MANIFEST).exists());
}

#[test]
fn parts_of_every_kind_are_removed_with_their_journals() {
    for kind in Kind::ALL.iter().map(|kind| kind.as_str()).chain(["asset"]) {
        assert!(is_part(&format!(".{kind}-1.part")) && is_part(&format!(".{kind}-12.journal")), "{kind}");
    }
    for other in ["video-1.part", ".video-1.mp4", ".notes-1.part", ".file-notes.part", ".video.part", ".videos-1.part"] {
        assert!(!is_part(other), "{other}");
    }
}
