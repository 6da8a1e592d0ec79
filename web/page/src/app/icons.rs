//! The page's icons: lines on a grid of 20, drawn for it.

use leptos::prelude::*;

/// What an icon shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    Move,
    Point,
    Negative,
    Box,
    Scribble,
    Brush,
    Eraser,
    Undo,
    Redo,
    Clear,
    Close,
    Open,
    Camera,
    Dice,
    Send,
    Stop,
    Sliders,
    Plus,
    Minus,
    Fit,
    Live,
    Eye,
    Truth,
    Copy,
    Download,
    Retry,
    Sun,
    Moon,
    Auto,
    Words,
    Mask,
    Extents,
    Skeleton,
    Depth,
    Chevron,
    Help,
}

impl Icon {
    fn lines(self) -> &'static str {
        match self {
            Icon::Move => r#"<path d="M5 3.5 15.5 9l-4.6 1.5L9 15z"/>"#,
            Icon::Point => r#"<circle cx="10" cy="10" r="6.5"/><path d="M10 7.2v5.6M7.2 10h5.6"/>"#,
            Icon::Negative => r#"<circle cx="10" cy="10" r="6.5"/><path d="M7.2 10h5.6"/>"#,
            Icon::Box => {
                r#"<rect x="4" y="5" width="12" height="10" rx="1" stroke-dasharray="3 2"/>"#
            }
            Icon::Scribble => r#"<path d="M3 13c2-7 5-8 5.5-5.5S7 14 9.5 14s3-6 5-6 .5 4 2.5 4"/>"#,
            Icon::Brush => {
                r#"<path d="m16.5 3.5-7 7.5"/><path d="M9.3 10.2a2.6 2.6 0 0 1 .6 3.6c-1 1.6-3.4 2.3-6.4 2.2 1.3-.9 1.3-2 1.6-3.2a2.7 2.7 0 0 1 4.2-2.6z"/>"#
            }
            Icon::Eraser => {
                r#"<path d="m11 4.5 4.5 4.5-6 6.5H7L4.5 13z"/><path d="m7.5 8.5 4.5 4.5M9 15.5h7"/>"#
            }
            Icon::Undo => r#"<path d="M4 8h8a4 4 0 0 1 0 8H8"/><path d="M7 4.5 3.5 8 7 11.5"/>"#,
            Icon::Redo => {
                r#"<path d="M16 8H8a4 4 0 0 0 0 8h4"/><path d="M13 4.5 16.5 8 13 11.5"/>"#
            }
            Icon::Clear => {
                r#"<path d="M4 6h12M8 6V4h4v2M5.5 6l.8 10h7.4l.8-10M8.5 9v4.5M11.5 9v4.5"/>"#
            }
            Icon::Close => r#"<path d="m5.5 5.5 9 9M14.5 5.5l-9 9"/>"#,
            Icon::Open => {
                r#"<rect x="3" y="4" width="14" height="12" rx="2"/><circle cx="7.5" cy="8.2" r="1.2"/><path d="m3.5 14.5 4-3.5 2.5 2 3.5-4 3.5 4"/>"#
            }
            Icon::Camera => {
                r#"<path d="M3 7.5A1.5 1.5 0 0 1 4.5 6H7l1.2-2h3.6L13 6h2.5A1.5 1.5 0 0 1 17 7.5v7a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 3 14.5z"/><circle cx="10" cy="10.8" r="2.8"/>"#
            }
            Icon::Dice => {
                r#"<rect x="3.5" y="3.5" width="13" height="13" rx="3"/><path d="M7 7h.01M13 7h.01M10 10h.01M7 13h.01M13 13h.01" stroke-width="2.2"/>"#
            }
            Icon::Send => r#"<path d="M10 16V4.5M5 9.5l5-5 5 5"/>"#,
            Icon::Stop => {
                r#"<rect x="5.5" y="5.5" width="9" height="9" rx="1.5" fill="currentColor"/>"#
            }
            Icon::Sliders => {
                r#"<path d="M3 6h7M14 6h3M3 14h3M10 14h7"/><circle cx="12" cy="6" r="2"/><circle cx="8" cy="14" r="2"/>"#
            }
            Icon::Plus => r#"<path d="M10 4.5v11M4.5 10h11"/>"#,
            Icon::Minus => r#"<path d="M4.5 10h11"/>"#,
            Icon::Fit => r#"<path d="M3.5 7.5v-4h4M16.5 7.5v-4h-4M3.5 12.5v4h4M16.5 12.5v4h-4"/>"#,
            Icon::Live => r#"<path d="M11 3 4.5 11.5H9L8.5 17l7-9H11z"/>"#,
            Icon::Eye => {
                r#"<path d="M2.5 10S5 5 10 5s7.5 5 7.5 5-2.5 5-7.5 5-7.5-5-7.5-5z"/><circle cx="10" cy="10" r="2.2"/>"#
            }
            Icon::Truth => {
                r#"<path d="M10 2.8 15.8 5v4.5c0 3.6-2.3 6.3-5.8 7.7-3.5-1.4-5.8-4.1-5.8-7.7V5z"/><path d="m7.3 9.8 2 2 3.4-3.6"/>"#
            }
            Icon::Copy => {
                r#"<rect x="7" y="7" width="9.5" height="9.5" rx="1.5"/><path d="M13 4.5v-.2A1.3 1.3 0 0 0 11.7 3H4.8A1.3 1.3 0 0 0 3.5 4.3v6.9a1.3 1.3 0 0 0 1.3 1.3H5"/>"#
            }
            Icon::Download => r#"<path d="M10 3.5v9M6 9l4 4 4-4M4 16.5h12"/>"#,
            Icon::Retry => r#"<path d="M16 10a6 6 0 1 1-1.8-4.3"/><path d="M16.2 2.8v3.7h-3.7"/>"#,
            Icon::Sun => {
                r#"<circle cx="10" cy="10" r="3.3"/><path d="M10 2.5v1.8M10 15.7v1.8M2.5 10h1.8M15.7 10h1.8M4.7 4.7 6 6M14 14l1.3 1.3M4.7 15.3 6 14M14 6l1.3-1.3"/>"#
            }
            Icon::Moon => r#"<path d="M16.3 11.8A6.8 6.8 0 0 1 8.2 3.7a6.8 6.8 0 1 0 8.1 8.1z"/>"#,
            Icon::Auto => {
                r#"<circle cx="10" cy="10" r="6.8"/><path d="M10 3.2a6.8 6.8 0 0 1 0 13.6z" fill="currentColor"/>"#
            }
            Icon::Words => r#"<path d="M4 6h12M4 10h12M4 14h7"/>"#,
            Icon::Mask => {
                r#"<path d="M4 12c-1-4 2-8 6.5-8S17 8 16 11.5 13 16 10 15.5 4.8 15 4 12z" fill="currentColor" fill-opacity=".25"/>"#
            }
            Icon::Extents => {
                r#"<circle cx="10" cy="10" r="1.6" fill="currentColor"/><circle cx="10" cy="10" r="4.2"/><circle cx="10" cy="10" r="7" stroke-dasharray="2.6 2"/>"#
            }
            Icon::Skeleton => {
                r#"<circle cx="10" cy="4.5" r="1.8"/><path d="M10 6.5V12M5.5 9h9M10 12l-3 5M10 12l3 5"/>"#
            }
            Icon::Depth => {
                r#"<rect x="3.5" y="4.5" width="13" height="11" rx="1.5"/><path d="M3.5 12.5h13M3.5 9.5h13M3.5 7.2h13"/>"#
            }
            Icon::Help => {
                r#"<path d="M7.3 7.6a2.7 2.7 0 1 1 4.1 2.3c-.9.6-1.4 1.1-1.4 2.1"/><path d="M10 14.8v.1"/>"#
            }
            Icon::Chevron => r#"<path d="m6 8 4 4 4-4"/>"#,
        }
    }
}

/// Draws an icon. The control that holds it says what it means.
#[component]
pub fn Glyph(
    /// The icon.
    #[prop(into)]
    icon: Signal<Icon>,
) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 20 20" aria-hidden="true" inner_html=move || icon.get().lines()></svg>
    }
}
