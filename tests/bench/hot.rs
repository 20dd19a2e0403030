//! Benchmarks of the pure functions that every task, or every byte, goes through: `cargo bench --bench hot`.
#![allow(clippy::unwrap_used, reason = "in a bench, a panic is the report")]

use std::hint::black_box;
use std::io::Write;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use reqwest::StatusCode;
use yescale_dl::gateway::classify;
use yescale_dl::manifest::{TaskEntry, for_each_task, write};
use yescale_dl::{ApiKey, Sha256Hex, TaskId};

/// The gateway's response about a task.
const ANSWER: &[u8] = include_bytes!("../tasks/kling.json");
/// The number of tasks in the root manifest.
const TASKS: usize = 1000;

fn answer(bench: &mut Criterion) {
    let key = ApiKey::parse("sk-1234567890abcdef").unwrap();
    let id = TaskId::new("777935781150867525").unwrap();
    let mut group = bench.benchmark_group("answer");
    group.throughput(Throughput::Bytes(ANSWER.len() as u64));
    group.bench_function("classify and parse", |bench| {
        bench.iter(|| classify(StatusCode::OK, black_box(ANSWER).to_vec(), &id, &key));
    });
    group.finish();
}

fn hash(bench: &mut Criterion) {
    let bytes = vec![0x5A; 1 << 20];
    let mut group = bench.benchmark_group("hash");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("SHA-256 of 1 MiB", |bench| bench.iter(|| Sha256Hex::digest(black_box(&bytes))));
    group.finish();
}

fn serialize(tasks: &[TaskEntry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let to: &mut dyn Write = &mut bytes;
    write(to, |push| tasks.iter().try_for_each(push)).unwrap();
    bytes
}

/// What a merge does with each unchanged task: skip it, parse it, write it.
fn merge(bench: &mut Criterion) {
    let file = r#"{"kind":"image","index":1,"path":"t/image-1.png","size":31,"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","content_type":"image/png","url":"https://cdn.example.com/0.png","warnings":[]}"#;
    let task = |n: usize| format!(r#"{{"task_id":"{n:06}","state":"complete","text":"the words","files":[{file}],"errors":[]}}"#);
    let tasks: Vec<TaskEntry> = (0..TASKS).map(|n| serde_json::from_str(&task(n)).unwrap()).collect();
    let manifest = serialize(&tasks);
    let mut group = bench.benchmark_group("manifest");
    group.throughput(Throughput::Bytes(manifest.len() as u64));
    group.bench_function("1,000 ids", |bench| {
        bench.iter(|| for_each_task(black_box(manifest.as_slice()), |task| drop(task.id())));
    });
    group.bench_function("1,000 tasks", |bench| {
        bench.iter(|| for_each_task(black_box(manifest.as_slice()), |task| drop(task.parse())));
    });
    group.bench_function("1,000 tasks, serialized", |bench| bench.iter(|| serialize(black_box(&tasks))));
    group.finish();
}

criterion_group!(benches, answer, hash, merge);
criterion_main!(benches);
