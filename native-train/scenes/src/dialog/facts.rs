//! What can be said about a scene without doubt. A comparison within the margin is left unsaid:
//! people would disagree about it.

use crate::{Family, Object, Scene};

/// Least difference of centres, as a share of the picture's width, that reads as left or right.
const ACROSS_MARGIN: f32 = 0.06;
/// Least ratio of visible areas that reads as larger or smaller.
const SIZE_RATIO: f32 = 1.2;
/// Least ratio of distances that reads as nearer or farther.
const DISTANCE_RATIO: f32 = 1.15;
/// Half width, as a share of the picture's width, of the doubtful strips between thirds.
const PLACE_MARGIN: f32 = 0.035;

/// A way in which one thing can exceed another; also its superlative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Left,
    Right,
    Small,
    Large,
    Near,
    Far,
}

impl Direction {
    pub const ALL: [Direction; 6] = [
        Direction::Left,
        Direction::Right,
        Direction::Small,
        Direction::Large,
        Direction::Near,
        Direction::Far,
    ];
}

/// A third of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Left,
    Middle,
    Right,
}

impl Place {
    pub const ALL: [Place; 3] = [Place::Left, Place::Middle, Place::Right];

    /// The canonical words.
    pub fn phrase(self) -> &'static str {
        match self {
            Place::Left => "on the left",
            Place::Middle => "in the middle",
            Place::Right => "on the right",
        }
    }
}

/// A name in both numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Noun {
    pub singular: &'static str,
    pub plural: &'static str,
}

impl Noun {
    pub fn of(object: &Object) -> Self {
        Self { singular: object.class, plural: object.plural }
    }

    /// The noun of a family, for those that people would use to pick something out.
    pub fn of_family(family: Family) -> Option<Self> {
        let (singular, plural) = match family {
            Family::Animal => ("animal", "animals"),
            Family::Food => ("food item", "food items"),
            Family::Vehicle => ("vehicle", "vehicles"),
            Family::Plant => ("plant", "plants"),
            Family::Thing | Family::Person => return None,
        };
        Some(Self { singular, plural })
    }
}

/// The objects of one class, from left to right.
pub(super) struct Group {
    pub noun: Noun,
    pub members: Vec<usize>,
}

pub(super) struct Facts<'a> {
    pub scene: &'a Scene,
    area_px: Vec<f32>,
}

impl<'a> Facts<'a> {
    pub fn new(scene: &'a Scene) -> Self {
        let area_px = scene.objects.iter().map(|object| object.mask.area() as f32).collect();
        Self { scene, area_px }
    }

    pub fn objects(&self) -> &'a [Object] {
        &self.scene.objects
    }

    /// Groups of a class, by the leftmost member of each.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (index, object) in self.objects().iter().enumerate() {
            match groups.iter_mut().find(|group| group.noun.singular == object.class) {
                Some(group) => group.members.push(index),
                None => groups.push(Group { noun: Noun::of(object), members: vec![index] }),
            }
        }
        groups
    }

    /// Centre of the object's box as a share of the picture's width.
    fn across(&self, object: &Object) -> f32 {
        (object.bbox[0] + object.bbox[2] / 2.0) / self.scene.width as f32
    }

    /// Whether `a` exceeds `b` in `direction`; none when the difference is within the margin.
    pub fn exceeds(&self, direction: Direction, a: usize, b: usize) -> Option<bool> {
        let (first, second) = (self.objects().get(a)?, self.objects().get(b)?);
        let (less, more) = match direction {
            Direction::Left | Direction::Right => {
                let gap = self.across(second) - self.across(first);
                (gap > ACROSS_MARGIN, -gap > ACROSS_MARGIN)
            }
            Direction::Small | Direction::Large => {
                let (x, y) = (*self.area_px.get(a)?, *self.area_px.get(b)?);
                (y > x * SIZE_RATIO, x > y * SIZE_RATIO)
            }
            Direction::Near | Direction::Far => {
                let (x, y) = (first.depth_m, second.depth_m);
                (y > x * DISTANCE_RATIO, x > y * DISTANCE_RATIO)
            }
        };
        let wants_less = matches!(direction, Direction::Left | Direction::Small | Direction::Near);
        (less || more).then_some(less == wants_less)
    }

    /// Whether the object exceeds all others in `direction`; none when that is doubtful or the
    /// object is alone.
    pub fn is_most(&self, direction: Direction, index: usize) -> Option<bool> {
        let mut most = None;
        for other in (0..self.objects().len()).filter(|&other| other != index) {
            match self.exceeds(direction, index, other) {
                Some(true) => most = most.or(Some(true)),
                Some(false) => return Some(false),
                None => return None,
            }
        }
        most
    }

    /// The third in which the object's centre is; none near the borders between thirds.
    pub fn place(&self, index: usize) -> Option<Place> {
        let x = self.across(self.objects().get(index)?);
        let (first, second) = (1.0 / 3.0, 2.0 / 3.0);
        if x < first - PLACE_MARGIN {
            Some(Place::Left)
        } else if x > second + PLACE_MARGIN {
            Some(Place::Right)
        } else if (first + PLACE_MARGIN..=second - PLACE_MARGIN).contains(&x) {
            Some(Place::Middle)
        } else {
            None
        }
    }
}
