//! Which photos are learned from and which are kept back for validation.
//!
//! A photo's side depends on its source and file name alone, so it never changes:
//!
//! - `coco-free`: pictures whose COCO id (the number in the file name) is divisible by 3 are
//!   validation only.
//! - `camvid`: the sequence `0006R0` is validation (29 of 204 frames); `indoor-home`: the frames
//!   from `2007_0009` on are (8 of 74). Frames of one video or home look alike, so they are split
//!   by stretches and not frame by frame.
//! - `food-id`: stretches of ten numbers of one camera, by a hash of the stretch: neighbouring
//!   pictures show the same meal.
//! - every other source: about a tenth, by a hash of source and file name without its ending.
//!
//! The rules stand in `sources.json` beside the sources' other facts.

pub use crate::border::Split;
use crate::border::side_of;
use crate::photo::Photo;
use crate::sources;

/// The side of a photo.
pub fn of(photo: &Photo) -> Split {
    side_of(photo.source.split_rule(), &photo.source.name, &photo.stem())
}

/// The side of a picture by its source and its file's name without ending, as the table has it.
pub fn of_name(source: &str, stem: &str) -> Split {
    side_of(sources::split_rule(source), source, stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_rules_hold() {
        assert_eq!(of_name("coco-free", "000000000030"), Split::Validation);
        assert_eq!(of_name("coco-free", "000000000071"), Split::Train);
        assert_eq!(of_name("camvid", "0006R0_f01470"), Split::Validation);
        assert_eq!(of_name("camvid", "0016E5_01470"), Split::Train);
        assert_eq!(of_name("indoor-home", "2007_001073"), Split::Validation);
        assert_eq!(of_name("indoor-home", "2007_000876"), Split::Train);
        for number in 21..29 {
            let name = |k: u64| format!("d_tr_iphone_000{k}");
            assert_eq!(of_name("food-id", &name(20)), of_name("food-id", &name(number)));
        }
    }

    #[test]
    fn a_hash_keeps_about_a_tenth_and_never_changes() {
        let kept = |source: &str| {
            (0..2000)
                .filter(|k| of_name(source, &format!("photo {k}")) == Split::Validation)
                .count()
        };
        for source in ["ccp", "somewhere"] {
            assert!((150..250).contains(&kept(source)), "{source}: {}", kept(source));
        }
        let sides: Vec<u64> =
            (0..64).filter(|k| of_name("ccp", &format!("{k:04}")) == Split::Validation).collect();
        assert_eq!(sides, FIRST_OF_CCP, "the border has moved: models have seen what judges them");
    }

    /// Which of the first 64 pictures of `ccp` are kept back.
    const FIRST_OF_CCP: &[u64] = &[3, 19, 37, 38, 40, 46, 52];
}
