//! What pointer and keys do to the marks.
//!
//! Every gesture works on a copy of the board as it was when the gesture began: each movement
//! gives a whole new board to show, the last one is kept.

use crate::canvas::geometry::{Place, distance, inside, rectangle};
use crate::canvas::marks::{Board, Mark, Stroke};
use std::sync::Arc;

/// A tool of the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tool {
    /// Selects, moves and resizes marks.
    Move,
    /// A click starts a prompt.
    #[default]
    Point,
    /// A click cuts a disc out of a prompt.
    Negative,
    /// A drag, or two clicks, start a prompt.
    Box,
    /// A free line starts a prompt.
    Scribble,
    /// Paints a prompt.
    Brush,
    /// Takes away from a prompt.
    Eraser,
}

impl Tool {
    /// All, in the order of their number keys.
    pub const ALL: [Tool; 7] = [
        Tool::Point,
        Tool::Negative,
        Tool::Box,
        Tool::Scribble,
        Tool::Brush,
        Tool::Eraser,
        Tool::Move,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Move => "Move",
            Tool::Point => "Point",
            Tool::Negative => "Negative point",
            Tool::Box => "Box",
            Tool::Scribble => "Scribble",
            Tool::Brush => "Brush",
            Tool::Eraser => "Eraser",
        }
    }

    /// Whether the radius of the brush matters to it.
    pub fn sized(self) -> bool {
        matches!(self, Tool::Brush | Tool::Eraser | Tool::Negative)
    }
}

/// What comes from a pointer or from keys; places are px of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Input {
    /// Pressed.
    Down(Place),
    /// Moved, pressed or not.
    Move(Place),
    /// Released.
    Up(Place),
    /// Given up.
    Cancel,
}

/// What a gesture needs to know of the canvas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    /// The tool; a right click makes it [`Tool::Negative`].
    pub tool: Tool,
    /// Of brush, eraser and negative point, px.
    pub radius: f32,
    /// How close counts as a hit, px of the picture.
    pub reach: f32,
    /// Columns and rows.
    pub picture_px: [u32; 2],
}

/// What an input leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Nothing changes.
    Nothing,
    /// The board to show for now.
    Preview(Board),
    /// The board to keep.
    Keep(Board),
    /// The gesture was given up: the board as it was.
    Back(Board),
}

#[derive(Debug, Clone, PartialEq)]
enum Action {
    /// Dragging a mark.
    Drag { id: u32, from: Place },
    /// Dragging a corner of a box; the opposite one stays.
    Resize { id: u32, fixed: Place },
    /// Drawing a box; `open` between the two clicks.
    Box { from: Place, open: bool },
    /// Drawing a line; strokes start with its first point.
    Line { points: Vec<Place> },
    /// A click that counts when released.
    Click,
}

/// A gesture under way, if there is one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gesture(Option<(Action, Board)>);

impl Gesture {
    /// Whether one is under way.
    pub fn active(&self) -> bool {
        self.0.is_some()
    }

