//! `verify`: is everything that the manifests name there, and whole?
//!
//! Works offline and changes nothing. Files are hashed on all cores; what seems broken is looked at
//! again under its task's lock before it is said. Findings come in the order of their paths.

use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::event::{Emitter, Event, Fault, Verified};
use crate::store::{Claim, Survey};

/// Something that is wrong, and the claim that it breaks, when there is one.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Relative to the folder that was looked at.
    pub path: String,
    /// What is wrong.
    pub fault: Fault,
    /// What should be there.
    pub claim: Option<Claim>,
}

/// Holds everything that `survey` found against the disk, by size alone when `quick`; tells what is wrong, and gives it back.
///
/// # Errors
/// When the disk can't be read: nothing is said of files that could not be looked at.
pub fn verify(survey: &Survey, quick: bool, emitter: &Emitter) -> io::Result<(Verified, Vec<Finding>)> {
    let started = Instant::now();
    let broken = check_all(survey, quick, emitter)?;
    let at_sight = survey.faults.iter().map(|(path, fault)| Finding { path: path.clone(), fault: *fault, claim: None });
    let mut findings: Vec<Finding> = at_sight.chain(broken).collect();
    findings.sort_by(|one, other| (&one.path, one.fault).cmp(&(&other.path, other.fault)));

    let mut counts = Verified {
        files: survey.claims.len() as u64,
        bytes: survey.claims.iter().fold(0, |sum, claim| sum.saturating_add(claim.size)),
        seconds: (started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
        ..Verified::default()
    };
    for finding in &findings {
        *match finding.fault {
            Fault::Damaged => &mut counts.damaged,
            Fault::Missing => &mut counts.missing,
            Fault::Unknown => &mut counts.unknown,
            Fault::Unsafe => &mut counts.not_safe,
        } += 1;
        emitter.emit(Event::Finding(finding.path.clone(), finding.fault));
    }
    Ok((counts, findings))
}

/// Every claim, on all cores.
fn check_all(survey: &Survey, quick: bool, emitter: &Emitter) -> io::Result<Vec<Finding>> {
    let next = AtomicUsize::new(0);
    let broken = Mutex::new(Ok(Vec::new()));
    let work = || {
        while let Some(claim) = survey.claims.get(next.fetch_add(1, Ordering::Relaxed)) {
            let checked = match survey.check(claim, quick) {
                Ok(None) => Ok(None),
                Ok(Some(_)) => survey.check_again(claim, quick),
                Err(error) => Err(io::Error::new(error.kind(), format!("can't read {}: {error}", claim.path))),
            };
            emitter.total.add(claim.size);
            let finding = |fault| Finding { path: claim.path.clone(), fault, claim: Some(claim.clone()) };
            let mut broken = broken.lock().unwrap_or_else(PoisonError::into_inner);
            match (checked, &mut *broken) {
                (Ok(None), _) | (_, Err(_)) => {}
                (Ok(Some(fault)), Ok(found)) => found.push(finding(fault)),
                (Err(error), broken) => *broken = Err(error),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    broken.into_inner().unwrap_or_else(PoisonError::into_inner)
}
