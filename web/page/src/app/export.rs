//! What is taken home: copies and downloads.

use super::client::lends;
use super::layers::Layers;
use super::paint::sight;
use super::picture::{blank, context};
use super::store::Store;
use crate::canvas::geometry::View;
use crate::take_home::archive::{ArchiveError, cutout_png, file_name, mask_png, zip};
use crate::take_home::coco::Coco;
use crate::take_home::transcript::{Turn, markdown};
use js_sys::{Array, Uint8Array};
use leptos::prelude::*;
use refvlm_record::Mask;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Blob, BlobPropertyBag, ClipboardItem, HtmlAnchorElement, HtmlCanvasElement, Url};

/// Small pictures are enlarged to this longer side, so that labels can be read on them.
const LEAST_SIDE_PX: f32 = 1024.0;

impl Store {
    /// Saves the picture with everything drawn on it.
    pub fn save_picture(self) {
        let name = format!("{}-annotated.png", self.stem());
        self.with_annotated(move |blob| save(&blob, &name));
    }

    /// Puts the picture with everything drawn on it on the clipboard.
    pub fn copy_picture(self) {
        if !lends("clipboard") {
            return self.no_clipboard();
        }
        self.with_annotated(move |blob| {
            let parts = js_sys::Object::new();
            let _ = js_sys::Reflect::set(&parts, &"image/png".into(), &blob);
            let Ok(item) = ClipboardItem::new_with_record_from_str_to_blob_promise(&parts) else {
                return self.fault("This browser can't copy pictures. Download it instead.".into());
            };
            let promise = window().navigator().clipboard().write(&Array::of1(&item));
            self.tell(promise, "Picture copied");
        });
    }

    /// Saves the masks of a turn: one PNG, or a ZIP of several.
    pub fn save_masks(self, turn: &Turn) {
        self.save_each_mask(turn, "masks", mask_png);
    }

    /// Saves what the masks of a turn cover, cut out of the picture: one PNG, or a ZIP of several.
    pub fn save_cutouts(self, turn: &Turn) {
        let Some(picture) = self.canvas.picture.get_untracked() else { return };
        let Ok(rgba) = picture.rgba() else {
            return self.fault("The picture's pixels can't be read.".into());
        };
        let rgba = Uint8Array::new(&rgba).to_vec();
        self.save_each_mask(turn, "cutouts", |mask| cutout_png(mask, &rgba));
    }

    fn save_each_mask(
        self,
        turn: &Turn,
        what: &str,
        png: impl Fn(&Mask) -> Result<Vec<u8>, ArchiveError>,
    ) {
        let mut files = Vec::new();
        for (number, triplet) in turn.answer.said.triplets.iter().enumerate() {
            for (index, found) in triplet.found.iter().enumerate() {
                let Some(mask) = &found.mask else { continue };
                let name = format!("{}-{}-{index}.png", number + 1, file_name(&triplet.concept));
                match png(mask) {
                    Ok(png) => files.push((name, png)),
                    Err(e) => return self.fault(format!("{e}.")),
                }
            }
        }
        let stem = self.stem();
        match files.as_slice() {
            [] => {}
            [(name, png)] => {
                self.save_bytes(png, "image/png", &format!("{stem}-{what}-{name}"));
            }
            _ => match zip(&files) {
                Ok(zip) => self.save_bytes(&zip, "application/zip", &format!("{stem}-{what}.zip")),
                Err(e) => self.fault(format!("{e}.")),
            },
        }
    }

    /// Saves a turn as COCO JSON.
    pub fn save_coco(self, turn: &Turn) {
        if let Some(json) = self.coco(turn) {
            self.save_bytes(
                json.as_bytes(),
                "application/json",
                &format!("{}-coco.json", self.stem()),
            );
        }
    }

    /// Whether a turn has something that COCO can say.
    pub fn has_coco(self, turn: &Turn) -> bool {
        turn.answer.said.triplets.iter().flat_map(|t| &t.found).any(|found| found.bbox().is_some())
    }

