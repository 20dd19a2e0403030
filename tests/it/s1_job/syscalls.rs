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
    const MORE: usize = 200;
    let world = World::new();
    let url = world.serve_sample("picture.png");
    let ids: Vec<String> = (0..FEW + MORE).map(|n| format!("task-{n}")).collect();
    for id in &ids {
        world.serve_task(id, &json!({"images": [{"url": url, "content_type": "image/png"}]}));
    }
    // What a run costs besides its tasks is in both.
    let (few, all) = (count_calls(&world, &ids[..FEW], "few"), count_calls(&world, &ids, "all"));
    let sum = |calls: &HashMap<String, u64>, names: &[&str]| names.iter().filter_map(|name| calls.get(*name)).sum::<u64>();
    let count = |names: &[&str]| sum(&all, names).saturating_sub(sum(&few, names));
    let more = MORE as u64;
    assert_eq!(count(&["mkdir"]), more, "its folder");
    assert_eq!(count(&["flock"]), more, "its lease");
    assert_eq!(count(&["rename", "renameat", "renameat2"]), 2 * more, "its file and its manifest");
    // A sync of few files opens each of them once more, and looks what it is.
    let synced = count(&["fsync"]);
    let opened = count(&["open", "openat"]).saturating_sub(synced);
    assert!(opened <= 3 * more + more / 10, "{opened} opens of {more} folders, files and manifests");
    let looked = count(&["stat", "lstat", "fstat", "newfstatat", "statx"]).saturating_sub(synced);
    assert!(looked <= 13 * more, "{looked} looks at what has a name, for {more} tasks");
    for (names, most) in [
        (&["futex"][..], 3 * more),
        (&["getdents", "getdents64"], more / 10),
        (&["statfs", "fstatfs"], more / 10),
        (&["unlink", "unlinkat"], more / 10),
    ] {
        assert!(count(names) <= most, "{} calls of {names:?} for {more} tasks, more than {most}", count(names));
    }
}
