//! `repair` of broken manifests: they are restored from the root manifest, and an unrecoverable one is not a success.

use std::fs;

use serde_json::json;

use super::repair::{assert_intact, tree_without};
use crate::support::World;
use crate::support::commands::{archive_two_tasks, run_command};

#[test]
fn broken_task_manifest_is_repaired_offline() {
    for broken in ["", "\0\0", "{\"manifest_version\": 1, \"tasks\": [{\"task_id\": \"t1\""] {
        let world = World::new();
        archive_two_tasks(&world);
        let mut entry = world.task_entry("t1");
        world.write_file("yescale/t1/manifest.json", broken);
        let own = ["t1/manifest.json", "manifest.json", "SHA256SUMS"];
        let (before, requests) = (tree_without(&world, &own), world.gateway_requests().len());
        // The audit requires the `response`, which only the lost manifest had.
        run_command(&world, &["repair", "--json"]).exits(0);
        entry.as_object_mut().unwrap().shift_remove("response");
        assert_eq!(world.task_entry("t1"), entry);
        assert_eq!(world.gateway_requests().len(), requests, "{broken:?}");
        assert!(tree_without(&world, &own) == before, "the healthy files were touched: {broken:?}");
        assert_intact(&world);
    }
}

#[test]
fn repair_and_verify_agree_on_an_unrecoverable_manifest() {
    let world = World::new();
    archive_two_tasks(&world);
    world.write_file("yescale/t1/manifest.json", "");
    fs::remove_file(world.archive().join("manifest.json")).unwrap();
    let run = run_command(&world, &["repair", "--json", "--retry-delay", "0s"]);
    let left = run_command(&world, &["verify", "--json"]);
    assert_eq!(run.code == Some(0), left.code == Some(0), "{run:?} {left:?}");
}

#[test]
fn repair_and_verify_agree_on_a_failed_task() {
    let world = World::new();
    world.answer("t1", &json!({"status": "FAILURE", "err_reason": "flagged"}));
    world.run(&["t1"]).exits(1);
    world.write_file("yescale/t1/manifest.json", "");
    let run = run_command(&world, &["repair", "--json", "--retry-delay", "0s"]);
    let left = run_command(&world, &["verify", "--json"]);
    assert_eq!(run.code == Some(0), left.code == Some(0), "{run:?} {left:?}");
}

#[test]
fn task_folder_with_a_broken_manifest_does_not_become_an_archive() {
    for verb_name in ["repair", "index"] {
        let world = World::new();
        archive_two_tasks(&world);
        world.write_file("yescale/t1/manifest.json", "{\"manifest_version\": 1, \"tasks\": [{");
        let before: Vec<String> = world.tree().into_keys().collect();
        let code = run_command(&world, &[verb_name, "yescale/t1"]).code;
        assert_eq!(world.tree().into_keys().collect::<Vec<_>>(), before, "{verb_name}");
        let left = run_command(&world, &["verify", "yescale"]).code;
        assert!(left == Some(0) || verb_name == "index" || code != Some(0), "{verb_name} says that all is well");
    }
}
