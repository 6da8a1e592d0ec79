//! The things of a noun in the picture: found in the whole of it, and in parts of it that are shown to
//! the towers once more, larger, where what is small in the whole can be seen.

use super::{EngineError, Session, host};
use crate::decoding::{Middles, overlap, peaks};
use crate::image::{Frame, Picture};
use crate::input::Inputs;
use crate::refvlm::Sight;
use burn::tensor::activation;

/// Most things of one noun.
const MOST: usize = 20;
/// By how much of its side a part overlaps the next.
const OVERLAP: f32 = 0.2;
/// What comes closer than this share of a part's side to a border inside the picture is cut off
/// there, and seen whole by another part.
const CUT: f32 = 0.02;
/// Things whose boxes overlap by more than this are one.
const SAME: f32 = 0.5;

/// A thing in the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Thing {
    /// How likely it is there, 0 to 1.
    pub confidence: f32,
    /// `[x, y, w, h]` in px of the picture.
    pub bbox: [f32; 4],
}

/// Parts of the picture side by side.
pub(super) struct Tiles {
    /// `[x, y, w, h]` of each in px of the picture, and where it lies in its square.
    windows: Vec<([u32; 4], Frame)>,
    sight: Sight,
}

impl Session {
    /// The things of a noun, the most confident first; none without a finder.
    pub(super) async fn find(&mut self, noun: &str) -> Result<Option<Vec<Thing>>, EngineError> {
        let ids: Vec<i64> = self.tokenizer.encode(noun)?.into_iter().map(i64::from).collect();
        self.look_at_tiles()?;
        let seen = self.picture.as_ref().ok_or(EngineError::NoPicture)?;
        let Frame { width, height, .. } = seen.frame;
        let whole = [([0, 0, width, height], seen.frame)];
        let tiles = seen.tiles.as_ref().map(|tiles| (&tiles.windows[..], &tiles.sight));
        let mut things = Vec::new();
        for (windows, sight) in [(&whole[..], &seen.sight)].into_iter().chain(tiles) {
            let nouns = vec![ids.clone(); windows.len()];
            let pictures: Vec<usize> = (0..windows.len()).collect();
            let Some(found) = self.model.find(sight, &nouns, &pictures) else { return Ok(None) };
            self.collect(&mut things, windows, found).await?;
        }
        Ok(Some(apart(things)))
    }

    /// The things of each part, as those of the picture.
    async fn collect(
        &self,
        things: &mut Vec<Thing>,
        windows: &[([u32; 4], Frame)],
        found: Middles,
    ) -> Result<(), EngineError> {
        let Some(finder) = &self.config.finder else { return Ok(()) };
        let seen = self.picture.as_ref().ok_or(EngineError::NoPicture)?;
        let [_, h, w] = found.logits.dims();
        let probabilities = host(activation::sigmoid(found.logits)).await?;
        let boxes = host(found.boxes).await?;
        let maps = probabilities.chunks_exact(h * w).zip(boxes.chunks_exact(h * w * 4));
        for ((window, frame), (probabilities, boxes)) in windows.iter().zip(maps) {
            let found = peaks(probabilities, w, boxes, finder.least_confidence, MOST);
            things.extend(found.into_iter().filter_map(|thing| {
                let inside = self.config.box_digits.answer(frame, thing.bbox);
                let bbox = of_picture(inside, *window, [seen.frame.width, seen.frame.height])?;
                Some(Thing { confidence: thing.confidence, bbox: seen.frame.clip_box(bbox) })
            }));
        }
        Ok(())
    }

    /// Shows the towers the parts of the picture, once.
    fn look_at_tiles(&mut self) -> Result<(), EngineError> {
        let count = self.config.finder.as_ref().map_or(0, |finder| finder.tiles);
        let seen = self.picture.as_ref().ok_or(EngineError::NoPicture)?;
        let (Some(rgb), None, 2..) = (&seen.rgb, &seen.tiles, count) else { return Ok(()) };
        let Frame { width, height, .. } = seen.frame;
        let picture = Picture::new(width, height, rgb)?;
        let mut windows = Vec::new();
        let mut inputs = Vec::new();
        for window in tiles([width, height], count) {
            let pixels = picture.crop(window);
            let part = Picture::new(window[2], window[3], &pixels)?;
            let (frame, input) = Inputs::new(&self.config, part, &self.device)?;
            windows.push((window, frame));
            inputs.push(input);
        }
        let sight = self.model.see(Inputs::join(inputs));
        if let Some(seen) = &mut self.picture {
            seen.tiles = Some(Tiles { windows, sight });
        }
        Ok(())
    }
}

