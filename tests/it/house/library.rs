//! The crate inside another program: it makes the same archive as the command line, in the embedder's own process.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::runtime::Runtime;
use yescale_dl::{ApiKey, ArchiveError, Error, Event, Fault, Options, Request, Session, TaskId, each_task, verify};

use crate::support::{Answer, KEY, World};

fn session(world: &World) -> Session {
    let mut options = Options::new(ApiKey::parse(KEY).unwrap());
    options.base_url = world.base_url().parse().unwrap();
    Session::open(world.archive(), options).unwrap()
}

fn requests(ids: &'static [&str]) -> impl Iterator<Item = Request> + Send {
    ids.iter().filter_map(|id| TaskId::new(id)).map(Request::new)
}

#[test]
fn run_works_on_the_callers_runtime_and_reports_each_id_once() {
    let world = World::new();
    world.serve_task("t1", &json!({"images": [world.serve_sample("picture.png")], "text": "la"}));
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let get = session(&world).get(requests(&["t1", "gone", "t1"]), move |event| match event {
        Event::File(file) => heard.lock().unwrap().push(format!("file {}", file.entry.path())),
        Event::Task(task) => heard.lock().unwrap().push(format!("task {} {:?}", task.task, task.outcome)),
        _ => {}
    });
    let runtime = Runtime::new().unwrap();
    let ended = runtime.block_on(runtime.spawn(get)).unwrap().unwrap();
    assert_eq!((ended.summary.complete, ended.summary.not_found, ended.fatal_error), (1, 1, None));
    let told = std::mem::take(&mut *told.lock().unwrap());
    let of_t1: Vec<_> = told.iter().filter(|line| !line.contains("gone")).collect();
    assert_eq!(of_t1, ["file image-1.png", "task t1 Complete"]);
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(world.run(&["t1"]).exits(0).stdout.matches("t1").count(), 2, "the program finds it complete");
}

#[test]
fn library_reads_and_verifies_an_archive() {
    let world = World::new();
    let folder = world.archive_task("t1");
    let mut tasks = Vec::new();
    each_task(&world.archive(), |task| tasks.push(task)).unwrap();
    assert_eq!((tasks.len(), tasks[0].files[0].path()), (1, "t1/image-1.png"));
    assert!(verify(world.archive(), false).unwrap().0.is_intact());
    std::fs::remove_file(folder.join("image-1.png")).unwrap();
    let (counts, findings) = verify(world.archive(), true).unwrap();
    assert_eq!((counts.missing, &*findings[0].path, findings[0].fault), (1, "t1/image-1.png", Fault::Missing));
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
    let get = session.get(requests(&["t1", "t2"]), move |event| {
        // It would wait for the other one without end.
        if matches!(event, Event::Task(_)) {
            stopper.stop();
        }
    });
    let ended = Runtime::new().unwrap().block_on(get).unwrap();
    assert_eq!((ended.summary.unsuccessful(), ended.fatal_error), (0, None));
    world.archive_task("t1");
}

#[test]
fn rejected_key_fails_at_the_end_and_foreign_folder_on_open() {
    let world = World::new();
    world.answers("t1", [Answer::json(401, &json!({"error": {"message": "Invalid token", "type": "new_api_error"}}))]);
    let ended = Runtime::new().unwrap().block_on(session(&world).get(requests(&["t1"]), drop)).unwrap();
    assert!(ended.fatal_error.is_some_and(|why| why.contains("Invalid token")), "in the gateway's own words");
    let foreign = world.write_file("other/manifest.json", r#"{"name": "my app"}"#);
    let opened = Session::open(foreign.parent().unwrap(), Options::new(ApiKey::parse(KEY).unwrap()));
    assert!(matches!(opened, Err(Error::Archive(ArchiveError::Foreign(path))) if path == foreign));
}