    /// Takes an input.
    pub fn take(&mut self, input: Input, board: &Board, setting: Setting) -> Outcome {
        let bound = |at| inside(at, setting.picture_px);
        match (input, self.0.take()) {
            (Input::Cancel, Some((_, before))) => Outcome::Back(before),
            (Input::Down(at), Some((Action::Box { from, open: true }, before))) => {
                let action = Action::Box { from, open: false };
                let shown = act(&action, &before, bound(at), setting);
                self.0 = Some((action, before));
                shown.map_or(Outcome::Nothing, Outcome::Preview)
            }
            (Input::Down(at), None) => {
                let at = bound(at);
                let Some(action) = begin(board, at, setting) else { return Outcome::Nothing };
                let shown = act(&action, board, at, setting);
                self.0 = Some((action, board.clone()));
                shown.map_or(Outcome::Nothing, Outcome::Preview)
            }
            (Input::Move(at), Some((mut action, before))) => {
                let at = bound(at);
                if let Action::Line { points } = &mut action
                    && points.last().is_none_or(|last| distance(*last, at) >= setting.reach * 0.1)
                {
                    points.push(at);
                }
                let shown = act(&action, &before, at, setting);
                self.0 = Some((action, before));
                shown.map_or(Outcome::Nothing, Outcome::Preview)
            }
            (Input::Up(at), Some((action, before))) => {
                let at = bound(at);
                if let Action::Box { from, open: false } = action
                    && distance(from, at) < setting.reach * 0.4
                {
                    // Too short for a drag: the first of two clicks.
                    self.0 = Some((Action::Box { from, open: true }, before));
                    return Outcome::Nothing;
                }
                match act(&action, &before, at, setting) {
                    Some(board) => Outcome::Keep(board),
                    None => Outcome::Back(before),
                }
            }
            (_, under_way) => {
                self.0 = under_way;
                Outcome::Nothing
            }
        }
    }
}

/// What pressing at a place starts.
fn begin(board: &Board, at: Place, setting: Setting) -> Option<Action> {
    if setting.tool == Tool::Move
        && let Some(Mark { id, strokes }) = board.chosen()
        && let [Stroke::Box(rect)] = strokes.as_slice()
        && let Some(fixed) = opposite_corner(*rect, at, setting.reach)
    {
        return Some(Action::Resize { id: *id, fixed });
    }
    let held = match setting.tool {
        Tool::Move => board.nearest(at, setting.reach, setting.picture_px),
        // A press on the number of a prompt moves it whatever the tool, so that it can be dragged
        // without changing tools.
        Tool::Point | Tool::Box => board
            .marks
            .iter()
            .rev()
            .find(|mark| distance(mark.badge(setting.picture_px), at) <= setting.reach)
            .map(|mark| mark.id),
        _ => None,
    };
    if let Some(id) = held {
        return Some(Action::Drag { id, from: at });
    }
    match setting.tool {
        Tool::Move => board.selected.map(|_| Action::Click),
        Tool::Point => Some(Action::Click),
        Tool::Negative => target(board, at, setting).map(|_| Action::Click),
        Tool::Box => Some(Action::Box { from: at, open: false }),
        Tool::Scribble | Tool::Brush => Some(Action::Line { points: vec![at] }),
        Tool::Eraser => target(board, at, setting).map(|_| Action::Line { points: vec![at] }),
    }
}

/// The corner opposite to the one within reach.
fn opposite_corner([x, y, w, h]: [f32; 4], at: Place, reach: f32) -> Option<Place> {
    let corners = [[x, y], [x + w, y], [x + w, y + h], [x, y + h]];
    let hit = (0..4).find(|k| distance(corners[*k], at) <= reach)?;
    Some(corners[(hit + 2) % 4])
}

/// The mark that is cut: the one under the place, else the selected one.
fn target(board: &Board, at: Place, setting: Setting) -> Option<u32> {
    let chosen = board.chosen().filter(|mark| mark.off(at, setting.picture_px) <= setting.radius);
    let under = || board.nearest(at, setting.radius, setting.picture_px);
    chosen
        .map(|mark| mark.id)
        .or_else(under)
        .or(board.selected)
        .filter(|id| board.get(*id).is_some())
}

