//! The page as a test sees it: what is on it, and where.

use refvlm_browser_tests::input::Spot;
use refvlm_browser_tests::{Browser, Screen, Server};
use refvlm_protocol::Ask;
use refvlm_record::Mask;
use serde_json::{from_value, json};
use std::cell::Cell;

/// Keeps what the page asks its worker, in `asked`.
const LISTEN: &str = "
    window.asked = [];
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (message, transfer) {
        if (message?.request?.type === 'ask') asked.push(message.request.ask);
        return post.call(this, message, transfer);
    };";

/// Has the model for drawn scenes answer whatever is opened: what it finds is known.
const SCENES: &str = "try { sessionStorage.setItem('refvlm-model', 'scenes'); } catch {}";

/// What is drawn where the picture lies on the canvas, `[height, width, 4]` of `args.size`, beside
/// where that is.
const LOOK: &str = "
    const canvas = document.querySelector('canvas.canvas');
    const look = async (rect, [width, height]) => {
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
        const copy = new OffscreenCanvas(width, height);
        const context = copy.getContext('2d', { willReadFrequently: true });
        context.drawImage(canvas, ...rect, 0, 0, width, height);
        return context.getImageData(0, 0, width, height).data;
    };
    const bounds = canvas.getBoundingClientRect();
    const ratio = canvas.width / bounds.width;";

/// A thing in the list of what was found.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
pub struct Row {
    pub number: String,
    pub concept: String,
    pub unit: String,
    pub lit: bool,
}

/// The page in a browser of its own.
pub struct Page {
    pub browser: Browser,
    /// Of the picture that is open: columns and rows.
    size: Cell<[u32; 2]>,
    /// Where its upper left corner lies in the window, and CSS px per px.
    view: Cell<([f32; 2], f32)>,
    /// Where the canvas was then: left, top, width, height.
    canvas: Cell<[f32; 4]>,
}

impl Page {
    /// Waits until the model is there.
    pub fn open(server: &Server, screen: Screen) -> Self {
        let page = Self::of(Browser::start(screen));
        page.browser.go(&server.url("index.html"));
        page.ready();
        page
    }

    /// Goes nowhere yet. The model for drawn scenes will answer.
    pub fn of(browser: Browser) -> Self {
        let page = Self::automatic(browser);
        page.scenes();
        page
    }

    /// Has the model for drawn scenes answer on every page of this tab.
    pub fn scenes(&self) {
        self.browser.before_each_page(SCENES);
    }

    /// Goes nowhere yet. The picture will decide which model answers.
    pub fn automatic(browser: Browser) -> Self {
        browser.before_each_page(LISTEN);
        Self {
            browser,
            size: Cell::new([1, 1]),
            view: Cell::new(([0.0; 2], 1.0)),
            canvas: Cell::default(),
        }
    }

    /// Waits until the model is there.
    pub fn ready(&self) {
        self.browser.until("document.querySelector('.engine .loaded .led:not(.off)')");
    }

    /// Chooses a file and does not wait.
    pub fn choose(&self, name: &str, bytes: &[u8]) {
        self.browser.choose("input[type=file]", name, bytes);
    }

    /// Opens a picture of that size.
    pub fn show(&self, name: &str, bytes: &[u8], size: [u32; 2]) {
        self.choose(name, bytes);
        let stem = name.split('.').next().unwrap();
        self.opened(stem, size);
    }

    /// Waits until the engine knows a picture of that name.
    pub fn opened(&self, stem: &str, size: [u32; 2]) {
        let label = format!("{stem}, {} by {} px", size[0], size[1]);
        self.browser.until(&format!(
            "document.querySelector('canvas.canvas').ariaLabel.startsWith({label:?})
             && document.querySelector('.stage').ariaBusy === 'false'
             && document.querySelector('.go')?.disabled === false"
        ));
        self.size.set(size);
        self.measure();
    }

