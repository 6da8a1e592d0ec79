//! Where pictures come from.

use super::client::lends;
use super::icons::{Glyph, Icon};
use super::picture::{Credit, Picture};
use super::rail::IconButton;
use super::store::Store;
use crate::models::{Kind, Models};
use leptos::html;
use leptos::prelude::*;
use refvlm_protocol::{Reply, Request};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Blob, DataTransfer, File, HtmlInputElement, HtmlVideoElement, MediaStream,
    MediaStreamConstraints, Response,
};

/// A picture that comes with the page.
#[derive(Clone, Copy)]
pub struct Example {
    /// Its file in `examples`, without `.webp`.
    file: &'static str,
    shows: &'static str,
    kind: Kind,
    credit: Option<Credit>,
}

const fn photo(file: &'static str, shows: &'static str, flickr: &'static str) -> Example {
    Example { file, shows, kind: Kind::Photo, credit: Some(Credit { flickr }) }
}

const fn scene(file: &'static str, shows: &'static str) -> Example {
    Example { file, shows, kind: Kind::Scene, credit: None }
}

/// Free photos that no training has seen; `THIRD_PARTY.md` says where they are from.
const PHOTOS: [Example; 4] = [
    photo("photos/cat", "A cat and its image in a mirror", "2102573498"),
    photo("photos/bus", "A yellow bus in a car park", "124140140"),
    photo("photos/pizza", "A pizza on a table", "5569738713"),
    photo("photos/tennis", "A woman playing tennis", "3179857355"),
];

const SCENES: [Example; 6] = [
    scene("horse", "A yellow car and a horse before mountains"),
    scene("room", "A jumping person and a red umbrella in a room"),
    scene("kitchen", "A person, cats and a guitar in a kitchen"),
    scene("lake", "Three cars at a lake"),
    scene("mountains", "A bicycle, a cake, a guitar and a palm"),
    scene("forest", "Two people and a green car in a forest"),
];

/// Longest side of a generated scene, px.
const SCENE_SIDE_PX: u32 = 640;

impl Store {
    /// Opens a file or what was pasted.
    pub fn open_blob(self, blob: Blob, name: String) {
        spawn_local(async move {
            match Picture::decode(&blob, &name).await {
                Ok(picture) => self.open(picture),
                Err(message) => self.fault(message),
            }
        });
    }

    /// Opens an example.
    pub fn open_example(self, example: Example) {
        spawn_local(async move {
            let name = example.file.rsplit('/').next().unwrap_or(example.file);
            let Ok(blob) = fetched(&address_of(example)).await else {
                return self.fault(
                    "The example could not be fetched. Check the connection and try again.".into(),
                );
            };
            match Picture::decode(&blob, &format!("{name}.webp")).await {
                Ok(picture) => {
                    let Example { kind, credit, .. } = example;
                    self.open(Picture { kind, credit, ..picture });
                }
                Err(message) => self.fault(message),
            }
        });
    }

    /// Has the engine draw a scene nobody has seen.
    pub fn generate(self) {
        let seed = (js_sys::Math::random() * f64::from(u32::MAX)) as u32;
        let request = Request::Generate { seed, side: SCENE_SIDE_PX };
        if let Err(failure) = self.start_worker() {
            return self.failed(&failure);
        }
        let sent = self.send(request, None, move |message| match message.reply {
            Reply::Scene(scene) => {
                match Picture::scene(&scene, message.rgba.as_ref(), message.depth.as_ref()) {
                    Ok(picture) => self.open(picture),
                    Err(message) => self.fault(message),
                }
            }
            Reply::Failed(failure) => self.failed(&failure),
            _ => {}
        });
        if sent.is_none() {
            self.fault("The engine cannot draw a scene: it is not loaded. Load it.".into());
        }
    }

    /// Opens the first picture of what was dropped or pasted; false when it holds no picture.
    pub fn open_transfer(self, data: Option<DataTransfer>) -> bool {
        let Some(files) = data.and_then(|data| data.files()) else { return false };
        let all: Vec<File> = (0..files.length()).filter_map(|at| files.get(at)).collect();
        let picture = all.iter().find(|file| file.type_().starts_with("image/"));
        match picture.or(all.first()) {
            Some(file) => {
                self.open_blob(file.clone().into(), file.name());
                true
            }
            None => false,
        }
    }
}

/// The buttons that open pictures.
#[component]
pub fn Sources() -> impl IntoView {
    let store = expect_context::<Store>();
    let input = NodeRef::<html::Input>::new();
    let chosen = move |ev: leptos::ev::Event| {
        let field: HtmlInputElement = event_target(&ev);
        if let Some(file) = field.files().and_then(|files| files.get(0)) {
            let name = file.name();
            store.open_blob(file.into(), name);
        }
        // The same file can be chosen again.
        field.set_value("");
    };
    let open = move || {
        if let Some(input) = input.get_untracked() {
            input.click();
        }
    };
    let camera = lends("mediaDevices");
    view! {
        <div class="sources">
            <input node_ref=input type="file" accept="image/*" class="hidden" tabindex="-1"
                aria-hidden="true" on:change=chosen/>
            <button type="button" class="button" on:click=move |_| open()>
                <Glyph icon=Icon::Open/><span>"Open"</span>
            </button>
            <button type="button" class="button" on:click=move |_| store.generate()>
                <Glyph icon=Icon::Dice/><span>"New scene"</span>
            </button>
            {camera.then(|| view! {
                <IconButton icon=Icon::Camera name="Camera".to_string() press=move || store.link.camera.set(true)/>
            })}
        </div>
    }
}

fn address_of(example: Example) -> String {
    format!("examples/{}.webp", example.file)
}

