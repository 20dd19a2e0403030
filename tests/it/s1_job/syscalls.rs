//! What a small task costs in calls of the system. Times depend on the machine; these counts hardly do.

use std::collections::HashMap;
use std::process::Command;

use serde_json::json;

use crate::support::World;

/// The calls of a run that archives these tasks, by name.
fn count_calls(world: &World, ids: &[String], archive: &str) -> HashMap<String, u64> {
    let (list, log) = (world.write_file("ids.txt", ids.join("\n")), world.home().join("strace.log"));
    let program = world.command(&["-i", list.to_str().unwrap(), "-o", archive, "--quiet"]);
    let mut traced = Command::new("strace");
    traced.args(["-f", "-c", "-o", log.to_str().unwrap()]).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => traced.env(name, value),
            None => traced.env_remove(name),
        };
    }
    assert!(traced.current_dir(world.home()).status().unwrap().success());
    let table = std::fs::read_to_string(log).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split_whitespace().collect();
        Some(((*cells.last()?).to_owned(), cells.get(3)?.parse().ok()?))
    };
    table.lines().filter_map(row).collect()
}

#[test]
#[ignore = "needs strace"]
fn small_task_costs_few_calls_of_the_system() {
    const FEW: usize = 50;
    const TASKS: usize = 250;
    let world = World::new();
    let url = world.serve_sample("picture.png");
    let ids: Vec<String> = (0..TASKS).map(|n| format!("task-{n}")).collect();
    for id in &ids {
        world.serve_task(id, &json!({"images": [{"url": url, "content_type": "image/png"}]}));
    }
    // What a run costs besides its tasks is in both.
    let (few, all) = (count_calls(&world, &ids[..FEW], "few"), count_calls(&world, &ids, "all"));
    let per_task = |names: &[&str]| {
        let sum = |calls: &HashMap<String, u64>| names.iter().filter_map(|name| calls.get(*name)).sum::<u64>() as f64;
        (sum(&all) - sum(&few)) / (TASKS - FEW) as f64
    };
    assert_eq!(per_task(&["mkdir"]), 1.0, "its folder");
    assert_eq!(per_task(&["flock"]), 1.0, "its lease");
    assert_eq!(per_task(&["rename", "renameat", "renameat2"]), 2.0, "its file and its manifest");
    // A sync of few files opens each of them once more.
    let opened = per_task(&["open", "openat"]) - per_task(&["fsync"]);
    assert!(opened <= 4.1, "{opened} opens: its folder, its file, its manifest, and the manifest again for that of the root");
    for (names, most) in [
        (&["futex"][..], 3.0),
        (&["getdents", "getdents64"], 0.1),
        (&["statfs", "fstatfs"], 0.1),
        (&["unlink", "unlinkat"], 0.1),
        (&["stat", "lstat", "fstat", "newfstatat", "statx"], 14.0),
    ] {
        let count = per_task(names);
        assert!(count <= most, "{count} calls of {names:?}, more than {most}");
    }
}