    /// Finds out where the whole picture lies, which must be opaque. It moves when the layout does.
    pub fn measure(&self) {
        self.canvas.set(self.place());
        let script = format!(
            "{LOOK}
             const {{ width, height }} = canvas;
             const results = document.querySelector('.toggle[aria-pressed=true]:nth-last-child(2)');
             results?.click();
             const data = await look([0, 0, width, height], [width, height]);
             let [left, top, right, bottom] = [width, height, 0, 0];
             for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {{
                 if (data[4 * (y * width + x) + 3] < 128) continue;
                 [left, top] = [Math.min(left, x), Math.min(top, y)];
                 [right, bottom] = [Math.max(right, x + 1), Math.max(bottom, y + 1)];
             }}
             results?.click();
             return [bounds.x + left / ratio, bounds.y + top / ratio, (right - left) / ratio];"
        );
        let [x, y, width]: [f32; 3] = from_value(self.browser.get(&script, json!(null))).unwrap();
        self.view.set(([x, y], width / self.size.get()[0] as f32));
    }

    /// CSS px per px of the picture.
    pub fn scale(&self) -> f32 {
        self.view.get().1
    }

    /// Columns and rows of the picture.
    pub fn size(&self) -> [u32; 2] {
        self.size.get()
    }

    /// Where a px of the picture lies in the window, as it was last measured.
    pub fn spot(&self, [x, y]: [f32; 2]) -> Spot {
        let ([left, top], scale) = self.view.get();
        [left + x * scale, top + y * scale]
    }

    /// As [`Page::spot`], of several; measures anew where the layout has changed.
    pub fn spots(&self, line: &[[f32; 2]]) -> Vec<Spot> {
        self.follow();
        line.iter().map(|at| self.spot(*at)).collect()
    }

    /// Measures anew where the layout has changed.
    fn follow(&self) {
        if self.place() != self.canvas.get() {
            self.measure();
        }
    }

    /// Place and size of the canvas, once it keeps them.
    fn place(&self) -> [f32; 4] {
        let script = "
            const place = () => {
                const { x, y, width, height } = document.querySelector('canvas.canvas').getBoundingClientRect();
                return [x, y, width, height];
            };
            for (let before = null; ; ) {
                const now = place();
                if (String(before) === String(now)) return now;
                before = now;
                await new Promise((resolve) => setTimeout(resolve, 60));
            }";
        from_value(self.browser.get(script, json!(null))).unwrap()
    }

    /// The middle of an element in the window.
    pub fn middle(&self, css: &str) -> Spot {
        let script = "
            const element = document.querySelector(args);
            element.scrollIntoView({ block: 'nearest', inline: 'nearest' });
            const { x, y, width, height } = element.getBoundingClientRect();
            return [x + width / 2, y + height / 2];";
        from_value(self.browser.get(script, json!(css))).unwrap()
    }

    /// How much a switch over the picture changes each px, 0 to 255: what it shows.
    pub fn shown_by(&self, switch: &str) -> Vec<u8> {
        self.follow();
        let script = format!(
            "{LOOK}
             const [x, y] = [(args.at[0] - bounds.x) * ratio, (args.at[1] - bounds.y) * ratio];
             const rect = [x, y, args.size[0] * args.scale * ratio, args.size[1] * args.scale * ratio];
             const button = [...document.querySelectorAll('.toggle')].find((b) => b.textContent === args.name);
             const on = await look(rect, args.size);
             button.click();
             const off = await look(rect, args.size);
             button.click();
             return Array.from({{ length: on.length / 4 }}, (_, i) =>
                 Math.max(...[0, 1, 2].map((c) => Math.abs(on[4 * i + c] - off[4 * i + c]))));"
        );
        let (at, scale) = self.view.get();
        let args = json!({"name": switch, "size": self.size.get(), "at": at, "scale": scale});
        from_value(self.browser.get(&script, args)).unwrap()
    }

