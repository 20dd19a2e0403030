//! A store in which every request takes a random time and may go wrong: refused, done with its answer lost, or done later.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::task::yield_now;

/// The store as one process sees it.
#[derive(Clone, Debug)]
pub(super) struct FlakyStore {
    inner: Arc<dyn ObjectStore>,
    random: Arc<Mutex<fastrand::Rng>>,
    /// Writes that are still to happen, although their answers were errors.
    pub late_writes: Arc<AtomicUsize>,
}

enum Fault {
    None,
    Refused,
    Lost,
    Late,
}

impl FlakyStore {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, seed: u64) -> Self {
        Self { inner, random: Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))), late_writes: Arc::default() }
    }

    fn draw(&self, below: u32) -> u32 {
        self.random.lock().unwrap().u32(0..below)
    }

    async fn turn(&self) {
        for _ in 0..self.draw(4) * self.draw(4) {
            yield_now().await;
        }
    }

    /// About one request in twelve goes wrong.
    fn fault(&self) -> Fault {
        match self.draw(36) {
            0 => Fault::Refused,
            1 => Fault::Lost,
            2 => Fault::Late,
            _ => Fault::None,
        }
    }
}

fn failed() -> Error {
    Error::Generic { store: "flaky", source: "the connection was lost".into() }
}

impl fmt::Display for FlakyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlakyStore")
    }
}

#[async_trait]
impl ObjectStore for FlakyStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.turn().await;
        let result = match self.fault() {
            Fault::None => self.inner.put_opts(path, payload, options).await,
            Fault::Refused => Err(failed()),
            Fault::Lost => self.inner.put_opts(path, payload, options).await.and(Err(failed())),
            Fault::Late => {
                let (store, path) = (self.clone(), path.clone());
                self.late_writes.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    store.turn().await;
                    store.turn().await;
                    // Nobody sees the answer.
                    let _ = store.inner.put_opts(&path, payload, options).await;
                    store.late_writes.fetch_sub(1, Ordering::SeqCst);
                });
                Err(failed())
            }
        };
        self.turn().await;
        result
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        panic!("the index has no object in parts")
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.turn().await;
        let result = match self.fault() {
            Fault::None => self.inner.get_opts(path, options).await,
            Fault::Refused | Fault::Late => Err(failed()),
            Fault::Lost => self.inner.get_opts(path, options).await.map(|found| GetResult {
                payload: GetResultPayload::Stream(stream::iter([Ok("x".into()), Err(failed())]).boxed()),
                ..found
            }),
        };
        self.turn().await;
        result
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let delete = move |path: Result<Path>| {
            let store = store.clone();
            async move {
                store.turn().await;
                let fault = store.fault();
                if let Fault::Refused | Fault::Late = fault {
                    return Err(failed());
                }
                let path = path?;
                store.inner.delete_stream(stream::iter([Ok(path.clone())]).boxed()).try_next().await?;
                if let Fault::Lost = fault { Err(failed()) } else { Ok(path) }
            }
        };
        paths.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if let Fault::None = self.fault() {
            return self.inner.list(prefix);
        }
        // A list that breaks off.
        self.inner.list(prefix).take(2).chain(stream::iter([Err(failed())])).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        panic!("the index copies no object")
    }
}
