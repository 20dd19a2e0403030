//! Random schedules: three writers, three rounds each, on one task, and what must hold whatever happens.
//!
//! `YESCALE_SCHEDULES` is the number of schedules, `YESCALE_SEED` the first seed. A failure names its seed.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use super::faulty_store::{Faults, FaultyStore};
use super::world::World;
use crate::domain::asset_key::{AssetKey, Kind};
use crate::domain::code::AssetErrorCode;
use crate::domain::manifest::tests::entry;
use crate::domain::manifest::{AssetError, FileEntry, State, TaskEntry};
use crate::domain::task::TaskId;
use crate::integrity::digest::Sha256Hex;
use crate::storage::Error;
use crate::storage::location::{BucketUrl, Service};
use crate::storage::object::backoff::Backoff;
use crate::storage::object::bucket::Bucket;
use crate::storage::object::commit::commit_with;
use crate::storage::object::manifest_object::read_manifest;
use crate::storage::object::publish::{Proof, Publisher};
use crate::storage::object::upload::{Content, Source, UploadSettings};

const TASK: &str = "t1";
const FOLDER: &str = "p/t1";
const ASSETS: [(Kind, usize, &str); 3] =
    [(Kind::Video, 1, "video-1.mp4"), (Kind::Image, 1, "image-1.png"), (Kind::Image, 2, "image-2.png")];
/// A larger file is uploaded in parts.
const SMALL_LIMIT: u64 = 40;

/// What the writers of a schedule do.
#[derive(Clone, Copy, Debug)]
struct Plan {
    faults: Faults,
    /// Which bytes an asset may have: variants below 2 are small, the others large.
    variants: (u8, u8),
    /// In percent.
    deaths: u8,
    forces: u8,
    repairs: u8,
    dead_links: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Round {
    Archive,
    Force,
    Repair,
}

/// One life of a writer.
struct Writer {
    bucket: Bucket,
    world: Arc<World>,
    random: Rng,
    round: Round,
    plan: Plan,
}

fn content(name: &str, variant: u8) -> Content {
    let bytes = Bytes::from(format!("{name} {variant}").repeat(if variant < 2 { 1 } else { 9 }));
    Content { size: bytes.len() as u64, sha256: Sha256Hex::digest(&bytes), source: Source::Memory(bytes), content_type: None }
}

impl Writer {
    fn new(world: &Arc<World>, store: &FaultyStore, random: Rng, round: Round, plan: Plan) -> Self {
        let url = BucketUrl { service: Service::S3, bucket: "b".to_owned(), prefix: "p".to_owned() };
        let bucket = Bucket::new(Arc::new(store.clone()), url);
        Self { bucket, world: Arc::clone(world), random, round, plan }
    }

    fn publisher(&self) -> Publisher {
        let settings = UploadSettings { small_limit: SMALL_LIMIT, part_size: 32, parallel_parts: 2, first_delay: Duration::ZERO };
        Publisher::with_settings(self.bucket.clone(), settings)
    }

    /// Reads the manifest, publishes files, commits.
    async fn run(mut self) -> Result<(), Error> {
        let id = TaskId::new(TASK).unwrap();
        let standing = read_manifest(&self.bucket, &id, false).await?;
        let base = standing.entry.clone();
        let mut mine = base.clone().unwrap_or_else(|| entry(TASK));
        mine.archived_at = Some("2026-11-30T00:00:00Z".to_owned());
        for (kind, index, name) in ASSETS {
            self.fetch(&mut mine, base.as_ref(), AssetKey { kind, index }, name).await;
        }
        self.fetch_text(&mut mine, base.as_ref()).await;
        if self.random.u8(0..4) == 0 {
            mine.meta = Some([("n".to_owned(), self.random.u8(..).into())].into_iter().collect());
        }
        mine.state = if mine.errors.is_empty() { State::Complete } else { State::Incomplete };
        mine.sort();
        let standing = if self.random.bool() { read_manifest(&self.bucket, &id, false).await? } else { standing };
        let replaces = self.round != Round::Archive;
        let backoff = Backoff::new(Duration::ZERO);
        let now = commit_with(&self.bucket, standing, base.as_ref(), &mine, replaces, backoff).await?;
        self.world.committed(&mine, &now);
        Ok(())
    }

    async fn fetch(&mut self, mine: &mut TaskEntry, base: Option<&TaskEntry>, key: AssetKey, name: &str) {
        let before = base.and_then(|base| base.files.iter().find(|file| file.key() == key));
        let is_wanted = match self.round {
            Round::Archive => before.is_none(),
            Round::Force => true,
            Round::Repair => before.is_some_and(|file| self.world.is_damaged(FOLDER, file)),
        };
        if !is_wanted {
            return;
        }
        let proof = if self.round == Round::Archive { Proof::Recorded } else { Proof::Body };
        let content = content(name, self.random.u8(self.plan.variants.0..self.plan.variants.1));
        let is_dead_link = self.random.u8(0..100) < self.plan.dead_links;
        mine.errors.retain(|error| error.key() != key);
        let published = match is_dead_link {
            true => None,
            false => self.publisher().publish_content(TASK, name, &content, proof).await.ok(),
        };
        if let Some(won) = published {
            self.world.won(&format!("{FOLDER}/{won}"), &content.sha256, proof == Proof::Body);
            mine.files.retain(|file| file.key() != key);
            mine.files.push(FileEntry::new(key, &won, content.size, content.sha256));
        } else if before.is_none() {
            mine.errors.push(AssetError::new(key, None, AssetErrorCode::Network, None, "no".to_owned()));
        }
    }

