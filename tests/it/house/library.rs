//! The crate inside another program: it makes the same archive as the command line, in the embedder's own process.

use std::sync::{Arc, Mutex};

use futures::stream::{self, Stream, StreamExt};
use serde_json::json;
use tokio::runtime::Runtime;
use yescale_dl::{
    ApiKey, ArchiveError, Emitter, Error, Event, ExportError, ExportFormat, ExportOptions, ExportTarget, FatalCode, FatalError,
    Fault, Options, Request, Session, StopHandle, TaskErrorCode, TaskId, each_task, export, gallery, index, verify,
};

use crate::support::{Answer, KEY, RemoteFile, ServerFault, World};

fn session(world: &World) -> Session {
    let mut options = Options::new(ApiKey::parse(KEY).unwrap());
    options.base_url = world.base_url().parse().unwrap();
    Session::open(world.archive(), options).unwrap()
}

fn requests(ids: &'static [&str]) -> impl Stream<Item = Request> + Send {
    stream::iter(ids.iter().filter_map(|id| TaskId::new(id)).map(Request::new))
}

#[test]
fn run_works_on_the_callers_runtime_and_reports_each_id_once() {
    let world = World::new();
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")], "text": "la"}));
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let events = Emitter::new(move |event| match event {
        Event::File(file) => sink.lock().unwrap().push(format!("file {}", file.entry.path())),
        Event::Task(task) => sink.lock().unwrap().push(format!("task {} {:?}", task.task, task.outcome)),
        _ => {}
    });
    let tasks = events.tasks.clone();
    let get = session(&world).get(requests(&["t1", "gone", "t1"]), events);
    let runtime = Runtime::new().unwrap();
    let outcome = runtime.block_on(runtime.spawn(get)).unwrap().unwrap();
    assert_eq!((outcome.summary.complete, outcome.summary.not_found, outcome.fatal_error.is_none()), (1, 1, true));
    assert_eq!((tasks.discovered.get(), tasks.done.get()), (2, 2));
    let lines = std::mem::take(&mut *lines.lock().unwrap());
    let lines_of_t1: Vec<_> = lines.iter().filter(|line| !line.contains("gone")).collect();
    assert_eq!(lines_of_t1, ["file image-1.png", "task t1 Complete"]);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(world.run(&["t1", "-v"]).exits(0).stdout.matches("t1").count(), 2, "the program finds it complete");
}

#[test]
fn library_reads_and_verifies_an_archive() {
    let world = World::new();
    let folder = world.archive_task("t1");
    let mut tasks = Vec::new();
    each_task(&world.archive(), |task| tasks.push(task)).unwrap();
    assert_eq!((tasks.len(), tasks[0].files[0].path()), (1, "t1/image-1.png"));
    assert!(verify(world.archive(), false, &Emitter::silent()).unwrap().summary.is_intact());
    std::fs::remove_file(folder.join("image-1.png")).unwrap();
    let verified = verify(world.archive(), true, &Emitter::silent()).unwrap();
    let finding = &verified.findings[0];
    assert_eq!((verified.summary.missing, &*finding.path, finding.fault), (1, "t1/image-1.png", Fault::Missing));
}

#[test]
fn stopped_run_ends_and_the_next_run_completes_it() {
    let world = World::new();
    world.answers("t1", [Answer::json(200, &json!({"status": "IN_PROGRESS"}))]);
    let mut options = Options::new(ApiKey::parse(KEY).unwrap());
    options.base_url = world.base_url().parse().unwrap();
    options.wait = Some(yescale_dl::PollPolicy::default());
    let session = Session::open(world.archive(), options).unwrap();
    let stopper = session.stop_handle();
    world.serve_task("t2", &json!({"text": "la"}));
    let events = Emitter::new(move |event| {
        // It would wait for the other one without end.
        if matches!(event, Event::Task(_)) {
            stopper.stop();
        }
    });
    // A queue that stays open does not keep the run from ending.
    let get = session.get(requests(&["t1", "t2"]).chain(stream::pending()), events);
    let outcome = Runtime::new().unwrap().block_on(get).unwrap();
    assert_eq!((outcome.summary.unsuccessful(), outcome.fatal_error.is_none()), (0, true));
    world.archive_task("t1");
}

