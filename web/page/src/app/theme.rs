//! Light and dark: as the system says, unless the person says otherwise. Only that choice is
//! stored.

use super::icons::Icon;
use super::rail::IconButton;
use leptos::prelude::*;

const KEY: &str = "refvlm-theme";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Theme {
    Auto,
    Light,
    Dark,
}

impl Theme {
    fn name(self) -> &'static str {
        match self {
            Theme::Auto => "auto",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }
}

/// Goes through automatic, light and dark.
#[component]
pub fn Switch() -> impl IntoView {
    // Storage may be forbidden; the choice then lasts as long as the page.
    let storage = || window().local_storage().ok().flatten();
    let stored = storage().and_then(|storage| storage.get_item(KEY).ok().flatten());
    let theme = RwSignal::new(match stored.as_deref() {
        Some("light") => Theme::Light,
        Some("dark") => Theme::Dark,
        _ => Theme::Auto,
    });
    Effect::new(move |_| {
        let theme = theme.get();
        if let Some(root) = document().document_element() {
            let _ = root.set_attribute("data-theme", theme.name());
        }
        if let Some(storage) = storage() {
            let _ = match theme {
                Theme::Auto => storage.remove_item(KEY),
                _ => storage.set_item(KEY, theme.name()),
            };
        }
    });
    let icon = move || match theme.get() {
        Theme::Auto => Icon::Auto,
        Theme::Light => Icon::Sun,
        Theme::Dark => Icon::Moon,
    };
    let next = move || {
        theme.update(|theme| {
            *theme = match theme {
                Theme::Auto => Theme::Light,
                Theme::Light => Theme::Dark,
                Theme::Dark => Theme::Auto,
            }
        });
    };
    view! {
        <IconButton icon=Signal::derive(icon)
            name=Signal::derive(move || format!("Theme: {}", theme.get().name()))
            press=next/>
    }
}
