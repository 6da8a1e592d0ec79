//! Validation: what a well-formed record promises to everything behind it.

use crate::error::RecordError;
use crate::form;
use crate::record::{AnswerPart, Prompt, QuestionPart, Record, Target};
use crate::rle::{MAX_SIDE_PX, Rle};
use crate::task::Unit;

impl Record {
    /// Reads one JSON line and checks it.
    ///
    /// # Errors
    /// The first problem found, naming its field.
    pub fn from_json(line: &str) -> Result<Self, RecordError> {
        let record: Record =
            serde_json::from_str(line).map_err(|e| form::explain(line, &e.to_string()))?;
        record.check()?;
        Ok(record)
    }

    /// Checks everything that later stages rely on.
    ///
    /// # Errors
    /// The first problem found, naming its field.
    pub fn check(&self) -> Result<(), RecordError> {
        for (field, text) in [("id", &self.id), ("image.path", &self.image.path)] {
            if text.trim().is_empty() {
                return structure(field, "is empty; name it".into());
            }
        }
        let (w, h) = (self.image.width, self.image.height);
        for (field, side) in [("image.width", w), ("image.height", h)] {
            if !(1..=MAX_SIDE_PX).contains(&side) {
                return geometry(field, format!("{side} px; sides must be 1..={MAX_SIDE_PX}"));
            }
        }
        for (i, target) in self.targets.iter().enumerate() {
            check_target(target, &format!("targets[{i}]"), w, h)?;
        }
        for (i, prompt) in self.prompts.iter().enumerate() {
            prompt.check(&format!("prompts[{i}]"), w, h)?;
        }
        if self.turns.is_empty() {
            return structure("turns", "empty; a record needs at least one turn".into());
        }
        for (t, turn) in self.turns.iter().enumerate() {
            for (k, part) in turn.question.iter().enumerate() {
                if let QuestionPart::Prompt { prompt } = part {
                    index(format!("turns[{t}].question[{k}].prompt"), *prompt, self.prompts.len())?;
                }
            }
            let says = |part: &AnswerPart| match part {
                AnswerPart::Text(text) => !text.trim().is_empty(),
                AnswerPart::Triplet { .. } => true,
            };
            if !turn.answer.iter().any(says) {
                let field = format!("turns[{t}].answer");
                return structure(&field, "is empty; write what the answer is".into());
            }
            for (k, part) in turn.answer.iter().enumerate() {
                self.check_answer(part, &format!("turns[{t}].answer[{k}]"))?;
            }
        }
        Ok(())
    }

    fn check_answer(&self, part: &AnswerPart, field: &str) -> Result<(), RecordError> {
        let AnswerPart::Triplet { concept, unit, targets } = part else { return Ok(()) };
        if concept.trim().is_empty() {
            return structure(field, "empty concept; name what the targets are".into());
        }
        if targets.is_empty() {
            return structure(field, "a triplet needs at least one target".into());
        }
        for (k, &target) in targets.iter().enumerate() {
            let field = format!("{field}.targets[{k}]");
            index(field.clone(), target, self.targets.len())?;
            let t = &self.targets[target];
            let present = match unit {
                Unit::Box => t.bbox.is_some(),
                Unit::Mask => t.mask.is_some(),
                Unit::Keypoint => t.keypoints.is_some() && t.bbox.is_some(),
                Unit::Depth => t.depth.is_some(),
            };
            if !present {
                return structure(&field, format!("targets[{target}] has no {unit} to decode"));
            }
        }
        Ok(())
    }
}

impl Prompt {
    /// Checks that the prompt lies in a picture of `width` x `height` px and is not empty.
    ///
    /// # Errors
    /// Names `field` and what is wrong.
    pub fn check(&self, field: &str, width: u32, height: u32) -> Result<(), RecordError> {
        let inside = |x: f32, y: f32| {
            (0.0..=width as f32).contains(&x) && (0.0..=height as f32).contains(&y)
        };
        let outside = |what: String| {
            geometry(field, format!("{what} lies outside the picture of {width}x{height} px"))
        };
        match self {
            Prompt::Point { x, y } if !inside(*x, *y) => outside(format!("point {x},{y}")),
            Prompt::Point { .. } => Ok(()),
            Prompt::Box { x, y, w, h } => {
                if !(*w > 0.0 && *h > 0.0) {
                    return geometry(field, format!("box of {w}x{h} px has no area"));
                }
                if !inside(*x, *y) || !inside(x + w, y + h) {
                    return outside(format!("box {x},{y},{w},{h}"));
                }
                Ok(())
            }
            Prompt::Scribble { points } => {
                if points.is_empty() {
                    return structure(field, "a scribble needs at least one point".into());
                }
                match points.iter().find(|p| !inside(p[0], p[1])) {
                    Some(p) => outside(format!("scribble point {},{}", p[0], p[1])),
                    None => Ok(()),
                }
            }
            Prompt::Mask { mask } => {
                let mask = checked_mask(mask, &format!("{field}.mask"), width, height)?;
                if mask == 0 {
                    return structure(field, "the painted mask is empty; paint a region".into());
                }
                Ok(())
            }
        }
    }
}