#[test]
fn rejected_key_fails_at_the_end_and_foreign_folder_on_open() {
    let world = World::new();
    world.answers("t1", [Answer::json(401, &json!({"error": {"message": "Invalid token", "type": "new_api_error"}}))]);
    let get = session(&world).get(requests(&["t1"]), Emitter::silent());
    let error = Runtime::new().unwrap().block_on(get).unwrap().fatal_error.unwrap();
    assert_eq!(error.code(), FatalCode::KeyRefused);
    assert!(matches!(error, FatalError::KeyRefused(words) if words.contains("Invalid token")), "in the gateway's own words");
    let foreign = world.write_file("other/manifest.json", r#"{"name": "my app"}"#);
    let opened = Session::open(foreign.parent().unwrap(), Options::new(ApiKey::parse(KEY).unwrap()));
    assert!(matches!(opened, Err(Error::Archive(ArchiveError::Foreign(path))) if path == foreign));
}

#[test]
fn lost_file_is_repaired_for_an_archive_and_for_one_tasks_folder() {
    for is_single in [false, true] {
        let world = World::new();
        let folder = world.archive_task("t1");
        std::fs::remove_file(folder.join("image-1.png")).unwrap();
        let root = if is_single { folder.clone() } else { world.archive() };
        let verified = verify(&root, false, &Emitter::silent()).unwrap();
        assert_eq!((verified.is_single_task, verified.summary.is_intact()), (is_single, false));
        let mut options = Options::new(ApiKey::parse(KEY).unwrap());
        options.base_url = world.base_url().parse().unwrap();
        let session = Session::open_verified(&verified, options).unwrap();
        let repair = Runtime::new().unwrap().block_on(session.repair(&verified, Emitter::silent())).unwrap();
        assert_eq!((repair.run.unwrap().summary.files, repair.has_unrepairable), (1, false));
        assert!(verify(&root, false, &Emitter::silent()).unwrap().summary.is_intact());
    }
}

#[test]
fn index_export_and_gallery_are_jobs_of_the_library() {
    let world = World::new();
    world.archive_task("t1");
    let (stop, events) = (StopHandle::default(), Emitter::silent());
    std::fs::remove_file(world.archive().join("SHA256SUMS")).unwrap();
    assert!(index(world.archive(), &stop, &events).unwrap().is_complete && world.archive().join("SHA256SUMS").is_file());
    assert!(gallery(world.archive(), &stop, &events).unwrap().is_complete && world.archive().join("index.html").is_file());
    let mut table = Vec::new();
    let options = ExportOptions::new(ExportFormat::Csv);
    assert!(export(world.archive(), &options, ExportTarget::Stream(&mut table), &events).unwrap().is_complete);
    assert!(String::from_utf8(table).unwrap().contains("image-1.png"));
    let bag = ExportOptions::new(ExportFormat::Bagit);
    let refused = export(world.archive(), &bag, ExportTarget::Stream(&mut Vec::new()), &events);
    assert!(matches!(refused, Err(ExportError::BagToStream)));
    let nowhere = world.home().join("nowhere");
    assert!(matches!(index(&nowhere, &stop, &events), Err(ArchiveError::NoArchive(_) | ArchiveError::Io { .. })));
}

#[test]
fn task_and_asset_errors_have_types() {
    let world = World::new();
    world.answers("t1", [Answer::raw(200, "{")]);
    world.serve_task("t2", &json!({"images": [format!("{}/dead.png", world.media.origin())]}));
    let reports = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&reports);
    let events = Emitter::new(move |event| {
        if let Event::Task(report) = event {
            sink.lock().unwrap().push(report);
        }
    });
    Runtime::new().unwrap().block_on(session(&world).get(requests(&["t1", "t2"]), events)).unwrap();
    let mut reports = std::mem::take(&mut *reports.lock().unwrap());
    reports.sort_by_key(|report| report.task.to_string());
    assert_eq!(reports[0].error.as_ref().unwrap().code, TaskErrorCode::BadAnswer);
    assert_eq!((reports[1].errors[0].key().index, &*reports[1].errors[0].error), (1, "HTTP 404 Not Found"));
}

#[test]
fn bytes_known_and_done_agree_after_a_run_whatever_went_wrong() {
    let world = World::new();
    let size = 1 << 20;
    let faults = [ServerFault::CutAt(300_000), ServerFault::Replaced, ServerFault::CutAt(200_000), ServerFault::Healthy];
    let cut = RemoteFile::new(&world, "/cut.mp4", size, &faults);
    let gone = RemoteFile::new(&world, "/gone.mp4", size, &[ServerFault::CutAt(1000), ServerFault::Status("404 Not Found", &[])]);
    let large = RemoteFile::new(&world, "/large.mp4", 20 << 20, &[ServerFault::Healthy]);
    world.serve_task("t1", &json!({"videos": [cut.url, gone.url, large.url], "images": [world.serve_sample("picture.png")]}));
    world.serve_task("t2", &json!({"audio": ["data:audio/mpeg;base64,SUQzBAAAAAAAAA=="]}));
    let mut options = Options::new(ApiKey::parse(KEY).unwrap());
    options.base_url = world.base_url().parse().unwrap();
    options.retry_delay = std::time::Duration::ZERO;
    let events = Emitter::silent();
    let files = events.files.clone();
    let get = Session::open(world.archive(), options).unwrap().get(requests(&["t1", "t2"]), events);
    let outcome = Runtime::new().unwrap().block_on(get).unwrap();
    assert_eq!((outcome.summary.incomplete, outcome.summary.complete), (1, 1));
    let saved: u64 = [cut.bytes.len() as u64, 20 << 20, 10].iter().sum::<u64>()
        + std::fs::metadata(world.archive().join("t1/image-1.png")).unwrap().len();
    assert_eq!(files.known.get(), files.done.get());
    assert!((saved..=saved + 1000).contains(&files.done.get()), "{} of {saved}", files.done.get());
    let verified = Emitter::silent();
    assert!(verify(world.archive(), false, &verified).unwrap().summary.is_intact());
    assert_eq!((verified.files.known.get(), verified.files.done.get()), (saved, saved));
}
