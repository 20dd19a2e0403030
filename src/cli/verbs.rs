//! The verbs that work on an archive which is there: verify, repair, index, gallery.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use super::args::{RemoteArgs, Verb};
use super::error::{Error, told};
use super::settings::{self, Environment, Remote};
use super::{gallery, get, prepare};
use crate::event::{Emitter, Event, Fault, Verified};
use crate::get::{Lost, Request};
use crate::naming::MANIFEST;
use crate::plan::Wanted;
use crate::store::{Archive, Survey};
use crate::task::TaskId;
use crate::ui::{self, Style};
use crate::verify::{self, Finding};

/// Does what the verb says; the exit code.
pub(super) fn run(verb: Verb, environment: Environment<'_>) -> Result<u8, Error> {
    match verb {
        Verb::Verify { dir, quick, style } => verify(&dir, quick, settings::style(&style, environment)),
        Verb::Repair { dir, quick, remote, style } => {
            repair(dir, quick, remote, settings::style(&style, environment), environment)
        }
        Verb::Index { dir } => index(&dir),
        Verb::Gallery { dir } => gallery::of(&dir).map(|()| 0).map_err(told),
    }
}

fn verify(dir: &Path, quick: bool, style: Style) -> Result<u8, Error> {
    let survey = Survey::of(dir).map_err(told)?;
    let (counts, _) = look(&survey, dir, quick, style)?;
    Ok(u8::from(!counts.is_whole()))
}

/// Verifies with everything shown.
fn look(survey: &Survey, dir: &Path, quick: bool, style: Style) -> Result<(Verified, Vec<Finding>), Error> {
    let (events, heard) = mpsc::channel();
    let emitter = Emitter::new(events);
    let total = emitter.total.clone();
    let interface = thread::spawn(move || ui::show(&heard, &total, style));
    let verified = verify::verify(survey, quick, &emitter);
    if let Ok((counts, _)) = &verified {
        emitter.emit(Event::Verified(counts.clone()));
    }
    drop(emitter);
    // It ends with the summary, or with the emitter.
    let _ = interface.join();
    verified.map_err(|source| Error::Read { path: dir.to_owned(), source })
}

fn repair(dir: PathBuf, quick: bool, remote: RemoteArgs, style: Style, environment: Environment<'_>) -> Result<u8, Error> {
    let survey = Survey::of(&dir).map_err(told)?;
    let remote = Remote::resolve(remote, environment)?;
    let (counts, findings) = look(&survey, &dir, quick, style)?;
    if counts.is_whole() {
        return Ok(0);
    }
    let (requests, is_left) = requests(&survey, &findings);
    if survey.claims.is_empty() {
        // Not one task is known: whose folder this is, and what was in it, nobody can say.
        return Ok(1);
    }
    let archive = if survey.is_single { Archive::of_one(&dir) } else { Archive::open(&dir).map_err(told)? };
    let (runtime, (events, heard)) = (get::runtime()?, mpsc::channel());
    let job = prepare::job(archive, dir, remote, Wanted::ALL, &runtime, Emitter::new(events))?;
    let (ended, code) = get::finish(&runtime, job, heard, style, move |sender| {
        for request in requests {
            if sender.blocking_send(request).is_err() {
                break;
            }
        }
        0
    });
    Ok(code.unwrap_or_else(|| get::code(&ended).max(u8::from(is_left))))
}

/// What to fetch again, a task at a time, and whether something is beyond that. A task whose manifest is broken is gone
/// through for that alone, where the root remembers it.
fn requests(survey: &Survey, findings: &[Finding]) -> (Vec<Request>, bool) {
    let mut is_left = findings.iter().any(|finding| finding.fault == Fault::Unsafe);
    let mut lost: BTreeMap<&str, Lost> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| matches!(finding.fault, Fault::Damaged | Fault::Missing)) {
        let folder = finding.path.strip_suffix(MANIFEST).unwrap_or(&finding.path);
        let neighbour = || survey.claims.iter().find(|claim| !folder.is_empty() && claim.path.starts_with(folder));
        let Some(claim) = finding.claim.as_ref().or_else(neighbour) else {
            // The root's own manifest is rebuilt at the end of any run.
            is_left |= !folder.is_empty();
            continue;
        };
        let task = lost.entry(&claim.task_id).or_default();
        match (&finding.claim, claim.slot) {
            (None, _) => {}
            (Some(_), Some(slot)) => task.slots.push(slot),
            (Some(_), None) => task.text = true,
        }
    }
    let request = |(id, lost): (&str, Lost)| Some(Request { lost: Some(lost), ..Request::of(TaskId::new(id)?) });
    (lost.into_iter().filter_map(request).collect(), is_left)
}

fn index(dir: &Path) -> Result<u8, Error> {
    // A task's folder has nothing that is derived.
    if !Survey::is_single_at(dir).map_err(told)? {
        Archive::open(dir).and_then(|archive| archive.rebuild_root()).map_err(told)?;
    }
    Ok(0)
}
