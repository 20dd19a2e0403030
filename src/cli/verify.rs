//! `verify`, and `repair`, which begins with the same look and then fetches what was found lost.

use std::path::Path;
use std::sync::mpsc;

use super::error::Error;
use super::get;
use super::values::word;
use crate::event::{Emitter, Event, Verified};
use crate::session::{self, Options, Session, verify_aloud};
use crate::store::Survey;
use crate::ui::{self, Style};
use crate::verify::Finding;

/// Looks, and tells what is wrong; the exit code.
pub(super) fn run(dir: &Path, quick: bool, style: Style) -> Result<u8, Error> {
    let (counts, _) = look(&Survey::of(dir)?, quick, style)?;
    if counts.damaged + counts.missing > 0 && !style.quiet && !style.json {
        ui::hint(&format!("to fetch these again: yescale-dl repair {}", word(dir)));
    }
    Ok(u8::from(!counts.is_whole()))
}

/// Looks, and fetches again what is lost; the exit code.
pub(super) fn repair(dir: &Path, quick: bool, options: Options, style: Style) -> Result<u8, Error> {
    let survey = Survey::of(dir)?;
    let (counts, findings) = look(&survey, quick, style)?;
    if counts.is_whole() {
        return Ok(0);
    }
    let (requests, is_left) = session::requests(&findings);
    if counts.files == 0 && requests.is_empty() {
        // Not one task is known: whose folder this is, and what was in it, nobody can say.
        return Ok(1);
    }
    let over = get::carry_out(Session::of(&survey, options)?, style, move |sender, emitter, _| {
        emitter.tasks.known.add(requests.len() as u64);
        for request in requests {
            if sender.blocking_send(request).is_err() {
                break;
            }
        }
        0
    })?;
    Ok(match over.code() {
        0 | 3 if is_left => 1,
        code => code,
    })
}

/// Verifies with everything shown.
fn look(survey: &Survey, quick: bool, style: Style) -> Result<(Verified, Vec<Finding>), Error> {
    let (events, heard) = mpsc::channel();
    let emitter = Emitter::new(move |event| drop(events.send(event)));
    let (interface, _) = get::show(&emitter, heard, style)?;
    let verified = verify_aloud(survey, quick, &emitter)?;
    emitter.emit(Event::Verified(verified.0.clone()));
    drop(emitter);
    // It ends with the summary.
    let _ = interface.join();
    Ok(verified)
}
