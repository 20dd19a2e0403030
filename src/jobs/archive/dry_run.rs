//! `--dry-run`: the plan, told instead of carried out.

use std::collections::HashMap;
use std::path::Path;

use super::ArchiveJob;
use crate::domain::asset::Asset;
use crate::domain::asset_key::{AssetKey, Kind};
use crate::domain::event::{Event, Outcome};
use crate::domain::manifest::FileEntry;
use crate::domain::plan::{self, Action, PlannedAsset};
use crate::domain::task::{Task, TaskId, TaskPhase};
use crate::layout;
use crate::media::media_type;
use crate::storage::TaskSnapshot;

/// Tells what would be done in `folder` with each asset of a task and with its text; how the task would end if all went well.
pub(super) fn report_plan(job: &ArchiveJob, id: &TaskId, folder: &Path, task: &Task, known: &TaskSnapshot) -> Outcome {
    let say = |action: &'static str, name: &str, reason: &str| {
        let path = folder.join(name).display().to_string();
        job.emitter.emit(Event::Planned { task: id.clone(), action, path, reason: reason.to_owned() });
    };
    let here: HashMap<AssetKey, &FileEntry> = known.present_files.iter().map(|file| (file.key(), file)).collect();
    let items = plan::plan(task, known.recorded_files(), &known.present_files, job.wanted, job.force);
    let (mut has_errors, mut has_left_out) = (false, false);
    for PlannedAsset { asset, action, reason } in items {
        match (action, asset.source()) {
            (Action::Fetch, Err(error)) => {
                has_errors = true;
                say("refuse", &planned_name(asset), &error);
            }
            (Action::Fetch, Ok(_)) => say("fetch", &planned_name(asset), reason),
            (Action::Keep, _) => {
                let kept = [Kind::Video, Kind::Image, Kind::Audio].iter().find_map(|kind| {
                    here.get(&AssetKey { kind: *kind, index: asset.index }).filter(|file| asset.selector().matches(file.key()))
                });
                say("keep", &kept.map_or_else(|| planned_name(asset), |file| file.path().to_owned()), reason);
            }
            (Action::Skip, _) => {
                has_left_out = true;
                say("leave", &planned_name(asset), reason);
            }
        }
    }
    if task.text.is_some() {
        has_left_out |= !job.wanted.text;
        let (verb, reason) = if job.wanted.text { ("write", "the text result") } else { ("leave", "excluded by --only") };
        say(verb, layout::TEXT, reason);
    }
    match () {
        () if task.phase == TaskPhase::Failed => Outcome::Failed,
        () if has_errors => Outcome::Incomplete,
        () if has_left_out => Outcome::Partial,
        () => Outcome::Complete,
    }
}

/// The name as far as it can be known before the bytes are.
fn planned_name(asset: &Asset) -> String {
    let slot = asset.key(None);
    let declared = asset.content_type.as_deref().and_then(media_type::parse_content_type);
    let extension = declared.map_or("*", |declared| declared.media_type.extension());
    format!("{}.{extension}", layout::file_stem(slot.kind, slot.index, asset.count))
}
