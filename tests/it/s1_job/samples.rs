//! The sample tasks of every platform, from the stand-in that the demo uses: each ends as its `expect` says.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::Path;

use serde_json::Value;
use tokio::runtime::Runtime;

#[path = "../../demo/standin.rs"]
mod standin;

use crate::support::run::Running;
use crate::support::{World, audit};
pub(crate) use standin::StandIn;

pub(crate) fn start() -> (Runtime, StandIn) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let runtime = Runtime::new().unwrap();
    let standin = runtime.block_on(StandIn::start(&tests.join("demo/media"), &tests.join("tasks")));
    (runtime, standin)
}

pub(crate) fn archive(world: &World, standin: &StandIn, ids: &[String]) -> crate::support::Run {
    let args: Vec<OsString> = ["--json"].into_iter().map(OsString::from).chain(ids.iter().map(OsString::from)).collect();
    let mut command = world.command(&args);
    command.env("YESCALE_API_KEY", standin.key()).env("YESCALE_BASE_URL", standin.base_url());
    world.audit(Running::start(command).wait(false))
}

#[test]
fn every_sample_task_ends_as_expected() {
    let (world, (_runtime, standin)) = (World::new(), start());
    let run = archive(&world, &standin, &standin.ids()).exits(0);
    assert!(standin.tasks().len() >= 20);
    for task in standin.tasks() {
        let expected = &task.expect;
        let mut files = expected.files.clone();
        files.extend(expected.text.then(|| "text.txt".to_owned()));
        files.sort();
        assert_eq!(world.files(&expected.folder), files, "{}", task.id());
        let entry = world.task_entry(&expected.folder);
        assert_eq!((entry["task_id"].as_str(), entry["state"].as_str()), (Some(task.id()), Some(&*expected.state)));
        assert_eq!(run.state(task.id()), expected.state);
    }
    assert_eq!(standin.leaks(), Vec::<String>::new());
}

#[test]
fn second_run_makes_no_request_and_changes_no_file() {
    let (world, (runtime, standin)) = (World::new(), start());
    archive(&world, &standin, &standin.ids()).exits(0);
    let (before, requests, base_url) = (world.tree(), standin.media_requests(), standin.base_url());
    let (ids, key) = (standin.ids(), standin.key());
    let run = archive(&world, &standin, &ids).exits(0);
    assert_eq!((world.tree(), standin.media_requests()), (before.clone(), requests));
    assert_eq!(run.summary()["reused"], ids.len());
    // The stand-in no longer runs.
    drop((standin, runtime));
    let mut command = world.command(&ids);
    command.env("YESCALE_API_KEY", key).env("YESCALE_BASE_URL", base_url);
    world.audit(Running::start(command).wait(false)).exits(0);
    assert_eq!(world.tree(), before);
}

#[test]
fn order_of_ids_does_not_change_the_archive() {
    let (_runtime, standin) = start();
    let mut reversed = standin.ids();
    reversed.reverse();
    let archives = [standin.ids(), reversed].map(|ids| {
        let world = World::new();
        archive(&world, &standin, &ids).exits(0);
        audit::read_tree(&world.archive())
            .into_iter()
            .map(|(name, (bytes, _))| (name, undated(&bytes)))
            .collect::<HashMap<_, _>>()
    });
    assert!(archives[0] == archives[1]);
}

/// A manifest without `archived_at`, the one field that may differ.
fn undated(bytes: &[u8]) -> Vec<u8> {
    let Ok(mut manifest) = serde_json::from_slice::<Value>(bytes) else { return bytes.to_vec() };
    for task in manifest["tasks"].as_array_mut().into_iter().flatten() {
        task.as_object_mut().unwrap().shift_remove("archived_at");
    }
    manifest.to_string().into_bytes()
}

#[test]
fn media_of_the_demo_are_all_used_and_less_than_a_mebibyte() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo/media");
    let (_runtime, standin) = start();
    let archived: HashSet<Vec<u8>> = {
        let world = World::new();
        archive(&world, &standin, &standin.ids()).exits(0);
        audit::read_tree(&world.archive()).into_values().map(|(bytes, _)| bytes).collect()
    };
    let mut total = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        total += bytes.len();
        let is_recipe = path.extension().is_some_and(|extension| extension == "py" || extension == "sh");
        assert!(is_recipe || archived.contains(&bytes), "no sample has {}", path.display());
    }
    assert!(total < 1 << 20, "{total}");
}
