//! `refvlm serve`.

use super::say::{note, say};
use super::train::Compute;
use super::{INTERRUPTED, Outcome, package_on};
use clap::Args;
use refvlm_native::package::Embedded;
use refvlm_native::serve::{LabelStudio, Limits, Server, Settings};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use url::Url;

/// Answer over HTTP: OpenAI's chat completions, and the interactive backends of Label Studio and
/// CVAT.
///
/// docs/serve.md has an example of each address.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Serve {
    /// The address to listen at; 0.0.0.0 lets other machines ask.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// What requests must carry as `Authorization: Bearer TOKEN`; REFVLM_TOKEN says it unseen by
    /// other users of this machine.
    #[arg(long)]
    token: Option<String>,
    /// Folder of a package, or one inside the program: pocket (photos, the default) or scenes (drawn
    /// scenes).
    #[arg(long)]
    model: Option<PathBuf>,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = Compute::Cpu)]
    device: Compute,
    /// Folder of the built site, to be served at /.
    #[arg(long, value_name = "FOLDER")]
    site: Option<PathBuf>,
    /// An origin whose pages may ask from a browser, such as `https://example.org`; * lets all. May be
    /// given several times.
    #[arg(long, value_name = "ORIGIN")]
    origin: Vec<String>,
    /// Fetch pictures of Label Studio's tasks from there, with LABEL_STUDIO_API_KEY.
    #[arg(long, value_name = "URL")]
    label_studio: Option<Url>,
    /// Questions that are answered at a time; without it, one for each core, and one on a graphics
    /// card.
    #[arg(long)]
    workers: Option<usize>,
    /// Requests that may wait; more are refused with 429.
    #[arg(long, default_value_t = 16)]
    queue: usize,
    /// Connections that are open at a time; more wait.
    #[arg(long, default_value_t = 256)]
    connections: usize,
    /// Longest body of a request, MiB.
    #[arg(long, default_value_t = 32, value_name = "MIB")]
    max_body: usize,
    /// Most pixels of a picture, millions.
    #[arg(long, default_value_t = 40, value_name = "MEGAPIXELS")]
    max_pixels: u64,
    /// Most tokens of an answer.
    #[arg(long, default_value_t = 1024)]
    max_tokens: usize,
    /// Longest time of a request, seconds.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
}

const EXAMPLES: &str = "\
Examples:
  refvlm serve
  refvlm serve --site dist --port 8000
  REFVLM_TOKEN=secret refvlm serve --bind 0.0.0.0
  LABEL_STUDIO_API_KEY=... refvlm serve --port 9090 --label-studio http://localhost:8080";

impl Serve {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let device = self.device.device()?;
        let name = match &self.model {
            None => Embedded::Pocket.name().to_string(),
            Some(path) => name_of(path),
        };
        let settings = self.settings();
        let open = settings.token.is_none() && !self.bind.is_loopback();
        let package = package_on(self.model.as_deref(), Embedded::Pocket, &device)?;
        let server = Server::new(&package, &device, &name, settings)?;
        let stopper = server.stopper();
        let asked = AtomicBool::new(false);
        ctrlc::set_handler(move || {
            if asked.swap(true, Ordering::Relaxed) {
                std::process::exit(INTERRUPTED);
            }
            note("stopping when what is being answered is done; Ctrl-C again ends at once");
            stopper.stop();
        })?;
        if open {
            note("note: without --token every machine that reaches this address may ask");
        }
        say!("{name} answers at http://{}/", server.address());
        Ok(server.run()?)
    }

    fn settings(&self) -> Settings {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let usual = if self.device == Compute::Cpu { cores } else { 1 };
        Settings {
            address: SocketAddr::new(self.bind, self.port),
            token: self.token.clone().or_else(|| set("REFVLM_TOKEN")),
            origins: self.origin.clone(),
            site: self.site.clone(),
            label_studio: self
                .label_studio
                .clone()
                .map(|url| LabelStudio { url, key: set("LABEL_STUDIO_API_KEY") }),
            limits: Limits {
                workers: self.workers.unwrap_or(usual),
                queue: self.queue,
                body_bytes: self.max_body.saturating_mul(1 << 20),
                pixels: self.max_pixels.saturating_mul(1_000_000),
                request: Duration::from_secs(self.timeout),
                connections: self.connections,
                tokens: self.max_tokens,
                ..Limits::default()
            },
        }
    }
}

/// What a model is called: the last part of its path.
fn name_of(path: &Path) -> String {
    let whole = path.canonicalize();
    let whole = whole.as_deref().unwrap_or(path);
    whole.file_name().map_or("model".into(), |name| name.to_string_lossy().into_owned())
}
