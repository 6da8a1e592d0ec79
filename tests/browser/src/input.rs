//! What hands do: WebDriver's actions. Places are CSS px of the window.

use crate::Browser;
use serde_json::{Value, json};

/// A place in the window, CSS px.
pub type Spot = [f32; 2];

/// Keys without a letter, by their codes in WebDriver.
pub const TAB: &str = "\u{e004}";
/// Enter.
pub const ENTER: &str = "\u{e007}";
/// Held down with the key that follows.
pub const SHIFT: &str = "\u{e008}";
/// Held down with the key that follows.
pub const CONTROL: &str = "\u{e009}";
/// Escape.
pub const ESCAPE: &str = "\u{e00c}";
/// The space bar.
pub const SPACE: &str = " ";
/// Left, up, right, down.
pub const ARROWS: [&str; 4] = ["\u{e012}", "\u{e013}", "\u{e014}", "\u{e015}"];
/// Delete.
pub const DELETE: &str = "\u{e017}";

/// How long a pointer takes from one place to the next, ms.
const STEP_MS: u32 = 8;

impl Browser {
    /// The mouse goes to a place without a button.
    pub fn hover(&self, at: Spot) {
        self.act(json!([pointer("mouse", 0, vec![go(at, 0)])]));
    }

    /// Presses at the first place, goes along the line, releases at its end. A line of one place is
    /// a click.
    pub fn draw(&self, with: &str, line: &[Spot]) {
        let mut steps = stroke(line, 0);
        if with == "touch" {
            // A finger stays for a moment, and Chromium takes what follows at once for a part of it.
            steps.insert(2, json!({"type": "pause", "duration": 40}));
            steps.push(json!({"type": "pause", "duration": 350}));
        }
        self.act(json!([pointer(with, 0, steps)]));
    }

    /// A click with the right button.
    pub fn right_click(&self, at: Spot) {
        self.act(json!([pointer("mouse", 0, stroke(&[at], 2))]));
    }

    /// The mouse presses and goes along a line without releasing.
    pub fn hold(&self, line: &[Spot]) {
        let mut steps = stroke(line, 0);
        steps.pop();
        self.act(json!([pointer("mouse", 0, steps)]));
    }

    /// The mouse releases where it is.
    pub fn release(&self) {
        self.act(json!([pointer("mouse", 0, vec![json!({"type": "pointerUp", "button": 0})])]));
    }

    /// Two fingers go along their lines, which have the same number of places.
    pub fn pinch(&self, one: &[Spot], other: &[Spot]) {
        let fingers = [pointer("touch", 1, stroke(one, 0)), pointer("touch", 2, stroke(other, 0))];
        self.act(json!(fingers));
    }

    /// Presses keys one after the other; [`SHIFT`] and [`CONTROL`] are held for the key behind
    /// them.
    pub fn keys(&self, keys: &[&str]) {
        let mut steps = Vec::new();
        let mut held = Vec::new();
        let event = |down: bool, key: &str| json!({"type": if down { "keyDown" } else { "keyUp" }, "value": key});
        for key in keys {
            steps.push(event(true, key));
            if [SHIFT, CONTROL].contains(key) {
                held.push(*key);
                continue;
            }
            steps.push(event(false, key));
            steps.extend(held.drain(..).map(|key| event(false, key)));
        }
        self.act(json!([{"type": "key", "id": "keyboard", "actions": steps}]));
    }

    /// Types words.
    pub fn write(&self, words: &str) {
        let letters: Vec<String> = words.chars().map(String::from).collect();
        self.keys(&letters.iter().map(String::as_str).collect::<Vec<_>>());
    }

    fn act(&self, sources: Value) {
        self.command("actions", json!({"actions": sources}));
    }
}

fn pointer(kind: &str, id: usize, steps: Vec<Value>) -> Value {
    json!({"type": "pointer", "id": format!("{kind}-{id}"), "parameters": {"pointerType": kind}, "actions": steps})
}

fn go([x, y]: Spot, duration: u32) -> Value {
    let [x, y] = [x, y].map(|v| v.round() as i64);
    json!({"type": "pointerMove", "x": x, "y": y, "duration": duration, "origin": "viewport"})
}

fn stroke(line: &[Spot], button: u32) -> Vec<Value> {
    let mut steps = vec![go(line[0], 0), json!({"type": "pointerDown", "button": button})];
    steps.extend(line[1..].iter().map(|at| go(*at, STEP_MS)));
    steps.push(json!({"type": "pointerUp", "button": button}));
    steps
}
