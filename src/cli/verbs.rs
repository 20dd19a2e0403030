//! The verbs: those that work on an archive which is there (verify, repair, index), and those that tell of the program; export
//! and gallery have files of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use super::args::Verb;
use super::error::Error;
use super::given::Given;
use super::settings::{self, Environment};
use super::{about, export, gallery, get};
use crate::event::{Event, Fault, Verified};
use crate::get::{Lost, Request};
use crate::naming::MANIFEST;
use crate::session::{Options, Session, verify_aloud};
use crate::store::{Archive, Survey};
use crate::task::TaskId;
use crate::ui::{self, Style};
use crate::verify::{Finding, Part};

/// Does what the verb says; the exit code.
pub(super) fn run(verb: Verb, given: &Given, environment: Environment<'_>) -> Result<u8, Error> {
    match verb {
        Verb::Verify { dir, quick, style } => verify(&dir, quick, settings::style(&style, environment)),
        Verb::Repair { dir, quick, remote, style } => {
            let survey = Survey::of(&dir)?;
            let options = settings::remote(remote, &given.config, environment)?;
            repair(&survey, dir, quick, options, settings::style(&style, environment))
        }
        Verb::Index { dir } => index(&dir),
        Verb::Export(args) => export::run(&args),
        Verb::Gallery { dir } => Ok(gallery::of(&dir).map(|()| 0)?),
        Verb::Config(_) => tell(&given.told()),
        Verb::Schema { document } => tell(&about::schema(document)),
        Verb::Completions { shell } => tell(&about::completions(shell)),
        Verb::Man => tell(&about::manual()),
    }
}

/// It is all that the verb does; its exit code.
fn tell(text: &str) -> Result<u8, Error> {
    ui::hand_out(|output| output.write_all(text.as_bytes())).map_err(Error::StandardOutput)?;
    Ok(0)
}

fn verify(dir: &Path, quick: bool, style: Style) -> Result<u8, Error> {
    let survey = Survey::of(dir)?;
    let (counts, _) = look(&survey, dir, quick, style)?;
    if counts.damaged + counts.missing > 0 && !style.quiet && !style.json {
        ui::hint(&format!("to fetch these again: yescale-dl repair {}", dir.display()));
    }
    Ok(u8::from(!counts.is_whole()))
}

/// Verifies with everything shown.
fn look(survey: &Survey, dir: &Path, quick: bool, style: Style) -> Result<(Verified, Vec<Finding>), Error> {
    let (events, heard) = mpsc::channel();
    let emitter = get::emitter(events);
    let (total, tasks) = (emitter.total.clone(), emitter.tasks.clone());
    let interface = thread::spawn(move || ui::show(&heard, total, tasks, style));
    let verified = verify_aloud(survey, dir, quick, &emitter);
    if let Ok((counts, _)) = &verified {
        emitter.emit(Event::Verified(counts.clone()));
    }
    drop(emitter);
    // It ends with the summary, or with the emitter.
    let _ = interface.join();
    Ok(verified?)
}

fn repair(survey: &Survey, dir: PathBuf, quick: bool, options: Options, style: Style) -> Result<u8, Error> {
    let (counts, findings) = look(survey, &dir, quick, style)?;
    if counts.is_whole() {
        return Ok(0);
    }
    let (requests, is_left) = requests(&findings);
    if counts.files == 0 {
        // Not one task is known: whose folder this is, and what was in it, nobody can say.
        return Ok(1);
    }
    let archive = if survey.is_single { Archive::of_one(&dir) } else { Archive::open(&dir)? };
    let (runtime, (events, heard)) = (get::runtime()?, mpsc::channel());
    let emitter = get::emitter(events);
    emitter.tasks.known.add(requests.len() as u64);
    let job = runtime.block_on(Session::on(archive, dir, options).job(emitter))?;
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
fn requests(findings: &[Finding]) -> (Vec<Request>, bool) {
    let mut is_left = findings.iter().any(|finding| finding.fault == Fault::Unsafe);
    let mut lost: BTreeMap<&str, Lost> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| matches!(finding.fault, Fault::Damaged | Fault::Missing)) {
        let Some(task_id) = &finding.task_id else {
            // The root's own manifest is rebuilt at the end of any run.
            is_left |= finding.path != MANIFEST;
            continue;
        };
        let task = lost.entry(task_id).or_default();
        match finding.part {
            Some(Part::File(slot)) => task.slots.push(slot),
            Some(Part::Text) => task.text = true,
            None => {}
        }
    }
    let request = |(id, lost): (&str, Lost)| Some(Request { lost: Some(lost), ..Request::of(TaskId::new(id)?) });
    (lost.into_iter().filter_map(request).collect(), is_left)
}

fn index(dir: &Path) -> Result<u8, Error> {
    // A task's folder has nothing that is derived.
    if !Survey::is_single_at(dir)? {
        Archive::open(dir).and_then(|archive| archive.rebuild_root())?;
    }
    Ok(0)
}