/// `count` times `count` parts, `[x, y, w, h]` in px.
fn tiles(size: [u32; 2], count: usize) -> Vec<[u32; 4]> {
    let share = (1.0 + OVERLAP * (count - 1) as f32) / count as f32;
    let along = |k: usize, length: u32| {
        let length = length as f32;
        let from = k as f32 * (1.0 - share) / (count - 1).max(1) as f32 * length;
        let to = (from + share * length).ceil().min(length);
        (from.floor() as u32, (to - from.floor()).max(1.0) as u32)
    };
    let all = (0..count * count).map(|k| (along(k % count, size[0]), along(k / count, size[1])));
    all.map(|((x, w), (y, h))| [x, y, w, h]).collect()
}

/// A box of a part as one of the picture; none where the part cuts it.
fn of_picture(inside: [f32; 4], window: [u32; 4], size: [u32; 2]) -> Option<[f32; 4]> {
    let along = |axis: usize| {
        let (from, side) = (window[axis] as f32, window[axis + 2] as f32);
        let (low, high) = (inside[axis], inside[axis] + inside[axis + 2]);
        let cut_low = from > 0.0 && low < CUT * side;
        let cut_high = from + side < size[axis] as f32 && high > (1.0 - CUT) * side;
        (!cut_low && !cut_high).then_some((low + from, high - low))
    };
    let ((x, w), (y, h)) = (along(0)?, along(1)?);
    Some([x, y, w, h])
}

/// Each thing once, the most confident first.
fn apart(mut things: Vec<Thing>) -> Vec<Thing> {
    let centred = |[x, y, w, h]: [f32; 4]| [x + w / 2.0, y + h / 2.0, w, h];
    things.retain(|thing| thing.bbox[2] > 0.0 && thing.bbox[3] > 0.0);
    things.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let mut kept: Vec<Thing> = Vec::new();
    for thing in things {
        let same = |other: &Thing| overlap(centred(thing.bbox), centred(other.bbox)) >= SAME;
        if kept.len() < MOST && !kept.iter().any(same) {
            kept.push(thing);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_overlap_and_cover_the_picture() {
        assert_eq!(
            tiles([100, 50], 2),
            [[0, 0, 60, 30], [40, 0, 60, 30], [0, 20, 60, 30], [40, 20, 60, 30]]
        );
        assert_eq!(tiles([1, 1], 2), [[0, 0, 1, 1]; 4]);
        let last = tiles([447, 301], 3)[8];
        assert_eq!([last[0] + last[2], last[1] + last[3]], [447, 301]);
    }

    #[test]
    fn what_a_part_cuts_is_left_to_another() {
        let window = [40, 0, 60, 30];
        let place = |inside| of_picture(inside, window, [100, 50]);
        assert_eq!(place([10.0, 5.0, 20.0, 10.0]), Some([50.0, 5.0, 20.0, 10.0]));
        assert_eq!(place([0.5, 5.0, 20.0, 10.0]), None, "on the left there is more");
        assert_eq!(place([10.0, 20.0, 20.0, 10.0]), None, "and below");
        // The picture's own borders cut nothing.
        assert_eq!(place([30.0, 0.0, 30.0, 10.0]), Some([70.0, 0.0, 30.0, 10.0]));
    }

    #[test]
    fn a_thing_that_two_parts_show_is_one() {
        let thing = |confidence, x| Thing { confidence, bbox: [x, 10.0, 20.0, 20.0] };
        let empty = Thing { confidence: 1.0, bbox: [5.0, 5.0, 0.0, 3.0] };
        let found = apart(vec![thing(0.4, 10.0), thing(0.9, 12.0), empty, thing(0.3, 60.0)]);
        assert_eq!(found, [thing(0.9, 12.0), thing(0.3, 60.0)]);
    }
}