/// The board after the action reached a place; none when nothing comes of it.
fn act(action: &Action, before: &Board, at: Place, setting: Setting) -> Option<Board> {
    let mut board = before.clone();
    match action {
        Action::Drag { id, from } => {
            let by = [at[0] - from[0], at[1] - from[1]];
            let moved = before.get(*id)?.moved(by, setting.picture_px);
            *board.get_mut(*id)? = moved;
            board.selected = Some(*id);
        }
        Action::Resize { id, fixed } => {
            let rect = rectangle(*fixed, at);
            if rect[2] < 1.0 || rect[3] < 1.0 {
                return Some(board);
            }
            board.get_mut(*id)?.strokes = vec![Stroke::Box(rect)];
        }
        Action::Box { from, .. } => {
            let rect = rectangle(*from, at);
            if rect[2] < 1.0 || rect[3] < 1.0 {
                return None;
            }
            board.add(Stroke::Box(rect));
        }
        Action::Line { points } => {
            let points = Arc::new(points.clone());
            let radius = setting.radius;
            match setting.tool {
                Tool::Eraser => {
                    let id = target(before, *points.first()?, setting)?;
                    let stroke = Stroke::Cut { points, radius, point: false };
                    board.get_mut(id)?.strokes.push(stroke);
                    board.selected = Some(id);
                }
                Tool::Brush => {
                    let stroke = Stroke::Paint { points, radius };
                    match board.chosen().filter(|mark| mark.painted()).map(|mark| mark.id) {
                        Some(id) => board.get_mut(id)?.strokes.push(stroke),
                        None => {
                            board.add(stroke);
                        }
                    }
                }
                _ => {
                    board.add(Stroke::Scribble(points));
                }
            }
        }
        Action::Click => match setting.tool {
            Tool::Negative => {
                let id = target(before, at, setting)?;
                let points = Arc::new(vec![at]);
                let stroke = Stroke::Cut { points, radius: setting.radius, point: true };
                board.get_mut(id)?.strokes.push(stroke);
                board.selected = Some(id);
            }
            Tool::Point => {
                board.add(Stroke::Point(at));
            }
            _ => board.selected = None,
        },
    }
    Some(board)
}

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_record::Prompt;

    const SIZE: [u32; 2] = [200, 100];

    fn setting(tool: Tool) -> Setting {
        Setting { tool, radius: 6.0, reach: 5.0, picture_px: SIZE }
    }

    /// Feeds inputs and returns the board that is kept in the end.
    fn pull(board: &Board, tool: Tool, inputs: &[Input]) -> Board {
        let (mut gesture, mut now) = (Gesture::default(), board.clone());
        for input in inputs {
            match gesture.take(*input, &now, setting(tool)) {
                Outcome::Keep(kept) | Outcome::Back(kept) => now = kept,
                Outcome::Preview(_) | Outcome::Nothing => {}
            }
        }
        assert!(!gesture.active());
        now
    }

    fn drag(points: &[Place]) -> Vec<Input> {
        let (first, last) = (points[0], points[points.len() - 1]);
        let mut inputs = vec![Input::Down(first)];
        inputs.extend(points[1..].iter().map(|p| Input::Move(*p)));
        inputs.push(Input::Up(last));
        inputs
    }

    #[test]
    fn each_tool_makes_its_prompt() {
        let line = [[10.0, 10.0], [60.0, 10.0], [60.0, 50.0]];
        let cases = [
            (Tool::Point, "point"),
            (Tool::Box, "box"),
            (Tool::Scribble, "scribble"),
            (Tool::Brush, "mask"),
        ];
        for (tool, kind) in cases {
            let board = pull(&Board::default(), tool, &drag(&line));
            assert_eq!(board.marks.len(), 1, "{tool:?}");
            assert_eq!(board.marks[0].kind(), kind);
            let prompt = board.marks[0].prompt(SIZE).unwrap();
            prompt.check("prompt", SIZE[0], SIZE[1]).unwrap();
        }
        for tool in [Tool::Negative, Tool::Eraser, Tool::Move] {
            assert_eq!(pull(&Board::default(), tool, &drag(&line)), Board::default(), "{tool:?}");
        }
    }

    #[test]
    fn a_box_can_be_two_clicks() {
        let clicks = [
            Input::Down([20.0, 20.0]),
            Input::Up([20.0, 20.0]),
            Input::Move([50.0, 60.0]),
            Input::Down([80.0, 70.0]),
            Input::Up([80.0, 70.0]),
        ];
        let board = pull(&Board::default(), Tool::Box, &clicks);
        assert_eq!(board.marks[0].strokes, [Stroke::Box([20.0, 20.0, 60.0, 50.0])]);
    }

    #[test]
    fn giving_up_leaves_the_board_as_it_was() {
        let before = pull(&Board::default(), Tool::Point, &drag(&[[5.0, 5.0]]));
        for tool in Tool::ALL {
            let inputs = [Input::Down([5.0, 5.0]), Input::Move([40.0, 40.0]), Input::Cancel];
            assert_eq!(pull(&before, tool, &inputs), before, "{tool:?}");
        }
    }

    #[test]
    fn pointers_outside_the_picture_count_at_its_border() {
        let board = pull(&Board::default(), Tool::Box, &drag(&[[-50.0, -50.0], [900.0, 900.0]]));
        assert_eq!(board.marks[0].strokes, [Stroke::Box([0.0, 0.0, 200.0, 100.0])]);
    }

    #[test]
    fn negative_points_and_eraser_cut_what_is_under_them() {
        let mut board = Board::default();
        let left = board.add(Stroke::Box([0.0, 0.0, 60.0, 60.0]));
        let right = board.add(Stroke::Box([100.0, 0.0, 60.0, 60.0]));
        let board = pull(&board, Tool::Negative, &drag(&[[30.0, 30.0]]));
        assert_eq!(board.get(left).unwrap().strokes.len(), 2);
        assert_eq!(board.selected, Some(left));
        let board = pull(&board, Tool::Eraser, &drag(&[[130.0, 10.0], [130.0, 50.0]]));
        assert_eq!(board.get(right).unwrap().kind(), "mask");
        let prompts = board.prompts(SIZE).unwrap();
        assert!(prompts.iter().all(|prompt| matches!(prompt, Prompt::Mask { .. })));
    }

    #[test]
    fn the_brush_goes_on_with_a_painted_prompt_only() {
        let mut board = Board::default();
        board.add(Stroke::Point([5.0, 5.0]));
        let board = pull(&board, Tool::Brush, &drag(&[[40.0, 40.0], [60.0, 40.0]]));
        let board = pull(&board, Tool::Brush, &drag(&[[40.0, 60.0], [60.0, 60.0]]));
        assert_eq!(board.marks.len(), 2);
        assert_eq!(board.marks[1].strokes.len(), 2);
    }

    #[test]
    fn marks_are_moved_and_boxes_resized() {
        let mut board = Board::default();
        let id = board.add(Stroke::Box([20.0, 20.0, 40.0, 40.0]));
        let moved = pull(&board, Tool::Move, &drag(&[[40.0, 40.0], [50.0, 45.0]]));
        assert_eq!(moved.get(id).unwrap().strokes, [Stroke::Box([30.0, 25.0, 40.0, 40.0])]);
        let resized = pull(&moved, Tool::Move, &drag(&[[70.0, 65.0], [80.0, 80.0]]));
        assert_eq!(resized.get(id).unwrap().strokes, [Stroke::Box([30.0, 25.0, 50.0, 55.0])]);
        // The number of a prompt is a handle for the point tool too.
        let mut board = Board::default();
        let id = board.add(Stroke::Point([50.0, 50.0]));
        let moved = pull(&board, Tool::Point, &drag(&[[52.0, 50.0], [72.0, 60.0]]));
        assert_eq!(moved.get(id).unwrap().strokes, [Stroke::Point([70.0, 60.0])]);
        assert_eq!(moved.marks.len(), 1);
    }

    #[test]
    fn pressing_on_nothing_deselects() {
        let mut board = Board::default();
        board.add(Stroke::Point([50.0, 50.0]));
        let board = pull(&board, Tool::Move, &drag(&[[150.0, 90.0]]));
        assert_eq!(board.selected, None);
    }
}