    async fn fetch_text(&mut self, mine: &mut TaskEntry, base: Option<&TaskEntry>) {
        let text = match self.round {
            Round::Archive if mine.text.is_some() => return,
            Round::Repair => match base.filter(|base| self.world.is_text_damaged(FOLDER, base)) {
                Some(base) => base.text.clone().unwrap(),
                None => return,
            },
            _ => format!("la {}", self.random.u8(0..2)),
        };
        let proof = if self.round == Round::Archive { Proof::Recorded } else { Proof::Body };
        if let Ok(won) = self.publisher().publish_text(TASK, &text, proof).await {
            self.world.won(&format!("{FOLDER}/{won}"), &Sha256Hex::digest(text.as_bytes()), proof == Proof::Body);
            (mine.text, mine.text_path) = (Some(text), Some(won));
        }
    }
}

/// Lets three writers work at the same time, each for three rounds, in which it may die.
async fn race(world: &Arc<World>, plan: Plan, random: &mut Rng) {
    let mut writers = JoinSet::new();
    for _ in 0..3 {
        let (world, mut random) = (Arc::clone(world), random.fork());
        writers.spawn(async move {
            for _ in 0..3 {
                live(&world, plan, &mut random).await;
            }
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended.unwrap_or_else(|error| resume_unwind(error.into_panic()));
    }
}

async fn live(world: &Arc<World>, plan: Plan, random: &mut Rng) {
    let drawn = random.u8(0..100);
    let round = match drawn {
        _ if drawn < plan.forces => Round::Force,
        _ if drawn < plan.forces + plan.repairs => Round::Repair,
        _ => Round::Archive,
    };
    let dies_after = (random.u8(0..100) < plan.deaths).then(|| random.u32(1..60));
    let store = FaultyStore::new(Arc::clone(world), plan.faults, random.fork(), dies_after, round != Round::Archive);
    let writer = Writer::new(world, &store, random.fork(), round, plan);
    tokio::select! {
        biased;
        () = store.died() => {}
        // A run may fail: then it has committed nothing, or it has, and the answer was lost.
        _ = writer.run() => {}
    }
}

fn draw_plan(random: &mut Rng) -> Plan {
    let mut percent = |most: u8| if random.bool() { random.u8(0..=most) } else { 0 };
    let faults = Faults { refused: percent(20), lost: percent(20), late: percent(20), conflict: percent(20) };
    let (deaths, forces, repairs) = (percent(60), percent(50), percent(40));
    let variants = *random.choice(&[(0, 2), (2, 4), (0, 4), (1, 3)]).unwrap();
    Plan { faults, variants, deaths, forces, repairs, dead_links: 15 }
}

fn run_schedule(seed: u64) {
    // For the jitter and the ids that the program draws.
    fastrand::seed(seed);
    let mut random = Rng::with_seed(seed);
    let plan = draw_plan(&mut random);
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let world = Arc::new(World::default());
        let is_mixed = plan.variants.0 < 2 && plan.variants.1 > 2;
        race(&world, plan, &mut random).await;
        world.check_end(FOLDER, is_mixed, false);
        if random.bool() {
            world.damage(&mut random).await;
            race(&world, plan, &mut random).await;
            world.check_end(FOLDER, is_mixed, false);
        }
        // Requests that were under way may still end. Then everything is repaired without faults.
        let faults = Faults { refused: 0, lost: 0, late: 0, conflict: 0 };
        let repair = Plan { faults, deaths: 0, forces: 0, repairs: 100, dead_links: 0, ..plan };
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        for _ in 0..2 {
            live(&world, repair, &mut random).await;
        }
        world.check_end(FOLDER, is_mixed, true);
    });
}

/// Three writers publish one asset at the same moment, and do nothing else: so the narrowest races come up often.
fn run_race_for_one_name(seed: u64) {
    fastrand::seed(seed);
    let mut random = Rng::with_seed(seed);
    let plan = Plan { variants: (0, 4), ..draw_plan(&mut random) };
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (world, mut writers) = (Arc::new(World::default()), JoinSet::new());
        for _ in 0..3 {
            let store = FaultyStore::new(Arc::clone(&world), plan.faults, random.fork(), None, false);
            let mut writer = Writer::new(&world, &store, random.fork(), Round::Archive, plan);
            writers.spawn(async move {
                let content = content("video-1.mp4", writer.random.u8(0..4));
                if let Ok(won) = writer.publisher().publish_content(TASK, "video-1.mp4", &content, Proof::Recorded).await {
                    writer.world.won(&format!("{FOLDER}/{won}"), &content.sha256, false);
                }
            });
        }
        while let Some(ended) = writers.join_next().await {
            ended.unwrap_or_else(|error| resume_unwind(error.into_panic()));
        }
    });
}

/// Runs the schedules of `default` seeds, or of those that the environment names.
fn for_each_seed(default: u64, run: fn(u64)) {
    let number = |name: &str, default| env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let first = number("YESCALE_SEED", 1);
    for seed in first..first + number("YESCALE_SCHEDULES", default) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
            panic!("schedule of seed {seed}: {}", message(panic.as_ref()));
        }
    }
}

#[test]
fn random_schedules_lose_nothing_and_change_no_byte() {
    for_each_seed(80, run_schedule);
}

#[test]
fn racing_writers_never_own_one_name_for_different_bytes() {
    for_each_seed(650, run_race_for_one_name);
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
