//! `--dry-run`: reports the plan of a task and carries out nothing of it.

use std::collections::HashMap;
use std::path::Path;

use super::ArchiveJob;
use crate::domain::asset::Asset;
use crate::domain::asset_key::{AssetKey, Kind};
use crate::domain::event::{Event, Outcome};
use crate::domain::manifest::FileEntry;
use crate::domain::plan::{self, Action, PlannedAsset};
use crate::domain::task::{Task, TaskId, TaskPhase};
use crate::layout::{self, FileStems};
use crate::media::media_type;
use crate::storage::TaskSnapshot;

/// Reports what a run would do in `folder` with each asset of a task and with its text. The outcome is `Planned`, unless it is
/// known already that the task is failed, or that some asset can't be had.
pub(super) fn report_plan(job: &ArchiveJob, id: &TaskId, folder: &Path, task: &Task, snapshot: &TaskSnapshot) -> Outcome {
    let report = |action: &'static str, name: &str, reason: &str| {
        let path = job.storage.file_path(folder, name);
        job.emitter.emit(Event::Planned { task: id.clone(), action, path, reason: reason.to_owned() });
    };
    let present: HashMap<AssetKey, &FileEntry> = snapshot.present_files.iter().map(|file| (file.key(), file)).collect();
    let items = plan::plan(task, snapshot.recorded_files(), &snapshot.present_files, job.wanted, job.force);
    let stems = plan::file_stems(task, snapshot.recorded_files(), &snapshot.present_files);
    let planned_name = |asset: &Asset| planned_name(asset, &stems);
    let mut has_errors = false;
    for PlannedAsset { asset, action, reason } in items {
        match (action, asset.source()) {
            (Action::Fetch, Err(error)) => {
                has_errors = true;
                report("refuse", &planned_name(asset), &error);
            }
            (Action::Fetch, Ok(_)) => report("fetch", &planned_name(asset), reason),
            (Action::Keep, _) => {
                let kept = Kind::ALL.into_iter().find_map(|kind| {
                    present.get(&AssetKey { kind, index: asset.index }).filter(|file| asset.selector().matches(file.key()))
                });
                report("keep", &kept.map_or_else(|| planned_name(asset), |file| file.path().to_owned()), reason);
            }
            (Action::Skip, _) => report("leave", &planned_name(asset), reason),
        }
    }
    if task.text.is_some() {
        let (action, reason) = if job.wanted.text { ("write", "the text result") } else { ("leave", "excluded by --only") };
        report(action, layout::TEXT, reason);
    }
    if task.phase == TaskPhase::Failed {
        Outcome::Failed
    } else if has_errors {
        Outcome::Incomplete
    } else {
        Outcome::Planned
    }
}

/// The file name, as far as it can be decided before the bytes are known.
fn planned_name(asset: &Asset, stems: &FileStems) -> String {
    let declared = asset.content_type.as_deref().and_then(media_type::parse_content_type);
    let extension = declared.map_or("*", |declared| declared.media_type.extension());
    format!("{}.{extension}", stems.stem(asset.key(None)))
}
