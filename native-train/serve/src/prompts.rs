//! What a request points with: the record's prompts, each with a label: 1 for what is meant, 0 for
//! what is not.
//!
//! The model has no negative prompt. One that is labelled 0 is cut out of the region of the prompt
//! before it, which the model is then given as a mask; the page does the same.

use crate::failure::{Failure, Kind};
use refvlm_record::clicks::cover;
use refvlm_record::{Mask, Prompt, Rle};
use serde::Deserialize;

/// More prompts than a question needs.
const MOST: usize = 64;

/// A prompt of a request; which fields it needs depends on its kind.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Labelled {
    /// `point`, `box`, `scribble` or `mask`.
    pub kind: String,
    /// Column of a point, left side of a box, px.
    pub x: Option<f32>,
    /// Row of a point, upper side of a box, px.
    pub y: Option<f32>,
    /// Width of a box, px.
    pub w: Option<f32>,
    /// Height of a box, px.
    pub h: Option<f32>,
    /// A box by two corners, `[x1, y1, x2, y2]` px, in place of `x`, `y`, `w`, `h`.
    pub xyxy: Option<[f32; 4]>,
    /// Corners of a scribble, `[x, y]` px.
    pub points: Option<Vec<[f32; 2]>>,
    /// COCO's run lengths of a mask.
    pub mask: Option<Rle>,
    /// 1 for what is meant (the default), 0 for what is not.
    pub label: Option<u8>,
}

impl Labelled {
    fn prompt(&self) -> Result<Prompt, String> {
        let place = self.x.zip(self.y);
        match self.kind.as_str() {
            "point" => {
                let (x, y) = place.ok_or("a point needs x and y, px of the picture")?;
                Ok(Prompt::Point { x, y })
            }
            "box" => {
                let sides = place.zip(self.w.zip(self.h)).map(|((x, y), (w, h))| [x, y, w, h]);
                let corners = self.xyxy.map(|[x1, y1, x2, y2]| [x1, y1, x2 - x1, y2 - y1]);
                let [x, y, w, h] = corners
                    .or(sides)
                    .ok_or("a box needs xyxy: [x1, y1, x2, y2], px, or x, y, w and h")?;
                Ok(Prompt::Box { x, y, w, h })
            }
            "scribble" => {
                let points = self.points.clone();
                let points = points.ok_or("a scribble needs points: [[x, y], ...], px")?;
                Ok(Prompt::Scribble { points })
            }
            "mask" => {
                let mask = self.mask.clone();
                let mask = mask.ok_or("a mask needs mask: {size: [height, width], counts: ...}")?;
                Ok(Prompt::Mask { mask })
            }
            other => Err(format!("kind '{other}' is unknown; use point, box, scribble or mask")),
        }
    }
}

/// What the model is given of a list of prompts, for a picture of `[width, height]` px.
///
/// # Errors
/// Names the prompt that cannot be used.
pub fn given(list: &[Labelled], size: [u32; 2]) -> Result<Vec<Prompt>, Failure> {
    let wrong =
        |at: usize, problem: &str| Failure::field(Kind::Prompt, format!("prompts[{at}]"), problem);
    if list.len() > MOST {
        return Err(wrong(MOST, &format!("more than {MOST} prompts; point at fewer things")));
    }
    let mut marks: Vec<(Prompt, Option<Mask>)> = Vec::new();
    for (at, labelled) in list.iter().enumerate() {
        let prompt = labelled.prompt().map_err(|problem| wrong(at, &problem))?;
        prompt.check(&format!("prompts[{at}]"), size[0], size[1])?;
        match labelled.label.unwrap_or(1) {
            1 => marks.push((prompt, None)),
            0 => {
                let Some((of, cut)) = marks.last_mut() else {
                    let problem = "label 0 cuts out of the prompt before it, and there is none; put \
                        the prompt that is meant first";
                    return Err(wrong(at, problem));
                };
                let mut region = cut.take().unwrap_or_else(|| {
                    let mut region = Mask::zeros(size[0], size[1]);
                    cover(&mut region, of, 1);
                    region
                });
                cover(&mut region, &prompt, 0);
                if region.area() == 0 {
                    return Err(wrong(
                        at,
                        "label 0 leaves nothing of the prompt before it; make it smaller",
                    ));
                }
                *cut = Some(region);
            }
            other => {
                let problem = format!("label {other}; 1 is what is meant, 0 what is not");
                return Err(wrong(at, &problem));
            }
        }
    }
    let as_given = |(prompt, cut): (Prompt, Option<Mask>)| match cut {
        Some(region) => Prompt::Mask { mask: region.to_rle() },
        None => prompt,
    };
    Ok(marks.into_iter().map(as_given).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: [u32; 2] = [100, 60];

    fn list(json: &str) -> Result<Vec<Prompt>, Failure> {
        given(&serde_json::from_str::<Vec<Labelled>>(json).unwrap(), SIZE)
    }

    #[test]
    fn prompts_are_those_of_records() {
        let found = list(
            r#"[{"kind":"point","x":3,"y":4},{"kind":"box","xyxy":[10,10,30,40]},
                {"kind":"box","x":10,"y":10,"w":20,"h":30,"label":1},
                {"kind":"scribble","points":[[1,1],[5,5]]}]"#,
        );
        let rect = Prompt::Box { x: 10.0, y: 10.0, w: 20.0, h: 30.0 };
        let line = Prompt::Scribble { points: vec![[1.0, 1.0], [5.0, 5.0]] };
        assert_eq!(found.unwrap(), [Prompt::Point { x: 3.0, y: 4.0 }, rect.clone(), rect, line]);
    }

    #[test]
    fn label_0_cuts_out_of_the_prompt_before_it() {
        let found = list(
            r#"[{"kind":"box","xyxy":[0,0,40,40]},{"kind":"box","xyxy":[20,0,40,40],"label":0},
                {"kind":"point","x":80,"y":30}]"#,
        )
        .unwrap();
        let Prompt::Mask { mask } = &found[0] else { panic!("{found:?}") };
        assert_eq!(mask.to_mask().unwrap().bounds(), Some([0, 0, 20, 40]));
        assert_eq!(found[1], Prompt::Point { x: 80.0, y: 30.0 });
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let cases = [
            (r#"[{"kind":"point","x":3}]"#, "prompts[0]: a point needs x and y"),
            (r#"[{"kind":"star"}]"#, "prompts[0]: kind 'star'"),
            (r#"[{"kind":"point","x":300,"y":4}]"#, "prompts[0]: point 300,4 lies outside"),
            (r#"[{"kind":"point","x":3,"y":4,"label":0}]"#, "label 0 cuts out"),
            (r#"[{"kind":"point","x":3,"y":4,"label":2}]"#, "label 2"),
            (
                r#"[{"kind":"box","xyxy":[1,1,9,9]},{"kind":"box","xyxy":[0,0,99,59],"label":0}]"#,
                "prompts[1]: label 0 leaves nothing",
            ),
            (r#"[{"kind":"mask","mask":{"size":[60,100],"counts":[5]}}]"#, "prompts[0].mask"),
        ];
        for (json, words) in cases {
            let failure = list(json).unwrap_err();
            assert!(failure.message.contains(words), "{}", failure.message);
            assert_eq!(failure.kind, Kind::Prompt);
        }
    }
}