    fn coco(self, turn: &Turn) -> Option<String> {
        let (name, size) =
            self.canvas.picture.with_untracked(|p| p.as_ref().map(|p| (p.file.clone(), p.size)))?;
        serde_json::to_string_pretty(&Coco::new(&turn.answer, &name, size)).ok()
    }

    /// Saves the whole conversation.
    pub fn save_transcript(self) {
        if let Some(text) = self.transcript() {
            self.save_bytes(text.as_bytes(), "text/markdown", &format!("{}.md", self.stem()));
        }
    }

    fn transcript(self) -> Option<String> {
        let (name, size) =
            self.canvas.picture.with_untracked(|p| p.as_ref().map(|p| (p.file.clone(), p.size)))?;
        Some(self.talk.turns.with_untracked(|turns| markdown(turns, &name, size)))
    }

    /// Copies words.
    pub fn copy_text(self, text: &str) {
        if !lends("clipboard") {
            return self.no_clipboard();
        }
        self.tell(window().navigator().clipboard().write_text(text), "Copied");
    }

    fn no_clipboard(self) {
        self.fault("The browser does not let this page copy. Download it instead.".into());
    }

    fn tell(self, promise: js_sys::Promise, done: &'static str) {
        spawn_local(async move {
            match JsFuture::from(promise).await {
                Ok(_) => self.news(done),
                Err(_) => self
                    .fault("The browser does not let this page copy. Download it instead.".into()),
            }
        });
    }

    fn stem(self) -> String {
        self.canvas
            .picture
            .with_untracked(|p| p.as_ref().map_or(String::new(), |p| file_name(&p.name)))
    }

    fn save_bytes(self, bytes: &[u8], kind: &str, name: &str) {
        let options = BlobPropertyBag::new();
        options.set_type(kind);
        let parts = Array::of1(&Uint8Array::from(bytes));
        match Blob::new_with_u8_array_sequence_and_options(&parts, &options) {
            Ok(blob) => save(&blob, name),
            Err(_) => self.fault(format!("{name} could not be saved.")),
        }
    }

    fn with_annotated(self, then: impl FnOnce(Blob) + 'static) {
        let drawn = self.annotated();
        let fault = move || self.fault("The picture could not be drawn for saving.".into());
        let Some(Ok(canvas)) = drawn else { return fault() };
        let then = Closure::once_into_js(move |blob: JsValue| match blob.dyn_into::<Blob>() {
            Ok(blob) => then(blob),
            Err(_) => fault(),
        });
        if canvas.to_blob(then.unchecked_ref()).is_err() {
            fault();
        }
    }

    fn annotated(self) -> Option<Result<HtmlCanvasElement, JsValue>> {
        let size = self.canvas.picture.with_untracked(|p| p.as_ref().map(|p| p.size))?;
        let longer = size[0].max(size[1]) as f32;
        let scale = (LEAST_SIDE_PX / longer).max(1.0);
        let canvas_px = size.map(|side| (side as f32 * scale).round());
        let draw = || {
            let canvas = blank(canvas_px.map(|side| side as u32))?;
            let c = context(&canvas)?;
            let view = View { scale, shift: [0.0; 2] };
            let focus = self.talk.focus.get_untracked();
            self.talk.focus.set(None);
            self.with_sight(canvas_px, view, true, |see| sight(&c, &mut Layers::default(), see));
            self.talk.focus.set(focus);
            Ok(canvas)
        };
        Some(draw())
    }
}

/// Hands a file to the browser's downloads.
fn save(blob: &Blob, name: &str) {
    let Ok(url) = Url::create_object_url_with_blob(blob) else { return };
    if let Ok(anchor) = document().create_element("a") {
        let anchor: HtmlAnchorElement = anchor.unchecked_into();
        anchor.set_href(&url);
        anchor.set_download(name);
        anchor.click();
    }
    // The download has its own hold on the bytes by then.
    set_timeout(
        move || {
            let _ = Url::revoke_object_url(&url);
        },
        std::time::Duration::from_secs(60),
    );
}
