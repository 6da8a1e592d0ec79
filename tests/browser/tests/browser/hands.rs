//! Three ways to use the page: a mouse, keys alone, one finger or two.

use crate::page::Page;
use refvlm_browser_tests::Screen;
use refvlm_browser_tests::input::{ARROWS, ENTER, SHIFT, TAB};
use serde_json::{from_value, json};
use std::cell::Cell;

/// The arrows move the crosshair by so much of the picture's longer side; with Shift by so many
/// times more.
const STEP_SHARE: f32 = 0.01;
const SHIFTED: i32 = 5;
/// Times that the way to an element is looked for anew.
const TRIES: usize = 40;

/// How a person draws and presses buttons.
pub trait Hand {
    fn screen(&self) -> Screen;

    /// Presses a button, or what else an element does when it is pressed.
    fn press(&self, page: &Page, css: &str);

    /// Takes a tool by its name.
    fn take(&self, page: &Page, tool: &str) {
        self.press(page, &format!(".rail [aria-label='{tool}']"));
    }

    /// Draws a line of the picture's px with the tool; of one place a click.
    fn draw(&self, page: &Page, line: &[[f32; 2]]);

    /// Points at an element without pressing it: at a phrase, or at a target in the list.
    fn point_at(&self, page: &Page, css: &str);

    /// Writes a question.
    fn write(&self, page: &Page, words: &str) {
        self.press(page, ".field textarea");
        page.browser.write(words);
    }

    /// Whether it can point without touching.
    fn hovers(&self) -> bool {
        false
    }

    /// How far from the wanted place a prompt may lie, px of the picture.
    fn slack(&self, page: &Page) -> f32 {
        1.5 / page.scale() + 0.5
    }
}

pub struct Mouse;

impl Hand for Mouse {
    fn screen(&self) -> Screen {
        Screen::Wide
    }

    fn press(&self, page: &Page, css: &str) {
        page.browser.draw("mouse", &[page.middle(css)]);
    }

    fn draw(&self, page: &Page, line: &[[f32; 2]]) {
        page.browser.draw("mouse", &page.spots(line));
    }

    fn point_at(&self, page: &Page, css: &str) {
        page.browser.hover(page.middle(css));
    }

    fn hovers(&self) -> bool {
        true
    }
}

pub struct Fingers;

impl Hand for Fingers {
    fn screen(&self) -> Screen {
        Screen::Phone
    }

    fn press(&self, page: &Page, css: &str) {
        page.browser.draw("touch", &[page.middle(css)]);
    }

    fn draw(&self, page: &Page, line: &[[f32; 2]]) {
        page.browser.draw("touch", &page.spots(line));
    }

    // Fingers do not hover: they touch.
    fn point_at(&self, page: &Page, css: &str) {
        self.press(page, css);
    }
}

/// Keys; the crosshair's place, px, while the canvas has the focus.
#[derive(Default)]
pub struct Keys(Cell<Option<[f32; 2]>>);

impl Keys {
    /// Goes on with Tab, or back with Shift, until an element has the focus.
    fn focus(&self, page: &Page, css: &str) {
        // How far it should be, so that the keys can be sent at once; where they lead is what counts.
        let script = "
            const all = [...document.querySelectorAll('button, select, textarea, input, summary, [tabindex]')];
            const open = all.filter((e) => e.tabIndex >= 0 && !e.disabled && e.checkVisibility());
            const from = open.indexOf(document.activeElement);
            const to = open.findIndex((e) => e.matches(args));
            return [document.activeElement.matches(args), from < 0 || to < 0 ? 1 : to - from];";
        for _ in 0..TRIES {
            let (there, steps): (bool, i32) =
                from_value(page.browser.get(script, json!(css))).unwrap();
            if there {
                return;
            }
            self.0.set(None);
            let step: &[&str] = if steps < 0 { &[SHIFT, TAB] } else { &[TAB] };
            // Half of the way, because buttons come and go with what has the focus.
            page.browser.keys(&step.repeat(steps.unsigned_abs().div_ceil(2) as usize));
        }
        panic!("{css} cannot be reached by Tab");
    }
}

impl Hand for Keys {
    fn screen(&self) -> Screen {
        Screen::Wide
    }

    fn press(&self, page: &Page, css: &str) {
        self.focus(page, css);
        // In the field for questions, Enter asks.
        if !css.contains("textarea") {
            page.browser.keys(&[ENTER]);
        }
    }

    fn take(&self, page: &Page, tool: &str) {
        let tools = ["Point", "Negative point", "Box", "Scribble", "Brush", "Eraser", "Move"];
        let number = tools.iter().position(|name| *name == tool).unwrap() + 1;
        self.focus(page, "canvas");
        page.browser.keys(&[&number.to_string()]);
    }

    fn draw(&self, page: &Page, line: &[[f32; 2]]) {
        self.focus(page, "canvas");
        let size = page.size().map(|side| side as f32);
        let step = size[0].max(size[1]) * STEP_SHARE;
        let mut at = self.0.get().unwrap_or(size.map(|side| side / 2.0));
        for (k, to) in line.iter().enumerate() {
            let mut keys = Vec::new();
            for axis in 0..2 {
                let steps = ((to[axis] - at[axis]) / step).round() as i32;
                // Left and up come first.
                let arrow = ARROWS[axis + if steps < 0 { 0 } else { 2 }];
                for _ in 0..steps.abs() / SHIFTED {
                    keys.extend([SHIFT, arrow]);
                }
                keys.extend(vec![arrow; (steps.abs() % SHIFTED) as usize]);
                at[axis] = (at[axis] + steps as f32 * step).clamp(0.0, size[axis]);
            }
            if k == 0 || k + 1 == line.len() {
                keys.push(ENTER);
            }
            page.browser.keys(&keys);
        }
        self.0.set(Some(at));
    }

    fn point_at(&self, page: &Page, css: &str) {
        self.focus(page, css);
    }

    fn slack(&self, page: &Page) -> f32 {
        let size = page.size();
        size[0].max(size[1]) as f32 * STEP_SHARE * 0.5 + 0.5
    }
}
