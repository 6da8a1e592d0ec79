//! Where pictures come from.

use super::client::lends;
use super::icons::{Glyph, Icon};
use super::picture::Picture;
use super::rail::IconButton;
use super::store::Store;
use leptos::html;
use leptos::prelude::*;
use refvlm_protocol::{Reply, Request};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Blob, DataTransfer, File, HtmlInputElement, HtmlVideoElement, MediaStream,
    MediaStreamConstraints, Response,
};

/// Example pictures: file name and what it shows.
pub const EXAMPLES: [(&str, &str); 6] = [
    ("horse", "A yellow car and a horse before mountains"),
    ("room", "A jumping person and a red umbrella in a room"),
    ("kitchen", "A person, cats and a guitar in a kitchen"),
    ("lake", "Three cars at a lake"),
    ("mountains", "A bicycle, a cake, a guitar and a palm"),
    ("forest", "Two people and a green car in a forest"),
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
    pub fn open_example(self, name: &'static str) {
        spawn_local(async move {
            let fetched = async {
                let response =
                    JsFuture::from(window().fetch_with_str(&format!("examples/{name}.webp")))
                        .await?;
                let response: Response = response.dyn_into()?;
                if !response.ok() {
                    return Err(JsValue::NULL);
                }
                JsFuture::from(response.blob()?).await?.dyn_into::<Blob>()
            };
            match fetched.await {
                Ok(blob) => self.open_blob(blob, format!("{name}.webp")),
                Err(_) => self.fault(
                    "The example could not be fetched. Check the connection and try again.".into(),
                ),
            }
        });
    }

    /// Has the engine draw a scene nobody has seen.
    pub fn generate(self) {
        let seed = (js_sys::Math::random() * f64::from(u32::MAX)) as u32;
        let request = Request::Generate { seed, side: SCENE_SIDE_PX };
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

/// What there is before any picture: the examples, and a place to drop one.
#[component]
pub fn Start() -> impl IntoView {
    let store = expect_context::<Store>();
    let examples = EXAMPLES.into_iter().map(|(name, words)| {
        view! {
            <li>
                <button type="button" class="example" aria-label=words title=words
                    on:click=move |_| store.open_example(name)>
                    <img src=format!("examples/{name}.webp") alt="" width="320" height="240"/>
                </button>
            </li>
        }
    });
    view! {
        <div class="start">
            <p class="slogan">"Point at a picture."<br/>"Ask."</p>
            <Sources/>
            <ul class="examples" aria-label="Examples">{examples.collect_view()}</ul>
        </div>
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