async fn fetched(url: &str) -> Result<Blob, JsValue> {
    let response = JsFuture::from(window().fetch_with_str(url)).await?;
    let response: Response = response.dyn_into()?;
    if !response.ok() {
        return Err(JsValue::NULL);
    }
    JsFuture::from(response.blob()?).await?.dyn_into::<Blob>()
}

/// What there is before any picture: the examples, and a place to drop one.
#[component]
pub fn Start() -> impl IntoView {
    let store = expect_context::<Store>();
    let photos = move || !store.link.models.with(Models::photos_absent);
    view! {
        <div class="start">
            <p class="slogan">"Point at a picture."<br/>"Ask."</p>
            <Sources/>
            <Show when=photos>
                <section class="shelf">
                    <h2>"Try a photo"</h2>
                    <Examples name="Photos" examples=&PHOTOS/>
                    <p class="credits">
                        "By their authors at Flickr: "
                        {PHOTOS.iter().filter_map(credited).collect_view()}
                        <Licence/>
                    </p>
                </section>
            </Show>
            <section class="shelf">
                <h2>"Try a drawn scene"</h2>
                <Examples name="Drawn scenes" examples=&SCENES/>
            </section>
        </div>
    }
}

#[component]
fn Examples(name: &'static str, examples: &'static [Example]) -> impl IntoView {
    let store = expect_context::<Store>();
    let items = examples.iter().map(|&example| {
        let words = example.shows;
        view! {
            <li>
                <button type="button" class="example" aria-label=words title=words
                    on:click=move |_| store.open_example(example)>
                    <img src=address_of(example) alt="" width="320" height="240"/>
                </button>
            </li>
        }
    });
    view! { <ul class="examples" aria-label=name>{items.collect_view()}</ul> }
}

fn credited(example: &Example) -> Option<impl IntoView + use<>> {
    let name = example.file.rsplit('/').next()?;
    let credit = example.credit?;
    Some(view! { <AtFlickr credit=credit words=name.to_string()/>", " })
}

/// The way to a photo's author, and its licence.
#[component]
pub fn CreditLine(credit: Credit) -> impl IntoView {
    view! { <AtFlickr credit=credit words=format!("Flickr {}", credit.flickr)/>", "<Licence/> }
}

#[component]
fn AtFlickr(credit: Credit, words: String) -> impl IntoView {
    let address = format!("https://www.flickr.com/photo.gne?id={}", credit.flickr);
    view! { <a href=address target="_blank" rel="noopener">{words}</a> }
}

#[component]
fn Licence() -> impl IntoView {
    view! {
        <a href="https://creativecommons.org/licenses/by/2.0/" target="_blank" rel="noopener">"CC BY 2.0"</a>
        ", scaled down."
    }
}

/// The camera, in a dialog while it is on.
#[component]
pub fn Camera() -> impl IntoView {
    let store = expect_context::<Store>();
    view! {
        <Show when=move || store.link.camera.get()>
            <CameraDialog/>
        </Show>
    }
}

#[component]
fn CameraDialog() -> impl IntoView {
    let store = expect_context::<Store>();
    let dialog = NodeRef::<html::Dialog>::new();
    let video = NodeRef::<html::Video>::new();
    let stream = StoredValue::new_local(None::<MediaStream>);
    let stop = move || {
        if let Some(stream) = stream.try_update_value(Option::take).flatten() {
            for track in stream.get_tracks().iter() {
                if let Ok(track) = track.dyn_into::<web_sys::MediaStreamTrack>() {
                    track.stop();
                }
            }
        }
    };
    let close = move || {
        stop();
        store.link.camera.set(false);
    };
    Effect::new(move |_| {
        let (Some(dialog), Some(video)) = (dialog.get(), video.get()) else { return };
        if !dialog.open() {
            let _ = dialog.show_modal();
        }
        spawn_local(async move {
            match stream_into(&video).await {
                Ok(live) if store.link.camera.get_untracked() => stream.set_value(Some(live)),
                Ok(live) => {
                    stream.set_value(Some(live));
                    stop();
                }
                Err(_) => {
                    store.link.camera.set(false);
                    store.fault(
                        "The camera can't be used. Allow it in the browser, or open a file.".into(),
                    );
                }
            }
        });
    });
    let shoot = move || {
        let Some(video) = video.get_untracked() else { return };
        let size = [video.video_width(), video.video_height()];
        if size[0] == 0 {
            return;
        }
        if let Ok(canvas) = super::picture::blank(size)
            && let Ok(c) = super::picture::context(&canvas)
            && c.draw_image_with_html_video_element(&video, 0.0, 0.0).is_ok()
        {
            let then = Closure::once_into_js(move |blob: JsValue| {
                if let Ok(blob) = blob.dyn_into::<Blob>() {
                    store.open_blob(blob, "camera.png".into());
                }
            });
            let _ = canvas.to_blob(then.unchecked_ref());
        }
        close();
    };
    view! {
        <dialog node_ref=dialog class="camera" aria-label="Camera" on:close=move |_| close()>
            <video node_ref=video autoplay=true playsinline=true prop:muted=true></video>
            <div class="row">
                <button type="button" class="button primary" on:click=move |_| shoot()>
                    <Glyph icon=Icon::Camera/><span>"Take"</span>
                </button>
                <button type="button" class="button" on:click=move |_| close()>"Cancel"</button>
            </div>
        </dialog>
    }
}

async fn stream_into(video: &HtmlVideoElement) -> Result<MediaStream, JsValue> {
    let wanted = MediaStreamConstraints::new();
    wanted.set_video(&JsValue::TRUE);
    let devices = window().navigator().media_devices()?;
    let stream = JsFuture::from(devices.get_user_media_with_constraints(&wanted)?).await?;
    let stream: MediaStream = stream.dyn_into()?;
    video.set_src_object(Some(&stream));
    Ok(stream)
}
