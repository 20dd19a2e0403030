//! Time and memory of a million tasks. Run it with `--release -- --ignored --nocapture`.

use std::io::Write;

use super::*;

/// The most memory that this process has had, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() >> 10
}

#[tokio::test]
#[ignore = "takes a minute, and says something in a release build alone"]
async fn million_tasks() {
    let bucket = in_memory();
    let report = |what: &str, began: Instant| {
        // Nobody may look.
        let _ = writeln!(std::io::stderr(), "{what}: {:.1} s, peak {} MiB", began.elapsed().as_secs_f64(), peak());
    };
    let began = Instant::now();
    let log = IndexLog::new(bucket.clone(), None);
    for id in 0..1_000_000_u64 {
        let mut task = task(id.wrapping_mul(0x9e37_79b9_7f4a_7c15), 1);
        task.platform = Some("kling".to_owned());
        task.submit_time = Some("2026-11-30T09:58:12Z".to_owned());
        task.finish_time = Some("2026-11-30T09:59:47Z".to_owned());
        task.files[0].url = Some(format!("https://cdn.example/{id:x}/video.mp4?sig={:032x}", u128::from(id) << 64 | 0x1234_5678));
        log.add(&task);
        if id % 10_000 == 0 {
            log.flush().await.unwrap();
        }
    }
    log.flush().await.unwrap();
    report("written as segments", began);
    let began = Instant::now();
    assert_eq!(Index::load(&bucket, None).await.unwrap().len(), 1_000_000);
    report("loaded from segments", began);
    let began = Instant::now();
    assert_eq!(compact(&bucket).await.unwrap().tasks, 1_000_000);
    report("compacted", began);
    let bytes: Vec<u64> = bucket.store.list(None).map_ok(|object| object.size).try_collect::<Vec<u64>>().await.unwrap();
    report(&format!("{} objects, {} MiB", bytes.len(), bytes.iter().sum::<u64>() >> 20), began);
    let began = Instant::now();
    assert_eq!(Index::load(&bucket, None).await.unwrap().len(), 1_000_000);
    report("loaded from parts", began);
    let (began, mut count) = (Instant::now(), 0);
    for_each_indexed(&bucket, |_| count += 1).await.unwrap();
    assert_eq!(count, 1_000_000);
    report("read one by one", began);
}
