//! Pictures: decoded by the browser, kept as a canvas.

use crate::conversation::truth::Truth;
use crate::models::Kind;
use js_sys::{ArrayBuffer, Uint8ClampedArray};
use leptos::prelude::document;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, CanvasRenderingContext2d, HtmlCanvasElement, ImageBitmap, ImageData};

/// Longer sides are scaled down to this many px when a picture is opened: more than any model
/// here looks at, and masks of this size still fit a phone's memory.
const MOST_SIDE_PX: u32 = 2048;
/// Larger files are refused.
const MOST_BYTES: f64 = 256e6;

static SERIAL: AtomicU32 = AtomicU32::new(0);

/// Whom to thank for a photo that comes with the page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    /// Number of the photo at Flickr, where its author is named.
    pub flickr: &'static str,
}

/// A picture that is open.
#[derive(Clone)]
pub struct Picture {
    /// Of the file, without its ending.
    pub name: String,
    /// Of the file, as it is.
    pub file: String,
    /// Columns and rows; what every px on the page refers to.
    pub size: [u32; 2],
    pub canvas: HtmlCanvasElement,
    /// What a generated scene knows about itself.
    pub truth: Option<Arc<Truth>>,
    /// What took or drew it.
    pub kind: Kind,
    /// Whom to thank for it.
    pub credit: Option<Credit>,
    /// Different for every picture.
    pub serial: u32,
}

impl Picture {
    /// Decodes a file, upright; of an animation the first frame.
    ///
    /// # Errors
    /// A sentence for the person when the file is not a picture.
    pub async fn decode(blob: &Blob, name: &str) -> Result<Self, String> {
        if blob.size() == 0.0 {
            return Err(format!("{name} is empty. Open another file."));
        }
        if blob.size() > MOST_BYTES {
            return Err(format!("{name} is larger than 256 MB. Open a smaller copy."));
        }
        let no_picture = |_| {
            format!("{name} is not a picture this browser can read. Open a PNG, JPEG, WebP or GIF.")
        };
        let window = web_sys::window().ok_or("There is no window.")?;
        let promise = window.create_image_bitmap_with_blob(blob).map_err(no_picture)?;
        let bitmap: ImageBitmap =
            JsFuture::from(promise).await.map_err(no_picture)?.dyn_into().map_err(no_picture)?;
        let scale = f64::from(MOST_SIDE_PX) / f64::from(bitmap.width().max(bitmap.height()).max(1));
        let scaled = |side: u32| (f64::from(side) * scale.min(1.0)).round().max(1.0) as u32;
        let size = [scaled(bitmap.width()), scaled(bitmap.height())];
        let drawn = Self::draw(size, |context| {
            context.set_image_smoothing_enabled(true);
            context.draw_image_with_image_bitmap_and_dw_and_dh(
                &bitmap,
                0.0,
                0.0,
                f64::from(size[0]),
                f64::from(size[1]),
            )
        });
        bitmap.close();
        let canvas =
            drawn.map_err(|_| format!("{name} does not fit into memory. Open a smaller copy."))?;
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        Ok(Self { file: name.into(), ..Self::new(stem, size, canvas, None) })
    }

    /// A scene that the engine drew.
    ///
    /// # Errors
    /// A sentence for the person, when the bytes do not fit the size.
    pub fn scene(
        scene: &refvlm_protocol::Scene,
        rgba: Option<&ArrayBuffer>,
        depth: Option<&ArrayBuffer>,
    ) -> Result<Self, String> {
        let size = [scene.width, scene.height];
        let damaged = || "The engine sent a damaged scene. Try another.".to_string();
        let rgba = rgba.ok_or_else(damaged)?;
        let data = Uint8ClampedArray::new(rgba).to_vec();
        let data = ImageData::new_with_u8_clamped_array_and_sh(
            wasm_bindgen::Clamped(&data),
            size[0],
            size[1],
        )
        .map_err(|_| damaged())?;
        let canvas = Self::draw(size, |context| context.put_image_data(&data, 0.0, 0.0))
            .map_err(|_| damaged())?;
        let depth = depth.map(|depth| js_sys::Float32Array::new(depth).to_vec());
        let truth = Truth::new(&scene.record, depth.unwrap_or_default());
        Ok(Self::new(&format!("scene {}", scene.seed), size, canvas, Some(truth)))
    }

    fn new(name: &str, size: [u32; 2], canvas: HtmlCanvasElement, truth: Option<Truth>) -> Self {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let kind = if truth.is_some() { Kind::Scene } else { Kind::Photo };
        let truth = truth.map(Arc::new);
        let file = format!("{name}.png");
        Self { name: name.into(), file, size, canvas, truth, kind, credit: None, serial }
    }

    fn draw(
        size: [u32; 2],
        paint: impl FnOnce(&CanvasRenderingContext2d) -> Result<(), JsValue>,
    ) -> Result<HtmlCanvasElement, JsValue> {
        let canvas = blank(size)?;
        paint(&context(&canvas)?)?;
        Ok(canvas)
    }

    /// `width * height * 4` bytes for the engine.
    ///
    /// # Errors
    /// When the browser keeps the pixels back.
    pub fn rgba(&self) -> Result<ArrayBuffer, JsValue> {
        let [w, h] = self.size.map(f64::from);
        // Through a canvas of its own: one that is read more than once, as when another model is
        // loaded, would leave the graphics card, and draw slowly.
        let copy = context(&blank(self.size)?)?;
        copy.draw_image_with_html_canvas_element(&self.canvas, 0.0, 0.0)?;
        let data = copy.get_image_data(0.0, 0.0, w, h)?.data();
        Ok(Uint8ClampedArray::from(data.0.as_slice()).buffer())
    }
}

/// A canvas that is not on the page.
pub fn blank(size: [u32; 2]) -> Result<HtmlCanvasElement, JsValue> {
    let canvas: HtmlCanvasElement = document().create_element("canvas")?.unchecked_into();
    canvas.set_width(size[0]);
    canvas.set_height(size[1]);
    Ok(canvas)
}

/// What a canvas is drawn with.
pub fn context(canvas: &HtmlCanvasElement) -> Result<CanvasRenderingContext2d, JsValue> {
    let context = canvas.get_context("2d")?.ok_or_else(|| JsValue::from("no 2d context"))?;
    Ok(context.unchecked_into())
}
