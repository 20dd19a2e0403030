//! `--shard`: parts of the ids for many machines. The tables of schedulers are unit tests in `cli/shard.rs`.
//!
//! "Shards work in one archive" · "independent of order, duplicates and the other shards".

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::World;
use crate::support::run::Running;

#[test]
fn shards_are_disjoint_and_together_complete() {
    let world = World::new();
    let ids: Vec<String> = (0..20).map(|n| format!("t{n}")).collect();
    for id in &ids {
        world.serve_task(id, &json!({"text": "la"}));
    }
    let lists = [ids.join("\n"), ids.iter().rev().chain(&ids).cloned().collect::<Vec<_>>().join("\n")];
    let mut all = Vec::new();
    for number in 1..=7 {
        let shard = format!("{number}/7");
        let taken: Vec<BTreeSet<String>> = lists
            .iter()
            .map(|list| {
                let run =
                    world.run_with_input(list, &["-i", "-", "--json", "--dry-run", "--shard", &shard, "-o", "other"]).exits(0);
                run.events_of("task").iter().map(|task| task["task_id"].as_str().unwrap().to_owned()).collect()
            })
            .collect();
        assert_eq!(taken[0], taken[1], "the order and duplicates do not count");
        let run = world.run_with_input(&lists[0], &["-i", "-", "--json", "--shard", &shard]).exits(0);
        assert_eq!(run.summary()["complete"], taken[0].len(), "other shards are not counted");
        all.extend(taken[0].iter().cloned());
    }
    all.sort();
    let mut ids = ids;
    ids.sort();
    assert_eq!(all, ids);
    assert_eq!(world.root_manifest()["tasks"].as_array().unwrap().len(), 20);
}

#[test]
fn shard_of_a_scheduler_is_found_and_an_uncertain_one_is_exit_2() {
    let world = World::new();
    world.serve_task("t1", &json!({"text": "la"}));
    let run = |shard: &str, variables: &[(&str, &str)]| {
        let mut command = world.command(&["t1", "--json", "--shard", shard]);
        // The tests may run in a job of such a scheduler.
        for name in
            ["CI_NODE_INDEX", "CIRCLE_NODE_INDEX", "BUILDKITE_PARALLEL_JOB", "JOB_COMPLETION_INDEX", "SLURM_ARRAY_TASK_ID"]
        {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        world.audit(Running::start(command).wait(false))
    };
    assert_eq!(run("auto", &[("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "1")]).exits(0).summary()["complete"], 1);
    for (shard, variables) in [
        ("auto", &[][..]),
        ("auto", &[("JOB_COMPLETION_INDEX", "0")]),
        ("auto/2", &[("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "3")]),
        ("auto/2", &[("JOB_COMPLETION_INDEX", "0"), ("PBS_ARRAY_INDEX", "1")]),
    ] {
        let run = run(shard, variables).exits(2);
        assert_eq!(run.events_of("fatal")[0]["code"], "usage", "{run:?}");
    }
    for shard in ["0/3", "4/3", "1", "x/3"] {
        run(shard, &[]).exits(2);
    }
}

#[test]
fn run_without_a_shard_fetches_what_the_missing_shard_left() {
    let world = World::new();
    let ids: Vec<String> = (0..20).map(|n| format!("t{n}")).collect();
    for id in &ids {
        world.serve_task(id, &json!({"text": "la"}));
    }
    let list = ids.join("\n");
    for shard in ["1/3", "3/3"] {
        world.run_with_input(&list, &["-i", "-", "--shard", shard]).exits(0);
    }
    let asked: BTreeSet<String> = world.requested_paths().into_iter().collect();
    assert!(!asked.is_empty() && asked.len() < 20, "{asked:?}");
    let summary = world.run_with_input(&list, &["-i", "-", "--json"]).exits(0).summary();
    assert_eq!((&summary["complete"], &summary["reused"]), (&json!(20), &json!(asked.len())), "{summary}");
    let mut all = world.requested_paths();
    assert_eq!(all.len(), 20, "nobody asks again");
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 20);
}