    /// The picture as it is on the screen, with everything on it: RGBA.
    pub fn seen(&self) -> Vec<u8> {
        let script = format!(
            "{LOOK}
             const [x, y] = [(args.at[0] - bounds.x) * ratio, (args.at[1] - bounds.y) * ratio];
             const rect = [x, y, args.size[0] * args.scale * ratio, args.size[1] * args.scale * ratio];
             return Array.from(await look(rect, args.size));"
        );
        let (at, scale) = self.view.get();
        let args = json!({"size": self.size.get(), "at": at, "scale": scale});
        from_value(self.browser.get(&script, args)).unwrap()
    }

    /// Kinds of the prompts on the picture, in order.
    pub fn prompts(&self) -> Vec<String> {
        let script = "return [...document.querySelectorAll('.prompt .name > span:nth-child(3)')].map((e) => e.textContent);";
        from_value(self.browser.get(script, json!(null))).unwrap()
    }

    /// Waits for these prompts.
    pub fn expect_prompts(&self, kinds: &[&str]) {
        let list = "[...document.querySelectorAll('.prompt .name > span:nth-child(3)')].map((e) => e.textContent)";
        self.browser.until(&format!("{list}.join() === {:?}", kinds.join(",")));
    }

    /// Waits for the end of answer number `turn`, from 1; it is the last.
    pub fn answered(&self, turn: usize) {
        self.browser.until(&format!(
            "document.querySelectorAll('.turn').length === {turn}
             && document.querySelector('.turn:last-child .answer').ariaBusy === 'false'
             && document.querySelector('.turn:last-child .state').textContent"
        ));
    }

    /// A text of the last turn.
    pub fn last(&self, css: &str) -> String {
        let script =
            "return document.querySelector('.turn:last-child ' + args)?.textContent ?? '';";
        self.browser.get(script, json!(css)).as_str().unwrap().to_string()
    }

    /// What the last answer found.
    pub fn rows(&self) -> Vec<Row> {
        let script = "
            return [...document.querySelectorAll('.turn:last-child .result')].map((row) => ({
                number: row.querySelector('.number').textContent,
                concept: row.querySelector('.concept').textContent,
                unit: row.querySelector('.unit').textContent,
                lit: row.classList.contains('lit'),
            }));";
        from_value(self.browser.get(script, json!(null))).unwrap()
    }

    /// Numbers of the phrases of the last answer that are highlighted.
    pub fn lit_phrases(&self) -> Vec<String> {
        let script = "return [...document.querySelectorAll('.turn:last-child .phrase.lit .number')].map((e) => e.textContent);";
        from_value(self.browser.get(script, json!(null))).unwrap()
    }

    /// Everything that was asked, live mode's questions too.
    pub fn asked(&self) -> Vec<Ask> {
        from_value(self.browser.get("return asked;", json!(null))).unwrap()
    }

    /// What the page tells in its corner.
    pub fn notice(&self) -> String {
        self.browser.until("document.querySelector('.notice')");
        let text = self
            .browser
            .get("return document.querySelector('.notice span').textContent;", json!(null));
        text.as_str().unwrap().to_string()
    }
}

/// Holds what a switch shows against a mask: more than half of the mask is coloured, where prompts do not
/// hide it, and little beyond
/// its surroundings, where lines and labels are.
pub fn covers(what: &str, shown: &[u8], mask: &Mask) {
    let inside: Vec<bool> = mask.pixels.iter().map(|p| *p != 0).collect();
    let coloured = |px: &u8| *px > 8;
    let hit = shown.iter().zip(&inside).filter(|(px, inside)| **inside && coloured(px)).count();
    let share = hit as f32 / mask.area().max(1) as f32;
    assert!(share > 0.6, "{what}: {share} of the mask is coloured");
    let [x, y, w, h] = mask.bounds().unwrap().map(|v| v as i64);
    let far = |at: usize| {
        let (px, py) = (at as i64 % i64::from(mask.width), at as i64 / i64::from(mask.width));
        px < x - 60 || py < y - 60 || px > x + w + 60 || py > y + h + 60
    };
    let stray = shown.iter().enumerate().filter(|(at, px)| far(*at) && coloured(px)).count();
    let share = stray as f32 / shown.len() as f32;
    assert!(share < 0.01, "{what}: {share} of the picture is coloured far from the mask");
}
