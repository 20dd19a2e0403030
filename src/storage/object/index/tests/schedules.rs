//! Random schedules: runs that write and die, compactions and rebuilds that race and die, and readers, all on a flaky store.
//!
//! A reader that succeeds knows everything that was confirmed before it began, and passes on no task twice. At the end, one
//! compaction without faults leaves all of it and no segment. `INDEX_SCHEDULES` sets the number of schedules, `INDEX_SEED` the
//! first seed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use tokio::task::yield_now;

use super::flaky_store::FlakyStore;
use super::*;

const TASKS: u64 = 150;

/// What the bucket must have.
#[derive(Clone, Default)]
struct Confirmed(Arc<Mutex<HashMap<String, usize>>>);

impl Confirmed {
    fn add(&self, written: &[(String, usize)]) {
        let mut all = self.0.lock().unwrap();
        for (id, version) in written {
            let known = all.entry(id.clone()).or_default();
            *known = (*known).max(*version);
        }
    }

    fn now(&self) -> HashMap<String, usize> {
        self.0.lock().unwrap().clone()
    }
}

/// A process, with a view of the bucket of its own.
#[derive(Clone)]
struct Process {
    bucket: Bucket,
    store: FlakyStore,
    random: Arc<Mutex<Rng>>,
    confirmed: Confirmed,
    /// The bucket without faults, and the version of each task's manifest in it.
    plain: Bucket,
    versions: Arc<tokio::sync::Mutex<HashMap<u64, usize>>>,
}

impl Process {
    fn draw(&self, below: u64) -> u64 {
        self.random.lock().unwrap().u64(0..below)
    }

    /// Runs `work`, or drops it on the way. None when it was dropped.
    async fn until_death<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        if self.draw(3) > 0 {
            return Some(work.await);
        }
        let turns = self.draw(400);
        tokio::select! {
            result = work => Some(result),
            () = async { for _ in 0..turns { yield_now().await; } } => None,
        }
    }

    /// Commits a task once more, with another file, and without faults: they are not the index's.
    async fn commit(&self, id: u64) -> TaskEntry {
        let mut versions = self.versions.lock().await;
        let version = versions.entry(id).or_insert(0_usize);
        *version += 1;
        let entry = task(id, *version);
        put_manifest(&self.plain, &entry).await;
        entry
    }

    async fn write(self) {
        let mut log = IndexLog::new(self.bucket.clone(), None);
        let mut written = Vec::new();
        for _ in 0..4 {
            for _ in 0..self.draw(60) {
                let entry = self.commit(self.draw(TASKS)).await;
                written.push((entry.task_id.clone(), entry.files.len()));
                log.add(&entry);
            }
            match self.until_death(log.flush()).await {
                Some(Ok(())) => self.confirmed.add(&std::mem::take(&mut written)),
                // The next flush writes the same segment.
                Some(Err(error)) => assert!(error.message().contains("lost"), "{}", error.message()),
                None if self.draw(2) == 0 => {}
                None => {
                    log = IndexLog::new(self.bucket.clone(), None);
                    written.clear();
                }
            }
        }
    }

    async fn compact(self) {
        for _ in 0..3 {
            let result = if self.draw(4) == 0 {
                self.until_death(rebuild(&self.bucket, |_| ())).await
            } else {
                self.until_death(compact(&self.bucket)).await
            };
            if let Some(Err(error)) = result {
                assert!(error.message().contains("lost") || error.message().contains("faster"), "{}", error.message());
            }
        }
    }

    async fn read(self) {
        for _ in 0..6 {
            let before = self.confirmed.now();
            if let Ok(index) = Index::load(&self.bucket, None).await {
                for (id, version) in before {
                    let known = index.known(&TaskId::new(&id).unwrap());
                    assert!(known.is_some_and(|known| known.files >= version), "task {id} is missing");
                }
            }
            let (before, mut seen) = (self.confirmed.now(), HashMap::new());
            let each = |task: TaskEntry| assert!(seen.insert(task.task_id, task.files.len()).is_none());
            if for_each_indexed(&self.bucket, each).await.is_ok() {
                for (id, version) in before {
                    assert!(seen.get(&id).is_some_and(|files| *files >= version), "task {id} is missing");
                }
            }
        }
    }
}

#[test]
fn nothing_confirmed_is_ever_missing() {
    let number = |name: &str, default| std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default);
    let (first, count) = (number("INDEX_SEED", 1), number("INDEX_SCHEDULES", 40));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for seed in first..first + count {
        let run = AssertUnwindSafe(|| runtime.block_on(run(seed)));
        assert!(catch_unwind(run).is_ok(), "with INDEX_SEED={seed}");
    }
}

async fn run(seed: u64) {
    let bucket = in_memory();
    let confirmed = Confirmed::default();
    let versions = Arc::default();
    let process = |number: u64| {
        let store = FlakyStore::new(Arc::clone(&bucket.store), seed * 100 + number);
        Process {
            bucket: Bucket { store: Arc::new(store.clone()), url: Arc::clone(&bucket.url) },
            store,
            random: Arc::new(Mutex::new(Rng::with_seed(seed * 1000 + number))),
            confirmed: confirmed.clone(),
            plain: bucket.clone(),
            versions: Arc::clone(&versions),
        }
    };
    let processes: Vec<Process> = (0..6).map(process).collect();
    let next = |number: usize| processes[number].clone();
    tokio::join!(next(0).write(), next(1).write(), next(2).compact(), next(3).compact(), next(4).read(), next(5).read());
    while processes.iter().any(|process| process.store.late_writes.load(Ordering::SeqCst) > 0) {
        yield_now().await;
    }
    compact(&bucket).await.unwrap();
    let (all, confirmed) = (all(&bucket).await, confirmed.now());
    assert!(confirmed.iter().all(|(id, version)| all.get(&id.parse().unwrap()).is_some_and(|files| files >= version)));
    assert!(objects(&bucket).await.iter().all(|name| !name.starts_with("log/")));
}
