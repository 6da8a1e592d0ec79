//! Listening, and the end of it.

use crate::app::{App, Card};
use crate::queue::Queue;
use crate::routes::router;
use crate::settings::{Limits, Settings};
use crate::worker::Worker;
use axum::Router;
use burn::tensor::Device;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use refvlm_model::package::by_name::names;
use refvlm_weights::package::Package;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;

/// Threads that read and write; the work is done elsewhere.
const THREADS: usize = 2;
/// Threads that read JSON and fetch pictures.
const BLOCKING: usize = 32;
/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(15);
/// How long answers that are being given may still take when the server is stopped.
const GRACE: Duration = Duration::from_secs(10);
/// How long to wait when no connection can be taken, as when there are no more handles.
const PAUSE: Duration = Duration::from_millis(100);

/// Why a server cannot be started.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The address cannot be listened at.
    #[error("{address}: {source}; choose another --port or --bind")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The underlying I/O error.
        source: io::Error,
    },
    /// The folder of the site cannot be served.
    #[error("{path}: no index.html there; `cargo xtask site --out FOLDER` builds the site")]
    Site {
        /// The folder.
        path: String,
    },
    /// A number of the limits is zero.
    #[error("{0}: 0 leaves nothing; give a larger number")]
    Limit(&'static str),
    /// A thread cannot be started.
    #[error("no thread can be started: {0}; end other programs")]
    Thread(io::Error),
}

/// A server that listens. Requests are answered once it runs.
pub struct Server {
    app: Arc<App>,
    address: SocketAddr,
    listener: TcpListener,
    workers: Vec<JoinHandle<()>>,
    runtime: Runtime,
    stop: (watch::Sender<bool>, watch::Receiver<bool>),
}

/// Ends a server from elsewhere.
#[derive(Debug, Clone)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Takes no more requests, and ends the server when those that are being answered are done.
    pub fn stop(&self) {
        // A server that ended already needs no end.
        let _ = self.0.send(true);
    }
}

impl Server {
    /// Listens, and starts the workers. `name` is what the model is called.
    ///
    /// # Errors
    /// When the address is taken, the site is not there, or a limit is zero.
    pub fn new(
        package: &Package,
        device: &Device,
        name: &str,
        mut settings: Settings,
    ) -> Result<Self, ServeError> {
        let limits = settings.limits;
        let numbers = [
            ("--workers", limits.workers),
            ("--max-body", limits.body_bytes),
            ("--connections", limits.connections),
            ("--max-tokens", limits.tokens),
        ];
        if let Some((name, _)) = numbers.into_iter().find(|(_, number)| *number == 0) {
            return Err(ServeError::Limit(name));
        }
        if let Some(folder) = settings.site.as_ref().filter(|f| !f.join("index.html").is_file()) {
            return Err(ServeError::Site { path: folder.display().to_string() });
        }
        let asked = settings.address;
        let failed = |source| ServeError::Listen { address: asked, source };
        let listener = TcpListener::bind(asked).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        settings.address = address;
        let queue = Arc::new(Queue::default());
        let mut workers = Vec::new();
        for number in 0..limits.workers {
            let worker = Worker {
                package: package.clone(),
                device: device.clone(),
                queue: queue.clone(),
                pixels: limits.pixels,
            };
            let thread = std::thread::Builder::new().name(format!("worker {number}"));
            workers.push(thread.spawn(|| worker.run()).map_err(ServeError::Thread)?);
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(BLOCKING)
            .enable_all()
            .build()
            .map_err(ServeError::Thread)?;
        let card = Card {
            id: name.into(),
            parameters: names(&package.model)
                .iter()
                .map(|(_, shape)| shape.iter().product::<usize>())
                .sum(),
            preset: package.config.preset.clone(),
            quantisation: package.manifest.quantisation,
            licence: package.manifest.description.licence.clone(),
        };
        let app = Arc::new(App::new(settings, queue, card));
        Ok(Self { app, address, listener, workers, runtime, stop: watch::channel(false) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the server from elsewhere.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.0.clone())
    }

    /// Answers until it is stopped.
    ///
    /// # Errors
    /// When the listener cannot be used.
    pub fn run(self) -> Result<(), ServeError> {
        let Self { app, address, listener, workers, runtime, stop } = self;
        let queue = app.queue.clone();
        let done = runtime.block_on(accept(app, listener, stop.1));
        // Workers end when nothing waits any more.
        queue.close();
        queue.clear();
        runtime.shutdown_background();
        for worker in workers {
            // A worker catches what panics.
            let _ = worker.join();
        }
        done.map_err(|source| ServeError::Listen { address, source })
    }
}

/// Takes connections until `stop` says so, then waits for those that are open.
async fn accept(
    app: Arc<App>,
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let limits = app.settings.limits;
    let room = Arc::new(Semaphore::new(limits.connections));
    let queue = app.queue.clone();
    let router = router(app);
    let graceful = GracefulShutdown::new();
    let mut open = JoinSet::new();
    loop {
        let next = async {
            // The semaphore is never closed.
            let room = room.clone().acquire_owned().await.ok();
            (room, listener.accept().await)
        };
        let (room, stream) = tokio::select! {
            next = next => next,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        while open.try_join_next().is_some() {}
        let Ok((stream, _)) = stream else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let connection = connection(stream, router.clone(), limits);
        let connection = graceful.watch(connection);
        open.spawn(async move {
            // A client that breaks off is not an error.
            let _ = connection.await;
            drop(room);
        });
    }
    drop(listener);
    queue.close();
    // An answer that takes longer is cut off when the set is dropped.
    let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
    Ok(())
}

type Stream = std::pin::Pin<Box<TimeoutStream<TcpStream>>>;

fn connection(
    stream: TcpStream,
    router: Router,
    limits: Limits,
) -> http1::Connection<TokioIo<Stream>, TowerToHyperService<Router>> {
    // Parts of a stream should not wait for each other; without it they are only later.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    // While an answer is made nothing comes from the client either.
    stream.set_read_timeout(Some(limits.request + limits.idle));
    stream.set_write_timeout(Some(limits.idle));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(router))
}
