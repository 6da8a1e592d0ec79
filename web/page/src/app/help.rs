//! What the tools and keys do, on a sheet of its own.

use super::store::Store;
use leptos::html;
use leptos::prelude::*;

/// What is done, by which tool or key, in the order of a first visit.
const TOOLS: [(&str, &str); 7] = [
    ("Point", "Click a thing: its outline appears. Then ask about it, or take the outline home."),
    ("Negative point", "Click what does not belong to it; a right click does the same."),
    ("Box", "Drag from corner to corner, or click both."),
    ("Scribble", "Draw a line over the thing."),
    ("Brush", "Paint the thing; while it is selected, paint more of it."),
    ("Eraser", "Take away from what was painted."),
    ("Move", "Select, move and resize."),
];
const KEYS: [(&str, &str); 8] = [
    ("1 to 7", "Tools"),
    ("Enter", "Ask; Shift+Enter starts a new line"),
    ("Esc", "Cancel, or stop an answer"),
    ("Ctrl+Z, Ctrl+Shift+Z", "Undo, redo"),
    ("Del", "Delete the selected prompt"),
    ("[ and ]", "Size of brush and eraser"),
    ("+, - and 0", "Zoom; Space and drag moves the picture"),
    ("Tab, arrows, Enter", "Point without a mouse"),
];

/// The sheet, while it is open.
#[component]
pub fn Help() -> impl IntoView {
    let store = expect_context::<Store>();
    view! {
        <Show when=move || store.link.help.get()>
            <Sheet/>
        </Show>
    }
}

#[component]
fn Sheet() -> impl IntoView {
    let store = expect_context::<Store>();
    let dialog = NodeRef::<html::Dialog>::new();
    Effect::new(move |_| {
        if let Some(dialog) = dialog.get()
            && !dialog.open()
        {
            let _ = dialog.show_modal();
        }
    });
    let close = move || store.link.help.set(false);
    view! {
        <dialog node_ref=dialog class="camera help" aria-label="Help" on:close=move |_| close()>
            <p>
                "Click a thing in the picture, or write what you look for. Words decide the kind \
                 of answer: “where” gives a box, “segment” a mask, “how many” a sentence. \
                 Everything is computed in this tab; nothing is sent anywhere."
            </p>
            <h2>"Tools"</h2>
            {list(&TOOLS)}
            <h2>"Keys"</h2>
            {list(&KEYS)}
            <div class="row">
                <button type="button" class="button primary" on:click=move |_| close()>"Close"</button>
            </div>
        </dialog>
    }
}

fn list(rows: &'static [(&'static str, &'static str)]) -> impl IntoView {
    let rows = rows.iter().map(|(what, does)| view! { <dt>{*what}</dt><dd>{*does}</dd> });
    view! { <dl>{rows.collect_view()}</dl> }
}
