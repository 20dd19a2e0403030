//! A store in which every request may go wrong, as seen by one writer.
//!
//! Each request takes a random time, counted in turns of the scheduler. It may fail without effect, have its effect and fail,
//! fail and have its effect later, or answer "already exists" for no reason. After a number of requests the writer dies: its
//! request never ends, so that its future can be dropped. All is drawn from one seed, so a schedule can be run again.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use fastrand::Rng;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use tokio::sync::Notify;
use tokio::task::yield_now;

use super::world::World;

/// How likely things go wrong, in percent of the requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    /// No effect, and an error.
    pub refused: u8,
    /// The effect, and an error.
    pub lost: u8,
    /// An error, and the effect later.
    pub late: u8,
    /// No effect, and "already exists", for a conditional request.
    pub conflict: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    None,
    Refused,
    Lost,
    Late,
    Conflict,
}

/// The store of one life of a writer.
#[derive(Clone, Debug)]
pub(super) struct FaultyStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    world: Arc<World>,
    faults: Faults,
    state: Mutex<State>,
    died: Notify,
    may_replace: bool,
}

#[derive(Debug)]
struct State {
    random: Rng,
    /// The turns before the writer dies.
    turns_left: u32,
}

impl FaultyStore {
    /// `may_replace`: the writer may change a file that a manifest names.
    pub(super) fn new(world: Arc<World>, faults: Faults, random: Rng, dies_after: Option<u32>, may_replace: bool) -> Self {
        let state = Mutex::new(State { random, turns_left: dies_after.unwrap_or(u32::MAX) });
        Self(Arc::new(Inner { world, faults, state, died: Notify::new(), may_replace }))
    }

    /// Ends when the writer dies.
    pub(super) async fn died(&self) {
        self.0.died.notified().await;
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.0.state.lock().unwrap().random)
    }

    /// Lets the other writers run, and perhaps dies.
    async fn turn(&self) {
        // Now and then one request takes longer than many others.
        let turns =
            self.draw(|random| if random.u8(0..12) == 0 { random.u32(0..120) } else { random.u32(0..4) * random.u32(0..4) });
        for _ in 0..turns {
            yield_now().await;
        }
        let is_dead = {
            let mut state = self.0.state.lock().unwrap();
            state.turns_left = state.turns_left.saturating_sub(1);
            state.turns_left == 0
        };
        if is_dead {
            self.0.died.notify_one();
            std::future::pending::<()>().await;
        }
    }

    fn fault(&self) -> Fault {
        let (faults, drawn) = (self.0.faults, self.draw(|random| random.u8(0..100)));
        let mut end = 0;
        for (percent, fault) in [
            (faults.refused, Fault::Refused),
            (faults.lost, Fault::Lost),
            (faults.late, Fault::Late),
            (faults.conflict, Fault::Conflict),
        ] {
            end += percent;
            if drawn < end {
                return fault;
            }
        }
        Fault::None
    }

    /// Writes, unless a fault prevents it.
    async fn write(&self, path: &Path, bytes: Bytes, options: PutOptions) -> Result<PutResult> {
        self.turn().await;
        let (world, may_replace) = (Arc::clone(&self.0.world), self.0.may_replace);
        let is_conditional = options.mode != PutMode::Overwrite;
        let result = match self.fault() {
            Fault::Conflict if is_conditional => Err(already_exists(path)),
            Fault::Conflict | Fault::None => world.write(path, bytes, options, may_replace).await,
            Fault::Refused => Err(failed()),
            Fault::Lost => world.write(path, bytes, options, may_replace).await.and(Err(failed())),
            Fault::Late => {
                let (path, turns) = (path.clone(), self.draw(|random| random.u32(0..200)));
                tokio::spawn(async move {
                    for _ in 0..turns {
                        yield_now().await;
                    }
                    world.write(&path, bytes, options, may_replace).await
                });
                Err(failed())
            }
        };
        self.turn().await;
        result
    }
}

fn failed() -> Error {
    Error::Generic { store: "faulty", source: "the connection was lost".into() }
}

fn already_exists(path: &Path) -> Error {
    Error::AlreadyExists { path: path.to_string(), source: "409".into() }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyStore")
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.write(path, payload.into(), options).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.turn().await;
        if self.fault() != Fault::None {
            return Err(failed());
        }
        let (path, attributes) = (path.clone(), options.attributes);
        Ok(Box::new(FaultyUpload { store: self.clone(), path, attributes, parts: Arc::default(), count: 0 }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.turn().await;
        let result = match self.fault() {
            Fault::Refused | Fault::Late => Err(failed()),
            fault => self.0.world.store.get_opts(path, options).await.map(|found| match fault {
                // The body breaks off.
                Fault::Lost => GetResult { payload: GetResultPayload::Stream(stream::iter([Err(failed())]).boxed()), ..found },
                _ => found,
            }),
        };
        self.turn().await;
        result
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        panic!("a run never deletes an object")
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.world.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.world.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        panic!("a run never copies an object")
    }
}

/// An upload in parts, which becomes an object when it is completed.
#[derive(Debug)]
struct FaultyUpload {
    store: FaultyStore,
    path: Path,
    attributes: Attributes,
    parts: Arc<Mutex<Vec<(usize, Bytes)>>>,
    count: usize,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        let (store, parts, index) = (self.store.clone(), Arc::clone(&self.parts), self.count);
        self.count += 1;
        Box::pin(async move {
            store.turn().await;
            if store.fault() == Fault::Refused {
                return Err(failed());
            }
            parts.lock().unwrap().push((index, payload.into()));
            store.turn().await;
            Ok(())
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let mut parts = std::mem::take(&mut *self.parts.lock().unwrap());
        assert_eq!(parts.len(), self.count, "an upload was completed without all its parts");
        parts.sort_by_key(|(index, _)| *index);
        let bytes: Vec<u8> = parts.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
        let options = PutOptions { attributes: self.attributes.clone(), ..PutOptions::default() };
        self.store.write(&self.path, bytes.into(), options).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.store.turn().await;
        Ok(())
    }
}