/// Places and lengths in turn across and down in px, as they are printed, if they look like shares
/// of a picture of `[width, height]` px: one is below a whole pixel, and all are 1 at most.
pub fn shares_in_px(lengths: &[f32], [width, height]: [u32; 2]) -> Option<Vec<String>> {
    let small = lengths.iter().all(|&v| v <= 1.0) && lengths.iter().any(|v| v.fract() > 0.0);
    (small && width > 1 && height > 1).then(|| {
        let sides = [width as f32, height as f32].into_iter().cycle();
        lengths.iter().zip(sides).map(|(share, side)| (share * side).to_string()).collect()
    })
}

fn check_target(target: &Target, field: &str, w: u32, h: u32) -> Result<(), RecordError> {
    if let Some([x, y, bw, bh]) = target.bbox {
        let inside = x >= 0.0 && y >= 0.0 && x + bw <= w as f32 + 1.0 && y + bh <= h as f32 + 1.0;
        if !(inside && bw >= 0.0 && bh >= 0.0) {
            let corners = bw > x && bh > y && bw <= w as f32 + 1.0 && bh <= h as f32 + 1.0;
            let hint = match corners && x >= 0.0 && y >= 0.0 {
                true => format!(
                    "; a box is [x, y, width, height]: if these are two corners, write \
                     [{x}, {y}, {}, {}]",
                    bw - x,
                    bh - y
                ),
                false => String::new(),
            };
            let problem = format!("[{x}, {y}, {bw}, {bh}] is not inside {w}x{h} px{hint}");
            return geometry(&format!("{field}.box"), problem);
        }
        // Shares would be a box of less than a pixel in the corner: learned as truth.
        if let Some(px) = shares_in_px(&[x, y, bw, bh], [w, h]) {
            let problem = format!(
                "[{x}, {y}, {bw}, {bh}] looks like shares of the picture: lengths are px, so write \
                 [{}]",
                px.join(", ")
            );
            return geometry(&format!("{field}.box"), problem);
        }
    }
    if let Some(mask) = &target.mask {
        checked_mask(mask, &format!("{field}.mask"), w, h)?;
    }
    if let Some(points) = &target.keypoints {
        let field = format!("{field}.keypoints");
        if points.len() != 17 {
            return structure(&field, format!("{} rows; 17 are needed", points.len()));
        }
        for (k, p) in points.iter().enumerate() {
            if !p.iter().all(|v| v.is_finite()) || ![0.0, 1.0, 2.0].contains(&p[2]) {
                let problem = "must be finite x, y and v of 0, 1 or 2".into();
                return geometry(&format!("{field}[{k}]"), problem);
            }
            // A joint may lie a little outside; one a whole picture away is of another picture.
            let near = |v: f32, side: u32| (-(side as f32)..=2.0 * side as f32).contains(&v);
            if p[2] > 0.0 && !(near(p[0], w) && near(p[1], h)) {
                let problem =
                    format!("the joint at {},{} is far outside the {w}x{h} px", p[0], p[1]);
                return geometry(&format!("{field}[{k}]"), problem);
            }
        }
    }
    if let Some(depth) = &target.depth
        && !(depth.metres_per_unit.is_finite() && depth.metres_per_unit > 0.0)
    {
        let field = format!("{field}.depth.metres_per_unit");
        return geometry(&field, "must be a positive number".into());
    }
    Ok(())
}

fn checked_mask(mask: &Rle, field: &str, w: u32, h: u32) -> Result<u64, RecordError> {
    if mask.size != [h, w] {
        let [mh, mw] = mask.size;
        return geometry(field, format!("is {mw}x{mh} px, the picture {w}x{h}"));
    }
    mask.to_mask()
        .map(|m| m.area())
        .map_err(|source| RecordError::Mask { field: field.into(), source })
}

fn index(field: String, index: usize, count: usize) -> Result<(), RecordError> {
    if index < count { Ok(()) } else { Err(RecordError::Index { field, index, count }) }
}

fn geometry<T>(field: &str, problem: String) -> Result<T, RecordError> {
    Err(RecordError::Geometry { field: field.into(), problem })
}

fn structure<T>(field: &str, problem: String) -> Result<T, RecordError> {
    Err(RecordError::Structure { field: field.into(), problem })
}
